"""`[store]`, `[budgets]`, `[[budget]]` of the configuration file. What cannot be is refused with its line."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NoReturn, cast

from otel_tokenomics.attribution.digests import Digests, hashed_by
from otel_tokenomics.budgets.amounts import Amount, parse
from otel_tokenomics.budgets.budget import (
    EACH,
    MODES,
    RUN,
    Budget,
    LoopGuard,
    Mode,
    OnUnpriced,
    StoreDown,
    Unbounded,
)
from otel_tokenomics.budgets.windows import CALENDAR, Window, duration, zone_of
from otel_tokenomics.budgets.windows import parse as parse_window
from otel_tokenomics.model.attribution import OWNERS
from otel_tokenomics.model.tables import Document, FileError, Table, either, nearest

STORE = ("url", "timeout", "lease", "processes", "shard")
DEFAULTS = (
    *("mode", "store_down", "raise_as", "presume", "hold", "input_margin", "image_tokens"),
    *("output_tokens", "tool_calls", "trust_baggage"),
)
KEYS = (
    *("name", "match", "limit", "window", "timezone", "warn_at", "on_unpriced", "unbounded_output"),
    *("mode", "velocity", "loop", "fit", "least_output", "owner", "models"),
)
MATCHES = (*OWNERS, "model", "provider", "operation", RUN, "environment", "service")
TABLES = ("store", "budgets", "budget")
_LIMIT = '"2000 USD", "5_000_000 tokens" or "1000 requests"'
_WINDOWS = '"hour", "day", "week", "month", "rolling 24h", "lifetime" or "run"'
_PER = {"second": 1, "s": 1, "minute": 60, "min": 60, "hour": 3600, "h": 3600, "day": 86_400, "d": 86_400}
_URLS = ("sqlite:///", "redis://", "rediss://", "unix://", "memory:")
_MILLION = 1_000_000
_NOBODY = "hmac:"
"""Whom nobody is, where there is no salt to make a digest with."""
_EXACT_IN_REDIS = 2**53


class BudgetConfigError(FileError):
    """Budgets that cannot be: the message says where, what is wrong, and what would be right."""


@dataclass(frozen=True, slots=True)
class StoreChoice:
    """Where accounts are kept. `lease` is the part of a limit that a process borrows, in millionths."""

    url: str | None = None
    timeout: float = 1.0
    lease: int | None = None
    processes: int = 1
    shard: str | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """Every budget, and what holds for all of them.

    `hold` is how many seconds a hold lives before it is settled in full. `input_margin` is by how many per
    cent a local count of input tokens is raised. `image_tokens`, `output_tokens` and `tool_calls` are what is
    assumed for an image, a model whose most output is not known, and a tool that runs at the provider.
    `raise_as`: a refusal is `ours` alone, or an error of the `client` library too. `trust_baggage` names the
    owners that baggage may say: of any other, what came with a request is a claim.
    `hashed` says which owners are known by a digest only; their values in `match` are digests too.
    `broken` is why the file could not be read: a limit that cannot be read is not the same as no limit.
    """

    budgets: tuple[Budget, ...] = ()
    store: StoreChoice = field(default_factory=StoreChoice)
    mode: Mode = "enforce"
    store_down: StoreDown = "local"
    raise_as: str = "ours"
    presume: str = "full"
    hold: int = 900
    input_margin: int = 10
    image_tokens: int | None = None
    output_tokens: int = 128_000
    tool_calls: int = 10
    trust_baggage: tuple[str, ...] = ()
    hashed: Digests | None = None
    path: Path | None = None
    broken: str | None = None


def read_plan(path: Path) -> Plan:
    """The budgets of a configuration file. Raises `BudgetConfigError`."""
    return plan_of(Document.read(path, BudgetConfigError))


def plan_of(document: Document) -> Plan:
    """The budgets of a file that was read; tables that are not about budgets are not looked at."""
    store = _store(document)
    defaults = _single(document, "budgets", DEFAULTS)
    hashed = hashed_by(document, os.environ)
    budgets = _budgets(document)
    if hashed is not None:
        budgets = tuple([_with_digests(document, n, budget, hashed) for n, budget in enumerate(budgets)])
    if store.shard is not None:
        _check_shards(document, budgets, store.shard)
    if (store.url or "").startswith(_URLS[1:4]):
        _check_exact(document, budgets)
    return Plan(
        budgets=budgets,
        store=store,
        mode=cast(Mode, defaults.choice("mode", MODES, "enforce")),
        store_down=cast(StoreDown, defaults.choice("store_down", ("local", "open", "closed"), "local")),
        raise_as=defaults.choice("raise_as", ("ours", "client"), "ours"),
        presume=defaults.choice("presume", ("full", "input", "nothing"), "full"),
        hold=_seconds(defaults, "hold", 900),
        input_margin=_count(defaults, "input_margin", 10, least=0),
        image_tokens=defaults.whole("image_tokens", 1) if "image_tokens" in defaults.values else None,
        output_tokens=defaults.whole("output_tokens", 128_000),
        tool_calls=_count(defaults, "tool_calls", 10, least=0),
        trust_baggage=_trusted(defaults),
        hashed=hashed,
        path=document.path,
    )


def _trusted(defaults: Table) -> tuple[str, ...]:
    named = defaults.texts("trust_baggage", '["tenant"]')
    for name in named:
        if name not in OWNERS:
            defaults.refuse(
                "trust_baggage", f"names {name!r}; it may name {either(OWNERS)}{nearest(name, OWNERS)}"
            )
    return named


def _single(document: Document, name: str, keys: tuple[str, ...]) -> Table:
    found = document.strings(name)
    return Table(document, found.place, found.values, keys)


def _store(document: Document) -> StoreChoice:
    table = _single(document, "store", STORE)
    url = None
    if "url" in table.values:
        url = table.text("url", '"sqlite:///var/lib/tokenomics/budgets.db"')
        if not url.startswith(_URLS):
            table.refuse("url", f'is {url!r}; it must begin with {either(_URLS)}, as "redis://localhost/0"')
    return StoreChoice(
        url=url,
        timeout=_seconds(table, "timeout", 1),
        lease=_lease(table),
        processes=table.whole("processes", 1),
        shard=table.choice("shard", OWNERS) if "shard" in table.values else None,
    )


def _lease(table: Table) -> int | None:
    if "lease" not in table.values:
        return None
    value = table.text("lease", '"1%"')
    if value == "off":
        return 0
    number = value.removesuffix("%")
    if not value.endswith("%") or not number.replace(".", "", 1).isdecimal() or not 0 < float(number) <= 50:
        table.refuse("lease", f'is {value!r}; it must be "off", or a part of each limit: lease = "1%"')
    return round(float(number) * 10_000)


def _seconds(table: Table, key: str, default: int) -> int:
    if key not in table.values:
        return default
    value = table.text(key, '"15m"')
    try:
        return duration(value)
    except ValueError:
        table.refuse(key, f'is {value!r}; it must be a time as "2s", "5m", "24h" or "7d"')


def _count(table: Table, key: str, default: int, least: int) -> int:
    value = table.values.get(key, default)
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= _MILLION:
        table.refuse(key, f"must be a whole number from {least} to 1,000,000, not {value!r}")
    return value


def _budgets(document: Document) -> tuple[Budget, ...]:
    made: list[Budget] = []
    for table in document.each("budget", KEYS):
        budget = _budget(table)
        if any(budget.name == other.name for other in made):
            table.refuse("name", f"is {budget.name!r} a second time: give each budget a name of its own")
        made.append(budget)
    return tuple(made)


def _budget(table: Table) -> Budget:
    name = table.text("name", '"search-monthly"')
    if not name.isprintable() or "|" in name or len(name) > 128:
        table.refuse("name", f"is {name!r}; it must be at most 128 printable characters, none of them |")
    limit = _limit(table)
    unbounded, clamp = _unbounded(table)
    window = _window(table)
    match = _match(table)
    return Budget(
        name=name,
        limit=limit,
        window=window,
        match=match,
        warn_at=_warnings(table),
        on_unpriced=cast(OnUnpriced, table.choice("on_unpriced", ("deny", "tokens", "allow"), "deny")),
        unbounded_output=unbounded,
        clamp=clamp,
        mode=cast(Mode, table.choice("mode", MODES)) if "mode" in table.values else None,
        velocity=_velocity(table, limit),
        loop=_loop(table),
        fit=_switch(table, "fit"),
        least_output=table.whole("least_output", 256),
        owner=table.text("owner", '"finops@example.com"') if "owner" in table.values else None,
        models=table.texts("models", '["gpt-5-mini"]'),
        line=table.line,
    )


def _limit(table: Table) -> Amount:
    value = table.need("limit", '"2000 USD"')
    if not isinstance(value, str):
        table.refuse("limit", f"is the number {value!r}; write it with its unit, as {_LIMIT}")
    if value.strip().startswith("-"):
        table.refuse("limit", f'is {value!r}; it must not be negative: "0 USD" blocks every call')
    try:
        return parse(value)
    except ValueError:
        table.refuse("limit", f"is {value!r}; it must be as {_LIMIT}")


def _window(table: Table) -> Window:
    text = table.text("window", '"month"')
    try:
        kind, seconds = parse_window(text)
    except ValueError:
        near = nearest(text, ("hour", "day", "week", "month", "rolling 24h", "lifetime", "run"))
        table.refuse("window", f"is {text!r}; it must be {_WINDOWS}{near}")
    zone = table.text("timezone", '"Europe/Berlin"', "UTC")
    try:
        zone_of(zone)
    except ValueError:
        table.refuse("timezone", f'is {zone!r}; it must be a name of the IANA database, as "Europe/Berlin"')
    if "timezone" in table.values and kind not in CALENDAR:
        table.refuse("timezone", f"does not go with window = {text!r}: only calendar windows have a zone")
    return Window(kind, seconds, zone)


def _match(table: Table) -> tuple[tuple[str, tuple[str, ...]], ...]:
    if "match" not in table.values:
        return ()
    inner = table.inner("match", '{ team = "search" }')
    return tuple((key, _allowed(inner, key)) for key in inner.values)


def _allowed(inner: Table, key: str) -> tuple[str, ...]:
    if key not in MATCHES and not key.startswith("tag."):
        near = nearest(key, MATCHES)
        inner.refuse(key, f'is not known{near}; it must be {either(MATCHES)}, or "tag." and a tag\'s name')
    allowed = inner.patterns(key)
    if EACH in allowed and allowed != (EACH,):
        inner.refuse(key, 'holds "*" beside others: "*" alone makes a budget for each value')
    return allowed


def _with_digests(document: Document, number: int, budget: Budget, hashed: Digests) -> Budget:
    """The budget, matching by digests where that is all that is known of an owner."""
    match = []
    for key, patterns in budget.match:
        allowed = patterns
        if key in hashed.owners and allowed != (EACH,):
            if any(set(pattern) & set("*?[") for pattern in allowed):
                document.refuse(
                    ("budget", number, "match", key),
                    'has a pattern, and personal.hash hides what it would be like: name each, or "*"',
                )
            allowed = tuple([hashed.of(key, value) or _NOBODY for value in allowed])
        match.append((key, allowed))
    return replace(budget, match=tuple(match))


def _warnings(table: Table) -> tuple[int, ...]:
    value = table.values.get("warn_at", [])
    parts = value if isinstance(value, list) else [None]
    if not all(map(_is_part, parts)):
        table.refuse("warn_at", f"must be parts of the limit, not {value!r}: warn_at = [0.5, 0.8, 0.95]")
    return tuple(sorted({round(part * _MILLION) for part in parts if part is not None}))


def _is_part(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value <= 1


def _unbounded(table: Table) -> tuple[Unbounded, int | None]:
    value = table.text("unbounded_output", '"model_max"', "model_max")
    word, _, number = value.partition(":")
    if word == "clamp" and number.replace("_", "").isdecimal() and int(number) > 0:
        return "clamp", int(number)
    if value not in ("model_max", "refuse"):
        table.refuse("unbounded_output", f'is {value!r}; it must be "model_max", "refuse" or "clamp:8192"')
    return cast(Unbounded, value), None


def _velocity(table: Table, limit: Amount) -> tuple[Amount, Window] | None:
    if "velocity" not in table.values:
        return None
    text = table.text("velocity", '"0.50 USD/minute"')
    amount, _, per = text.partition("/")
    try:
        allowed, seconds = parse(amount), _PER[per.strip()]
    except (ValueError, KeyError):
        table.refuse("velocity", f'is {text!r}; it must be as "0.50 USD/minute" or "20 requests/hour"')
    if allowed.unit != limit.unit:
        table.refuse(
            "velocity", f"counts {allowed.unit}s where limit counts {limit.unit}s: use the same unit"
        )
    return allowed, Window("rolling", seconds)


def _loop(table: Table) -> LoopGuard | None:
    if "loop" not in table.values:
        return None
    if not isinstance(table.values["loop"], dict):
        table.refuse("loop", 'must be a table: loop = { calls = 5, within = "1m" }')
    inner = table.table("loop", ("calls", "within"))
    inner.need("calls", "5")
    return LoopGuard(inner.whole("calls", 5), _seconds(inner, "within", 60))


def _switch(table: Table, key: str) -> bool:
    value = table.values.get(key, False)
    if not isinstance(value, bool):
        table.refuse(key, f"must be true or false, not {value!r}")
    return value


def _check_shards(document: Document, budgets: tuple[Budget, ...], shard: str) -> None:
    for number, budget in enumerate(budgets):
        if shard not in dict(budget.match):
            _refuse_shard(document, number, shard)


def _refuse_shard(document: Document, number: int, shard: str) -> NoReturn:
    document.refuse(
        ("budget", number),
        f'does not match by {shard}, by which store.shard divides: add match = {{ {shard} = "*" }}',
    )


def _check_exact(document: Document, budgets: tuple[Budget, ...]) -> None:
    for number, budget in enumerate(budgets):
        if budget.limit.quantity > _EXACT_IN_REDIS:
            document.refuse(
                ("budget", number, "limit"),
                f"is {budget.limit}; in Redis a limit is exact up to 9,007,199 USD: divide the budget",
            )
