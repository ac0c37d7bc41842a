"""Checks of budgets as events: every scope, unit and decision that is declared is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.budgets._calls import House, create, governed
from tests.budgets._redis import Server

from otel_tokenomics import run
from otel_tokenomics.budgets.amounts import Amount
from otel_tokenomics.budgets.budget import Budget
from otel_tokenomics.budgets.errors import BudgetExceededError
from otel_tokenomics.budgets.protocol import Balance
from otel_tokenomics.budgets.ticket import Part
from otel_tokenomics.budgets.windows import Window
from otel_tokenomics.model.attribution import Attribution

OWNER = Attribution(
    team="t", project="p", feature="f", cost_center="c", tenant="n", user="u", session="s", tags={"x": "y"}
)


def checks(house: House) -> list[dict[str, Any]]:
    """What the events of checks say, in order."""
    logs = house.telemetry.log_exporter.get_finished_logs()
    records = [log.log_record for log in logs if log.log_record.event_name == "tokenomics.budget.check"]
    return [{k.rpartition(".")[2]: v for k, v in (each.attributes or {}).items()} for each in records]


def url(folder: Path) -> str:
    return f"sqlite:///{str(folder / 'b.db').lstrip('/')}"


@pytest.mark.parametrize("scope", ["team", "user", "project", "feature", "tenant", "session"])
def test_what_an_observed_budget_would_refuse_is_told_with_whom_it_limits(scope: str, tmp_path: Path) -> None:
    text = f'match = {{ {scope} = "*" }}\nlimit = "10 tokens"\nmode = "observe"\n'
    with governed('[[budget]]\nname = "b"\nwindow = "day"\n' + text, url(tmp_path), who=OWNER) as house:
        create(house.client())
        (told,) = checks(house)
    value = getattr(OWNER, scope)
    assert (told["scope"], told["unit"], told["decision"]) == (scope, "token", "would_deny")
    assert (told["name"], told["limit"]) == ("b", 10)
    assert value not in told.values()


def test_a_missing_cap_that_would_be_refused_is_told(tmp_path: Path) -> None:
    text = '[[budget]]\nname = "b"\nwindow = "day"\nlimit = "9 USD"\nmode = "observe"\n'
    with governed(f'{text}unbounded_output = "refuse"\n', url(tmp_path)) as house:
        create(house.client(), cap=None)
        (told,) = checks(house)
    assert (told["decision"], told["reason"]) == ("would_deny", "unbounded_output")


@pytest.mark.parametrize(("policy", "decision"), [("open", "fail_open"), ("closed", "fail_closed")])
def test_a_store_that_is_down_is_told(policy: str, decision: str) -> None:
    text = (
        f'[budgets]\nstore_down = "{policy}"\n[[budget]]\nname = "b"\nwindow = "day"\nlimit = "5 requests"\n'
    )
    with governed(text, "redis://127.0.0.1:1/0") as house:
        try:
            create(house.client())
        except BudgetExceededError as error:
            assert error.reason == "store_unavailable"
        (told,) = checks(house)
    assert (told["decision"], told["unit"], told["scope"]) == (decision, "request", "organization")
    assert "consumed" not in told


def test_a_budget_of_each_run_is_told_as_that(tmp_path: Path) -> None:
    text = '[[budget]]\nname = "b"\nwindow = "run"\nlimit = "10 tokens"\nmode = "observe"\n'
    with governed(text, url(tmp_path)) as house, run("triage"):
        create(house.client())
        (told,) = checks(house)
    assert (told["scope"], told["period"]) == ("agent_run", "run")


def told(house: House) -> list[str]:
    return [check["decision"] for check in checks(house)]


def test_a_soft_threshold_is_told_once_in_a_window(tmp_path: Path) -> None:
    text = 'warn_at = [0.2, 0.5]\nlimit = "10 requests"\n'
    with governed(f'[[budget]]\nname = "b"\nwindow = "lifetime"\n{text}', url(tmp_path)) as house:
        for _ in range(8):
            create(house.client())
        assert told(house) == ["warn", "warn"]


def test_a_rolling_budget_tells_a_threshold_once_while_it_rolls(tmp_path: Path) -> None:
    text = 'warn_at = [0.1]\nlimit = "1_000 requests"\nwindow = "rolling 1h"\n'
    with governed(f'[[budget]]\nname = "b"\n{text}', url(tmp_path)) as house:
        part = Part(
            Budget("b", Amount("request", 10), Window("rolling", 3600), warn_at=(100_000,)), "b", True
        )
        governor = house.gate.governor
        warned = []
        for now in (7200, 7260, 10_700, 10_800, 10_860):
            governor.lines((part,), None, now)
            warned.append(governor._thresholds.warns(part, Balance(5, 0), governor._slots))
        assert warned == [True, False, False, True, False]


def test_a_threshold_is_told_of_what_a_lease_borrows(redis_server: Server) -> None:
    text = 'warn_at = [0.3]\nlimit = "100 requests"\nwindow = "lifetime"\n'
    with governed(
        f'timeout = "30s"\nlease = "10%"\n[[budget]]\nname = "leased"\n{text}', redis_server.url
    ) as house:
        for number in range(40):
            create(house.client())
            if number == 15:
                assert told(house) == []
        assert told(house) == ["warn"]
