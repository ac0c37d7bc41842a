"""How budgets stand, for whoever collects metrics: asked of the store, and never on a call's path."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future

from otel_tokenomics.budgets.budget import VELOCITY
from otel_tokenomics.budgets.gate import Aside, in_event_loop
from otel_tokenomics.budgets.governor import Governor
from otel_tokenomics.budgets.protocol import Balance, StoreDownError
from otel_tokenomics.budgets.ticket import Part

_WAIT_SECONDS = 0.5
"""How long a collection waits for the store."""
_STALE_SECONDS = 90.0

Place = tuple[str, bool]
"""An account, and whether it is that of a pace."""
Balances = Mapping[Place, Balance]

_aside = Aside()


def place_of(part: Part) -> Place:
    """What tells one part from another."""
    return part.account, part.velocity


class Standing:
    """Reads accounts of one governor.

    A collection waits for the store for half a second at most, and not at all in an event loop. What comes
    later is what the next one is told; a store that is down has nothing to tell.
    """

    def __init__(self, governor: Governor) -> None:
        self._governor = governor
        self._asked: tuple[int, Future[Balances | None]] | None = None
        self._last: tuple[float, Balances | None] = (0.0, None)

    def known(self) -> tuple[Part, ...]:
        """The accounts that are known before there is a call: those of budgets that are one for all."""
        plan = self._governor.plan
        found: list[Part] = []
        for budget in plan.budgets if plan.mode != "off" else ():
            if budget.each or budget.window.kind == "run" or budget.mode == "off":
                continue
            found.append(Part(budget, budget.name, False))
            if budget.velocity is not None:
                found.append(Part(budget, f"{budget.name}{VELOCITY}", False, velocity=True))
        return tuple(found)

    def read(self, parts: Sequence[Part]) -> Balances | None:
        """The balance of each; `None` while the store is down, or silent for a minute and a half."""
        if not self._governor.keeper.store.blocks:
            return self._read(parts)
        self._ask(parts)
        at, balances = self._last
        return balances if time.monotonic() - at < _STALE_SECONDS else None

    def _ask(self, parts: Sequence[Part]) -> None:
        """Ask once more, unless the last question is still open, and take what is answered in time."""
        self._take(0.0)
        if self._asked is None:
            try:
                self._asked = os.getpid(), _aside.pool.submit(self._read, tuple(parts))
            except RuntimeError:  # The interpreter exits: nobody else is left to do it.
                self._last = time.monotonic(), self._read(parts)
        self._take(0.0 if in_event_loop() else _WAIT_SECONDS)

    def _take(self, seconds: float) -> None:
        if self._asked is None:
            return
        pid, answer = self._asked
        if pid == os.getpid():
            try:
                self._last = time.monotonic(), answer.result(seconds)
            except TimeoutError:
                return
        self._asked = None

    def _read(self, parts: Sequence[Part]) -> Balances | None:
        keeper = self._governor.keeper
        try:
            balances = keeper.standing(self._governor.lines(parts, None, keeper.now()))
        except StoreDownError:
            return None
        return dict(zip(map(place_of, parts), balances, strict=True))
