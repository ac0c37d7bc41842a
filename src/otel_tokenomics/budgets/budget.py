"""One budget: which calls it is for, what it allows, in which window."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Literal

from otel_tokenomics.budgets.amounts import Amount, Unit
from otel_tokenomics.budgets.windows import Window

Mode = Literal["off", "observe", "enforce"]
OnUnpriced = Literal["deny", "tokens", "allow"]
Unbounded = Literal["model_max", "clamp", "refuse"]
StoreDown = Literal["local", "open", "closed"]

MODES = ("off", "observe", "enforce")
EACH = "*"
RUN = "run"
OF_RUN = "|run:"
VELOCITY = "|velocity"
"""What ends the name of an account of one run, and of one that is for a pace."""


@dataclass(frozen=True, slots=True)
class LoopGuard:
    """Refuses a call that is sent unchanged more than `calls` times within `seconds`."""

    calls: int
    seconds: int


@dataclass(frozen=True, slots=True)
class Budget:
    """A limit for all calls that match it. Treat as immutable.

    `match` says what a call must be; `*` as a value means any, and a budget of its own for each; a pattern
    such as `gpt-5*` any that fits it, and one budget for all. `velocity` is a second, rolling limit.
    `warn_at` are parts of the limit, in millionths. `clamp` is the output cap that a request without one
    gets; with `fit` a request's output cap is lowered to what the budget still has, down to `least_output`.
    `models` are what to suggest in place of a refused model. `line` is where it stands in its file.
    """

    name: str
    limit: Amount
    window: Window
    match: tuple[tuple[str, tuple[str, ...]], ...] = ()
    warn_at: tuple[int, ...] = ()
    on_unpriced: OnUnpriced = "deny"
    unbounded_output: Unbounded = "model_max"
    clamp: int | None = None
    mode: Mode | None = None
    velocity: tuple[Amount, Window] | None = None
    loop: LoopGuard | None = None
    fit: bool = False
    least_output: int = 256
    owner: str | None = None
    models: tuple[str, ...] = ()
    line: int = 0

    @property
    def unit(self) -> Unit:
        """What is counted."""
        return self.limit.unit

    @property
    def each(self) -> tuple[str, ...]:
        """By whose values there is an account for each."""
        return tuple([key for key, allowed in self.match if allowed == (EACH,)])

    def values(self, account: str) -> dict[str, str]:
        """The values that one of its accounts is for, by key."""
        found: dict[str, str] = {}
        rest = account.removeprefix(self.name).removesuffix(VELOCITY)
        if self.window.kind == "run":
            rest = rest.rpartition(OF_RUN)[0]
        for key, after in zip(self.each, (*self.each[1:], None), strict=False):
            rest = rest.removeprefix(f"|{key}=")
            value, mark, rest = (rest, "", "") if after is None else rest.partition(f"|{after}=")
            found[key], rest = value.replace("%7C", "|").replace("%25", "%"), mark + rest
        return found

    def account(self, subject: Mapping[str, str]) -> str | None:
        """The account of a call that is described by `subject`, or `None` if it is none of this budget's."""
        account = self.name
        for key, allowed in self.match:
            value = subject.get(key)
            if value is None:
                return None
            if allowed == (EACH,):
                # A user must not be called so that its account is another one's.
                account += f"|{key}={value.replace('%', '%25').replace('|', '%7C')}"
            elif not any(fnmatchcase(value, pattern) for pattern in allowed):
                return None
        return account
