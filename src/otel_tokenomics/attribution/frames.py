"""Blocks that are open in a context, the innermost last.

What a block set is found by the block itself, not by a token of the context variable: a generator may be
closed in another context than it was started in, and then its block has nothing there to undo.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple


class Frame(NamedTuple):
    """One open block, what it says itself, and what holds within it."""

    block: object
    said: Any
    holds: Any
    alone: bool = False
    """What is around it does not show through."""
    undo: Any = None
    """What its end needs."""


def innermost(frames: Sequence[Frame], block: object) -> int | None:
    """Where the innermost frame of a block is; `None` where it is not open in this context."""
    return next((i for i in range(len(frames) - 1, -1, -1) if frames[i].block is block), None)
