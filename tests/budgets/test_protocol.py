"""The protocol in every order: exhaustively for three clients, and any interleaving on every store."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Literal

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.budgets._lines import line

from otel_tokenomics.budgets.protocol import Store
from otel_tokenomics.budgets.stores.memory import MemoryStore

LIMIT = 5
WORST = 2
Phase = Literal["idle", "held", "topped", "sent", "done", "crashed"]


class World:
    """A store with three clients, each with one call that may be sent again after a top-up."""

    def __init__(self) -> None:
        self.time = 0.0
        self.store = MemoryStore(lambda: self.time)
        self.phases: list[Phase] = ["idle", "idle", "idle"]
        self.billed = [0, 0, 0]
        self.expired = [False, False, False]

    def steps(self) -> Iterator[tuple[str, Callable[[], None]]]:
        """Every step that can be taken from here, by name."""
        for client, phase in enumerate(self.phases):
            for name, act in self._steps_of(client, phase):
                yield f"{client}:{name}", act
        if self.time < 200:
            yield "expire", self._expire

    def _steps_of(self, client: int, phase: Phase) -> Iterator[tuple[str, Callable[[], None]]]:
        if phase == "idle":
            yield "reserve", lambda: self._reserve(client)
        elif phase in ("held", "topped"):
            yield "send", lambda: self._send(client)
            yield "crash", lambda: self._crash(client)
        elif phase == "sent":
            yield "settle", lambda: self._settle(client)
            yield "retry", lambda: self._top_up(client)
            yield "crash", lambda: self._crash(client)

    def _reserve(self, client: int) -> None:
        # One account that all share, and one that only this client has: they are held together or not at all.
        lines = [line(WORST, "shared", LIMIT), line(WORST, f"own{client}", 2 * WORST)]
        granted = self.store.reserve(str(client), lines, 10).granted
        self.phases[client] = "held" if granted else "done"

    def _send(self, client: int) -> None:
        self.billed[client] += WORST - client % 2
        self.phases[client] = "sent"

    def _top_up(self, client: int) -> None:
        lines = [line(WORST, "shared", LIMIT), line(WORST, f"own{client}", 2 * WORST)]
        if self.store.top_up(str(client), lines).granted:
            self.phases[client] = "topped"
        else:
            self._settle(client)

    def _settle(self, client: int) -> None:
        self.store.settle(str(client), [self.billed[client], self.billed[client]])
        self.phases[client] = "done"

    def _crash(self, client: int) -> None:
        self.phases[client] = "crashed"

    def _expire(self) -> None:
        self.time += 100.0
        self.store.expire()

    def check(self) -> None:
        """What holds in every state."""
        (shared,) = self.store.read([line(0, "shared", LIMIT)])
        assert shared.held >= 0 and shared.spent >= 0
        assert shared.spent + shared.held <= LIMIT
        assert sum(self.billed) <= shared.spent + shared.held, "whatever was billed is counted or held"
        own = self.store.read([line(0, f"own{client}") for client in range(3)])
        assert sum(balance.held for balance in own) == shared.held, "all or none"
        assert sum(balance.spent for balance in own) == shared.spent

    def rest(self) -> None:
        """At rest: everybody is done or dead, and time has passed."""
        self._expire()
        (shared,) = self.store.read([line(0, "shared", LIMIT)])
        assert shared.held == 0
        if "crashed" not in self.phases:
            assert shared.spent == sum(self.billed)


def _replayed(names: tuple[str, ...]) -> World:
    world = World()
    for name in names:
        dict(world.steps())[name]()
    return world


def _key(world: World) -> tuple[object, ...]:
    balances = world.store.read([line(0, "shared"), *[line(0, f"own{client}") for client in range(3)]])
    return (*world.phases, *world.billed, world.time, *balances, frozenset(world.store._holds))


def test_every_order_of_three_clients_that_crash_anywhere() -> None:
    seen: set[tuple[object, ...]] = set()
    todo: list[tuple[str, ...]] = [()]
    while todo:
        names = todo.pop()
        world = _replayed(names)
        world.check()
        if _key(world) in seen:
            continue
        seen.add(_key(world))
        following = [name for name, _ in world.steps()]
        todo.extend((*names, name) for name in following)
        if all(phase in ("done", "crashed") for phase in world.phases):
            world.rest()
    assert len(seen) > 1000


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["reserve", "top_up", "settle", "expired"]),
        st.integers(0, 3),
        st.integers(0, 40),
        st.integers(0, 1),
    ),
    max_size=25,
)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(STEPS)
def test_any_interleaving_keeps_every_store_within_its_limits(
    new_store: Callable[[], Store], steps: list[tuple[str, int, int, int]]
) -> None:
    store, model = new_store(), MemoryStore()
    lines = [line(0, "wide", 100), line(0, "narrow", 60)]
    ledger = 0
    open_: dict[str, list[int]] = {}
    for number, (step, client, amount, part) in enumerate(steps):
        asked = [each._replace(amount=amount) for each in lines[part:]]
        hold = str(client)
        if step in ("reserve", "expired") and hold not in open_:
            ttl = 1000.0 if step == "reserve" else -1.0
            name = hold if step == "reserve" else f"expired{number}"
            answers = [each.reserve(name, asked, ttl) for each in (store, model)]
            assert answers[0] == answers[1]
            if answers[0].granted and step == "reserve":
                open_[hold] = [amount] * len(asked)
            ledger += amount if answers[0].granted and step == "expired" else 0
            assert store.expire() == model.expire()
        elif step == "top_up" and hold in open_:
            asked = [each._replace(amount=amount) for each in lines[-len(open_[hold]) :]]
            answers = [each.top_up(hold, asked) for each in (store, model)]
            assert answers[0] == answers[1]
            if answers[0].granted:
                open_[hold] = [held + amount for held in open_[hold]]
        elif step == "settle" and hold in open_:
            spent = [min(amount, held) for held in open_.pop(hold)]
            assert store.settle(hold, spent) == model.settle(hold, spent)
            ledger += spent[0]
        for each, balance in zip(lines, store.read(lines), strict=True):
            assert 0 <= balance.spent + balance.held <= each.limit
            assert balance.held >= 0
    assert store.read(lines) == model.read(lines)
    assert store.read([lines[1]])[0].spent == ledger
    assert store.read([lines[1]])[0].held == sum(held[-1] for held in open_.values())
