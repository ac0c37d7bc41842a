"""Reserve, top up, settle, expire: what every store does, each in one transaction.

A hold is one promise to spend, on several accounts at once: on all of them or on none. For every account
whose limit is enforced `spent + held <= limit` holds at every instant, unless a call cost more than the
worst case that was held for it, which is told as overshoot.

- `reserve` holds, if each account has room for its part;
- `top_up` holds more under the same hold, by the same rule;
- `settle` turns a hold into what was really spent, once;
- `expire` settles in full every hold whose time is over: nobody knows what became of its call. A hold that is
  settled after that corrects the account to the truth, once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple, Protocol

UNLIMITED = -1


class Line(NamedTuple):
    """One account's part of a hold.

    The account is counted in `slot`; the slots from `since` on, `step` seconds apart, count with it. From
    `until` on, in Unix seconds, the slot is of no more use (0: never). `limit` is `UNLIMITED` where it is not
    enforced. `amount` is in the budget's unit.
    """

    account: str
    slot: int
    since: int
    step: int
    until: int
    limit: int
    amount: int


class Balance(NamedTuple):
    """What an account has spent, and holds for calls in flight."""

    spent: int
    held: int


class Answer(NamedTuple):
    """Whether a hold was made, and the balance of each of its lines after that.

    `moved` is the store's time, in Unix seconds, where it says that a window has ended meanwhile: then
    nothing was done, and the lines are to be made again. `expired` is how many holds, of anybody, the store
    found to be over and settled in full.
    """

    granted: bool
    balances: tuple[Balance, ...]
    moved: int | None = None
    expired: int = 0


State = Literal["settled", "late", "unknown"]


class Settled(NamedTuple):
    """What became of a settlement. `late`: the hold had expired, and the account was corrected."""

    state: State
    balances: tuple[Balance, ...] = ()


class StoreDownError(Exception):
    """The store did not answer, or not in time. The message says what is wrong and what to look at."""


class Store(Protocol):
    """Where accounts are kept. Each method is one transaction, and raises `StoreDownError`."""

    blocks: bool
    """Whether a method may wait for a disk or a network, so that it must not run in an event loop."""

    def now(self) -> float:
        """The store's time, in Unix seconds."""

    def reserve(self, hold: str, lines: Sequence[Line], ttl: float) -> Answer:
        """Hold all lines or none; it expires after `ttl` seconds."""

    def top_up(self, hold: str, lines: Sequence[Line]) -> Answer:
        """Hold as much again of lines that a hold has already, all or none."""

    def settle(self, hold: str, spent: Sequence[int]) -> Settled:
        """What was spent of each line, in their order at `reserve`."""

    def expire(self) -> int:
        """Settle in full what has expired; how many holds that were."""

    def read(self, lines: Sequence[Line]) -> tuple[Balance, ...]:
        """The balance of each line. Its amount is of no concern."""

    def look(self, lines: Sequence[Line]) -> Answer:
        """The balance of each line, once what has expired is settled in full."""

    def accounts(self) -> list[str]:
        """The names of all accounts that something was ever held on."""

    def close(self) -> None:
        """Give back what is open. The store may be used again."""


def packed(lines: Sequence[Line], amounts: Sequence[int] | None = None) -> str:
    """What a store must remember of a hold, as text: account, slot and amount of each line."""
    sums = [line.amount for line in lines] if amounts is None else amounts
    return "\n".join(
        [f"{line.account}\t{line.slot}\t{amount}" for line, amount in zip(lines, sums, strict=True)]
    )


def unpacked(text: str) -> list[tuple[str, int, int]]:
    """The reverse of `packed`."""
    parts = [line.split("\t") for line in text.split("\n")]
    return [(account, int(slot), int(amount)) for account, slot, amount in parts]
