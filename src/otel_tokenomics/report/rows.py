"""A report: its rows, its total, and what its figures leave out."""

from __future__ import annotations

import dataclasses
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from otel_tokenomics.ledger import queries
from otel_tokenomics.ledger.queries import Missing, Scope
from otel_tokenomics.ledger.queries import Rollup as Row
from otel_tokenomics.pricing.contracts_terms import Terms
from otel_tokenomics.report.charges import Charge, fixed
from otel_tokenomics.report.charges import total_of as total_charged
from otel_tokenomics.report.exchange import LeftOut, Money, Sums, sums
from otel_tokenomics.report.period import unix_ns

__all__ = ["Charges", "Missing", "Question", "Report", "Row", "answer", "nothing"]

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
class Charges:
    """What a price file charges for a period beside its calls, up to the instant `until_ns`.

    `of_run`: one run was asked for, and they are no run's, so that none are told.
    """

    made: Sequence[Charge] = ()
    until_ns: int = 0
    of_run: bool = False

    @property
    def total_femto(self) -> int | None:
        """Their sum, without those that have no amount in the report's currency."""
        return total_charged(self.made)


@dataclass(frozen=True, slots=True)
class Report:
    """The answer. `hidden` counts the rows that `top` left out; the total has them in it.

    `charges` is `None` without a price file. `left_out` are calls in other money.
    """

    question: Question
    currency: str
    total: Row
    rows: Sequence[Row]
    hidden: int = 0
    missing: Missing = field(default_factory=Missing)
    charges: Charges | None = None
    left_out: Sequence[LeftOut] = ()

    @property
    def with_charges_femto(self) -> int | None:
        """The calls and the fixed charges together, as far as they are known."""
        charged = None if self.charges is None else self.charges.total_femto
        return queries.known_sum((self.total.cost_femto, charged))


def nothing(question: Question) -> Report:
    """The report on a ledger that holds no such record."""
    return Report(question, question.currency or DEFAULT_CURRENCY, queries.total_of([]), [])


def answer(
    connection: sqlite3.Connection,
    question: Question,
    terms: Terms | None = None,
    now: datetime | None = None,
) -> Report:
    """Ask a ledger that is open for reading.

    By the rates of `terms` other money is exchanged into the report's; without them money of one currency
    only is summed. Charges accrue up to `now` at most. Raises `sqlite3.Error`.
    """
    since = unix_ns(question.since) if question.since else None
    until = unix_ns(question.until) if question.until else None
    scope = Scope(since, until, question.run)
    asked = question.currency or (terms.currency if terms else None)
    money = Money(asked or _currency(connection, scope), terms.exchange if terms else ())
    found = sums(connection, question.by, scope, money, utc=question.utc)
    rows = found.groups if question.by else []
    return Report(
        question=question,
        currency=money.currency,
        total=queries.total_of(found.groups),
        rows=rows[: question.top],
        hidden=len(rows) - len(rows[: question.top]),
        missing=_missing(connection, found),
        charges=_charges(connection, question, terms, money, now),
        left_out=found.left_out,
    )


def _charges(
    connection: sqlite3.Connection,
    question: Question,
    terms: Terms | None,
    money: Money,
    now: datetime | None,
) -> Charges | None:
    if terms is None:
        return None
    until = min(moment for moment in (question.until, now or datetime.now(UTC)) if moment is not None)
    if question.run is not None:
        held = bool(terms.commitments or terms.self_hosted or terms.subscriptions)
        return Charges(until_ns=unix_ns(until), of_run=held)
    since = unix_ns(question.since) if question.since else None
    return Charges(fixed(connection, terms, since, unix_ns(until), money), unix_ns(until))


def _missing(connection: sqlite3.Connection, found: Sums) -> Missing:
    """What is missing from sums, those in other money that were exchanged among them."""
    parts = [queries.missing(connection, scope) for scope in found.scopes]
    left: Mapping[str, int] = {item.currency: item.calls for item in found.left_out}
    return dataclasses.replace(
        parts[0],
        estimated=sum(part.estimated for part in parts),
        partial=sum(part.partial for part in parts),
        other_currencies=left,
    )


def _currency(connection: sqlite3.Connection, scope: Scope) -> str:
    used = queries.currencies(connection, scope)
    return used[0] if used and DEFAULT_CURRENCY not in used else DEFAULT_CURRENCY
