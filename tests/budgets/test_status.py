"""`tokenomics budget status` beside processes that spend: shards, leases, forecasts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.budgets._calls import COST, create, governed
from tests.budgets._redis import Server
from tests.ledger._support import record

from otel_tokenomics.budgets import lease
from otel_tokenomics.budgets.amounts import Amount
from otel_tokenomics.budgets.budget import Budget
from otel_tokenomics.budgets.history import HOUR, Past, forecast, hourly_of, leaving_of, runs_out
from otel_tokenomics.budgets.windows import Window
from otel_tokenomics.cli.main import main
from otel_tokenomics.model.attribution import Attribution

SHARDED = """\
shard = "tenant"
[[budget]]
name = "tenants"
match = { tenant = "*" }
limit = "2 USD"
window = "lifetime"
"""


def status(folder: Path, url: str, text: str, capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    """What the command says of a configuration."""
    path = folder / "tokenomics.toml"
    path.write_text(f'[store]\nurl = "{url}"\n{text}')
    assert main(["budget", "status", "--config", str(path), "--json"]) == 0
    found: list[dict[str, Any]] = json.loads(capsys.readouterr().out)["budgets"]
    return found


@pytest.mark.parametrize(("tenant", "shown"), [("acme", "acme"), ("a{b}", "a{b}"), ("a|b", "a%7Cb")])
def test_status_finds_every_shard_and_what_is_lent(
    tenant: str,
    shown: str,
    tmp_path: Path,
    redis_server: Server,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OTEL_TOKENOMICS_LEDGER", str(tmp_path / "none.sqlite3"))
    monkeypatch.setattr(lease, "_IDLE_SECONDS", 600.0)
    url = redis_server.url.replace("/0", "/7")
    text = f'timeout = "30s"\nlease = "25%"\n{SHARDED}'
    with governed(text, url, who=Attribution.of({"tenant": tenant})) as house:
        create(house.client())
        (lent,) = [
            row for row in status(tmp_path, url, text, capsys) if row["budget"] == f"tenants|tenant={shown}"
        ]
        assert (lent["spent"], lent["held"], lent["left"]) == (0, 500_000_000, 1_500_000_000)
        house.gate.governor.keeper.store.close()
        rows = {row["budget"]: row for row in status(tmp_path, url, text, capsys)}
        back = rows[f"tenants|tenant={shown}"]
        assert (back["spent"], back["held"], back["left"]) == (COST, 0, 2_000_000_000 - COST)


def test_a_shard_whose_process_died_is_settled(
    tmp_path: Path,
    redis_server: Server,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OTEL_TOKENOMICS_LEDGER", str(tmp_path / "none.sqlite3"))
    url = redis_server.url.replace("/0", "/8")
    text = f'timeout = "30s"\nlease = "off"\n{SHARDED}'
    with governed(text, url, who=Attribution.of({"tenant": "gone"})) as house:
        governor = house.gate.governor
        made = record()
        ticket = house.gate.admit(made.facts, house.gate.owner(Attribution.of({"tenant": "gone"})), {}, 0)
        assert ticket is not None
        held = ticket.lines[0].amount
        store = governor.keeper.store
        store.settle(ticket.hold, [0])
        assert store.reserve("dead", ticket.lines, 0).granted
    (row,) = status(tmp_path, url, text, capsys)
    assert (row["budget"], row["spent"], row["held"]) == ("tenants|tenant=gone", held, 0)


def a_budget(window: Window) -> Budget:
    return Budget("b", Amount("request", 100), window)


def at(*hours: int, now: int = 0) -> list[Past]:
    """A call so many hours ago, each."""
    return [Past(now - hour * HOUR - 1, {}, None, 0) for hour in hours]


def test_the_hours_of_the_past_end_now() -> None:
    now = 100 * HOUR + 1800
    past = at(0, 0, 2, 3, 3, 3, now=now)
    assert hourly_of(a_budget(Window("month")), "b", past, 0, now) == [3, 1, 0, 2]


def test_a_rolling_budget_that_gets_back_what_it_spends_never_runs_out() -> None:
    budget = a_budget(Window("rolling", 24 * HOUR))
    past = at(*range(48), now=100 * HOUR)
    hours = hourly_of(budget, "b", past, 0, 100 * HOUR)
    leaving = leaving_of(budget, "b", past, 100 * HOUR)
    assert leaving == [1] * 24
    assert forecast(hours, 76, 100 * HOUR, leaving) == (None, None, None)
    # The same pace would spend a calendar's budget.
    assert forecast(hours, 76, 100 * HOUR) == (176 * HOUR,) * 3


def test_a_rolling_budget_runs_out_while_little_comes_back() -> None:
    budget = a_budget(Window("rolling", 24 * HOUR))
    now = 100 * HOUR
    past = at(*[hour for hour in range(10) for _ in range(9)], now=now)
    leaving = leaving_of(budget, "b", past, now)
    assert leaving == [0] * 14 + [9] * 10
    made = forecast(hourly_of(budget, "b", past, 0, now), 10, now, leaving)
    assert made is not None
    assert made.likely == now + 2 * HOUR


def test_other_windows_give_nothing_back() -> None:
    assert leaving_of(a_budget(Window("day")), "b", at(1), 0) is None


def test_hours_say_nothing_of_minutes() -> None:
    past = at(*range(9), now=9 * HOUR)
    assert runs_out(a_budget(Window("rolling", 300)), "b", past, 5, 9 * HOUR) is None
    assert runs_out(a_budget(Window("lifetime")), "b", past, 5, 9 * HOUR) == (14 * HOUR,) * 3
