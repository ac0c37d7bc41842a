"""How near a balance is to its limit: over it, past a threshold, or far below."""

from __future__ import annotations

from collections.abc import Mapping

from otel_tokenomics.budgets.protocol import Balance
from otel_tokenomics.budgets.ticket import Part
from otel_tokenomics.budgets.windows import Slot, Window

_MOST_WARNED = 4096


class Thresholds:
    """The soft limits of budgets. Each is passed once in a window, as far as this process sees."""

    def __init__(self) -> None:
        self._warned: set[tuple[str, int, int]] = set()

    def passed(
        self, part: Part, balance: Balance, slots: Mapping[Window, Slot]
    ) -> list[tuple[str, int, int]]:
        """Which are passed that were not before, by account, window and part of the limit."""
        if not part.budget.warn_at:
            return []
        total = balance.spent + balance.held
        start = slots[part.window].start
        if part.window.kind == "rolling":
            # Its slots are parts of a window: it is told once in the time that a window lasts.
            start -= start % part.window.seconds
        passed = [each for each in part.budget.warn_at if total * 1_000_000 >= each * part.limit]
        return [key for each in passed if (key := (part.account, start, each)) not in self._warned]

    def warns(self, part: Part, balance: Balance, slots: Mapping[Window, Slot]) -> bool:
        """Whether one is passed now; it is not passed again."""
        passed = self.passed(part, balance, slots)
        if not passed:
            return False
        if len(self._warned) >= _MOST_WARNED:
            self._warned.clear()
        self._warned.update(passed)
        return True


def is_over(part: Part, balance: Balance) -> bool:
    """Whether a limit that is only observed is passed."""
    return not part.enforced and balance.spent + balance.held > part.limit


def is_ample(part: Part, balance: Balance) -> bool:
    """Whether a quarter of a limit is left: for as long a settlement may wait for a moment."""
    return 4 * (balance.spent + balance.held) <= 3 * part.limit
