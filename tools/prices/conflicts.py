"""Where the catalogues disagree: found by pricing with the cards as built, then settled one by one.

A conflict is `{"provider", "model", "source", "ours", "theirs"}`, with USD for a million tokens by way of
being served and bucket. `adjudications.toml` says who is right, why, and by what; a conflict without one
fails the build.
"""

from __future__ import annotations

import datetime as dt
import json
import tomllib
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

from otel_tokenomics.pricing.cards import Calendar, Rate, read_card, unix_ns
from otel_tokenomics.pricing.names import Names
from otel_tokenomics.pricing.tariff import Sheet, Tariff

HERE = Path(__file__).resolve().parent
CONFLICTS = HERE / "conflicts.json"
ADJUDICATIONS = HERE / "adjudications.toml"
BASE = "genai-prices"
COMPARED = ("litellm", "model-prices")

_WAYS: Mapping[str, tuple[str, str] | None] = {
    "": None,
    "batch": ("processing", "batch"),
    "flex": ("service_tier", "flex"),
    "priority": ("service_tier", "priority"),
    "ultrafast": ("service_tier", "ultrafast"),
}
Sections = dict[str, dict[str, Any]]
Prices = dict[str, str]


class Unsettled(ValueError):
    """Catalogues disagree and nobody has said which is right, or an adjudication is about nothing."""


class Conflict(NamedTuple):
    """One model on which a source differs from the cards. Prices are by `way bucket`: `base tier>start`."""

    provider: str
    model: str
    source: str
    ours: Prices
    theirs: Prices


def observed(source: str) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """What a source says: provider, model and its prices. Raises `FileNotFoundError`."""
    lines = (HERE / "observed" / f"{source}.jsonl").read_text(encoding="utf-8").splitlines()
    for line in lines[1:]:
        provider, model, entry = json.loads(line)
        yield provider, model, entry


def observed_on(source: str) -> dt.date:
    """The day on which a source was read."""
    with (HERE / "observed" / f"{source}.jsonl").open(encoding="utf-8") as file:
        return dt.date.fromisoformat(json.loads(file.readline())["date"])


def find(
    sections: Sections, units: Mapping[str, int], calendars: Mapping[str, Calendar]
) -> Iterator[Conflict]:
    """Every model on which a source and the cards differ, at noon of the day the source was read."""
    for source in COMPARED:
        at_ns = unix_ns(f"{observed_on(source)}T12:00")
        for provider, model, entry in observed(source):
            section = sections.get(provider)
            match = section and Names(section["cards"], section["names"], provider).exact(model)
            if section is None or not match:
                continue
            card = read_card(match.id, section["cards"][match.id], units, calendars)
            ours: Prices = {}
            theirs: Prices = {}
            for way, buckets in entry["ways"].items():
                sheet = Tariff(provider, card, _WAYS[way]).at(at_ns)
                if sheet is not None:
                    _compare(sheet, way, buckets, ours, theirs)
            if ours:
                yield Conflict(provider, model, source, ours, theirs)


def _compare(
    sheet: Sheet, way: str, buckets: Mapping[str, Mapping[str, str]], ours: Prices, theirs: Prices
) -> None:
    for bucket, listed in buckets.items():
        charge = sheet.charge(bucket)
        if charge is None:
            continue
        mine, yours = _shown(charge.rate), {_start(start): usd for start, usd in listed.items()}
        if mine != yours:
            ours[f"{way} {bucket}".strip()] = _joined(mine)
            theirs[f"{way} {bucket}".strip()] = _joined(yours)


def _shown(rate: Rate) -> dict[int, str]:
    steps = [(0, rate.femto), *((_start(str(start)), femto) for start, femto in rate.tiers)]
    made = {start: Decimal(femto) * 10**6 / rate.per / 10**15 for start, femto in steps}
    told = {start: amount for start, amount in made.items() if start == 0 or amount != made[0]}
    return {start: f"{amount.normalize():f}" for start, amount in told.items()}


def _start(start: str) -> int:
    """`>= 200,000` is written as 199,999 by one source and as 200,000 by another."""
    return 0 if start == "base" else -(-int(start) // 1000) * 1000


def _joined(prices: Mapping[int, str]) -> str:
    return " ".join(f"{usd}>{start}" if start else usd for start, usd in sorted(prices.items()))


def rulings() -> list[dict[str, Any]]:
    """The adjudications. Raises `tomllib.TOMLDecodeError`."""
    found: list[dict[str, Any]] = tomllib.loads(ADJUDICATIONS.read_text(encoding="utf-8"))["adjudication"]
    return found


def settle(conflicts: list[Conflict]) -> list[tuple[Conflict, dict[str, Any]]]:
    """Each conflict with its adjudication. Raises `Unsettled`, also for an adjudication about nothing."""
    known = rulings()
    settled, open_ones, used = [], [], set()
    for conflict in conflicts:
        ruling = next((ruling for ruling in known if _is_about(ruling, conflict)), None)
        if ruling is None:
            open_ones.append(f"{conflict.source} {conflict.provider}/{conflict.model}")
            continue
        used.add(id(ruling))
        settled.append((conflict, ruling))
    idle = [f"{ruling['source']} {ruling['provider']}" for ruling in known if id(ruling) not in used]
    if open_ones or idle:
        raise Unsettled(
            "; ".join(
                [f"no adjudication in {ADJUDICATIONS.name}: {one}" for one in open_ones]
                + [f"adjudication about nothing: {one}" for one in idle]
            )
        )
    return settled


def _is_about(ruling: Mapping[str, Any], conflict: Conflict) -> bool:
    """A ruling names its models one by one. Raises `Unsettled` for one that does not say why."""
    for key in ("winner", "reason", "evidence", "date"):
        if not ruling.get(key):
            raise Unsettled(f"{ADJUDICATIONS.name}: an adjudication on {ruling.get('provider')} lacks {key}")
    return (
        ruling["source"] == conflict.source
        and ruling["provider"] == conflict.provider
        and conflict.model in ruling["models"]
    )


def listed(conflicts: list[Conflict]) -> str:
    """The conflicts as the text of `conflicts.json`, one a line."""
    lines = [json.dumps(conflict._asdict(), sort_keys=True) for conflict in sorted(conflicts)]
    return "[\n" + ",\n".join(lines) + "\n]\n"
