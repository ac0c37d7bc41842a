"""The store of one process, in memory: for runs with their own budget, and the protocol at its plainest."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from math import inf

from otel_tokenomics.budgets.protocol import UNLIMITED, Answer, Balance, Line, Settled

_KEPT_LATE = 10_000


class MemoryStore:
    """Accounts in dictionaries, behind one lock. A forked child starts from a copy of its own."""

    blocks = False

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._slots: dict[str, dict[int, list[int]]] = {}
        self._holds: dict[str, tuple[float, list[tuple[str, int, int]]]] = {}
        self._soonest = inf
        self._late: dict[str, list[tuple[str, int, int]]] = {}

    def now(self) -> float:
        """The clock's time."""
        return self._clock()

    def reserve(self, hold: str, lines: Sequence[Line], ttl: float) -> Answer:
        """Hold all lines or none."""
        with self._lock:
            over = self._expire()
            answer = self._hold(lines)._replace(expired=over)
            if answer.granted:
                parts = [(line.account, line.slot, line.amount) for line in lines]
                expires = self._clock() + ttl
                self._holds[hold] = (expires, parts)
                self._soonest = min(self._soonest, expires)
            return answer

    def top_up(self, hold: str, lines: Sequence[Line]) -> Answer:
        """Hold as much again."""
        with self._lock:
            if hold not in self._holds:
                return Answer(False, self._read(lines))
            answer = self._hold(lines)
            if answer.granted:
                expires, parts = self._holds[hold]
                more = [
                    (account, slot, amount + line.amount)
                    for (account, slot, amount), line in zip(parts, lines, strict=True)
                ]
                self._holds[hold] = (expires, more)
            return answer

    def settle(self, hold: str, spent: Sequence[int]) -> Settled:
        """Turn the hold into what was spent."""
        with self._lock:
            found = self._holds.pop(hold, None)
            late = self._late.pop(hold, None) if found is None else None
            parts = late if found is None else found[1]
            if parts is None:
                return Settled("unknown")
            balances = []
            for (account, slot, amount), actual in zip(parts, spent, strict=True):
                entry = self._entry(account, slot)
                entry[0] += actual - (0 if late is None else amount)
                entry[1] -= amount if late is None else 0
                balances.append(Balance(*entry))
            return Settled("settled" if late is None else "late", tuple(balances))

    def expire(self) -> int:
        """Settle in full what has expired."""
        with self._lock:
            return self._expire()

    def read(self, lines: Sequence[Line]) -> tuple[Balance, ...]:
        """The balance of each line."""
        with self._lock:
            return self._read(lines)

    def look(self, lines: Sequence[Line]) -> Answer:
        """The balance of each line, without what has expired."""
        with self._lock:
            over = self._expire()
            return Answer(True, self._read(lines), expired=over)

    def accounts(self) -> list[str]:
        """The names of all accounts."""
        with self._lock:
            return sorted(self._slots)

    def close(self) -> None:
        """Nothing is open."""

    def _hold(self, lines: Sequence[Line]) -> Answer:
        before = self._read(lines)
        for line, balance in zip(lines, before, strict=True):
            if line.limit != UNLIMITED and balance.spent + balance.held + line.amount > line.limit:
                return Answer(False, before)
        for line in lines:
            self._entry(line.account, line.slot)[1] += line.amount
        return Answer(True, self._read(lines))

    def _read(self, lines: Sequence[Line]) -> tuple[Balance, ...]:
        return tuple([self._balance(line) for line in lines])

    def _balance(self, line: Line) -> Balance:
        slots = self._slots.get(line.account, {})
        if line.step == 0:
            return Balance(*slots.get(line.slot, (0, 0)))
        for old in [slot for slot in slots if slot < line.since and not slots[slot][1]]:
            del slots[old]
        live = [entry for slot, entry in slots.items() if slot >= line.since]
        return Balance(sum(entry[0] for entry in live), sum(entry[1] for entry in live))

    def _entry(self, account: str, slot: int) -> list[int]:
        return self._slots.setdefault(account, {}).setdefault(slot, [0, 0])

    def _expire(self) -> int:
        now = self._clock()
        if now < self._soonest:
            return 0
        over = [hold for hold, (expires, _) in self._holds.items() if expires <= now]
        for hold in over:
            parts = self._late[hold] = self._holds.pop(hold)[1]
            for account, slot, amount in parts:
                entry = self._entry(account, slot)
                entry[0] += amount
                entry[1] -= amount
        self._soonest = min([expires for expires, _ in self._holds.values()], default=inf)
        while len(self._late) > _KEPT_LATE:
            del self._late[next(iter(self._late))]
        return len(over)
