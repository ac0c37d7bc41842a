"""`BudgetExceededError`: the one thing that otel-tokenomics raises into an application, when told to."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from otel_tokenomics.budgets.amounts import Unit, shown

Reason = Literal[
    "limit", "velocity", "loop", "unpriced", "unbounded_output", "store_unavailable", "configuration"
]


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a call was not made. Amounts are in nano-USD, tokens or requests, by `unit`.

    `resets_at` is Unix time; `None` where a window never ends. `in_flight_only`: the call would fit once the
    calls in flight are settled for no more than is left. `fitting_model` is the cheapest model that fits now.
    """

    budget: str
    reason: Reason
    unit: Unit = "cost"
    limit: int = 0
    spent: int = 0
    held: int = 0
    requested: int = 0
    resets_at: int | None = None
    in_flight_only: bool = False
    owner: str | None = None
    fitting_model: str | None = None
    detail: str | None = None


class BudgetExceededError(Exception):
    """A call that was not made, because a budget you configured does not allow it. No byte was sent.

    Attributes:
        budget: name of the budget, with what it is for.
        reason: `limit`, `velocity`, `loop`, `unpriced`, `unbounded_output`, `store_unavailable`,
            `configuration`.
        unit: `cost` (amounts are nano-USD), `token` or `request`.
        limit, spent, held, requested: amounts; `held` is promised to calls in flight.
        resets_at: when the window ends, Unix seconds; `None` if it never does.
        in_flight_only: whether the call would fit when calls in flight are settled: waiting helps.
        owner: whom to ask for more.
        fitting_model: the cheapest model for which the same call would fit now.
    """

    def __init__(self, refusal: Refusal) -> None:
        # By name: a refusal may be an error of the client library too, which is made in its own way.
        Exception.__init__(self, message_of(refusal))
        self.refusal = refusal
        self.budget = refusal.budget
        self.reason = refusal.reason
        self.unit = refusal.unit
        self.limit = refusal.limit
        self.spent = refusal.spent
        self.held = refusal.held
        self.requested = refusal.requested
        self.resets_at = refusal.resets_at
        self.in_flight_only = refusal.in_flight_only
        self.owner = refusal.owner
        self.fitting_model = refusal.fitting_model

    def __reduce__(self) -> tuple[Any, ...]:
        return BudgetExceededError, (self.refusal,)


def message_of(refusal: Refusal) -> str:
    """What happened, why, and what to do next."""
    return " ".join([_what(refusal), *_next(refusal)])


def _what(refusal: Refusal) -> str:
    head = f"budget {refusal.budget!r}: the call was not made"
    if refusal.reason in ("limit", "velocity"):
        unit, pace = refusal.unit, " at this pace" if refusal.reason == "velocity" else ""
        left = max(0, refusal.limit - refusal.spent - refusal.held)
        return (
            f"{head}: it may cost up to {shown(unit, refusal.requested)}, and {shown(unit, left)} of "
            f"{shown(unit, refusal.limit)} is left{pace} ({shown(unit, refusal.spent)} spent, "
            f"{shown(unit, refusal.held)} held for calls in flight)."
        )
    return f"{head}: {refusal.detail}."


def _next(refusal: Refusal) -> list[str]:
    said = []
    if refusal.in_flight_only:
        said.append("It may fit when the calls in flight are done: wait and try again.")
    if refusal.resets_at is not None:
        said.append(f"The window ends {datetime.fromtimestamp(refusal.resets_at, UTC).isoformat()}.")
    if refusal.fitting_model is not None:
        said.append(f"{refusal.fitting_model} would fit.")
    if refusal.owner is not None:
        said.append(f"Ask {refusal.owner} for more.")
    return said
