"""The store as the governor sees it: what happens while it is down, and what is put right when it is back."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import TypeVar, TypeVarTuple

from otel_tokenomics.budgets.plan import Plan
from otel_tokenomics.budgets.protocol import (
    UNLIMITED,
    Answer,
    Balance,
    Line,
    Settled,
    Store,
    StoreDownError,
)
from otel_tokenomics.budgets.stores.memory import MemoryStore
from otel_tokenomics.budgets.ticket import Listener, Step

_log = logging.getLogger("otel_tokenomics")
_Value = TypeVar("_Value")
_Asked = TypeVarTuple("_Asked")
_PAUSE_SECONDS = 1.0
_MOST_OWED = 10_000
_MOST_SEEN = 10_000


class Keeper:
    """Guards a store. While it is down it is not asked again at every call, and what is owed to it is kept.

    `failures` counts the calls that met it down.
    """

    def __init__(self, store: Store, plan: Plan, listener: Listener) -> None:
        self.store = store
        self.failures = 0
        self.listener = listener
        self._plan = plan
        self._lock = threading.Lock()
        self._down_until = 0.0
        self._was_down = False
        self._owed: deque[tuple[str, tuple[int, ...]]] = deque(maxlen=_MOST_OWED)
        self._charges: dict[tuple[str, int], tuple[Line, int]] = {}
        self._seen: dict[tuple[str, int], Balance] = {}
        self._local = MemoryStore(store.now)

    def now(self) -> float:
        """The store's time."""
        return self.store.now()

    def reserve(self, hold: str, lines: Sequence[Line], ttl: float) -> Answer:
        """As the store. Raises `StoreDownError`, at once while it is known to be down."""
        self._check()
        try:
            answer = self._ask("reserve", self.store.reserve, hold, lines, ttl)
        except StoreDownError:
            # It may hold them all the same, for a call that is not made on its account.
            with self._lock:
                self._owed.append((hold, (0,) * len(lines)))
            raise
        if answer.expired:
            self.listener.expired(answer.expired)
        if self.store.blocks:
            self._remember(lines, answer.balances)
        if self._was_down:
            self.recover()
        return answer

    def top_up(self, hold: str, lines: Sequence[Line]) -> Answer:
        """As the store. Raises `StoreDownError`."""
        self._check()
        return self._ask("top_up", self.store.top_up, hold, lines)

    def settle(self, hold: str, spent: Sequence[int]) -> Settled:
        """As the store; where it is down the settlement is owed to it."""
        try:
            self._check()
            return self._ask("settle", self.store.settle, hold, spent)
        except StoreDownError:
            with self._lock:
                self._owed.append((hold, tuple(spent)))
            return Settled("unknown")

    def standing(self, lines: Sequence[Line]) -> tuple[Balance, ...]:
        """How accounts stand, what is over being settled first. Raises `StoreDownError`.

        A failure here says nothing to calls: they find out for themselves.
        """
        if self._down():
            raise StoreDownError("the store of budgets did not answer a moment ago")
        answer = self._timed("read", self.store.look, lines) if self.store.blocks else self.store.look(lines)
        if answer.expired:
            self.listener.expired(answer.expired)
        return answer.balances

    def reserve_locally(self, hold: str, lines: Sequence[Line], ttl: float) -> Answer:
        """Hold within this process's share of what was left when the store was last seen."""
        return self._local.reserve(hold, [line._replace(limit=self._share(line)) for line in lines], ttl)

    def settle_locally(self, hold: str, lines: Sequence[Line], spent: Sequence[int]) -> None:
        """Settle such a hold; the store is owed what was spent."""
        self._local.settle(hold, spent)
        self.charge(lines, spent)

    def charge(self, lines: Sequence[Line], spent: Sequence[int]) -> None:
        """What was spent without a hold in the store; it is told when it is back."""
        with self._lock:
            self._was_down = True
            for line, amount in zip(lines, spent, strict=True):
                key = (line.account, line.slot)
                if key in self._charges or len(self._charges) < _MOST_OWED:
                    _, before = self._charges.get(key, (line, 0))
                    self._charges[key] = (line, before + amount)

    def recover(self) -> None:
        """Pay what is owed, as far as the store takes it. Also called at exit."""
        with self._lock:
            owed, charges = list(self._owed), list(self._charges.values())
            self._owed.clear()
            self._charges.clear()
            self._was_down = False
        for hold, spent in owed:
            self.settle(hold, spent)
        for line, amount in charges:
            free = line._replace(limit=UNLIMITED, amount=amount, until=0)
            hold = f"owed:{os.urandom(8).hex()}"
            try:
                self.store.reserve(hold, [free], self._plan.hold)
                self.store.settle(hold, [amount])
            except StoreDownError:
                self.charge([line], [amount])
        self._local = MemoryStore(self.store.now)

    def _share(self, line: Line) -> int:
        if line.limit == UNLIMITED:
            return UNLIMITED
        seen = self._seen.get((line.account, line.slot), Balance(0, 0))
        return max(0, line.limit - seen.spent - seen.held) // self._plan.store.processes

    def _remember(self, lines: Sequence[Line], balances: Sequence[Balance]) -> None:
        if len(self._seen) > _MOST_SEEN:
            self._seen.clear()
        for line, balance in zip(lines, balances, strict=False):
            self._seen[line.account, line.slot] = balance

    def _down(self) -> bool:
        return bool(self._down_until) and time.monotonic() < self._down_until

    def _check(self) -> None:
        if self._down_until and self._down():
            self.failures += 1
            raise StoreDownError("the store of budgets did not answer a moment ago")

    def _timed(self, step: Step, act: Callable[[*_Asked], _Value], *asked: *_Asked) -> _Value:
        started = time.perf_counter()
        answered = False
        try:
            value = act(*asked)
            answered = True
        finally:
            self.listener.stored(step, time.perf_counter() - started, answered)
        return value

    def _ask(self, step: Step, act: Callable[[*_Asked], _Value], *asked: *_Asked) -> _Value:
        if not self.store.blocks:
            return act(*asked)  # It is memory of this process: nobody waits for it, and it is never down.
        try:
            value = self._timed(step, act, *asked)
        except StoreDownError as error:
            self.failures += 1
            if not self._down_until:
                _log.warning("the store of budgets is down: %s. Policy: %s", error, self._plan.store_down)
            self._down_until = time.monotonic() + _PAUSE_SECONDS
            self._was_down = True
            raise
        self._down_until = 0.0
        return value
