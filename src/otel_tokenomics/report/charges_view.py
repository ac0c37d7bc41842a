"""The charges of a price file that are no call's, as a section below a report's table."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, tzinfo

from otel_tokenomics.report.charges import Charge
from otel_tokenomics.report.figures import money, money_column
from otel_tokenomics.report.rows import Charges, Report
from otel_tokenomics.report.table import Column, Line, fit, laid_out, shown


def render(report: Report, width: int | None = None) -> Iterator[Line]:
    """The section's lines, at most `width` cells wide; none without fixed charges."""
    if report.charges is None:
        return
    if report.charges.of_run:
        yield Line("fixed charges belong to no run: a report without --run has them", "note")
    if not report.charges.made:
        return
    zone = UTC if report.question.utc else None
    until = _local(report.charges.until_ns, zone).strftime("%Y-%m-%d %H:%M %Z")
    yield Line("", "row")
    yield Line(f"fixed charges until {until}, which are no call's", "title")
    columns, _ = fit(_columns(report, report.charges, zone), width)
    head, *rows, total, both = laid_out(columns)
    yield Line(head, "head")
    yield from (Line(text, "row") for text in rows)
    yield from (Line(text, "total") for text in (total, both))
    yield from (Line(text, "note") for text in _notes(report, report.charges))


def _columns(report: Report, charges: Charges, zone: tzinfo | None) -> list[Column]:
    made = charges.made
    costs = [*(charge.cost_femto for charge in made), charges.total_femto, report.with_charges_femto]
    usages = [*(charge.usage_femto for charge in made), report.total.cost_femto]
    *beside, called = money_column(usages, report.currency)
    begins = [_local(charge.since_ns, zone).strftime("%Y-%m-%d") for charge in made]
    return [
        Column("charge", [*(charge.kind for charge in made), "total", "with calls"], left=True),
        Column("name", [*(shown(charge.name) for charge in made), "", ""], left=True),
        Column("provider", [*(shown(charge.provider) for charge in made), "", ""], left=True),
        Column("user", [*(shown(charge.user) for charge in made), "", ""], left=True),
        Column("from", [*begins, "", ""]),
        Column("usage", [*beside, "", called]),
        Column("cost", money_column(costs, report.currency)),
    ]


def _notes(report: Report, charges: Charges) -> Iterator[str]:
    for charge in charges.made:
        if charge.cost_femto is None:
            yield _without_rate(charge, report.currency)
    kinds = {charge.kind for charge in charges.made}
    if "idle" in kinds:
        yield "idle: the bill of the machines less usage, which is what calls were charged for them"
    if "subscription" in kinds:
        yield "subscription: usage is what the user's calls there cost, even if the seat pays for them"


def _without_rate(charge: Charge, currency: str) -> str:
    amount = money(charge.original_femto, charge.original_currency)
    return (
        f"not in the sums: {charge.kind} {shown(charge.name)}, {amount}: the price file has no rate from "
        f"{charge.original_currency} to {currency} for all of its time"
    )


def _local(at_ns: int, zone: tzinfo | None) -> datetime:
    return datetime.fromtimestamp(at_ns // 10**9, UTC).astimezone(zone)
