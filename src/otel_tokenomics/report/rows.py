"""A report: its rows, its total, and what its figures leave out."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from otel_tokenomics.ledger import queries
from otel_tokenomics.ledger.queries import Missing, Scope
from otel_tokenomics.ledger.queries import Rollup as Row
from otel_tokenomics.report.period import unix_ns

__all__ = ["Missing", "Question", "Report", "Row", "answer", "nothing"]

DEFAULT_CURRENCY = "USD"


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of a ledger: group keys, period (`until` exclusive), run, currency, length."""

    by: Sequence[str] = ()
    since: datetime | None = None
    until: datetime | None = None
    run: str | None = None
    currency: str | None = None
    top: int | None = None
    utc: bool = False


@dataclass(frozen=True, slots=True)
class Report:
    """The answer. `hidden` counts the rows that `top` left out; the total has them in it."""

    question: Question
    currency: str
    total: Row
    rows: Sequence[Row]
    hidden: int = 0
    missing: Missing = field(default_factory=Missing)


def nothing(question: Question) -> Report:
    """The report on a ledger that holds no such record."""
    return Report(question, question.currency or DEFAULT_CURRENCY, queries.total_of([]), [])


def answer(connection: sqlite3.Connection, question: Question) -> Report:
    """Ask a ledger that is open for reading. Money of one currency only is summed.

    Raises `sqlite3.Error`.
    """
    since = unix_ns(question.since) if question.since else None
    until = unix_ns(question.until) if question.until else None
    scope = Scope(since, until, question.run, currency=question.currency)
    if scope.currency is None:
        scope = Scope(since, until, question.run, currency=_currency(connection, scope))
    groups = queries.rollups(connection, question.by, scope, utc=question.utc)
    rows = groups if question.by else []
    return Report(
        question=question,
        currency=scope.currency or DEFAULT_CURRENCY,
        total=queries.total_of(groups),
        rows=rows[: question.top],
        hidden=len(rows) - len(rows[: question.top]),
        missing=queries.missing(connection, scope),
    )


def _currency(connection: sqlite3.Connection, scope: Scope) -> str:
    used = queries.currencies(connection, scope)
    return used[0] if used and DEFAULT_CURRENCY not in used else DEFAULT_CURRENCY
