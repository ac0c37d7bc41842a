"""Metrics: totals through observable counters, distributions through four histograms."""

from __future__ import annotations

import os
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

from opentelemetry.context import Context
from opentelemetry.metrics import (
    CallbackOptions,
    Histogram,
    Meter,
    MeterProvider,
    Observation,
    get_meter_provider,
)

from otel_tokenomics.flow import guard, late
from otel_tokenomics.flow.guard import guarded
from otel_tokenomics.model.money import as_double
from otel_tokenomics.model.record import UsageRecord
from otel_tokenomics.model.usage import INPUT_COMPONENTS, OUTPUT_COMPONENTS
from otel_tokenomics.telemetry import names, outbox
from otel_tokenomics.telemetry.accounts import ACCOUNTS, Key, Owner, token_totals
from otel_tokenomics.telemetry.labels import Labels, operation_of
from otel_tokenomics.version import __version__

_SECONDS = tuple(0.01 * 2**power for power in range(14))
_TOKENS = tuple(4**power for power in range(14))
_MONEY = tuple(1e-6 * 4**power for power in range(14))
_MOST_CACHED = 512
_MANY = 256

_waiting: deque[tuple[Metrics, UsageRecord, Context | None]] = deque()

Observe = Callable[[], Iterable[Observation]]


class Metrics:
    """The instruments of one meter provider. Only the latest one in use publishes the process's totals."""

    _publishing: weakref.ref[Metrics] | None = None

    def __init__(self, provider: MeterProvider | None = None, legacy: bool = False) -> None:
        meter = (provider or get_meter_provider()).get_meter("otel_tokenomics", __version__, names.SCHEMA_URL)
        self._labels: dict[tuple[Any, ...], Labels] = {}
        self._histograms(meter)
        self._legacy = _legacy_histogram(meter) if legacy else None
        self._token_counters(meter)
        self._other_counters(meter)
        self._self_counters(meter)

    def publish(self) -> None:
        """From now on the totals go out through this provider, and through no earlier one."""
        Metrics._publishing = weakref.ref(self)

    def record(self, record: UsageRecord, context: Context | None) -> None:
        """Take note of one call. It is folded in when metrics are collected, or when many wait."""
        _waiting.append((self, record, context))
        if len(_waiting) >= _MANY:
            late.start()
            late.submit(fold)

    def fold(self, record: UsageRecord, context: Context | None) -> None:
        """Record the distributions of one call, and add it to the totals if it was, or may be, billed."""
        if record.billed or record.possibly_billed:
            ACCOUNTS.add(record)
        labels = self._labels_of(record)
        failed = {**labels, names.ERROR_TYPE: record.error_type} if record.error_type else labels
        self._duration.record(record.duration_ns / 1e9, failed, context)
        if record.first_chunk_ns is not None and record.facts.stream:
            self._first_chunk.record(record.first_chunk_ns / 1e9, labels, context)
        if record.billed and record.facts.billing != "free":
            self._record_usage(record, labels, context)

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
            self._cost.record(
                as_double(cost.amount_femto), {**labels, names.COST_CURRENCY: cost.currency}, context
            )

    def _labels_of(self, record: UsageRecord) -> Labels:
        facts, reading = record.facts, record.reading
        key = (facts.operation, facts.billing, facts.provider, facts.request_model, reading.response_model)
        labels = self._labels.get(key)
        if labels is None:
            labels = {names.OPERATION: operation_of(facts), names.PROVIDER: facts.provider}
            _put_models(labels, facts.request_model, reading.response_model)
            if len(self._labels) < _MOST_CACHED:
                self._labels[key] = labels
            else:
                _put_models(labels, "_OTHER", "_OTHER")
        return labels

    def _histograms(self, meter: Meter) -> None:
        self._duration = meter.create_histogram(
            names.METRIC_DURATION,
            "s",
            "Duration of inference calls.",
            explicit_bucket_boundaries_advisory=_SECONDS,
        )
        self._first_chunk = meter.create_histogram(
            names.METRIC_FIRST_CHUNK,
            "s",
            "Time to the first chunk of streamed responses.",
            explicit_bucket_boundaries_advisory=_SECONDS,
        )
        self._input = meter.create_histogram(
            names.METRIC_OPERATION_INPUT,
            "{token}",
            "Input tokens of one operation, cached ones included.",
            explicit_bucket_boundaries_advisory=_TOKENS,
        )
        self._output = meter.create_histogram(
            names.METRIC_OPERATION_OUTPUT,
            "{token}",
            "Output tokens of one operation, reasoning included.",
            explicit_bucket_boundaries_advisory=_TOKENS,
        )
        self._cost = meter.create_histogram(
            names.METRIC_OPERATION_COST,
            "{currency_unit}",
            "Cost of one operation.",
            explicit_bucket_boundaries_advisory=_MONEY,
        )

    def _token_counters(self, meter: Meter) -> None:
        for name, components, brief in (
            (names.METRIC_INPUT_TOKENS, INPUT_COMPONENTS, "Input tokens, cached ones included."),
            (names.METRIC_OUTPUT_TOKENS, OUTPUT_COMPONENTS, "Output tokens, reasoning included."),
            (names.METRIC_CACHE_READ, ("cache_read",), "Input tokens read from a cache."),
            (names.METRIC_CACHE_WRITE, ("cache_write",), "Input tokens written to a cache."),
            (names.METRIC_REASONING, ("reasoning",), "Output tokens spent on reasoning."),
        ):
            self._counter(meter, name, "{token}", brief, partial(_tokens, components))

    def _other_counters(self, meter: Meter) -> None:
        unit = "{currency_unit}"
        self._counter(meter, names.METRIC_COST, unit, "Money spent on inference, by component.", _costs)
        self._counter(
            meter, names.METRIC_TOOL_REQUESTS, "{request}", "Billed server-side tool requests.", _tools
        )
        self._counter(
            meter,
            names.METRIC_UNPRICED,
            "{operation}",
            "Operations whose cost is partial or unknown.",
            _unpriced,
        )
        self._counter(
            meter,
            names.METRIC_ESTIMATED,
            "{operation}",
            "Operations whose usage the provider did not report.",
            _estimated,
        )
        self._counter(meter, names.METRIC_ALLOCATION_COST, unit, "The same money by owner.", _owner_costs)
        self._counter(
            meter, names.METRIC_ALLOCATION_TOKENS, "{token}", "The same tokens by owner.", _owner_tokens
        )

    def _self_counters(self, meter: Meter) -> None:
        self._counter(meter, names.METRIC_FAULTS, "{fault}", "Faults of the instrumentation itself.", _faults)
        self._counter(
            meter,
            names.METRIC_USAGE_FLAGS,
            "{operation}",
            "Usage that did not add up, by flaw.",
            _flags,
        )
        self._counter(
            meter, names.METRIC_RECORDS_LOST, "{record}", "Usage records that no ledger took.", _lost
        )

    def _counter(self, meter: Meter, name: str, unit: str, brief: str, observe: Observe) -> None:
        mine = weakref.ref(self)

        def callback(options: CallbackOptions) -> Iterable[Observation]:
            fold()
            current = Metrics._publishing
            return list(observe()) if current is not None and current() is mine() else []

        meter.create_observable_counter(name, [callback], unit, brief)


def _legacy_histogram(meter: Meter) -> Histogram:
    """The metric that dashboards made before the counters read."""
    return meter.create_histogram(
        names.METRIC_LEGACY_TOKENS,
        "{token}",
        "Tokens of one operation, by type.",
        explicit_bucket_boundaries_advisory=_TOKENS,
    )


def fold() -> None:
    """Fold every waiting call into histograms and totals, off the callers' path.

    Runs in a collection's callbacks, which the SDK calls before it reads the histograms, so that a
    collection sees every call that ended before it.
    """
    while True:
        try:
            metrics, record, context = _waiting.popleft()
        except IndexError:
            return
        with guarded("metrics.fold"):
            metrics.fold(record, context)


def _put_models(labels: Labels, requested: str | None, served: str | None) -> None:
    if requested is not None:
        labels[names.REQUEST_MODEL] = requested
    if served is not None:
        labels[names.RESPONSE_MODEL] = served


def _labels(key: Key) -> Labels:
    labels: Labels = {names.OPERATION: key.operation, names.PROVIDER: key.provider}
    _put_models(labels, key.request_model, key.response_model)
    return labels


def _full_labels(key: Key) -> Labels:
    return {**_labels(key), names.SERVICE_TIER: key.tier, names.ATTEMPT_OUTCOME: key.outcome}


def _tokens(components: tuple[str, ...]) -> Iterator[Observation]:
    for key, totals in ACCOUNTS.totals():
        for modality, quantity in token_totals(totals, components):
            yield Observation(quantity, {**_full_labels(key), names.TOKEN_MODALITY: modality})


def _costs() -> Iterator[Observation]:
    for key, totals in ACCOUNTS.totals():
        for (component, modality, currency, source, method, usage_source), femto in totals.cost.items():
            labels = {
                **_full_labels(key),
                names.COST_COMPONENT: component,
                names.TOKEN_MODALITY: modality,
                names.COST_CURRENCY: currency,
                names.COST_SOURCE: source,
                names.COST_METHOD: method,
                names.USAGE_SOURCE: usage_source,
            }
            yield Observation(as_double(femto), labels)


def _tools() -> Iterator[Observation]:
    for key, totals in ACCOUNTS.totals():
        for tool, quantity in totals.tools.items():
            yield Observation(quantity, {**_full_labels(key), names.TOOL_NAME: tool})


def _unpriced() -> Iterator[Observation]:
    for key, totals in ACCOUNTS.totals():
        for (status, reason), quantity in totals.unpriced.items():
            labels = {**_full_labels(key), names.COST_STATUS: status, names.COST_UNPRICED_REASON: reason}
            yield Observation(quantity, labels)


def _estimated() -> Iterator[Observation]:
    for key, totals in ACCOUNTS.totals():
        for source, quantity in totals.estimated.items():
            yield Observation(quantity, {**_full_labels(key), names.USAGE_SOURCE: source})


def _owner_labels(owner: Owner) -> Labels:
    labels: Labels = {names.PROVIDER: owner.provider, names.COST_CURRENCY: owner.currency}
    for name in ("team", "project", "feature", "cost_center"):
        if (value := getattr(owner, name)) is not None:
            labels[names.OWNER_ATTRIBUTES[name]] = value
    return labels


def _owner_costs() -> Iterator[Observation]:
    for owner, cost, _ in ACCOUNTS.owners():
        yield Observation(as_double(cost), _owner_labels(owner))


def _owner_tokens() -> Iterator[Observation]:
    for owner, _, tokens in ACCOUNTS.owners():
        yield Observation(tokens, _owner_labels(owner))


def _faults() -> Iterator[Observation]:
    for cause, quantity in guard.faults().items():
        yield Observation(quantity, {names.SELF_CAUSE: cause})


def _flags() -> Iterator[Observation]:
    for key, totals in ACCOUNTS.totals():
        for flag, quantity in totals.flags.items():
            yield Observation(quantity, {**_labels(key), names.USAGE_FLAG: flag})


def _lost() -> Iterator[Observation]:
    yield Observation(outbox.lost())


os.register_at_fork(after_in_child=_waiting.clear)
