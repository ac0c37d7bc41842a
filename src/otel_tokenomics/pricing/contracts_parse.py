"""From a price file to its terms. Nothing in it is passed over: what is not known is refused."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, cast, get_args

from otel_tokenomics.model.money import FEMTO
from otel_tokenomics.model.tables import Document, Span, Table, either, nearest
from otel_tokenomics.model.usage import TOKEN_COMPONENTS, component_of
from otel_tokenomics.pricing.contracts_file import PriceFileError, fraction, overlap
from otel_tokenomics.pricing.contracts_terms import (
    ANY,
    Commitment,
    Deployment,
    Discount,
    Every,
    Exchange,
    OwnModel,
    Ratio,
    SelfHosted,
    Sku,
    Subscription,
    Terms,
)

_KINDS = (
    *("discount", "model", "deployments", "profiles", "commitment", "self_hosted"),
    *("subscription", "rate", "report"),
)
_COMPONENTS = (
    *TOKEN_COMPONENTS,
    *(
        "tool",
        "audio",
        "characters",
        "images",
        "image",
        "video",
        "requests",
        "pages",
        "rerank",
        "seconds",
        "training",
    ),
    *("storage", "sessions"),
)
_EVERY = get_args(Every)
_SKUS = get_args(Sku)
_MILLION = 1_000_000
_HUNDRED = 100 * FEMTO
_WHEN = ("from", "until")

_Term = TypeVar("_Term")


def read_terms(path: Path) -> Terms:
    """The terms of a price file. Raises `PriceFileError`."""
    document = Document.read(path, PriceFileError)
    return terms_of(document, hashlib.sha256(path.read_bytes()).hexdigest())


def terms_of(document: Document, digest: str = "") -> Terms:
    """The terms of a price file that was read. Raises `PriceFileError`."""
    for name in document.tables:
        if name not in _KINDS:
            document.refuse((name,), f"is not known{nearest(name, _KINDS)}; known: {', '.join(_KINDS)}")
    hosted = _each(document, "self_hosted", _HOSTED, _hosted)
    models = (
        *_each(document, "model", _MODEL, _model),
        *(model for machines in hosted for model in _models_on(machines)),
    )
    discounts = _each(document, "discount", _DISCOUNT, _discount)
    _apart(document, "discount", [(item.scope, item.span, item.line) for item in discounts])
    _apart(document, "model", [((item.provider, item.id), item.span, item.line) for item in models])
    return Terms(
        discounts=discounts,
        models=models,
        deployments=_deployments(document.strings("deployments")),
        profiles=_profiles(document.strings("profiles")),
        commitments=_each(document, "commitment", _COMMITMENT, _commitment),
        self_hosted=hosted,
        subscriptions=_each(document, "subscription", _SUBSCRIPTION, _subscription),
        exchange=_each(document, "rate", _RATE, _exchange),
        currency=_report_currency(document),
        digest=digest,
    )


def _report_currency(document: Document) -> str | None:
    """The currency that reports are in where a command names none."""
    table = Table(document, ("report",), document.strings("report").values, _REPORT)
    return table.currency() if "currency" in table.values else None


def _each(
    document: Document, kind: str, keys: tuple[str, ...], make: Callable[[Table], _Term]
) -> tuple[_Term, ...]:
    """One term for each table of a kind. Those that have a name have one of their own."""
    made: list[_Term] = []
    names: set[str] = set()
    for table in document.each(kind, keys):
        made.append(make(table))
        if "name" in keys:
            if table.values["name"] in names:
                table.refuse(
                    "name", f"is {table.values['name']!r} a second time: give each a name of its own"
                )
            names.add(table.values["name"])
    return tuple(made)


def _apart(document: Document, kind: str, held: Sequence[tuple[tuple[object, ...], Span, int]]) -> None:
    """Refuse two terms that say different things about the same at the same time."""
    for number, (scope, span, line) in enumerate(held):
        for other, when, before in held[:number]:
            if scope == other and overlap(span, when):
                document.refuse(
                    (kind, number),
                    f"is about the same, at the same time, as the one on line {before}"
                    f" (this one begins on line {line}): end one with until",
                )


_DISCOUNT = (
    *("provider", "model", "bucket", "percent", "unit_price", "per", "tier", "context"),
    *_WHEN,
)


def _discount(table: Table) -> Discount:
    if ("percent" in table.values) == ("unit_price" in table.values):
        table.refuse(None, 'must have either percent or unit_price: add percent = "10", for a tenth less')
    by_unit = "unit_price" in table.values
    for key in () if by_unit else ("per", "context"):
        if key in table.values:
            table.refuse(key, "belongs to unit_price: leave it out beside percent")
    return Discount(
        provider=table.text("provider", '"openai"'),
        model=_exact(table, "model"),
        bucket=_bucket(table, "bucket", table.text("bucket", '"output"', ANY)),
        span=table.period(),
        factor=None if by_unit else _left(table),
        unit=(table.amount("unit_price"), table.whole("per", _MILLION)) if by_unit else None,
        tier=table.text("tier", '"batch"', "standard") if by_unit or "tier" in table.values else None,
        context=table.text("context", '"gt_200000"') if "context" in table.values else None,
        line=table.line,
    )


def _left(table: Table) -> Ratio:
    """What a discount in per cent leaves of a price, as a fraction."""
    percent = table.decimal("percent", '"12.5"')
    if percent > _HUNDRED:
        table.refuse("percent", f'is {table.values["percent"]!r}; it must be from "0" to "100"')
    return fraction(_HUNDRED - percent, _HUNDRED)


def _exact(table: Table, key: str) -> str:
    """A model's id or `*`. A pattern would give a model that nobody has seen yet an old one's price."""
    value = table.text(key, '"gpt-5"', ANY)
    if ANY in value and value != ANY:
        table.refuse(key, f'is {value!r}; it must be one exact id, or "*" for every model')
    return value


def _exacts(table: Table, key: str, example: str) -> tuple[str, ...]:
    values = table.texts(key, example)
    for value in values:
        if ANY in value and values != (ANY,):
            table.refuse(key, f'names {value!r}; it must hold exact ids, or only "*" for every model')
    return values


def _bucket(table: Table, key: str, bucket: str) -> str:
    if bucket != ANY and component_of(bucket) not in _COMPONENTS:
        near = nearest(component_of(bucket), _COMPONENTS)
        table.refuse(key, f'is {bucket!r}; it must be "*" or begin with {either(_COMPONENTS)}{near}')
    return bucket


_MODEL = ("provider", "id", "rates", "currency", "private", "context", "tiers", *_WHEN)


def _model(table: Table) -> OwnModel:
    provider, id = table.text("provider", '"openai"'), table.text("id", '"ft:gpt-4.1-mini:acme::x1"')
    if ANY in id:
        table.refuse("id", f"is {id!r}; it must be one exact id")
    rates = table.inner("rates", '{ input = "0.80", output = "3.20" }')
    return OwnModel(
        provider=provider,
        id=id,
        rates=_rates(rates),
        span=table.period(),
        currency=table.currency(),
        price_id=f"own/{provider}/{id}",
        line=table.line,
        private=_flag(table, "private"),
        context=_context(table),
        tiers=_tiers(table),
    )


def _rates(rates: Table) -> dict[str, Ratio]:
    return {bucket: _rate(rates, bucket) for bucket in rates.values}


_CONTEXT = ("above", "at_least", "rates")


def _context(table: Table) -> dict[int, tuple[str, dict[str, Ratio]]]:
    """Rates by the number of tokens that a request's whole input must exceed."""
    example = '[{ above = 200_000, rates = { input = "1.60" } }]'
    found = table.values.get("context", [])
    if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
        table.refuse("context", f"must be tables in a list, not {found!r}: context = {example}")
    made: dict[int, tuple[str, dict[str, Ratio]]] = {}
    for number in range(len(found)):
        item = table.item("context", number, _CONTEXT)
        if ("above" in item.values) == ("at_least" in item.values):
            item.refuse(None, "must have either above, for more than so many tokens, or at_least")
        above = "above" in item.values
        begin = item.whole("above" if above else "at_least", 1)
        start = begin if above else begin - 1
        if start in made:
            item.refuse(None, f"begins where another does, above {start} tokens: leave one out")
        rates = _rates(item.inner("rates", '{ input = "1.60" }'))
        made[start] = f"gt_{begin}" if above else f"gte_{begin}", rates
    return made


def _tiers(table: Table) -> dict[str, dict[str, Ratio]]:
    """Rates by service tier."""
    if "tiers" not in table.values:
        return {}
    tiers = table.inner("tiers", '{ batch = { input = "0.40" } }')
    return {name: _rates(tiers.inner(name, '{ input = "0.40" }')) for name in tiers.values}


def _flag(table: Table, key: str) -> bool:
    value = table.values.get(key, False)
    if not isinstance(value, bool):
        table.refuse(key, f"must be true or false, without quotes, not {value!r}")
    return value


def _rate(rates: Table, bucket: str) -> Ratio:
    """`"0.80"` is for a million tokens, or one of anything else; `{ price, per }` says for how many."""
    if _bucket(rates, bucket, bucket) == ANY:
        rates.refuse(bucket, "is not a bucket: give input, output and what else is used a rate each")
    if isinstance(rates.values[bucket], dict):
        priced = rates.table(bucket, ("price", "per"))
        return priced.amount("price"), priced.whole("per", 1)
    return rates.amount(bucket, '"0.80"'), _MILLION if component_of(bucket) in TOKEN_COMPONENTS else 1


_COMMITMENT = (
    *("name", "provider", "models", "deployments", "price", "units", "every", "currency", "tier"),
    *_WHEN,
)


def _commitment(table: Table) -> Commitment:
    models = _exacts(table, "models", '["gpt-6-sol"]')
    deployments = table.texts("deployments", '["prod-chat"]')
    if not models and not deployments:
        table.refuse(None, 'lacks models: add models = ["gpt-6-sol"], or deployments')
    return Commitment(
        name=table.text("name", '"ptu-2026"'),
        provider=table.text("provider", '"azure.ai.openai"'),
        models=models,
        deployments=deployments,
        price_femto=table.amount("price", '"1.00"'),
        units=table.whole("units", 1),
        every=cast(Every, table.choice("every", _EVERY)),
        span=table.period(begins=True),
        currency=table.currency(),
        tier=table.text("tier", '"scale"') if "tier" in table.values else None,
    )


_HOSTED = (
    *("name", "provider", "models", "hourly", "units", "tokens_per_second", "currency"),
    *_WHEN,
)


def _hosted(table: Table) -> SelfHosted:
    models = _exacts(table, "models", '["llama-4"]')
    if not models or ANY in models:
        table.refuse("models" if models else None, 'must name its models: models = ["llama-4"]')
    speeds = table.inner("tokens_per_second", "{ input = 24000, output = 3200 }")
    for bucket in speeds.values:
        if component_of(_bucket(speeds, bucket, bucket)) not in TOKEN_COMPONENTS:
            speeds.refuse(bucket, f"is not counted in tokens; it must begin with {either(TOKEN_COMPONENTS)}")
    return SelfHosted(
        name=table.text("name", '"gpu-pool"'),
        provider=table.text("provider", '"vllm"'),
        models=models,
        hourly_femto=table.amount("hourly", '"2.10"'),
        units=table.whole("units", 1),
        tokens_per_second={bucket: speeds.whole(bucket, 1) for bucket in speeds.values},
        span=table.period(begins=True),
        currency=table.currency(),
        line=table.line,
    )


def _models_on(machines: SelfHosted) -> Iterable[OwnModel]:
    for id in machines.models:
        yield OwnModel(
            machines.provider,
            id,
            machines.rates(),
            machines.span,
            machines.currency,
            machines.price_id,
            machines.line,
        )


_SUBSCRIPTION = ("name", "provider", "price", "seats", "users", "every", "currency", *_WHEN)


def _subscription(table: Table) -> Subscription:
    users = table.texts("users", '["ada", "grace"]')
    seats = table.whole("seats", max(len(users), 1))
    if "seats" not in table.values and not users:
        table.refuse(None, 'lacks seats: add seats = 10, or users = ["ada"]')
    if seats < len(users):
        table.refuse("seats", f"is {seats}, and users names {len(users)}: it must be as many or more")
    return Subscription(
        name=table.text("name", '"team-plan"'),
        provider=table.text("provider", '"anthropic"'),
        price_femto=table.amount("price", '"25.00"'),
        seats=seats,
        users=users,
        every=cast(Every, table.choice("every", _EVERY, "month")),
        span=table.period(begins=True),
        currency=table.currency(),
    )


def _exchange(table: Table) -> Exchange:
    base, quote = table.currency("base", None), table.currency("quote")
    rate = table.decimal("rate", '"1.0832"')
    if rate == 0:
        table.refuse("rate", 'is 0; it must say how much of quote one of base is: rate = "1.0832"')
    if base == quote:
        table.refuse("quote", f"is {quote!r}, as base is: they must differ")
    table.need("date", "2026-10-01")
    since = table.instant("date")
    return Exchange(base, quote, rate, cast(int, since), table.values["date"].isoformat())


_RATE = ("base", "quote", "rate", "date")
_REPORT = ("currency",)


def _deployments(table: Table) -> Mapping[str, Deployment]:
    return {name: _deployment(table, name, value) for name, value in table.values.items()}


def _deployment(table: Table, name: str, value: Any) -> Deployment:
    if not isinstance(value, dict):
        return Deployment(table.text(name, '"gpt-6-sol"'))
    inner = table.table(name, ("model", "sku"))
    sku = inner.choice("sku", _SKUS) if "sku" in value else None
    return Deployment(inner.text("model", '"gpt-6-sol"'), cast("Sku | None", sku))


def _profiles(table: Table) -> Mapping[str, str]:
    example = '"us.anthropic.claude-sonnet-4-5-20250929-v1:0"'
    return {name: table.text(name, example) for name in table.values}
