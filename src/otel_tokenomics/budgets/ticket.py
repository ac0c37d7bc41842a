"""What the governor keeps of a call in flight, what it is told of its end, and whom it tells of decisions."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, NamedTuple, Protocol

from otel_tokenomics.budgets.amounts import Unit
from otel_tokenomics.budgets.budget import Budget
from otel_tokenomics.budgets.errors import Reason
from otel_tokenomics.budgets.protocol import Balance, Line
from otel_tokenomics.budgets.windows import Window
from otel_tokenomics.budgets.worst import Asked, Need

Decision = str
"""`allow`, `warn`, `deny`, `would_deny`, `fail_open`, `fail_local`, `fail_closed`."""


Step = Literal["reserve", "top_up", "settle", "read"]
"""What a store is asked to do; `read` is for metrics."""


@dataclass(frozen=True, slots=True)
class Part:
    """One account that a call is held on. `velocity`: it is the second limit.

    `limit`, in the budget's `unit`, and the `window` are the budget's or the velocity's; `cares_for_output`:
    the budget wants a request without an output cap refused, or given one. They are found once, since each
    call asks for them.
    """

    budget: Budget
    account: str
    enforced: bool
    velocity: bool = False
    limit: int = field(init=False, repr=False)
    unit: Unit = field(init=False, repr=False)
    window: Window = field(init=False, repr=False)
    cares_for_output: bool = field(init=False, repr=False)

    def __post_init__(self) -> None:
        limit, window = self.budget.limit, self.budget.window
        if self.velocity and self.budget.velocity is not None:
            limit, window = self.budget.velocity
        cares = self.budget.unbounded_output == "refuse" or self.budget.clamp is not None
        found = {"limit": limit.quantity, "unit": limit.unit, "window": window, "cares_for_output": cares}
        for name, value in found.items():
            object.__setattr__(self, name, value)


@dataclass(slots=True)
class Ticket:
    """A call that was let through. `cap` is the output cap that its request must be given, if any.

    `kept` is where its hold is: in the `store`, in this process (`local`) while that is down, or `nowhere`.
    `ample`: every budget of it had so much left that nobody would miss what it holds for a moment longer.
    """

    asked: Asked
    need: Need
    parts: tuple[Part, ...]
    lines: tuple[Line, ...]
    hold: str
    kept: str = "store"
    cap: int | None = None
    attempts: int = 1
    settled: bool = False
    ample: bool = False


class Spent(NamedTuple):
    """How a call ended. `cost` is in nano-USD; `None`, as for `tokens`, is not known.

    `presumed` is how many attempts got no answer and may be billed; `billed` whether the last one was.
    """

    billed: bool
    cost: int | None = None
    tokens: int | None = None
    presumed: int = 0


class Listener(Protocol):
    """Told of every decision. Must not raise."""

    def decided(self, part: Part, decision: Decision, reason: Reason | None, balance: Balance | None) -> None:
        """A call was let through, or not, by one budget."""

    def settled(self, part: Part, held: int, spent: int, balance: Balance | None) -> None:
        """A hold was settled; more spent than held is overshoot."""

    def stored(self, step: Step, seconds: float, answered: bool) -> None:
        """The store answered a step, or failed to, after so long."""

    def expired(self, holds: int) -> None:
        """Holds, of any process, were over and settled in full."""


@dataclass(slots=True)
class Silence:
    """A listener that keeps nothing."""

    def decided(self, part: Part, decision: Decision, reason: Reason | None, balance: Balance | None) -> None:
        """Nobody wants to know."""

    def settled(self, part: Part, held: int, spent: int, balance: Balance | None) -> None:
        """Nobody wants to know."""

    def stored(self, step: Step, seconds: float, answered: bool) -> None:
        """Nobody wants to know."""

    def expired(self, holds: int) -> None:
        """Nobody wants to know."""
