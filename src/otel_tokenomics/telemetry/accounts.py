"""Exact integer totals of this process: what the observable counters publish.

`counter.add` costs 5 to 25 microseconds in a real call; adding integers under one lock costs one. The
totals belong to the process: they outlive a change of `MeterProvider`, and a forked child starts at
zero, because the parent goes on to publish what it spent before the fork.

There are two cubes of the same money: by what was called, and by who owns it. Labels of both in one
metric would have too many rows. Each keeps within the bounds of `cubes`.
"""

from __future__ import annotations

import os
import threading
from typing import NamedTuple

from otel_tokenomics.model.record import UsageRecord
from otel_tokenomics.model.usage import TOKEN_COMPONENTS, component_of
from otel_tokenomics.telemetry import names
from otel_tokenomics.telemetry.cubes import (
    MOST_ERRORS,
    MOST_MODELS,
    MOST_OWNERS,
    MOST_TOOLS,
    OTHER,
    Cube,
    Overflow,
    Rows,
    Values,
)
from otel_tokenomics.telemetry.labels import cost_source, modality_of, operation_of, tier_of, ttl_of


class Key(NamedTuple):
    """The technical side of a call: what the counters are split by."""

    operation: str
    provider: str
    request_model: str | None
    response_model: str | None
    tier: str
    outcome: str

    def coarser(self) -> Key:
        """Without its models."""
        return self._replace(request_model=OTHER, response_model=OTHER)

    def coarsest(self) -> Key:
        """With its provider alone."""
        return Key(OTHER, self.provider, OTHER, OTHER, OTHER, OTHER)


class Owner(NamedTuple):
    """The owning side of a call."""

    team: str | None
    project: str | None
    feature: str | None
    cost_center: str | None
    agent: str | None
    provider: str
    currency: str

    def coarser(self) -> Owner:
        """The team alone."""
        return self._replace(project=OTHER, feature=OTHER, cost_center=OTHER, agent=OTHER)

    def coarsest(self) -> Owner:
        """Without its owners."""
        return Owner(OTHER, OTHER, OTHER, OTHER, OTHER, self.provider, self.currency)


class CostRow(NamedTuple):
    """A row of the cost counter."""

    key: Key
    component: str
    modality: str
    currency: str
    source: str
    method: str
    usage_source: str

    def coarser(self) -> CostRow:
        """Without its models."""
        return self._replace(key=self.key.coarser())

    def coarsest(self) -> CostRow:
        """With its provider and its currency alone."""
        return CostRow(self.key.coarsest(), OTHER, OTHER, self.currency, OTHER, OTHER, OTHER)


class Detail(NamedTuple):
    """A row of a counter that splits each key by one thing more: a modality, a tool, a reason."""

    key: Key
    what: str
    why: str = ""

    def coarser(self) -> Detail:
        """Without its models."""
        return self._replace(key=self.key.coarser())

    def coarsest(self) -> Detail:
        """With its provider alone."""
        return Detail(self.key.coarsest(), OTHER, self.why and OTHER)


class Distribution(NamedTuple):
    """A row of the histograms."""

    operation: str
    provider: str
    request_model: str | None
    response_model: str | None
    error: str | None

    def coarser(self) -> Distribution:
        """Without its models."""
        return self._replace(request_model=OTHER, response_model=OTHER)

    def coarsest(self) -> Distribution:
        """With its provider alone, and whether it failed."""
        return Distribution(OTHER, self.provider, OTHER, OTHER, self.error and OTHER)


class Accounts:
    """All totals of this process. Money in femto-units."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._overflow = overflow = Overflow()
        self._request_models = Values(names.REQUEST_MODEL, MOST_MODELS, overflow)
        self._response_models = Values(names.RESPONSE_MODEL, MOST_MODELS, overflow)
        self._owner_values = tuple(Values(name, MOST_OWNERS, overflow) for name in _OWNER_NAMES)
        self._tool_names = Values(names.TOOL_NAME, MOST_TOOLS, overflow)
        self._errors = Values(names.ERROR_TYPE, MOST_ERRORS, overflow)
        rows = Rows(names.METRIC_INPUT_TOKENS, Detail.coarser, Detail.coarsest, overflow)
        self._tokens = {component: Cube(rows) for component in TOKEN_COMPONENTS}
        self._cost = Cube(Rows(names.METRIC_COST, CostRow.coarser, CostRow.coarsest, overflow))
        self._details = {name: Cube(_details(name, overflow)) for name in _DETAILED}
        self._distributions = Rows(
            names.METRIC_DURATION, Distribution.coarser, Distribution.coarsest, overflow
        )
        owners = Rows(names.METRIC_ALLOCATION_COST, Owner.coarser, Owner.coarsest, overflow)
        self._owner_cost, self._owner_tokens = Cube(owners), Cube(owners)

    def add(self, record: UsageRecord) -> None:
        """Add one record that was billed, or that may have been."""
        with self._lock:
            key = self._key(record)
            tokens = self._add_usage(key, record)
            self._add_cost(key, record)
            owner = self._owner(record)
            self._owner_tokens.add(owner, tokens)
            if record.cost.amount_femto is not None:
                self._owner_cost.add(owner, record.cost.amount_femto)
            self._overflow.count()

    def place(self, record: UsageRecord, error: str | None) -> Distribution:
        """The row of the histograms in which one record is told, failed or not."""
        with self._lock:
            models = self._models(record)
            # What `add` or the row without the error has counted: an operation overflows a label once.
            if error is not None or record.billed or record.possibly_billed:
                self._overflow.forget(names.REQUEST_MODEL, names.RESPONSE_MODEL)
            what = operation_of(record.facts), record.facts.provider
            row = self._distributions.place(Distribution(*what, *models, self._errors.admit(error)))
            self._overflow.count()
        return row

    def tokens(self, components: tuple[str, ...]) -> dict[Detail, int]:
        """Tokens by key and modality, of some components together, or of one with its time to live."""
        sums: dict[Detail, int] = {}
        with self._lock:
            for component in components:
                for fine, quantity in self._tokens[component].items():
                    row = fine if len(components) == 1 else fine._replace(why="")
                    sums[row] = sums.get(row, 0) + quantity
        return sums

    def cost(self) -> list[tuple[CostRow, int]]:
        """Money by what was called."""
        with self._lock:
            return list(self._cost.items())

    def details(self, metric: str) -> list[tuple[Detail, int]]:
        """A count of operations or requests, by the name of its metric."""
        with self._lock:
            return list(self._details[metric].items())

    def owner_cost(self) -> list[tuple[Owner, int]]:
        """The same money by who owns it."""
        with self._lock:
            return list(self._owner_cost.items())

    def owner_tokens(self) -> list[tuple[Owner, int]]:
        """Tokens by who owns them."""
        with self._lock:
            return list(self._owner_tokens.items())

    def overflows(self) -> dict[str, int]:
        """How many operations lost a value, by the label or the metric that was full."""
        with self._lock:
            return dict(self._overflow.operations)

    def reset(self) -> None:
        """Begin at zero, with a lock that nobody holds."""
        self.__init__()  # type: ignore[misc]

    def _key(self, record: UsageRecord) -> Key:
        facts = record.facts
        models, tier = self._models(record), tier_of(record.reading)
        return Key(facts.operation, facts.provider, *models, tier, record.outcome)

    def _models(self, record: UsageRecord) -> tuple[str | None, str | None]:
        return (
            self._request_models.admit(record.facts.request_model),
            self._response_models.admit(record.reading.response_model),
        )

    def _owner(self, record: UsageRecord) -> Owner:
        who = record.attribution
        claimed = (who.team, who.project, who.feature, who.cost_center, record.place.agent)
        team, project, feature, center, agent = (
            known.admit(value) for known, value in zip(self._owner_values, claimed, strict=True)
        )
        return Owner(team, project, feature, center, agent, record.facts.provider, record.cost.currency)

    def _add_usage(self, key: Key, record: UsageRecord) -> int:
        """Add what was used; how many tokens that is."""
        usage, tokens = record.reading.usage, 0
        for bucket, quantity in usage.buckets.items():
            component = component_of(bucket)
            if component in TOKEN_COMPONENTS:
                ttl = ttl_of(bucket) if component == "cache_write" else ""
                self._tokens[component].add(Detail(key, modality_of(bucket), ttl), quantity)
                tokens += quantity
            elif component == "tool":
                tool = self._tool_names.admit(bucket[5:]) or OTHER
                self._details[names.METRIC_TOOL_REQUESTS].add(Detail(key, tool), quantity)
        if usage.source != "provider" and record.facts.billing != "free":
            self._details[names.METRIC_ESTIMATED].add(Detail(key, usage.source), 1)
        for flag in usage.flags:
            # That metric has neither tier nor outcome.
            row = Detail(key._replace(tier="", outcome=""), flag)
            self._details[names.METRIC_USAGE_FLAGS].add(row, 1)
        return tokens

    def _add_cost(self, key: Key, record: UsageRecord) -> None:
        cost = record.cost
        if cost.status != "complete":
            why = cost.unpriced_reason or "missing_usage"
            self._details[names.METRIC_UNPRICED].add(Detail(key, cost.status, why), 1)
        if cost.amount_femto is None:
            return
        how = (cost.currency, cost_source(cost), cost.method or "catalog", record.reading.usage.source)
        for line in cost.lines:
            self._cost.add(CostRow(key, line.component, modality_of(line.bucket), *how), line.amount_femto)
        if not cost.lines and cost.amount_femto:
            self._cost.add(CostRow(key, "request", "unknown", *how), cost.amount_femto)


_OWNER_NAMES = (names.TEAM, names.PROJECT, names.FEATURE, names.COST_CENTER, names.AGENT)
_DETAILED = (
    names.METRIC_TOOL_REQUESTS,
    names.METRIC_UNPRICED,
    names.METRIC_ESTIMATED,
    names.METRIC_USAGE_FLAGS,
)


def _details(name: str, overflow: Overflow) -> Rows[Detail]:
    return Rows(name, Detail.coarser, Detail.coarsest, overflow)


ACCOUNTS = Accounts()

os.register_at_fork(after_in_child=ACCOUNTS.reset)
