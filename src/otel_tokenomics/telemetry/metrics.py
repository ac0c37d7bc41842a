"""Metrics: totals through observable counters, distributions through four histograms."""

from __future__ import annotations

import weakref
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Final

from opentelemetry.context import Context
from opentelemetry.metrics import (
    CallbackOptions,
    CallbackT,
    Histogram,
    MeterProvider,
    Observation,
    get_meter_provider,
)

from otel_tokenomics.flow import guard, late
from otel_tokenomics.model.money import as_double
from otel_tokenomics.model.record import UsageRecord
from otel_tokenomics.model.usage import INPUT_COMPONENTS, OUTPUT_COMPONENTS
from otel_tokenomics.telemetry import names, outbox
from otel_tokenomics.telemetry.accounts import ACCOUNTS, Distribution, Key, Owner
from otel_tokenomics.telemetry.instruments import ALLOCATION_OWNERS, INSTRUMENTS
from otel_tokenomics.telemetry.labels import Labels, cost_source, operation_of
from otel_tokenomics.version import __version__

Observe = Callable[[], Iterable[Observation]]
NOTHING: Final[Mapping[str, Observe]] = {}
further_overflows: Final[list[Callable[[], Mapping[str, int]]]] = []
"""Where else a value may be lost to a bound."""


class Metrics:
    """The instruments of one meter provider. Only the latest one in use publishes the process's totals."""

    _publishing: weakref.ref[Metrics] | None = None

    def __init__(self, provider: MeterProvider | None = None, legacy: bool = False) -> None:
        meters = provider or get_meter_provider()
        self._meter = meters.get_meter("otel_tokenomics", __version__, names.SCHEMA_URL)
        self._labels: dict[Distribution, Labels] = {}
        self._observed: set[str] = set()
        self._duration = self.histogram(names.METRIC_DURATION)
        self._first_chunk = self.histogram(names.METRIC_FIRST_CHUNK)
        self._input = self.histogram(names.METRIC_OPERATION_INPUT)
        self._output = self.histogram(names.METRIC_OPERATION_OUTPUT)
        self._cost = self.histogram(names.METRIC_OPERATION_COST)
        self._legacy = self.histogram(names.METRIC_LEGACY_TOKENS) if legacy else None
        self.observe(_OBSERVED)

    def publish(self) -> None:
        """From now on the totals go out through this provider, and through no earlier one."""
        Metrics._publishing = weakref.ref(self)

    def record(self, record: UsageRecord, context: Context | None) -> None:
        """Record the distributions of one call, and add it to the totals if it was, or may be, billed.

        Off the callers' path: it is put off until metrics are collected, or many calls wait.
        """
        if record.billed or record.possibly_billed:
            ACCOUNTS.add(record)
        labels = self._labels_of(record)
        failed = self._labels_of(record, record.error_type) if record.error_type else labels
        if record.duration_ns is not None:
            self._duration.record(record.duration_ns / 1e9, failed, context)
        if record.first_chunk_ns is not None and record.facts.stream:
            self._first_chunk.record(record.first_chunk_ns / 1e9, labels, context)
        if record.billed and record.facts.billing != "free":
            self._record_usage(record, labels, context)

    def histogram(self, name: str) -> Histogram:
        """The instrument of a distribution."""
        about = INSTRUMENTS[name]
        return self._meter.create_histogram(
            name, about.unit, about.brief, explicit_bucket_boundaries_advisory=about.bounds
        )

    def observe(self, counters: Mapping[str, Observe], gauges: Mapping[str, Observe] = NOTHING) -> None:
        """Publish these too, each once however often it is asked for."""
        for made, create in (
            (counters, self._meter.create_observable_counter),
            (gauges, self._meter.create_observable_gauge),
        ):
            for name in made.keys() - self._observed:
                about = INSTRUMENTS[name]
                create(name, [self._callback(made[name])], about.unit, about.brief)
            self._observed |= made.keys()

    def _record_usage(self, record: UsageRecord, labels: Labels, context: Context | None) -> None:
        usage, cost = record.reading.usage, record.cost
        if (total := usage.input_tokens) is not None:
            self._input.record(total, labels, context)
        if (total := usage.output_tokens) is not None:
            self._output.record(total, labels, context)
        if self._legacy is not None:
            for kind, total in (("input", usage.input_tokens), ("output", usage.output_tokens)):
                if total is not None:
                    self._legacy.record(total, {**labels, names.TOKEN_TYPE: kind}, context)
        if cost.amount_femto is not None:
            told = {**labels, names.COST_CURRENCY: cost.currency, names.COST_SOURCE: cost_source(cost)}
            self._cost.record(as_double(cost.amount_femto), told, context)

    def _labels_of(self, record: UsageRecord, error: str | None = None) -> Labels:
        """The labels of the histograms, built once for each row."""
        facts = record.facts
        row = Distribution(
            operation_of(facts), facts.provider, facts.request_model, record.reading.response_model, error
        )
        labels = self._labels.get(row)
        if labels is None:
            row = ACCOUNTS.place(record, error)
            labels = self._labels.setdefault(row, _histogram_labels(row))
        return labels

    def _callback(self, observe: Observe) -> CallbackT:
        mine = weakref.ref(self)

        def callback(options: CallbackOptions) -> Iterable[Observation]:
            # The SDK reads the histograms after this, so that a collection sees every call that ended before.
            late.catch_up()
            current = Metrics._publishing
            return list(observe()) if current is not None and current() is mine() else []

        return callback


def overflows() -> dict[str, int]:
    """How many operations so far show `_OTHER` for a value, by the label or metric that was full."""
    late.catch_up()
    found = Counter(ACCOUNTS.overflows())
    for more in further_overflows:
        found.update(more())
    return dict(found)


def _put_models(labels: Labels, requested: str | None, served: str | None) -> None:
    if requested is not None:
        labels[names.REQUEST_MODEL] = requested
    if served is not None:
        labels[names.RESPONSE_MODEL] = served


def _histogram_labels(row: Distribution) -> Labels:
    labels: Labels = {names.OPERATION: row.operation, names.PROVIDER: row.provider}
    _put_models(labels, row.request_model, row.response_model)
    if row.error is not None:
        labels[names.ERROR_TYPE] = row.error
    return labels


def _labels(key: Key) -> Labels:
    labels: Labels = {names.OPERATION: key.operation, names.PROVIDER: key.provider}
    _put_models(labels, key.request_model, key.response_model)
    return labels


def _full_labels(key: Key) -> Labels:
    return {**_labels(key), names.SERVICE_TIER: key.tier, names.ATTEMPT_OUTCOME: key.outcome}


def _tokens(components: tuple[str, ...]) -> Iterator[Observation]:
    for row, quantity in ACCOUNTS.tokens(components).items():
        labels = {**_full_labels(row.key), names.TOKEN_MODALITY: row.what}
        if row.why:
            labels[names.CACHE_TTL] = row.why
        yield Observation(quantity, labels)


def _costs() -> Iterator[Observation]:
    for row, femto in ACCOUNTS.cost():
        labels = {
            **_full_labels(row.key),
            names.COST_COMPONENT: row.component,
            names.TOKEN_MODALITY: row.modality,
            names.COST_CURRENCY: row.currency,
            names.COST_SOURCE: row.source,
            names.COST_METHOD: row.method,
            names.USAGE_SOURCE: row.usage_source,
        }
        yield Observation(as_double(femto), labels)


def _tools() -> Iterator[Observation]:
    for row, quantity in ACCOUNTS.details(names.METRIC_TOOL_REQUESTS):
        yield Observation(quantity, {**_full_labels(row.key), names.TOOL_NAME: row.what})


def _unpriced() -> Iterator[Observation]:
    for row, quantity in ACCOUNTS.details(names.METRIC_UNPRICED):
        labels = {**_full_labels(row.key), names.COST_STATUS: row.what, names.COST_UNPRICED_REASON: row.why}
        yield Observation(quantity, labels)


def _estimated() -> Iterator[Observation]:
    for row, quantity in ACCOUNTS.details(names.METRIC_ESTIMATED):
        yield Observation(quantity, {**_full_labels(row.key), names.USAGE_SOURCE: row.what})


def _owner_labels(owner: Owner) -> Labels:
    labels: Labels = {names.PROVIDER: owner.provider}
    for name in ALLOCATION_OWNERS:
        if (value := getattr(owner, name)) is not None:
            labels[names.OWNER_ATTRIBUTES[name]] = value
    if owner.agent is not None:
        labels[names.AGENT] = owner.agent
    return labels


def _owner_costs() -> Iterator[Observation]:
    for owner, cost in ACCOUNTS.owner_cost():
        yield Observation(as_double(cost), {**_owner_labels(owner), names.COST_CURRENCY: owner.currency})


def _owner_tokens() -> Iterator[Observation]:
    sums: dict[Owner, int] = {}
    for paying, tokens in ACCOUNTS.owner_tokens():
        owner = paying._replace(currency="")
        sums[owner] = sums.get(owner, 0) + tokens
    for owner, tokens in sums.items():
        yield Observation(tokens, _owner_labels(owner))


def _faults() -> Iterator[Observation]:
    for cause, quantity in guard.faults().items():
        yield Observation(quantity, {names.SELF_CAUSE: cause})


def _flags() -> Iterator[Observation]:
    for row, quantity in ACCOUNTS.details(names.METRIC_USAGE_FLAGS):
        yield Observation(quantity, {**_labels(row.key), names.USAGE_FLAG: row.what})


def _lost() -> Iterator[Observation]:
    yield Observation(outbox.lost())


def _overflows() -> Iterator[Observation]:
    for name, quantity in overflows().items():
        yield Observation(quantity, {names.SELF_CAUSE: name})


_OBSERVED: Final[Mapping[str, Observe]] = {
    names.METRIC_INPUT_TOKENS: partial(_tokens, INPUT_COMPONENTS),
    names.METRIC_OUTPUT_TOKENS: partial(_tokens, OUTPUT_COMPONENTS),
    names.METRIC_CACHE_READ: partial(_tokens, ("cache_read",)),
    names.METRIC_CACHE_WRITE: partial(_tokens, ("cache_write",)),
    names.METRIC_REASONING: partial(_tokens, ("reasoning",)),
    names.METRIC_COST: _costs,
    names.METRIC_TOOL_REQUESTS: _tools,
    names.METRIC_UNPRICED: _unpriced,
    names.METRIC_ESTIMATED: _estimated,
    names.METRIC_ALLOCATION_COST: _owner_costs,
    names.METRIC_ALLOCATION_TOKENS: _owner_tokens,
    names.METRIC_FAULTS: _faults,
    names.METRIC_USAGE_FLAGS: _flags,
    names.METRIC_RECORDS_LOST: _lost,
    names.METRIC_OVERFLOWS: _overflows,
}
