"""A report for a terminal. Absent is `-`; figures are right-aligned; the last lines say what is missing."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from otel_tokenomics.pricing.contracts_charges import together
from otel_tokenomics.report.figures import ABSENT, count_column, money, money_column, plural, share
from otel_tokenomics.report.rows import Charges, Missing, Report, Row

DROPPED_FIRST = ("from", "exact", "cache write", "reasoning", "cache read", "input", "output", "calls")
"""The order in which columns give way on a narrow terminal; group keys and cost stay."""

LABEL = "estimates at list price, not a bill"
LABEL_OWN = "estimates at list price and by your price file, not a bill"

_TOKENS = {
    "input": "input",
    "cache_read": "cache read",
    "cache_write": "cache write",
    "output": "output",
    "reasoning": "reasoning",
}
_REASONS = {
    "unknown_provider": "no prices for the provider",
    "unknown_model": "no price for the model",
    "unknown_tier": "no price for the service tier",
    "missing_usage": "no usage reported",
    "unsupported_modality": "no price for a part of the usage",
    "unknown_currency": "currency not known",
}
_GAP = "  "
_MODELS_SHOWN = 5
_NARROWEST_KEY = 6


@dataclass(frozen=True, slots=True)
class Column:
    """A column's heading and its cells, from top to bottom; the last cell is the total's."""

    name: str
    cells: Sequence[str]
    left: bool = False

    @property
    def width(self) -> int:
        """Terminal cells that the widest of its lines takes."""
        return max(map(width_of, (self.name, *self.cells)))


@dataclass(frozen=True, slots=True)
class Line:
    """A line of output and its part in the table: `title`, `head`, `row`, `total` or `note`."""

    text: str
    part: str


def render(report: Report, width: int | None = None) -> Iterator[Line]:
    """The table's lines, at most `width` cells wide; without a width nothing is left out."""
    yield Line(_title(report), "title")
    columns, dropped = fit(_columns(report), width)
    lines = list(laid_out(columns))
    yield Line(lines[0], "head")
    for text in lines[1:-1]:
        yield Line(text, "row")
    yield Line(lines[-1], "total")
    if report.hidden:
        yield Line(f"{plural(report.hidden, 'more row')} in the total, not shown (--top)", "note")
    yield from not_shown(dropped)
    yield from (Line(text, "note") for text in notes(report.missing, report.total))
    yield from (Line(text, "note") for text in exchange_notes(report))


def notes(missing: Missing, total: Row) -> Iterator[str]:
    """What the figures leave out, one matter a line."""
    if total.unpriced_calls:
        yield f"unpriced: {_of(total.unpriced_calls, total)} ({_reasons(missing)})"
    if missing.partial:
        yield f"partial: {_of(missing.partial, total)} priced in part: their cost is a lower bound"
    if missing.estimated:
        yield (
            f"estimated: {_of(missing.estimated, total)} whose tokens were counted here: "
            "the provider reported none, or not to the end"
        )
    for currency, calls in missing.other_currencies.items():
        yield f"left out: {plural(calls, 'call')} in {currency} (--currency {currency})"
    if missing.lost:
        yield f"lost: {plural(missing.lost, 'usage record')} never reached the ledger (`tokenomics doctor`)"
    if total.calls and not (total.unpriced_calls or missing.partial or missing.estimated or missing.lost):
        yield "nothing missing: every call has the provider's own counts and a price"


def _of(calls: int, total: Row) -> str:
    return f"{calls:,} of {plural(total.calls, 'call')}"


def exchange_notes(report: Report) -> Iterator[str]:
    """Which amounts were in other money, at what rate they stand here, and which have none."""
    for item in together(
        [*report.total.exchanged, *(x for c in (report.charges or Charges()).made for x in c.exchanged)]
    ):
        original = money(item.original_femto, item.original_currency)
        amount = money(item.amount_femto, report.currency)
        yield f"exchanged: {original} is {amount} at the rate {item.rate} of {item.date}"
    if report.charges is None:
        return
    for left in report.left_out:
        why = f"the first rate is of {left.first}" if left.first else "the price file has none"
        yield f"no rate from {left.currency} to {report.currency} for those: {why}"


def fit(
    columns: Sequence[Column], width: int | None, dropped_first: Sequence[str] = DROPPED_FIRST
) -> tuple[list[Column], list[str]]:
    """The columns that fit into `width`, the widest keys shortened last, and the names of the others."""
    kept, dropped = list(columns), []
    for name in dropped_first:
        if width is None or _total_width(kept) <= width:
            break
        found = [column for column in kept if column.name == name]
        kept = [column for column in kept if column not in found]
        dropped += [column.name for column in found]
    return (kept if width is None else _shortened(kept, width)), dropped


def not_shown(dropped: Sequence[str]) -> Iterator[Line]:
    """Which columns `fit` left out, if it did."""
    if dropped:
        yield Line(f"not shown for want of width: {', '.join(dropped)} (--json has all)", "note")


def laid_out(columns: Sequence[Column]) -> Iterator[str]:
    """The heading and the rows of columns, as lines."""
    for cells in zip(*((column.name, *column.cells) for column in columns), strict=True):
        padded = (_padded(cell, column) for cell, column in zip(cells, columns, strict=True))
        yield _GAP.join(padded).rstrip()


def width_of(text: str) -> int:
    """Terminal cells a text takes: wide East Asian characters take two, combining ones none."""
    wide = sum(unicodedata.east_asian_width(c) in "WF" for c in text)
    return len(text) + wide - sum(unicodedata.combining(c) > 0 for c in text)


def shown(value: str | None) -> str:
    """A name that an application gave, safe for a terminal: no control characters."""
    if value is None:
        return ABSENT
    return "".join(c if c.isprintable() else "?" for c in value)


def _title(report: Report) -> str:
    question = report.question
    since = question.since.strftime("%Y-%m-%d %H:%M %Z") if question.since else None
    until = question.until.strftime("%Y-%m-%d %H:%M %Z") if question.until else None
    period = " ".join(
        f"{word} {moment}" for word, moment in (("since", since), ("until", until)) if moment is not None
    )
    return f"{period or 'all time'}; {LABEL if report.charges is None else LABEL_OWN}"


def _columns(report: Report) -> list[Column]:
    rows = [*report.rows, report.total]
    keys = [
        Column(key, _key_cells(report.rows, key, n), left=True) for n, key in enumerate(report.question.by)
    ]
    columns = [*(keys or [Column("", ["total"], left=True)])]
    columns.append(Column("calls", count_column([row.calls for row in rows])))
    for component, name in _TOKENS.items():
        columns.append(Column(name, count_column([row.tokens[component] for row in rows])))
    columns.append(Column("cost", money_column([row.cost_femto for row in rows], report.currency)))
    columns.append(Column("exact", [share(_exact(row), row.calls) for row in rows]))
    return columns


def _key_cells(rows: Sequence[Row], key: str, position: int) -> list[str]:
    return [*(shown(row.keys[key]) for row in rows), "" if position else "total"]


def _exact(row: Row) -> int:
    return row.calls - row.unpriced_calls - row.estimated_calls


def _reasons(missing: Missing) -> str:
    """Why calls are unpriced, and of which models: the most frequent first."""
    told: dict[str, list[str]] = {}
    for item in missing.unpriced:
        model = f"{shown(item.provider)}/{shown(item.model)}"
        counted = model if len(missing.unpriced) == 1 else f"{model} {item.calls:,}"
        told.setdefault(_REASONS.get(item.reason or "", shown(item.reason)), []).append(counted)
    return "; ".join(f"{reason}: {_some(models)}" for reason, models in told.items())


def _some(models: Sequence[str]) -> str:
    more = len(models) - _MODELS_SHOWN
    return ", ".join([*models[:_MODELS_SHOWN], *([f"and {more} more"] if more > 0 else [])])


def _total_width(columns: Sequence[Column]) -> int:
    return sum(column.width for column in columns) + len(_GAP) * (len(columns) - 1)


def _shortened(columns: list[Column], width: int) -> list[Column]:
    """The columns with their widest keys cut, so that a line never wraps while that can be helped."""
    while (excess := _total_width(columns) - width) > 0:
        widest = max((c for c in columns if c.left), key=lambda c: c.width, default=None)
        if widest is None or widest.width <= _NARROWEST_KEY:
            break
        limit = max(_NARROWEST_KEY, widest.width - excess)
        cut = Column(_cut(widest.name, limit), [_cut(cell, limit) for cell in widest.cells], left=True)
        columns = [cut if column is widest else column for column in columns]
    return columns


def _cut(text: str, limit: int) -> str:
    if width_of(text) <= limit:
        return text
    while width_of(text) >= limit:
        text = text[:-1]
    return f"{text}~"


def _padded(cell: str, column: Column) -> str:
    padding = " " * (column.width - width_of(cell))
    return cell + padding if column.left else padding + cell
