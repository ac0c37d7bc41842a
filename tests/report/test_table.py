"""The table: what a person sees of a ledger, wide and narrow, and its JSON twin."""

from __future__ import annotations

import json as jsonlib
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.ledger._support import STARTED_NS, priced, record, row

from otel_tokenomics.ledger.store import Ledger, Loss, reading
from otel_tokenomics.model.attribution import UNATTRIBUTED, Attribution
from otel_tokenomics.model.money import FEMTO, unpriced
from otel_tokenomics.model.record import UsageRecord
from otel_tokenomics.model.usage import MISSING, TOKEN_COMPONENTS, Usage
from otel_tokenomics.report import json, table
from otel_tokenomics.report.rows import Question, Report, answer, nothing

SONNET = {"provider": "anthropic", "model": "claude-sonnet-4-6", "served": "claude-sonnet-4-6"}
MINI = {"model": "gpt-5.4-mini", "served": "gpt-5.4-mini"}
TOLD = [
    record(
        **SONNET,
        attribution=Attribution(team="support"),
        usage=Usage({"input": 31_000, "cache_read": 12_900, "output": 6_000}),
        cost=priced(161_070_000_000_000_000),
    ),
    record(
        **MINI,
        attribution=Attribution(team="search"),
        usage=Usage({"input": 92_100, "cache_read": 0, "output": 8_200, "reasoning": 3_100}),
        cost=priced(118_420_000_000_000_000),
    ),
    record(
        **MINI,
        attribution=Attribution(team="search"),
        usage=Usage({"input": 100, "output": 20}, source="tokenizer"),
        cost=priced(20_000_000_000_000_000),
    ),
    record(
        model="acme-large",
        served="acme-large",
        attribution=UNATTRIBUTED,
        usage=Usage({"input": 5, "output": 6}),
        cost=unpriced("unknown_model"),
    ),
]

WIDE = """\
since 2026-11-01 00:00 UTC; estimates at list price, not a bill
team     model              calls    input  cache read  cache write  output  reasoning     cost  exact
support  claude-sonnet-4-6      1   31,000      12,900            -   6,000          -  $161.07   100%
search   gpt-5.4-mini           2   92,200           0            -   8,220      3,100  $138.42    50%
-        acme-large             1        5           -            -       6          -        -     0%
total                           4  123,205      12,900            -  14,226      3,100  $299.49    50%
unpriced: 1 of 4 calls (no price for the model: openai/acme-large)
estimated: 1 of 4 calls whose tokens were counted here: the provider reported none, or not to the end"""

NARROW = """\
team     model              calls  output     cost
support  claude-sonnet-4-6      1   6,000  $161.07
search   gpt-5.4-mini           2   8,220  $138.42
-        acme-large             1       6        -
total                           4  14,226  $299.49
not shown for want of width: exact, cache write, reasoning, cache read, input (--json has all)"""


def ask(
    tmp_path: Path, told: Sequence[UsageRecord], question: Question, losses: Sequence[Loss] = ()
) -> Report:
    path = tmp_path / "ledger.sqlite3"
    Ledger(path).write([row(one) for one in told], losses)
    with reading(path) as connection:
        return answer(connection, question)


def lines(report: Report, width: int | None = None) -> list[str]:
    return [line.text for line in table.render(report, width)]


def by_team(**known: object) -> Question:
    since = datetime(2026, 11, 1, tzinfo=UTC)
    return Question(by=("team", "model"), since=since, utc=True, **known)  # type: ignore[arg-type]


def test_wide(tmp_path: Path) -> None:
    assert lines(ask(tmp_path, TOLD, by_team())) == WIDE.splitlines()


def test_narrow_drops_columns_in_the_stated_order(tmp_path: Path) -> None:
    assert lines(ask(tmp_path, TOLD, by_team()), 52)[1:7] == NARROW.splitlines()


def test_very_narrow_shortens_the_widest_key_and_keeps_the_cost(tmp_path: Path) -> None:
    shown = lines(ask(tmp_path, TOLD, by_team()), 32)[1:6]
    assert max(map(len, shown)) <= 32
    assert all("$" in line or line.rstrip().endswith("-") for line in shown[1:])
    assert shown[1].startswith("support  claude-sonnet~")


@pytest.mark.parametrize("width", [1, 20, 40, 60, 80, 100, 120, 200])
def test_no_table_line_is_wider_than_asked_while_that_can_be_helped(tmp_path: Path, width: int) -> None:
    report = ask(tmp_path, TOLD, by_team())
    parts = [line.text for line in table.render(report, width) if line.part in ("head", "row", "total")]
    assert max(map(len, parts)) <= max(width, 25)
    assert len({len(part) for part in parts}) <= 2


def figures(
    cost: str | None, calls: int, tokens: Sequence[int | None], unpriced: int, estimated: int
) -> object:
    return {
        "calls": calls,
        "tokens": dict(zip(TOKEN_COMPONENTS, tokens, strict=True)),
        "cost": cost,
        "unpriced_calls": unpriced,
        "estimated_calls": estimated,
        "list_cost": cost,
        "contracted_cost": cost,
        "unlisted_calls": 0,
        "exchanged": [],
    }


def test_json_has_the_same_figures(tmp_path: Path) -> None:
    document = jsonlib.loads(json.render(ask(tmp_path, TOLD, by_team())))
    assert (document["charges"], document["left_out"], document["total_with_charges"]) == ([], [], "299.49")
    assert (document["currency"], document["until"]) == ("USD", None)
    assert document["since"] == "2026-11-01T00:00:00+00:00"
    assert document["total"] == figures("299.49", 4, (123_205, 12_900, None, 14_226, 3_100), 1, 1)
    owners = [(found.pop("team"), found.pop("model")) for found in document["rows"]]
    assert owners == [("support", "claude-sonnet-4-6"), ("search", "gpt-5.4-mini"), (None, "acme-large")]
    assert document["rows"] == [
        figures("161.07", 1, (31_000, 12_900, None, 6_000, None), 0, 0),
        figures("138.42", 2, (92_200, 0, None, 8_220, 3_100), 0, 1),
        figures(None, 1, (5, None, None, 6, None), 1, 0),
    ]


def test_top_cuts_rows_and_not_the_total(tmp_path: Path) -> None:
    report = ask(tmp_path, TOLD, by_team(top=1))
    assert len(report.rows) == 1
    assert report.total.calls == 4
    assert "2 more rows in the total, not shown (--top)" in lines(report)


def test_nothing_missing_is_said(tmp_path: Path) -> None:
    last = lines(ask(tmp_path, TOLD[:2], by_team()))[-1]
    assert last == "nothing missing: every call has the provider's own counts and a price"


def test_losses_partial_costs_and_other_currencies_are_said(tmp_path: Path) -> None:
    told = [record(cost=priced(status="partial")), record(cost=priced(currency="EUR"))]
    shown = lines(ask(tmp_path, told, by_team(), [Loss("outbox_full", 3, STARTED_NS)]))
    assert shown[-3:] == [
        "partial: 1 of 1 call priced in part: their cost is a lower bound",
        "left out: 1 call in EUR (--currency EUR)",
        "lost: 3 usage records never reached the ledger (`tokenomics doctor`)",
    ]


def test_one_other_currency_needs_no_option(tmp_path: Path) -> None:
    report = ask(tmp_path, [record(cost=priced(2 * FEMTO, currency="EUR"))], by_team())
    assert report.currency == "EUR"
    assert "EUR 2.00" in lines(report)[2]


def test_many_unpriced_models_are_summed_up(tmp_path: Path) -> None:
    told = [record(served=f"m{n}", cost=unpriced("unknown_model")) for n in range(8)]
    (note,) = [line for line in lines(ask(tmp_path, told, by_team())) if line.startswith("unpriced")]
    assert note.startswith("unpriced: 8 of 8 calls (no price for the model: openai/m0 1, openai/m1 1, ")
    assert note.endswith(", and 3 more)")


def test_names_from_the_application_cannot_steer_the_terminal(tmp_path: Path) -> None:
    told = [
        record(
            attribution=Attribution(team="\x1b[31mred\r\nx"), served="m\x07", cost=unpriced("unknown_model")
        )
    ]
    text = "".join(lines(ask(tmp_path, told, by_team())))
    assert text.isprintable()
    assert "?[31mred??x" in text


def test_wide_characters_keep_the_columns(tmp_path: Path) -> None:
    told = [record(attribution=Attribution(team="日本")), record(attribution=Attribution(team="ab"))]
    head, first, second, *_ = lines(ask(tmp_path, told, by_team()))[1:]
    assert {table.width_of(line) for line in (head, first, second)} == {len(head)}
    assert table.width_of("e\u0301日") == 3


def test_no_records_at_all(tmp_path: Path) -> None:
    empty = ask(tmp_path, [], by_team())
    assert json.document(empty)["rows"] == []
    assert json.document(empty)["total"] == json.document(nothing(by_team()))["total"]
    assert lines(empty)[2].split() == ["total", "0", "-", "-", "-", "-", "-", "-", "-"]


def test_without_keys_there_is_the_total_alone(tmp_path: Path) -> None:
    shown = lines(ask(tmp_path, TOLD, Question()))
    assert shown[0] == "all time; estimates at list price, not a bill"
    assert shown[2].startswith("total")
    assert "$299.49" in shown[2]


def test_missing_usage_is_not_zero(tmp_path: Path) -> None:
    report = ask(tmp_path, [record(usage=MISSING, cost=unpriced("missing_usage"))], by_team())
    assert "$0.00" not in "".join(lines(report))
    assert " 0 " not in lines(report)[2]
