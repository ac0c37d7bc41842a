"""Restatement: a period of the ledger reckoned again, under another card, date, model, tier or cache policy.

Only what has an amount both before and after is compared. The rest is told apart, with the reason.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from otel_tokenomics.ledger import corrections
from otel_tokenomics.ledger.queries import KEYS, Scope
from otel_tokenomics.model.call import Facts, Reading
from otel_tokenomics.model.money import Cost
from otel_tokenomics.model.usage import MISSING, Usage, component_of

Pricer = Callable[[Facts, Reading, int], Cost]
"""Facts, reading and Unix nanoseconds in, a cost out."""

_REPORTED = ("vendor_reported", "gateway_reported")
_FREE = "rule/free/"


class Target(NamedTuple):
    """A model instead of another; of the same provider where none is named."""

    model: str
    provider: str | None = None


@dataclass(frozen=True, slots=True)
class Scenario:
    """What is reckoned otherwise. `at_ns`: at the prices of that instant, instead of those of each call.

    `models` maps a model, as served or requested, to another. `uncached`: as if no cache had been read or
    written.
    """

    at_ns: int | None = None
    models: Mapping[str, Target] = field(default_factory=dict)
    tier: str | None = None
    uncached: bool = False

    def name(self) -> str:
        """The scenario in one line of JSON: the same for the same."""
        told = {
            "at_ns": self.at_ns,
            "models": {name: list(target) for name, target in self.models.items()} or None,
            "tier": self.tier,
            "no_cache": self.uncached or None,
        }
        return json.dumps({key: value for key, value in told.items() if value is not None}, sort_keys=True)


@dataclass(frozen=True, slots=True)
class Restated:
    """One record: its amount before, and its cost after or why there is none to compare."""

    key: str
    group: tuple[str | None, ...]
    before_femto: int | None
    cost: Cost | None
    kept: str | None = None


@dataclass(slots=True)
class Group:
    """Sums of one group. `before` and `after` are of the `restated` calls, which have both amounts.

    `kept` are calls that could not be restated, `kept_femto` their amount; `newly` had no price before.
    """

    calls: int = 0
    restated: int = 0
    before_femto: int | None = None
    after_femto: int | None = None
    kept: int = 0
    kept_femto: int | None = None
    newly: int = 0
    newly_femto: int | None = None
    reasons: dict[str, int] = field(default_factory=dict)

    @property
    def difference_femto(self) -> int | None:
        """What the restated calls would cost more, or less when it is negative."""
        if self.before_femto is None or self.after_femto is None:
            return None
        return self.after_femto - self.before_femto

    def add(self, item: Restated) -> None:
        """Count one record."""
        self.calls += 1
        amount = None if item.cost is None else item.cost.amount_femto
        if item.kept is not None or amount is None:
            self.kept += 1
            self.kept_femto = _plus(self.kept_femto, item.before_femto)
            reason = item.kept or "unpriced"
            self.reasons[reason] = self.reasons.get(reason, 0) + 1
        elif item.before_femto is None:
            self.newly += 1
            self.newly_femto = _plus(self.newly_femto, amount)
        else:
            self.restated += 1
            self.before_femto = _plus(self.before_femto, item.before_femto)
            self.after_femto = _plus(self.after_femto, amount)


@dataclass(frozen=True, slots=True)
class Restatement:
    """The groups by their keys, the largest difference first, and their total."""

    by: Sequence[str]
    groups: Sequence[tuple[tuple[str | None, ...], Group]]
    total: Group


def restated(
    connection: sqlite3.Connection,
    scope: Scope,
    by: Sequence[str],
    scenario: Scenario,
    price: Pricer,
    *,
    utc: bool = False,
) -> Iterator[Restated]:
    """Each record of `scope`, reckoned again. Raises `sqlite3.Error`."""
    for record, group in _records(connection, scope, by, utc=utc):
        cost, kept = _again(record, scenario, price)
        yield Restated(record["key"], group, _whole(record["cost_femto"]), cost, kept)


def recorded(
    connection: sqlite3.Connection, scope: Scope, by: Sequence[str], *, utc: bool = False
) -> Iterator[Restated]:
    """Each record of `scope` with the latest of its corrections, if it has any. Raises `sqlite3.Error`."""
    latest = {row["key"]: row for row in corrections.made(connection, scope)}
    for record, group in _records(connection, scope, by, utc=utc):
        row, before = latest.get(record["key"]), _whole(record["cost_femto"])
        cost = None if row is None else Cost(_whole(row["cost_femto"]), row["cost_status"])
        yield Restated(record["key"], group, before, cost, "not_corrected" if row is None else None)


def _records(
    connection: sqlite3.Connection, scope: Scope, by: Sequence[str], *, utc: bool
) -> Iterator[tuple[Mapping[str, Any], tuple[str | None, ...]]]:
    clause, parameters = scope.where()
    zone = "" if utc else ", 'localtime'"
    keys = [f"{KEYS[key].format(zone=zone)} AS by_{key}" for key in by]
    statement = f"SELECT {', '.join(['*', *keys])} FROM usage_records WHERE {clause}"  # noqa: S608
    for row in connection.execute(f"{statement} ORDER BY started_ns, sequence", parameters):
        record = dict(row)
        yield record, tuple(record[f"by_{key}"] for key in by)


def _whole(stored: int | str | None) -> int | None:
    return None if stored is None else int(stored)


def summed(by: Sequence[str], items: Iterator[Restated]) -> Restatement:
    """The sums of restated records by group."""
    groups: dict[tuple[str | None, ...], Group] = {}
    total = Group()
    for item in items:
        groups.setdefault(item.group, Group()).add(item)
        total.add(item)
    ordered = sorted(groups.items(), key=lambda pair: (-abs(pair[1].difference_femto or 0), str(pair[0])))
    return Restatement(by, ordered if by else [], total)


def _again(record: Mapping[str, Any], scenario: Scenario, price: Pricer) -> tuple[Cost | None, str | None]:
    """A record's cost under a scenario, or why its old one is kept."""
    facts, reading = of_record(record)
    target = next((scenario.models[name] for name in _names(record) if name in scenario.models), None)
    if record["cost_method"] in _REPORTED and not (target or scenario.tier or scenario.uncached):
        return None, "vendor_reported"
    facts, reading = _under(facts, reading, target, scenario)
    cost = price(facts, reading, record["started_ns"] if scenario.at_ns is None else scenario.at_ns)
    if cost.amount_femto is None or (cost.status == "partial" and record["cost_status"] == "complete"):
        return None, cost.unpriced_reason or cost.status
    before = record["cost_femto"]
    currency = record["cost_currency"] or cost.currency
    return (cost, None) if before is None or currency == cost.currency else (None, "another_currency")


def of_record(record: Mapping[str, Any]) -> tuple[Facts, Reading]:
    """A ledger's row as the price engine knew it. Speed and geography are in the name of its price."""
    price_id = record["price_id"] or ""
    facts = Facts(
        provider=record["provider"] or "",
        operation=record["operation"] or "",
        flavor=record["provider"] or "",
        route="",
        request_model=record["request_model"],
        billing="free" if price_id.startswith(_FREE) else "metered",
        provider_assumed=(record["cost_assumption"] or "").startswith("host not known"),
        server_address=record["server_address"],
        server_port=record["server_port"],
    )
    marks = price_id.split("/")[2:]
    reading = Reading(
        usage=_usage(record),
        response_id=record["response_id"],
        response_model=record["response_model"],
        service_tier=record["service_tier"],
        speed="fast" if price_id.startswith("anthropic/") and "fast" in marks else None,
        inference_geo="us" if "geo:us" in marks else None,
    )
    return facts, reading


def _usage(record: Mapping[str, Any]) -> Usage:
    if record["usage_source"] == "missing":
        return MISSING
    return Usage(
        json.loads(record["buckets"]),
        record["usage_source"] or "provider",
        record["usage_estimator"],
        tuple(json.loads(record["usage_flags"] or "[]")),
    )


def _names(record: Mapping[str, Any]) -> Iterator[str]:
    yield from (record[name] for name in ("response_model", "request_model") if record[name])


def _under(
    facts: Facts, reading: Reading, target: Target | None, scenario: Scenario
) -> tuple[Facts, Reading]:
    """The call as the scenario has it."""
    if target is not None:
        if target.provider is not None and target.provider != facts.provider:
            facts.provider, facts.server_address, facts.provider_assumed = target.provider, None, False
            reading.service_tier = reading.speed = reading.inference_geo = None
        facts.request_model = reading.response_model = target.model
    if scenario.tier is not None:
        reading.service_tier, reading.speed = scenario.tier, None
    if scenario.uncached:
        reading.usage = uncached(reading.usage)
    return facts, reading


def uncached(usage: Usage) -> Usage:
    """The usage with every token that a cache served or kept as plain input of its modality."""
    buckets: dict[str, int] = {}
    for bucket, quantity in usage.buckets.items():
        component = component_of(bucket)
        own, at, model = bucket.partition("@")
        detail = own[len(component) :] if component == "cache_read" else ""
        name = f"input{detail}{at}{model}" if component in ("cache_read", "cache_write") else bucket
        buckets[name] = buckets.get(name, 0) + quantity
    return Usage(buckets, usage.source, usage.estimator, usage.flags, usage.details)


def _plus(total: int | None, amount: int | None) -> int | None:
    return total if amount is None else (total or 0) + amount
