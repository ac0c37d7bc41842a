"""While a budget has much left its settlements wait for a moment, and nobody can tell by what is decided."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from tests.budgets._calls import COST, LIFE, House, create, governed
from tests.support.telemetry import Batches, Telemetry

from otel_tokenomics import run
from otel_tokenomics.budgets.errors import BudgetExceededError
from otel_tokenomics.budgets.protocol import Balance, Line
from otel_tokenomics.flow import late

_numbers = count()


@pytest.fixture(autouse=True)
def unhurried(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nothing is settled because a moment has passed."""
    assert late.drain(10)
    monkeypatch.setattr(late, "MOMENT", 3600.0)
    yield
    assert late.drain(10)


@pytest.fixture(params=["memory:", "sqlite:///"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], str]:
    """Names a store that nobody else has."""

    def named() -> str:
        number = next(_numbers)
        memory = request.param == "memory:"
        return "memory:" if memory else f"sqlite:///{str(tmp_path / f'{number}.db').lstrip('/')}"

    return named


def life(more: str) -> str:
    """A budget for a lifetime, of its own in this process's memory."""
    return f'{LIFE}owner = "w{next(_numbers)}"\n{more}\n'


def stands(house: House) -> Balance:
    """What the store says now."""
    return house.gate.governor.keeper.store.read([Line("life", 0, 0, 0, 0, 0, 0)])[0]


def test_an_ample_budget_is_settled_a_moment_later(store: Callable[[], str]) -> None:
    with governed(life('limit = "1 USD"'), store(), telemetry=Batches()) as house:
        create(house.client())
        assert stands(house).held > COST
        late.catch_up()
        assert stands(house) == (COST, 0)


def test_a_budget_of_which_less_than_a_quarter_is_left_is_settled_at_once(store: Callable[[], str]) -> None:
    with governed(life('limit = "0.0014 USD"'), store(), telemetry=Batches()) as house:
        create(house.client())
        assert stands(house) == (COST, 0)


def test_the_budget_of_a_run_is_settled_at_once(store: Callable[[], str]) -> None:
    with governed(life('limit = "1 USD"'), store(), telemetry=Batches()) as house, run("triage"):
        create(house.client())
        assert stands(house) == (COST, 0)


@pytest.mark.parametrize("act", ["force_flush", "shutdown"])
def test_a_flush_of_spans_settles_first(store: Callable[[], str], act: str) -> None:
    with governed(life('limit = "1 USD"'), store(), telemetry=Batches()) as house:
        create(house.client())
        getattr(house.telemetry.tracer_provider, act)()
        assert stands(house) == (COST, 0)
        assert len(house.telemetry.spans()) == 1


@pytest.mark.parametrize(
    "terms",
    [
        'limit = "0.006 USD"',
        'limit = "0.006 USD"\nwarn_at = [0.3, 0.5, 0.8, 0.95]',
        'limit = "0.006 USD"\nmode = "observe"\nwarn_at = [0.5]',
        'limit = "1 USD"\nvelocity = "0.006 USD/hour"',
        'limit = "3000 tokens"\nwarn_at = [0.5]',
        'limit = "7 requests"\nwarn_at = [0.5]',
    ],
)
def test_decisions_are_those_of_a_process_that_settles_at_once(store: Callable[[], str], terms: str) -> None:
    def seen(telemetry: Telemetry) -> list[Any]:
        told: list[Any] = []
        with governed(life(terms), store(), telemetry=telemetry) as house:
            for _ in range(25):
                try:
                    told.append(create(house.client()).id)
                except BudgetExceededError as error:
                    told.append((error.spent, error.held, error.requested, error.reason))
            late.catch_up()
            telemetry.logger_provider.force_flush()
            told.append(stands(house))
        return [*told, *checks(telemetry)]

    assert seen(Batches()) == seen(Telemetry())


def checks(telemetry: Telemetry) -> list[Any]:
    """The events of checks, as they were told."""
    logs = [log.log_record for log in telemetry.log_exporter.get_finished_logs()]
    return [dict(log.attributes or {}) for log in logs if log.event_name == "tokenomics.budget.check"]
