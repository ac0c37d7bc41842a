"""Checks of budgets as events: every scope, unit and decision that is declared is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.budgets._calls import House, create, governed

from otel_tokenomics import run
from otel_tokenomics.budgets.errors import BudgetExceededError
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
