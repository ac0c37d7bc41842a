"""What metrics of budgets are made of: exact integer totals of this process, and the accounts that it uses.

Labels are a budget's name, scope and period, which are few. Who a budget is one for each of is a label of
the gauges if it is a team, project, feature or cost centre. Accounts of persons, customers, runs and the
like share a row, which tells the one that is the fullest. The bounds are those of `cubes`.
"""

from __future__ import annotations

import os
import threading
import time
from collections import Counter, deque
from collections.abc import Mapping
from typing import NamedTuple, Protocol

from otel_tokenomics.budgets.budget import Budget
from otel_tokenomics.budgets.protocol import Balance
from otel_tokenomics.budgets.standing import Balances, Place, place_of
from otel_tokenomics.budgets.ticket import Decision, Part
from otel_tokenomics.model.attribution import OWNERS
from otel_tokenomics.telemetry import names
from otel_tokenomics.telemetry.cubes import (
    MOST_BUDGETS,
    MOST_OWNERS,
    OTHER,
    Cube,
    Overflow,
    Rows,
    Values,
)
from otel_tokenomics.telemetry.instruments import ALLOCATION_OWNERS

_MOST_ACCOUNTS = 200
"""Accounts that a collection asks the store for: the ones used last."""
_RUN_SECONDS = 300.0
"""How long the account of a run that makes no more calls is told."""


class Watched(Protocol):
    """Tells how accounts stand."""

    def known(self) -> tuple[Part, ...]:
        """The accounts that are there before any call."""

    def read(self, parts: tuple[Part, ...]) -> Balances | None:
        """The balance of each; `None` where nobody knows."""


class BudgetRow(NamedTuple):
    """A budget as the counters tell it."""

    name: str
    scope: str
    period: str
    unit: str

    def coarsest(self) -> BudgetRow:
        """Its unit alone."""
        return BudgetRow(OTHER, OTHER, OTHER, self.unit)


class DecisionRow(NamedTuple):
    """A row of the counter of decisions."""

    budget: BudgetRow
    decision: str
    reason: str

    def coarsest(self) -> DecisionRow:
        """Without its budget."""
        return self._replace(budget=self.budget.coarsest())


class AccountRow(NamedTuple):
    """A row of the gauges. `owners` are as `ALLOCATION_OWNERS`."""

    budget: BudgetRow
    owners: tuple[str | None, ...]

    def coarser(self) -> AccountRow:
        """Without its owners."""
        return self._replace(owners=tuple([owner and OTHER for owner in self.owners]))

    def coarsest(self) -> AccountRow:
        """Without its budget too."""
        return AccountRow(self.budget.coarsest(), self.coarser().owners)


class Stand(NamedTuple):
    """How an account stands, in its budget's unit."""

    limit: int
    spent: int
    held: int

    @property
    def usage(self) -> int:
        """Spent and held."""
        return self.spent + self.held

    @property
    def utilization(self) -> float:
        """Its share of the limit; of a limit of nothing everything is infinitely much."""
        if self.limit == 0:
            return float("inf") if self.usage else 0.0
        return self.usage / self.limit


class _Seen(NamedTuple):
    part: Part
    row: AccountRow
    used: float


class BudgetAccounts:
    """All totals of budgets in this process, and how its accounts stand."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._overflow = overflow = Overflow()
        self._names = Values(names.BUDGET_NAME, MOST_BUDGETS, overflow)
        self._owners = tuple(
            Values(names.OWNER_ATTRIBUTES[owner], MOST_OWNERS, overflow) for owner in ALLOCATION_OWNERS
        )
        decisions = names.METRIC_BUDGET_DECISIONS
        self._decisions = Cube(Rows(decisions, DecisionRow.coarsest, DecisionRow.coarsest, overflow))
        overshoot = names.METRIC_BUDGET_COST_OVERSHOOT
        self._overshoot = Cube(Rows(overshoot, BudgetRow.coarsest, BudgetRow.coarsest, overflow))
        gauges = names.METRIC_BUDGET_UTILIZATION
        self._rows = Rows(gauges, AccountRow.coarser, AccountRow.coarsest, overflow)
        self._expired = 0
        self._noted: deque[tuple[Part, Decision, str, Watched | None]] = deque()
        self._seen: dict[Place, _Seen] = {}
        self._watched: Watched | None = None

    def watch(self, watched: Watched) -> None:
        """From now on the accounts of this one are told."""
        known = watched.known()
        with self._lock:
            self._watched = watched
            self._seen.clear()
            for part in known:
                self._see(part)
            self._overflow.count()

    def note(self, part: Part, decision: Decision, reason: str, watched: Watched | None) -> None:
        """Have one decision counted by `decide`. Takes no lock."""
        self._noted.append((part, decision, reason, watched))

    def decide(self) -> None:
        """Count the decisions noted. The account of one is told of if it is one of those `watched` now."""
        with self._lock:
            while self._noted:
                part, decision, reason, watched = self._noted.popleft()
                self._decisions.add(DecisionRow(self.row(part), decision, reason), 1)
                if watched is self._watched:
                    self._see(part)
                self._overflow.count()

    def overshoot(self, row: BudgetRow, quantity: int) -> None:
        """Count what a call cost beyond what was held for it."""
        with self._lock:
            self._overshoot.add(row, quantity)

    def expire(self, holds: int) -> None:
        """Count holds that were over."""
        with self._lock:
            self._expired += holds

    def row(self, part: Part) -> BudgetRow:
        """The row of a part's budget. A pace is told by its period."""
        name = self._names.admit(part.budget.name) or OTHER
        return BudgetRow(name, scope_of(part.budget), str(part.window), part.unit)

    def decisions(self) -> list[tuple[DecisionRow, int]]:
        """How often each was decided."""
        with self._lock:
            return list(self._decisions.items())

    def overshoots(self) -> list[tuple[BudgetRow, int]]:
        """What was spent beyond what was held."""
        with self._lock:
            return list(self._overshoot.items())

    def expired(self) -> int:
        """How many holds were over."""
        with self._lock:
            return self._expired

    def overflows(self) -> Mapping[str, int]:
        """How many decisions lost a value, by the label or the metric that was full."""
        with self._lock:
            return Counter(self._overflow.operations)

    def stands(self) -> dict[AccountRow, Stand]:
        """How each row stands: its fullest account. Asks the store; empty while that is down."""
        with self._lock:
            seen, watched = self._lately(), self._watched
        balances = None if watched is None else watched.read(tuple([each.part for each in seen]))
        found: dict[AccountRow, Stand] = {}
        for each in seen if balances is not None else ():
            balance = (balances or {}).get(place_of(each.part))
            if balance is not None:
                stand = _stand(each.part, balance)
                found[each.row] = max(stand, found.get(each.row, stand), key=lambda one: one.utilization)
        return found

    def reset(self) -> None:
        """Begin at zero, with a lock that nobody holds; who is watched stays."""
        watched = self._watched
        self.__init__()  # type: ignore[misc]
        if watched is not None:
            self.watch(watched)

    def _see(self, part: Part) -> None:
        place = place_of(part)
        before = self._seen.pop(place, None)
        row = self._placed(part) if before is None or before.part.budget is not part.budget else before.row
        self._seen[place] = _Seen(part, row, time.monotonic())
        if len(self._seen) > _MOST_ACCOUNTS:
            del self._seen[next(iter(self._seen))]

    def _placed(self, part: Part) -> AccountRow:
        of = part.budget.values(part.account)
        owners = tuple(
            [
                values.admit(of.get(owner))
                for owner, values in zip(ALLOCATION_OWNERS, self._owners, strict=True)
            ]
        )
        return self._rows.place(AccountRow(self.row(part), owners))

    def _lately(self) -> list[_Seen]:
        """The accounts to tell. A run that is over is one no more."""
        now = time.monotonic()
        over = [
            place
            for place, each in self._seen.items()
            if each.part.budget.window.kind == "run" and now - each.used > _RUN_SECONDS
        ]
        for place in over:
            del self._seen[place]
        return list(self._seen.values())


def scope_of(budget: Budget) -> str:
    """What a budget limits, by the first owner that it matches."""
    if budget.window.kind == "run":
        return "agent_run"
    keys = [key for key, _ in budget.match if key in OWNERS and key != "cost_center"]
    return keys[0] if keys else "organization"


def _stand(part: Part, balance: Balance) -> Stand:
    return Stand(part.limit, balance.spent, balance.held)


BUDGETS = BudgetAccounts()

os.register_at_fork(after_in_child=BUDGETS.reset)
