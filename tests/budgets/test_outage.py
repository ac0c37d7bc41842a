"""A store that is down for a moment loses nothing: what was borrowed, or held unheard, is given back."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from tests.budgets._lines import line

from otel_tokenomics.budgets.keeper import Keeper
from otel_tokenomics.budgets.lease import Leased
from otel_tokenomics.budgets.names import names
from otel_tokenomics.budgets.plan import BudgetConfigError, Plan, plan_of
from otel_tokenomics.budgets.protocol import Answer, Balance, Line, Settled, Store, StoreDownError
from otel_tokenomics.budgets.stores.memory import MemoryStore
from otel_tokenomics.budgets.ticket import Silence
from otel_tokenomics.model.tables import Document

LONG = 1000.0
TENTH = 100_000
"""A lease of a tenth of a limit, in millionths."""


class Flaky(MemoryStore):
    """Goes down when it is told to: before it does what it is asked, or after, so that nobody hears of it."""

    blocks = True
    fails: str | None = None
    next: str | None = None
    """How it fails from its next reservation on."""

    def _down(self, moment: str) -> None:
        if self.fails == moment:
            raise StoreDownError(moment)

    def reserve(self, hold: str, lines: Sequence[Line], ttl: float) -> Answer:
        self._down("before")
        answer = super().reserve(hold, lines, ttl)
        self._down("after")
        self.fails, self.next = self.next or self.fails, None
        return answer

    def settle(self, hold: str, spent: Sequence[int]) -> Settled:
        self._down("before")
        settled = super().settle(hold, spent)
        self._down("after")
        return settled


def stands(store: Store) -> Balance:
    return store.read([line(0)])[0]


@pytest.fixture(params=["before", "after"])
def moment(request: pytest.FixtureRequest) -> str:
    """When the store goes down."""
    return str(request.param)


@pytest.fixture
def leased() -> Iterator[tuple[Flaky, Leased]]:
    """A store, and one before it that lends."""
    store = Flaky()
    made = Leased(store, TENTH, LONG)
    yield store, made
    made.close()


def test_a_chunk_that_could_not_be_given_back_is_given_back_later(
    leased: tuple[Flaky, Leased], moment: str
) -> None:
    store, lending = leased
    assert lending.reserve("h", [line(5)], LONG).granted
    lending.settle("h", [3])
    store.fails = moment
    lending.give_back()
    store.fails = None
    lending.give_back()
    assert stands(store) == (3, 0)


def test_a_chunk_that_was_lent_and_nobody_heard_of_is_given_back(
    leased: tuple[Flaky, Leased], moment: str
) -> None:
    store, lending = leased
    store.fails = moment
    with pytest.raises(StoreDownError):
        lending.reserve("h", [line(5)], LONG)
    store.fails = None
    lending.give_back()
    assert stands(store) == (0, 0)


def test_a_call_settles_though_its_chunk_cannot_be_given_back(
    leased: tuple[Flaky, Leased], moment: str
) -> None:
    store, lending = leased
    lending.reserve("h", [line(5)], LONG)
    lending.give_back()
    store.fails = moment
    assert lending.settle("h", [3]).state == "settled"
    store.fails = None
    lending.give_back()
    assert stands(store) == (3, 0)


def test_a_new_chunk_serves_though_the_old_one_cannot_be_given_back(leased: tuple[Flaky, Leased]) -> None:
    store, lending = leased
    lending.reserve("one", [line(7)], LONG)
    lending.settle("one", [6])
    store.next = "before"
    assert lending.reserve("two", [line(7)], LONG).granted
    assert store.fails == "before"
    store.fails = None
    assert lending.settle("two", [2]).state == "settled"
    lending.give_back()
    assert stands(store) == (8, 0)


def test_what_the_store_held_and_nobody_heard_of_is_given_back(moment: str) -> None:
    store = Flaky()
    document = Document.parse("", Path("t.toml"), BudgetConfigError)
    keeper = Keeper(store, plan_of(document), Silence())
    store.fails = moment
    with pytest.raises(StoreDownError):
        keeper.reserve("h", [line(5)], LONG)
    store.fails = None
    keeper._down_until = 0.0
    keeper.recover()
    assert stands(store) == (0, 0)


def test_threads_that_name_holds_at_the_same_moment_get_names() -> None:
    made, named = names(), list[list[str]]()
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [
            threading.Thread(target=lambda: named.append([next(made) for _ in range(20_000)]))
            for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert len({name for each in named for name in each}) == 80_000


@pytest.mark.parametrize(("kind", "told"), [(MemoryStore, []), (Flaky, ["reserve", "read", "settle"])])
def test_how_long_a_store_took_is_told_where_somebody_waits_for_it(
    kind: type[MemoryStore], told: list[str]
) -> None:
    class Heard(Silence):
        steps: list[str] = []

        def stored(self, step: str, seconds: float, answered: bool) -> None:
            self.steps.append(step)

    keeper = Keeper(kind(), Plan(), Heard())
    keeper.reserve("h", [line(1)], LONG)
    keeper.standing([line(1)])
    keeper.settle("h", [1])
    assert Heard.steps == told
