"""A usage record as a row: from the attributes on the wire, and back to what `tokenomics records` prints."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Context, Decimal, InvalidOperation
from typing import Any, Final, TypeVar

from otel_tokenomics.model.attribution import OWNERS
from otel_tokenomics.model.money import FEMTO, as_double, decimal_string
from otel_tokenomics.model.place import PLACES
from otel_tokenomics.model.usage import TOKEN_COMPONENTS, component_of
from otel_tokenomics.telemetry import names

Row = tuple[object, ...]
"""The values of one row, in the order of `COLUMNS`."""

_T = TypeVar("_T")

_encoded = json.JSONEncoder(separators=(",", ":")).encode

_MAX_INTEGER = 2**63 - 1
_MAX_DIGITS = 64
_EXACT = Context(prec=2 * _MAX_DIGITS)  # the application may have changed the ambient one
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_UNKNOWN_SERVICE = "unknown_service"

_TEXTS: Final = {
    "provider": names.PROVIDER,
    "operation": names.OPERATION,
    "request_model": names.REQUEST_MODEL,
    "response_model": names.RESPONSE_MODEL,
    "response_id": names.RESPONSE_ID,
    "service_tier": names.SERVICE_TIER_REPORTED,
    "usage_source": names.USAGE_SOURCE,
    "usage_estimator": names.USAGE_ESTIMATOR,
    "cost_currency": names.COST_CURRENCY,
    "cost_status": names.COST_STATUS,
    "cost_method": names.COST_METHOD,
    "cost_source": names.COST_SOURCE,
    "cost_bound": names.COST_BOUND,
    "cost_unpriced_reason": names.COST_UNPRICED_REASON,
    "cost_assumption": names.COST_ASSUMPTION,
    "cost_lines": names.COST_LINES,
    "price_id": names.PRICE_ID,
    "price_catalog": names.PRICE_CATALOG,
    "price_catalog_version": names.PRICE_CATALOG_VERSION,
    "price_effective_date": names.PRICE_EFFECTIVE_DATE,
    "price_tier": names.PRICE_TIER,
    "outcome": names.ATTEMPT_OUTCOME,
    "error_type": names.ERROR_TYPE,
    "server_address": names.SERVER_ADDRESS,
    **names.OWNER_ATTRIBUTES,
    **names.PLACE_ATTRIBUTES,
}
_INTEGERS: Final = {
    "stream": names.REQUEST_STREAM,
    "attempts": names.ATTEMPT_COUNT,
    "possibly_billed": names.ATTEMPTS_POSSIBLY_BILLED,
    "status_code": names.STATUS_CODE,
    "server_port": names.SERVER_PORT,
    "sequence": names.RECORD_SEQUENCE,
}
_TOKENS: Final = {f"{component}_tokens": component for component in TOKEN_COMPONENTS}
_OTHERS: Final = (
    *("key", "started_ns", "duration_seconds", "buckets", "usage_flags", "tags", "claimed"),
    *("cost_femto", "cost_list_femto", "cost_contracted_femto"),
    *("trace_id", "span_id", "service", "run", "process_id"),
)

COLUMNS: Final = (*_OTHERS, *_TEXTS, *_INTEGERS, *_TOKENS)


def row_of(
    attributes: Mapping[str, Any],
    *,
    started_ns: int,
    trace_id: str | None = None,
    span_id: str | None = None,
    resource: Mapping[str, Any],
    process_id: int | None,
) -> Row:
    """The row of one usage record. Whatever is missing or not of its type is NULL, never a guess."""
    buckets = _prefixed(attributes, names.USAGE_BUCKET, _integer)
    tokens = _components(buckets)
    values: list[object] = [
        _text(attributes.get(names.RECORD_KEY)) or _fallback_key(attributes, started_ns),
        started_ns,
        _number(attributes.get(names.RECORD_DURATION)),
        _encoded(buckets),
        _flags(attributes.get(names.USAGE_FLAGS)),
        _encoded(_prefixed(attributes, names.TAG, _text)),
        _flags(attributes.get(names.CLAIMED)),
        storable(_amount(attributes, names.COST_AMOUNT, names.COST_EXACT)),
        storable(_amount(attributes, names.COST_LIST_AMOUNT, names.COST_LIST_EXACT)),
        storable(_amount(attributes, names.COST_CONTRACTED_AMOUNT, names.COST_CONTRACTED_EXACT)),
        trace_id,
        span_id,
        _service(resource),
        _text(resource.get(names.RUN_ID)),
        process_id,
    ]
    values += [_text(attributes.get(name)) for name in _TEXTS.values()]
    values += [storable(_integer(attributes.get(name))) for name in _INTEGERS.values()]
    values += [storable(tokens.get(component)) for component in _TOKENS.values()]
    return tuple(values)


def storable(number: int | None) -> int | str | None:
    """An integer as SQLite keeps it without loss: itself, or its digits when it is beyond 64 bits."""
    return number if number is None or -_MAX_INTEGER <= number <= _MAX_INTEGER else str(number)


def public(row: Mapping[str, Any]) -> dict[str, object]:
    """What `tokenomics records --json` prints of a row."""
    return {
        "provider": row["provider"],
        "operation": row["operation"],
        "request_model": row["request_model"],
        "response_model": row["response_model"],
        "response_id": row["response_id"],
        "service_tier": row["service_tier"],
        "stream": None if row["stream"] is None else bool(row["stream"]),
        "usage": json.loads(row["buckets"]),
        "usage_source": row["usage_source"],
        "cost": _public_cost(row),
        "attribution": _public_attribution(row),
        "place": {name: row[name] for name in PLACES if row[name] is not None},
        "attempts": row["attempts"],
        "outcome": row["outcome"],
        "started_at": iso(row["started_ns"]),
        "trace_id": row["trace_id"],
        "span_id": row["span_id"],
    }


def iso(unix_ns: int) -> str:
    """An instant in UTC, ISO 8601 with microseconds."""
    instant = _EPOCH + timedelta(microseconds=unix_ns // 1000)
    return instant.isoformat(timespec="microseconds").replace("+00:00", "Z")


def _public_cost(row: Mapping[str, Any]) -> dict[str, object]:
    return {
        "amount": _decimal(row["cost_femto"]),
        "list": _decimal(row["cost_list_femto"]),
        "contracted": _decimal(row["cost_contracted_femto"]),
        "currency": row["cost_currency"],
        "status": row["cost_status"],
        "method": row["cost_method"],
        "card": row["price_id"],
        "lines": _public_lines(row["cost_lines"]),
        "unpriced_reason": row["cost_unpriced_reason"],
        "bound": row["cost_bound"],
        "assumption": row["cost_assumption"],
    }


def _decimal(stored: int | str | None) -> str | None:
    return None if stored is None else decimal_string(int(stored))


def _public_lines(lines: str | None) -> list[dict[str, object]] | None:
    """The charges, or `None` when there are none or the SDK's length limit cut their text off."""
    try:
        return [_public_line(*line) for line in json.loads(lines or "null")]
    except (ValueError, TypeError):
        return None


def _public_line(
    component: str, bucket: str, quantity: int, rate_femto: int, per: int, amount_femto: int
) -> dict[str, object]:
    return {
        "component": component,
        "bucket": bucket,
        "quantity": quantity,
        "rate": decimal_string(rate_femto),
        "per": per,
        "amount": decimal_string(amount_femto),
    }


def _public_attribution(row: Mapping[str, Any]) -> dict[str, object]:
    owners: dict[str, object] = {owner: row[owner] for owner in OWNERS if row[owner] is not None}
    tags = json.loads(row["tags"])
    claimed = json.loads(row["claimed"] or "[]")
    return owners | ({"tags": tags} if tags else {}) | ({"claimed": claimed} if claimed else {})


def _amount(attributes: Mapping[str, Any], rounded: str, whole: str) -> int | None:
    """An amount in femto-units, or `None` when it is not known.

    The `whole` amount is text, which an SDK limit on the length of values may have cut; the double
    beside it tells. Then the double is the best that is left.
    """
    double = _number(attributes.get(rounded))
    exact = _femto(attributes.get(whole))
    if exact is not None and (double is None or as_double(exact) == double):
        return exact
    return _femto(None if double is None else repr(double))


def _femto(text: object) -> int | None:
    if not isinstance(text, str) or len(text) > _MAX_DIGITS:
        return None
    try:
        amount = Decimal(text)
        return int(_EXACT.multiply(amount, FEMTO)) if abs(amount.adjusted()) < _MAX_DIGITS else None
    except (InvalidOperation, OverflowError, ValueError):
        return None


def _components(buckets: Mapping[str, int]) -> dict[str, int]:
    totals: dict[str, int] = {}
    for bucket, quantity in buckets.items():
        component = component_of(bucket)
        totals[component] = totals.get(component, 0) + quantity
    return totals


def _prefixed(
    attributes: Mapping[str, Any], prefix: str, read: Callable[[object], _T | None]
) -> dict[str, _T]:
    found: dict[str, _T] = {}
    for name in attributes:
        if name.startswith(prefix) and (value := read(attributes[name])) is not None:
            found[_utf8(name[len(prefix) :])] = value
    return found


def _text(value: object) -> str | None:
    return _utf8(value) if isinstance(value, str) else None


def _utf8(text: str) -> str:
    """A lone surrogate, which JSON can carry, fits neither UTF-8 nor SQLite."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def _integer(value: object) -> int | None:
    return int(value) if isinstance(value, int) else None


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None


def _flags(value: object) -> str | None:
    return _encoded([_text(flag) for flag in value]) if isinstance(value, list | tuple) else None


def _service(resource: Mapping[str, Any]) -> str | None:
    """`service.name`, unless it is the SDK's word for not knowing."""
    name = _text(resource.get(names.SERVICE))
    return None if name is None or name.startswith(_UNKNOWN_SERVICE) else name


def _fallback_key(attributes: Mapping[str, Any], started_ns: int) -> str:
    """A key for a record whose own was dropped on the way: the same record gives the same key."""
    told = repr((started_ns, sorted((name, repr(value)) for name, value in attributes.items())))
    return f"unkeyed:{hashlib.sha256(told.encode('utf-8', 'replace')).hexdigest()[:32]}"
