"""Reading counts that a server wrote: anything may stand where a number should."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from otel_tokenomics.model.usage import MISSING, Usage

_MOST = 1 << 53
"""Beyond this no count of tokens is believed, and a double would no longer hold it."""

_NOTHING: Mapping[str, Any] = {}


class Counts:
    """A usage object under reading. Collects in `flags` what was wrong with it."""

    __slots__ = ("flags", "raw")

    def __init__(self, raw: Mapping[str, Any]) -> None:
        self.raw = raw
        self.flags: set[str] = set()

    def get(self, raw: Mapping[str, Any], name: str, other: str = "") -> int | None:
        """The field `name`, or else `other`, as a count: absent, null and rubbish are `None`."""
        value = raw.get(name)
        if value is None and other:
            value = raw.get(other)
        if type(value) is int and 0 <= value < _MOST:
            return value
        return None if value is None else self._odd(value)

    def object(self, *names: str) -> Mapping[str, Any]:
        """The first of `names` that is an object, or an empty one."""
        for name in names:
            value = self.raw.get(name)
            if isinstance(value, dict):
                return value
        return _NOTHING

    def split(self, total: int, *parts: int | None) -> list[int]:
        """What remains of `total`, then each part as far as it fits in what those before it left."""
        taken = [part or 0 for part in parts]
        room = total - sum(taken)
        if room >= 0:
            return [room, *taken]
        room, taken = total, []
        for part in parts:
            fits = min(part or 0, room)
            if fits < (part or 0):
                self.flags.add("mismatch")
            room -= fits
            taken.append(fits)
        return [room, *taken]

    def rest(self, total: int, *parts: int | None) -> int:
        """What remains of `total` beside its parts; flagged and zero if the parts exceed it."""
        remainder = total
        for part in parts:
            remainder -= part or 0
        if remainder < 0:
            self.flags.add("mismatch")
            return 0
        return remainder

    def _odd(self, value: Any) -> int | None:
        """A value that is not plainly a count: a whole float is one, everything else is flagged."""
        if type(value) is float and value.is_integer() and 0 <= value < _MOST:
            return int(value)
        negative = isinstance(value, (int, float)) and value < 0
        self.flags.add("negative" if negative else "not_a_count")
        return None


def usage_or_missing(usage: Usage) -> Usage:
    """The usage, unless nothing in it could be read."""
    return usage if usage.buckets or usage.flags else MISSING


def add(buckets: dict[str, int], more: Mapping[str, int]) -> None:
    """Add quantities, bucket by bucket."""
    for bucket, quantity in more.items():
        buckets[bucket] = buckets.get(bucket, 0) + quantity


def put(buckets: dict[str, int], bucket: str, quantity: int | None) -> None:
    """Put a quantity into its bucket, if it is known."""
    if quantity is not None:
        buckets[bucket] = quantity
