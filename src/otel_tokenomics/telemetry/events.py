"""The usage record as a log record: what it carries on the wire, and how it is emitted."""

from __future__ import annotations

import itertools
import os
from collections.abc import Mapping
from functools import lru_cache
from json.encoder import encode_basestring_ascii as _quoted
from typing import Any, Final

from opentelemetry._logs import LoggerProvider, LogRecord, SeverityNumber, get_logger
from opentelemetry.context import Context
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, set_span_in_context
from opentelemetry.util.types import AttributeValue

from otel_tokenomics.model.attribution import Attribution
from otel_tokenomics.model.call import Facts, Reading
from otel_tokenomics.model.money import Cost, Line, as_double, decimal_string
from otel_tokenomics.model.place import NOWHERE, Place
from otel_tokenomics.model.record import UsageRecord
from otel_tokenomics.model.usage import INPUT_COMPONENTS, OUTPUT_COMPONENTS, Usage, together
from otel_tokenomics.telemetry import names, outbox
from otel_tokenomics.telemetry.handover import Handover
from otel_tokenomics.telemetry.labels import price_labels, region_of
from otel_tokenomics.version import __version__

SCOPE: Final = "otel_tokenomics"

_NANOSECONDS: Final = 1_000_000_000
_WIRE_METHODS: Final = ("vendor_reported", "gateway_reported")
_BUCKETS: Final[dict[str, str]] = {}
_BUCKETS_KEPT: Final = 512

_ASKED: Final = (
    names.PROVIDER,
    names.OPERATION,
    names.REQUEST_MODEL,
    names.RESPONSE_MODEL,
    names.RESPONSE_ID,
    names.INPUT_TOKENS,
    names.OUTPUT_TOKENS,
    names.USAGE_SOURCE,
    names.COST_AMOUNT,
    names.COST_CURRENCY,
    names.COST_STATUS,
    names.ATTEMPT_OUTCOME,
    names.ERROR_TYPE,
    *names.OWNER_ATTRIBUTES.values(),
    names.AGENT,
    names.WORKFLOW,
    names.CONVERSATION,
    names.RECORD_KEY,
)
"""What one asks a log store for. The SDK checks every attribute of an event at a microsecond each, so
that the rest of the record, which one reads, is its body."""

_sequence = itertools.count(1)
_sources = itertools.count(1)


class UsageEvents:
    """Emits one log record per billed response, `tokenomics.usage.recorded`.

    Without a `logger_provider` the global one is used, also when it is set later.
    """

    def __init__(self, logger_provider: LoggerProvider | None = None) -> None:
        self._logger = get_logger(SCOPE, __version__, logger_provider, names.SCHEMA_URL)
        self._source = next(_sources)
        self._handover = Handover(self._logger)

    def may_wait(self) -> bool:
        """Whether a record may be emitted a moment later: see `handover`."""
        return self._handover.may_wait()

    def emit(self, record: UsageRecord, context: Context | None = None) -> None:
        """Emit `record` under the span in `context`; without one, under the span the record names."""
        if self._handover.reaches_nobody:
            return
        told = attributes(record)
        asked = {name: told.pop(name) for name in _ASKED if name in told}
        event = LogRecord(
            timestamp=record.started_ns,
            observed_timestamp=None if record.duration_ns is None else record.started_ns + record.duration_ns,
            context=context or _context_of(record),
            severity_text="INFO",
            severity_number=SeverityNumber.INFO,
            body=told,
            attributes=asked,
            event_name=names.USAGE_RECORDED,
        )
        self._logger.emit(event)
        if outbox.wanted():
            outbox.post(_entry(self._source, record.key, event))


def _entry(source: int, key: str, event: LogRecord) -> outbox.Entry:
    """What the outbox keeps, read after the emission: without the event's context, which may be large."""
    return outbox.Entry(source, key, whole(event), event.timestamp or 0, event.trace_id, event.span_id)


def whole(event: LogRecord) -> dict[str, Any]:
    """The record that an event carries, in its body and in its attributes."""
    body = event.body if isinstance(event.body, Mapping) else {}
    return {**body, **(event.attributes or {})}


def attributes(record: UsageRecord) -> dict[str, AttributeValue]:
    """The attributes of a usage record; what is unknown is absent.

    The order matters: the SDK drops the first attributes when there are more than its limit, so the
    record's identity and its money come last.
    """
    known: dict[str, AttributeValue] = {}
    _put_attribution(known, record.attribution, record.place)
    _put_usage(known, record.reading.usage)
    _put_call(known, record)
    _put_facts(known, record.facts, record.reading)
    _put_cost(known, record.cost)
    known[names.RECORD_SEQUENCE] = next(_sequence)
    if record.duration_ns is not None:
        known[names.RECORD_DURATION] = record.duration_ns / _NANOSECONDS
    known[names.RECORD_KEY] = record.key
    return known


def _put_attribution(known: dict[str, AttributeValue], attribution: Attribution, place: Place) -> None:
    for tag, value in attribution.tags.items():
        known[names.TAG + tag] = value
    if place is not NOWHERE:
        for tag, value in place.tags.items():
            known[names.TAG + tag] = value
        for name, value in place.names().items():
            known[names.PLACE_ATTRIBUTES[name]] = value
    for owner, claimed in attribution.owners().items():
        known[names.OWNER_ATTRIBUTES[owner]] = claimed
    if attribution.claimed:
        known[names.CLAIMED] = attribution.claimed


def _put_usage(known: dict[str, AttributeValue], usage: Usage) -> None:
    for bucket, quantity in usage.buckets.items():
        known[_BUCKETS.get(bucket) or _bucket_attribute(bucket)] = quantity
    tokens = usage.tokens()
    if (total := together(tokens, INPUT_COMPONENTS)) is not None:
        known[names.INPUT_TOKENS] = total
    if (total := together(tokens, OUTPUT_COMPONENTS)) is not None:
        known[names.OUTPUT_TOKENS] = total
    known[names.USAGE_SOURCE] = usage.source
    if usage.estimator is not None:
        known[names.USAGE_ESTIMATOR] = usage.estimator
    if usage.flags:
        known[names.USAGE_FLAGS] = usage.flags


def _bucket_attribute(bucket: str) -> str:
    """The attribute of a bucket, kept for the few buckets there are."""
    name = names.USAGE_BUCKET + bucket
    if len(_BUCKETS) < _BUCKETS_KEPT:
        _BUCKETS[bucket] = name
    return name


def _put_call(known: dict[str, AttributeValue], record: UsageRecord) -> None:
    known[names.ATTEMPT_COUNT] = record.attempts
    known[names.ATTEMPT_OUTCOME] = record.outcome
    if record.possibly_billed:
        known[names.ATTEMPTS_POSSIBLY_BILLED] = record.possibly_billed
    if record.error_type is not None:
        known[names.ERROR_TYPE] = record.error_type
    if record.status_code is not None:
        known[names.STATUS_CODE] = record.status_code


def _put_facts(known: dict[str, AttributeValue], facts: Facts, reading: Reading) -> None:
    if facts.server_address is not None:
        known[names.SERVER_ADDRESS] = facts.server_address
        if facts.server_port is not None:
            known[names.SERVER_PORT] = facts.server_port
    known[names.REQUEST_STREAM] = facts.stream
    known[names.OPERATION] = facts.operation
    known[names.PROVIDER] = facts.provider
    if facts.request_model is not None:
        known[names.REQUEST_MODEL] = facts.request_model
    if reading.response_model is not None:
        known[names.RESPONSE_MODEL] = reading.response_model
    if reading.response_id is not None:
        known[names.RESPONSE_ID] = reading.response_id
    if reading.service_tier is not None:
        known[names.SERVICE_TIER_REPORTED] = reading.service_tier
    if (region := region_of(reading)) is not None:
        known[names.INFERENCE_REGION] = region


def _put_cost(known: dict[str, AttributeValue], cost: Cost) -> None:
    if cost.unpriced_reason is not None:
        known[names.COST_UNPRICED_REASON] = cost.unpriced_reason
    known.update(price_labels(cost))
    known[names.COST_STATUS] = cost.status
    if cost.lines:
        known[names.COST_LINES] = lines_json(cost.lines)
    if cost.computed_femto is not None:
        known[names.COST_COMPUTED] = decimal_string(cost.computed_femto)
    if cost.contracted_femto is not None:
        known[names.COST_CONTRACTED_AMOUNT] = as_double(cost.contracted_femto)
        known[names.COST_CONTRACTED_EXACT] = decimal_string(cost.contracted_femto)
    if cost.list_femto is not None:
        known[names.COST_LIST_AMOUNT] = as_double(cost.list_femto)
        known[names.COST_LIST_EXACT] = decimal_string(cost.list_femto)
    if cost.amount_femto is not None:
        known[names.COST_SOURCE] = "provider" if cost.method in _WIRE_METHODS else "local"
        known[names.COST_CURRENCY] = cost.currency
        known[names.COST_AMOUNT] = as_double(cost.amount_femto)
        known[names.COST_EXACT] = decimal_string(cost.amount_femto)


def lines_json(lines: tuple[Line, ...]) -> str:
    """The charges as a JSON array of `[component, bucket, quantity, rate_femto, per, amount_femto]`."""
    told = [
        f"[{_charged(component, bucket)},{quantity},{rate},{per},{amount}]"
        for component, bucket, quantity, rate, per, amount in lines
    ]
    return f"[{','.join(told)}]"


@lru_cache(maxsize=512)
def _charged(component: str, bucket: str) -> str:
    return f"{_quoted(component)},{_quoted(bucket)}"


def _context_of(record: UsageRecord) -> Context | None:
    """A context under the span the record names, for callers whose span is no longer current."""
    if record.trace_id is None or record.span_id is None:
        return None
    span = SpanContext(
        int(record.trace_id, 16), int(record.span_id, 16), is_remote=False, trace_flags=TraceFlags(1)
    )
    return set_span_in_context(NonRecordingSpan(span))


def _after_fork_in_child() -> None:
    global _sequence
    _sequence = itertools.count(1)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
