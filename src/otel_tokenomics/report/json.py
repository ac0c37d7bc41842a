"""A report as JSON: `{"currency", "since", "until", "total": ROW, "rows": [ROW], ...}`.

ROW is about calls alone.
`charges` are those of a price file that are no call's; `total_with_charges` is both.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

from otel_tokenomics.model.money import decimal_string
from otel_tokenomics.pricing.contracts_charges import Converted
from otel_tokenomics.report.charges import Charge
from otel_tokenomics.report.exchange import LeftOut
from otel_tokenomics.report.rows import Report, Row

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def render(report: Report) -> str:
    """The report as indented JSON. Money is an exact decimal string; what is unknown is null."""
    return json.dumps(document(report), indent=2, ensure_ascii=False)


def document(report: Report) -> dict[str, object]:
    """The report as JSON's own types."""
    made = report.charges.made if report.charges else ()
    return {
        "currency": report.currency,
        "since": _instant(report.question.since),
        "until": _instant(report.question.until),
        "total": _row(report.total),
        "rows": [_row(row) for row in report.rows],
        "charges": [_charge(charge) for charge in made],
        "charges_until": _told(report.charges.until_ns) if made and report.charges else None,
        "charges_cost": _decimal(report.charges.total_femto if report.charges else None),
        "total_with_charges": _decimal(report.with_charges_femto),
        "left_out": [_left_out(item) for item in report.left_out],
    }


def _row(row: Row) -> dict[str, object]:
    return {
        **row.keys,
        "calls": row.calls,
        "tokens": dict(row.tokens),
        "cost": _decimal(row.cost_femto),
        "unpriced_calls": row.unpriced_calls,
        "estimated_calls": row.estimated_calls,
        "list_cost": _decimal(row.list_femto),
        "contracted_cost": _decimal(row.contracted_femto),
        "unlisted_calls": row.unlisted_calls,
        "exchanged": [_exchanged(item) for item in row.exchanged],
    }


def _charge(charge: Charge) -> dict[str, object]:
    return {
        "kind": charge.kind,
        "name": charge.name,
        "provider": charge.provider,
        "user": charge.user,
        "since": _told(charge.since_ns),
        "until": _told(charge.until_ns),
        "cost": _decimal(charge.cost_femto),
        "original_cost": _decimal(charge.original_femto),
        "original_currency": charge.original_currency,
        "usage_cost": _decimal(charge.usage_femto),
        "exchanged": [_exchanged(item) for item in charge.exchanged],
    }


def _exchanged(item: Converted) -> dict[str, object]:
    return {
        "cost": _decimal(item.amount_femto),
        "original_cost": _decimal(item.original_femto),
        "original_currency": item.original_currency,
        "rate": item.rate,
        "date": item.date,
    }


def _left_out(item: LeftOut) -> dict[str, object]:
    return {
        "currency": item.currency,
        "calls": item.calls,
        "cost": _decimal(item.cost_femto),
        "first_rate": item.first,
    }


def _decimal(femto: int | None) -> str | None:
    return None if femto is None else decimal_string(femto)


def _told(at_ns: int) -> str:
    return (_EPOCH + timedelta(microseconds=at_ns // 1000)).isoformat()


def _instant(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()
