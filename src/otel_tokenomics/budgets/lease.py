"""Leases: a process borrows a chunk of its accounts, and serves calls out of it without asking the store.

A chunk is a hold like any other, in the store's books until it is given back, so that a limit holds exactly:
what is not yet used of it is lost to other processes for as long as it is lent, and nothing is ever spent
twice. Near a limit no chunk fits any more, and each call asks the store for itself. A chunk that nobody drew
from for a second is given back, and again until the store takes it; that of a process that died expires, and
counts as spent.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Sequence
from itertools import count

from otel_tokenomics.budgets.protocol import (
    UNLIMITED,
    Answer,
    Balance,
    Line,
    Settled,
    Store,
    StoreDownError,
)

_IDLE_SECONDS = 1.0
_UNLIMITED_CALLS = 64
_MOST_CHUNKS = 1024
_MILLION = 1_000_000

Key = tuple[tuple[str, int], ...]


class Chunk:
    """What was borrowed of each account of one set, and what became of it."""

    __slots__ = ("balances", "expires", "free", "hold", "inside", "lines", "retired", "spent", "used")

    def __init__(self, hold: str, lines: Sequence[Line], balances: Sequence[Balance], expires: float) -> None:
        self.hold = hold
        self.lines = lines
        self.free = [line.amount for line in lines]
        self.spent = [0] * len(lines)
        self.inside: dict[str, list[int]] = {}
        self.balances = list(balances)
        self.expires = expires
        self.used = time.monotonic()
        self.retired = False

    def take(self, hold: str, lines: Sequence[Line]) -> bool:
        """Hold all lines within the chunk or none."""
        free = self.free
        for have, line in zip(free, lines, strict=True):
            if have < line.amount:
                return False
        amounts = [line.amount for line in lines]
        self.free = [have - amount for have, amount in zip(free, amounts, strict=True)]
        before = self.inside.get(hold)
        if before is not None:
            amounts = [have + more for have, more in zip(before, amounts, strict=True)]
        self.inside[hold] = amounts
        self.used = time.monotonic()
        return True

    def settle(self, hold: str, spent: Sequence[int]) -> None:
        """Turn a hold inside into what was spent. What is left of it may be held again."""
        held = self.inside.pop(hold)
        self.spent = [before + now for before, now in zip(self.spent, spent, strict=True)]
        left = zip(self.free, held, spent, strict=True)
        self.free = [max(0, have + amount - now) for have, amount, now in left]

    def answer(self) -> Answer:
        """The balances when the chunk was made: what the store has seen since, nobody asked it."""
        return Answer(True, tuple(self.balances))


class Leased:
    """A store in front of a store. `part` of each limit, in millionths, is borrowed at once."""

    def __init__(self, store: Store, part: int, ttl: float) -> None:
        self.blocks = store.blocks
        self._store = store
        self._part = part
        self._ttl = ttl
        self._begin()
        os.register_at_fork(after_in_child=self._begin)

    def _begin(self) -> None:
        """A process begins without chunks: a forked child has not borrowed what its parent has."""
        self._lock = threading.Lock()
        self._chunks: dict[Key, Chunk] = {}
        self._where: dict[str, Chunk] = {}
        self._owed: list[Chunk] = []
        self._names = count()
        self._prefix = os.urandom(9).hex()
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()

    def now(self) -> float:
        """The store's time."""
        return self._store.now()

    def reserve(self, hold: str, lines: Sequence[Line], ttl: float) -> Answer:
        """Hold all lines or none: in the chunk, in a new one, or in the store itself."""
        key = tuple([(line.account, line.slot) for line in lines])
        with self._lock:
            chunk = self._chunks.get(key)
            if chunk is not None and self._fresh(chunk) and chunk.take(hold, lines):
                self._where[hold] = chunk
                return chunk.answer()
        answer = self._borrow(key, hold, lines)
        if answer.granted or answer.moved is not None:
            return answer
        # Near the limit: what this process has borrowed and not used may be what is missing.
        self.give_back()
        alone = self._store.reserve(hold, lines, ttl)
        return alone._replace(expired=alone.expired + answer.expired)

    def top_up(self, hold: str, lines: Sequence[Line]) -> Answer:
        """Hold as much again, where the hold is."""
        with self._lock:
            chunk = self._where.get(hold)
            if chunk is None:
                pass
            elif chunk.take(hold, lines):
                return chunk.answer()
            else:
                return self._enlarge(chunk, hold, lines)
        return self._store.top_up(hold, lines)

    def settle(self, hold: str, spent: Sequence[int]) -> Settled:
        """Turn the hold into what was spent."""
        with self._lock:
            chunk = self._where.pop(hold, None)
            if chunk is not None:
                chunk.settle(hold, spent)
                done = chunk.retired and not chunk.inside
        if chunk is None:
            return self._store.settle(hold, spent)
        if done:
            self._give([chunk])
        return Settled("settled")

    def expire(self) -> int:
        """As the store."""
        return self._store.expire()

    def read(self, lines: Sequence[Line]) -> tuple[Balance, ...]:
        """As the store: a chunk that is lent is held."""
        return self._store.read(lines)

    def look(self, lines: Sequence[Line]) -> Answer:
        """As the store."""
        return self._store.look(lines)

    def accounts(self) -> list[str]:
        """As the store."""
        return self._store.accounts()

    def give_back(self, idle: float = -1.0) -> None:
        """Give back the chunks that nobody drew from for `idle` seconds, once nobody is inside."""
        with self._lock:
            now = time.monotonic()
            over = [chunk for chunk in self._chunks.values() if now - chunk.used > idle]
            done = [chunk for chunk in over if self._retire(chunk)]
            owed, self._owed = self._owed, []
        self._give([*owed, *done])

    def close(self) -> None:
        """Give everything back."""
        self._stop.set()
        self.give_back()
        self._store.close()

    def _fresh(self, chunk: Chunk) -> bool:
        return time.monotonic() < chunk.expires

    def _borrow(self, key: Key, hold: str, lines: Sequence[Line]) -> Answer:
        """A new chunk for these accounts, from which this call is the first to draw."""
        name = f"{self._prefix}-chunk-{next(self._names)}"
        wanted = [line._replace(amount=self._size(line)) for line in lines]
        expires = time.monotonic() + self._ttl / 2
        try:
            answer = self._store.reserve(name, wanted, self._ttl)
        except StoreDownError:
            # It may be lent all the same, and nobody has heard of it.
            self._give_later(Chunk(name, wanted, (), expires))
            raise
        if not answer.granted:
            return answer
        chunk = Chunk(name, wanted, answer.balances, expires)
        with self._lock:
            chunk.take(hold, lines)
            self._where[hold] = chunk
            old = self._chunks.get(key)
            done = old is not None and self._retire(old)
            self._chunks[key] = chunk
            self._watch()
        if done and old is not None:
            self._give([old])
        return chunk.answer()._replace(expired=answer.expired)

    def _enlarge(self, chunk: Chunk, hold: str, lines: Sequence[Line]) -> Answer:
        """The chunk itself is topped up, which takes as much as the call needs."""
        answer = self._store.top_up(chunk.hold, lines)
        if answer.granted:
            chunk.free = [have + line.amount for have, line in zip(chunk.free, lines, strict=True)]
            chunk.take(hold, lines)
        return answer

    def _retire(self, chunk: Chunk) -> bool:
        """Draw from it no more; whether nobody is inside, so that it can be given back at once."""
        chunk.retired = True
        key = _key(chunk.lines)
        if self._chunks.get(key) is chunk:
            del self._chunks[key]
        return not chunk.inside

    def _give(self, chunks: Sequence[Chunk]) -> None:
        """Give chunks back that nobody is inside of."""
        for chunk in chunks:
            try:
                self._store.settle(chunk.hold, chunk.spent)
            except StoreDownError:
                self._give_later(chunk)

    def _give_later(self, chunk: Chunk) -> None:
        with self._lock:
            self._owed.append(chunk)
            self._watch()

    def _size(self, line: Line) -> int:
        if line.limit == UNLIMITED:
            return line.amount * _UNLIMITED_CALLS
        return max(line.amount, line.limit * self._part // _MILLION)

    def _watch(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="tokenomics-leases", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        while not self._stop.wait(_IDLE_SECONDS):
            self.give_back(_IDLE_SECONDS)


def _key(lines: Sequence[Line]) -> Key:
    return tuple([(line.account, line.slot) for line in lines])
