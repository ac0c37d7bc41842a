"""A restatement for a terminal and as JSON. Unknown is `-` and null; the last lines say what was left out."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from otel_tokenomics.model.money import decimal_string
from otel_tokenomics.report.figures import ABSENT, count_column, money, money_column, plural, share
from otel_tokenomics.report.restate import Group, Restatement
from otel_tokenomics.report.table import Column, Line, fit, laid_out, not_shown, shown

REASONS = {
    "unknown_provider": "no prices for the provider",
    "unknown_model": "no price for the model",
    "unknown_tier": "no price for the tier",
    "missing_usage": "no usage reported",
    "unsupported_modality": "no price for a part of the usage",
    "vendor_reported": "the vendor set the amount itself",
    "another_currency": "the price is in another currency",
    "not_corrected": "no correction recorded",
}


def render(found: Restatement, title: str, currency: str, width: int | None) -> Iterator[Line]:
    """The table's lines, at most `width` cells wide."""
    yield Line(title, "title")
    columns, dropped = fit(_columns(found, currency), width)
    lines = list(laid_out(columns))
    yield Line(lines[0], "head")
    yield from (Line(text, "row") for text in lines[1:-1])
    yield Line(lines[-1], "total")
    yield from not_shown(dropped)
    yield from (Line(text, "note") for text in _notes(found.total, currency))


def document(found: Restatement) -> dict[str, object]:
    """`{"total": ROW, "rows": [ROW]}`; amounts are exact decimal strings."""
    rows = [dict(zip(found.by, keys, strict=True)) | _row(group) for keys, group in found.groups]
    return {"total": _row(found.total), "rows": rows}


def to_json(found: Restatement, **about: object) -> str:
    """The restatement as indented JSON, what it is about first."""
    return json.dumps({**about, **document(found)}, indent=2, ensure_ascii=False)


def _row(group: Group) -> dict[str, object]:
    return {
        "calls": group.calls,
        "restated_calls": group.restated,
        "before": _text(group.before_femto),
        "after": _text(group.after_femto),
        "difference": _text(group.difference_femto),
        "not_restated": {
            "calls": group.kept,
            "amount": _text(group.kept_femto),
            "reasons": dict(sorted(group.reasons.items())),
        },
        "newly_priced": {"calls": group.newly, "amount": _text(group.newly_femto)},
    }


def _text(femto: int | None) -> str | None:
    return None if femto is None else decimal_string(femto)


def _columns(found: Restatement, currency: str) -> list[Column]:
    groups = [*(group for _, group in found.groups), found.total]
    columns = [
        Column(
            key,
            [*(shown(keys[position]) for keys, _ in found.groups), "" if position else "total"],
            left=True,
        )
        for position, key in enumerate(found.by)
    ]
    columns = columns or [Column("", ["total"], left=True)]
    columns.append(Column("calls", count_column([group.calls for group in groups])))
    columns.append(Column("restated", [share(group.restated, group.calls) for group in groups]))
    for name, amounts in _amounts(groups):
        columns.append(Column(name, money_column(amounts, currency)))
    columns.append(Column("change", [_change(group) for group in groups]))
    return columns


def _amounts(groups: Sequence[Group]) -> Iterator[tuple[str, list[int | None]]]:
    yield "before", [group.before_femto for group in groups]
    yield "after", [group.after_femto for group in groups]
    yield "difference", [group.difference_femto for group in groups]


def _change(group: Group) -> str:
    """The difference in percent, with one decimal."""
    if group.difference_femto is None or not group.before_femto:
        return ABSENT
    tenths = round(1000 * group.difference_femto / group.before_femto)
    return f"{'-' if tenths < 0 else '+'}{abs(tenths) // 10}.{abs(tenths) % 10}%"


def _notes(total: Group, currency: str) -> Iterator[str]:
    if total.kept:
        reasons = "; ".join(
            f"{REASONS.get(reason, shown(reason))}: {calls:,}" for reason, calls in _frequent(total)
        )
        of_calls = share(total.kept, total.calls)
        amount = "" if total.kept_femto is None else f", {money(total.kept_femto, currency)} left as it is"
        yield f"not restated: {plural(total.kept, 'call')} ({of_calls}){amount}. {reasons}"
    if total.newly:
        amount = money(total.newly_femto, currency)
        yield f"newly priced: {plural(total.newly, 'call')} without a price before, {amount}, not in the sums"
    if total.calls and not total.kept:
        yield "every call restated" if not total.newly else "every call has a price now"


def _frequent(total: Group) -> list[tuple[str, int]]:
    return sorted(total.reasons.items(), key=lambda pair: (-pair[1], pair[0]))
