"""A report as JSON: `{"currency", "since", "until", "total": ROW, "rows": [ROW]}`."""

from __future__ import annotations

import json
from datetime import datetime

from otel_tokenomics.model.money import decimal_string
from otel_tokenomics.report.rows import Report, Row


def render(report: Report) -> str:
    """The report as indented JSON. Money is an exact decimal string; what is unknown is null."""
    return json.dumps(document(report), indent=2, ensure_ascii=False)


def document(report: Report) -> dict[str, object]:
    """The report as JSON's own types."""
    return {
        "currency": report.currency,
        "since": _instant(report.question.since),
        "until": _instant(report.question.until),
        "total": _row(report.total),
        "rows": [_row(row) for row in report.rows],
    }


def _row(row: Row) -> dict[str, object]:
    return {
        **row.keys,
        "calls": row.calls,
        "tokens": dict(row.tokens),
        "cost": None if row.cost_femto is None else decimal_string(row.cost_femto),
        "unpriced_calls": row.unpriced_calls,
        "estimated_calls": row.estimated_calls,
    }


def _instant(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()
