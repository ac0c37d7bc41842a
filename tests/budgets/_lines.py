"""Words for tests of stores."""

from __future__ import annotations

from otel_tokenomics.budgets.protocol import Line


def line(amount: int, account: str = "a", limit: int = 100, slot: int = 0) -> Line:
    """A line of an account with one slot that never ends."""
    return Line(account, slot, slot, 0, 0, limit, amount)
