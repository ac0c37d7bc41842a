"""Reading counts that a server wrote: anything may stand where a number should."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_MOST = 1 << 53
"""Beyond this no count of tokens is believed, and a double would no longer hold it."""

_NOTHING: Mapping[str, Any] = {}


class Counts:
    """A usage object under reading. Collects in `flags` what was wrong with it."""

    __slots__ = ("flags", "raw")

    def __init__(self, raw: Mapping[str, Any]) -> None:
        self.raw = raw
        self.flags: set[str] = set()

    def get(self, *names: str, within: Mapping[str, Any] | None = None) -> int | None:
        """The first of `names` that is there, as a count: absent, null and rubbish are `None`."""
        raw = self.raw if within is None else within
        for name in names:
            value = raw.get(name)
            if value is not None:
                return self._count(value)
        return None

    def object(self, *names: str) -> Mapping[str, Any]:
        """The first of `names` that is an object, or an empty one."""
        for name in names:
            value = self.raw.get(name)
            if isinstance(value, dict):
                return value
        return _NOTHING

    def rest(self, total: int, *parts: int | None) -> int:
        """What remains of `total` beside its parts; flagged and zero if the parts exceed it."""
        remainder = total - sum(part for part in parts if part)
        if remainder < 0:
            self.flags.add("mismatch")
            return 0
        return remainder

    def _count(self, value: Any) -> int | None:
        if type(value) is int:
            if 0 <= value < _MOST:
                return value
            self.flags.add("negative" if value < 0 else "not_a_count")
            return None
        if type(value) is float and value.is_integer() and 0 <= value < _MOST:
            return int(value)
        self.flags.add("not_a_count")
        return None
