"""Exact integer sums by labels, with a bound on the rows of a metric and on the values of a label.

The SDK keeps 2,000 attribute sets for each instrument, and folds what comes later into one row that has
lost every attribute. The bounds here are lower, so that what overflows keeps its provider, its currency
and its exact sum, and says `_OTHER` where it had a value.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterator
from typing import Final, Generic, TypeVar

OTHER: Final = "_OTHER"
"""OpenTelemetry's word for a value that is not told apart."""

FINE_ROWS: Final = 1_200
"""Rows of a metric up to which each new one has all its labels."""

MOST_ROWS: Final = 1_800
"""Rows up to which a new one loses only its models, or its owners below the team; beyond, it keeps
its provider and its currency. Those last rows are few, and the SDK's limit is 2,000."""

MOST_MODELS: Final = 200
MOST_BUDGETS: Final = 200
MOST_OWNERS: Final = 100
MOST_TOOLS: Final = 50
MOST_ERRORS: Final = 50

_Row = TypeVar("_Row", bound=Hashable)


class Overflow:
    """How many operations lost a value, by the label or the metric that was full."""

    def __init__(self) -> None:
        self.operations: Counter[str] = Counter()
        self._now: set[str] = set()

    def note(self, name: str) -> None:
        """The operation at hand lost a value of `name`, however often."""
        self._now.add(name)

    def forget(self, *names: str) -> None:
        """The operation at hand is counted elsewhere for these."""
        self._now.difference_update(names)

    def count(self) -> None:
        """The operation at hand is done."""
        if self._now:
            self.operations.update(self._now)
            self._now.clear()


class Values:
    """The values of one label that are told apart: the first ones, up to a bound."""

    def __init__(self, name: str, most: int, overflow: Overflow) -> None:
        self._name = name
        self._most = most
        self._overflow = overflow
        self._known: set[str | None] = {None}

    def admit(self, value: str | None) -> str | None:
        """The value, or `_OTHER` when there are too many already. What is absent stays absent."""
        if value in self._known:
            return value
        if len(self._known) <= self._most:
            self._known.add(value)
            return value
        if value != OTHER:
            self._overflow.note(self._name)
        return OTHER


class Rows(Generic[_Row]):
    """The rows of one metric: each new one as fine as there is room for.

    `coarser` and `coarsest` make a row that has fewer labels; the coarsest always has room.
    """

    def __init__(
        self,
        name: str,
        coarser: Callable[[_Row], _Row],
        coarsest: Callable[[_Row], _Row],
        overflow: Overflow,
    ) -> None:
        self._name = name
        self._coarser = coarser
        self._coarsest = coarsest
        self._overflow = overflow
        self._rows: set[_Row] = set()

    def place(self, row: _Row) -> _Row:
        """The row to count this one in."""
        for most, fold in ((FINE_ROWS, None), (MOST_ROWS, self._coarser)):
            placed = row if fold is None else fold(row)
            if placed in self._rows or len(self._rows) < most:
                self._rows.add(placed)
                break
        else:
            placed = self._coarsest(row)
            self._rows.add(placed)
        if placed != row:
            self._overflow.note(self._name)
        return placed


class Cube(Generic[_Row]):
    """Sums of integers by row. `rows` may be shared by metrics that have the same labels."""

    def __init__(self, rows: Rows[_Row]) -> None:
        self._rows = rows
        self._sums: dict[_Row, int] = {}

    def add(self, row: _Row, quantity: int) -> None:
        """Add to the sum of a row, or of the one it is folded into."""
        if row not in self._sums:
            row = self._rows.place(row)
        self._sums[row] = self._sums.get(row, 0) + quantity

    def items(self) -> Iterator[tuple[_Row, int]]:
        """Each row and its sum."""
        yield from self._sums.items()
