"""What the ledger's own records say of budgets: when one runs out, and what it would have refused."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from otel_tokenomics.budgets.budget import OF_RUN, Budget
from otel_tokenomics.budgets.plan import Plan

HOUR = 3600
FORECAST_DAYS = 7
_DEVIATIONS = 1.96
"""Of a normal distribution 95 % lie within so many deviations of its mean."""
_LEAST_HOURS = 3


class Past(NamedTuple):
    """One recorded call: when, in Unix seconds; what describes it; what it cost in nano-USD, and its tokens.

    `cost` is `None` where it is not known.
    """

    at: int
    subject: Mapping[str, str]
    cost: int | None
    tokens: int
    runs: tuple[str, ...] = ()


class Forecast(NamedTuple):
    """When a budget runs out, in Unix seconds: most likely, and within which 95 % interval.

    `None` is never, as far as the past tells.
    """

    likely: int | None
    earliest: int | None
    latest: int | None


def forecast(
    hourly: Iterable[int], left: int, now: int, leaving: Sequence[int] | None = None
) -> Forecast | None:
    """When `left` is spent, from what each past hour spent; `None` without three hours of history.

    Spending is taken as a random walk with the mean and the deviation of the hours: after `t` hours it is
    `m t` give or take `1.96 s sqrt(t)`. Solved for `t` at either edge. In a rolling window as much comes back
    as `leaving` says of each hour to come; one that lasts as long as the window lasts for ever.
    """
    hours = list(hourly)
    if len(hours) < _LEAST_HOURS:
        return None
    mean = sum(hours) / len(hours)
    if left <= 0:
        return Forecast(now, now, now)
    if mean == 0:
        return Forecast(None, None, None)
    wide = _DEVIATIONS * math.sqrt(sum((hour - mean) ** 2 for hour in hours) / (len(hours) - 1))
    if leaving is not None:
        ends = [_rolled(mean, edge, left, leaving) for edge in (0.0, wide, -wide)]
        return Forecast(*[None if end is None else now + end * HOUR for end in ends])
    root = math.sqrt(wide * wide + 4 * mean * left)
    low, high = ((root - wide) / (2 * mean)) ** 2, ((root + wide) / (2 * mean)) ** 2
    return Forecast(*[now + round(hours_ * HOUR) for hours_ in (left / mean, low, high)])


def runs_out(budget: Budget, account: str, past: Sequence[Past], left: int, now: int) -> Forecast | None:
    """When an account runs out, by the hours of the last `FORECAST_DAYS`.

    `None` where hours say nothing: without three of them, or for a rolling window shorter than one.
    """
    leaving = leaving_of(budget, account, past, now)
    if leaving is not None and budget.window.seconds < HOUR:
        return None
    hours = hourly_of(budget, account, past, now - FORECAST_DAYS * 24 * HOUR, now)
    return forecast(hours, left, now, leaving)


def _rolled(mean: float, wide: float, left: int, leaving: Sequence[int]) -> int | None:
    """After how many hours more came than what was left and what left."""
    back = 0
    for hour, gone in enumerate(leaving, start=1):
        back += gone
        if mean * hour + wide * math.sqrt(hour) >= left + back:
            return hour
    return None


def leaving_of(budget: Budget, account: str, past: Iterable[Past], now: int) -> list[int] | None:
    """What of a rolling window's spend no longer counts after each hour to come; `None` for other windows."""
    window = budget.window
    if window.kind != "rolling":
        return None
    leaving = [0] * -(-window.seconds // HOUR)
    for call in past:
        ends = call.at + window.seconds - now
        if ends >= 0 and call.at < now and budget.account(call.subject) == account:
            leaving[min(ends // HOUR, len(leaving) - 1)] += amount(budget, call)
    return leaving


def hourly_of(budget: Budget, account: str, past: Iterable[Past], since: int, now: int) -> list[int]:
    """What each whole hour before `now`, back to `since` or the first call, spent of one account."""
    spent: dict[int, int] = defaultdict(int)
    first: int | None = None
    for call in past:
        if since <= call.at < now and budget.account(call.subject) == account:
            hour = (now - call.at) // HOUR
            first = hour if first is None else max(first, hour)
            spent[hour] += amount(budget, call)
    return [] if first is None else [spent.get(hour, 0) for hour in range(first, -1, -1)]


def amount(budget: Budget, call: Past) -> int:
    """What a recorded call counts for in a budget's unit; an unknown cost counts for nothing here."""
    if budget.unit == "request":
        return 1
    return call.tokens if budget.unit == "token" else call.cost or 0


@dataclass(slots=True)
class Replayed:
    """What a budget would have made of recorded calls: in its unit, and how often."""

    calls: int = 0
    refused: int = 0
    spent: int = 0
    saved: int = 0
    unpriced: int = 0
    first_refused: int | None = None
    accounts: set[str] = field(default_factory=set)


def replay(plan: Plan, past: Iterable[Past]) -> dict[str, Replayed]:
    """The calls, oldest first, under proposed budgets; a refused call is not spent of any.

    What a call really cost stands for its worst case, which would be refused a little earlier.
    """
    found = {budget.name: Replayed() for budget in plan.budgets}
    spent: dict[tuple[str, int], int] = defaultdict(int)
    for call in past:
        _replay_one(plan, call, found, spent)
    return found


def _replay_one(
    plan: Plan, call: Past, found: dict[str, Replayed], spent: dict[tuple[str, int], int]
) -> None:
    held = [(budget, account) for budget in plan.budgets for account in _accounts(budget, call)]
    refusing = [budget for budget, account in held if not _fits(budget, account, call, spent)]
    for budget, account in held:
        told = found[budget.name]
        told.calls += 1
        told.accounts.add(account)
        told.unpriced += budget.unit == "cost" and call.cost is None
        if budget in refusing:
            told.refused += 1
            told.saved += amount(budget, call)
            told.first_refused = told.first_refused or call.at
        elif not refusing:
            told.spent += amount(budget, call)
            spent[account, budget.window.slot(call.at).start] += amount(budget, call)


def _fits(budget: Budget, account: str, call: Past, spent: Mapping[tuple[str, int], int]) -> bool:
    slot = budget.window.slot(call.at)
    slots = [slot.start] if slot.step == 0 else range(slot.since, slot.start + 1, slot.step)
    total = sum(spent.get((account, start), 0) for start in slots)
    return total + amount(budget, call) <= budget.limit.quantity and budget.limit.quantity > 0


def _accounts(budget: Budget, call: Past) -> list[str]:
    account = budget.account(call.subject)
    if account is None:
        return []
    if budget.window.kind == "run":
        return [f"{account}{OF_RUN}{run}" for run in call.runs]
    return [account]
