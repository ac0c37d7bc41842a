"""Windows of a budget: calendar periods in a time zone, rolling ones, whole lives.

A window's key is its start, so that nothing has to be reset when it ends: the next one has another key.
Times are whole Unix seconds here, durations seconds.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Literal, NamedTuple
from zoneinfo import ZoneInfo

Kind = Literal["hour", "day", "week", "month", "rolling", "lifetime", "run"]
CALENDAR = ("hour", "day", "week", "month")
SLOTS = 60
"""Slots of a rolling window: what is spent counts for at most one slot longer than the window."""

_HOUR = 3600
_DURATION = re.compile(r"([1-9][0-9]{0,6})\s*(s|m|min|h|d)")
_SECONDS = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86_400}


class Slot(NamedTuple):
    """Where a reservation made at an instant is counted.

    `start` is the key of the slot, `since` the first slot that counts with it, `step` how far slots are apart
    (0 where there is one), `until` when this slot's spend no longer counts (0: never), and `ends` when
    another slot begins (0: never).
    """

    start: int
    since: int
    step: int
    until: int
    ends: int


ALWAYS = Slot(0, 0, 0, 0, 0)


class Window(NamedTuple):
    """One kind of window. `seconds` is the length of a rolling one, `zone` an IANA name."""

    kind: Kind
    seconds: int = 0
    zone: str = "UTC"

    def __str__(self) -> str:
        return f"rolling {spelled(self.seconds)}" if self.kind == "rolling" else self.kind

    def slot(self, now: int) -> Slot:
        """The slot of an instant."""
        if self.kind == "rolling":
            return self._rolling(now)
        if self.kind in ("lifetime", "run"):
            return ALWAYS
        start, end = bounds(self.kind, self.zone, now)
        return Slot(start, start, 0, end, end)

    def resets(self, now: int) -> int | None:
        """When the next window begins; `None` where none ever does, or where spend leaves bit by bit."""
        return self.slot(now).ends or None if self.kind in CALENDAR else None

    def _rolling(self, now: int) -> Slot:
        step = max(1, -(-self.seconds // SLOTS))
        start = now - now % step
        slots = -(-self.seconds // step)
        return Slot(start, start - slots * step, step, start + (slots + 1) * step, start + step)


def parse(text: str) -> tuple[Kind, int]:
    """`"month"`, `"rolling 24h"`, `"lifetime"`, `"run"`. Raises `ValueError`."""
    words = text.split(None, 1)
    if len(words) == 2 and words[0] == "rolling":
        return "rolling", duration(words[1])
    for kind in ("hour", "day", "week", "month", "lifetime", "run"):
        if text == kind:
            return kind, 0
    raise ValueError(text)


def duration(text: str) -> int:
    """Seconds of `"90s"`, `"5m"`, `"24h"`, `"7d"`. Raises `ValueError`."""
    found = _DURATION.fullmatch(text.strip())
    if found is None:
        raise ValueError(text)
    return int(found[1]) * _SECONDS[found[2]]


def spelled(seconds: int) -> str:
    """A duration as `duration` reads it."""
    for unit in ("d", "h", "m"):
        if seconds % _SECONDS[unit] == 0 and (unit != "d" or seconds > _SECONDS["d"]):
            return f"{seconds // _SECONDS[unit]}{unit}"
    return f"{seconds}s"


@lru_cache(maxsize=64)
def zone_of(name: str) -> ZoneInfo:
    """A zone of the IANA database. Raises `ValueError` for a name that is none."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ValueError(name) from None


def bounds(kind: str, zone: str, now: int) -> tuple[int, int]:
    """Start and end of the calendar window that holds an instant: it is where its zone's clocks put it.

    A day on which the clocks change has 23 or 25 hours, and an hour that they pass twice is two windows.
    """
    place = zone_of(zone)
    if kind == "hour":
        return _hour(place, now)
    today = datetime.fromtimestamp(now, place).date()
    first = _first(kind, today)
    start, end = _midnight(first, place), _midnight(_next(kind, first), place)
    # A zone may skip a whole day, or come to a midnight twice.
    while now >= end:
        first = _next(kind, first)
        start, end = end, _midnight(_next(kind, first), place)
    while now < start:
        first = _first(kind, first - timedelta(days=1))
        start, end = _midnight(first, place), start
    return start, end


def _first(kind: str, day: date) -> date:
    if kind == "week":
        return day - timedelta(days=day.weekday())
    return day.replace(day=1) if kind == "month" else day


def _next(kind: str, first: date) -> date:
    if kind == "month":
        return (first + timedelta(days=32)).replace(day=1)
    return first + timedelta(days=7 if kind == "week" else 1)


def _midnight(day: date, place: ZoneInfo) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=place).timestamp())


def _hour(place: ZoneInfo, now: int) -> tuple[int, int]:
    """The hour of an instant, cut where the zone's offset changes within it."""
    offset = _offset(place, now)
    start = now - (now + offset) % _HOUR
    end = start + _HOUR
    if _offset(place, start) != offset:
        start = _change(place, start, now)
    if _offset(place, end - 1) != offset:
        end = _change(place, now, end - 1)
    return start, end


def _offset(place: ZoneInfo, at: int) -> int:
    offset = datetime.fromtimestamp(at, UTC).astimezone(place).utcoffset()
    assert offset is not None
    return int(offset.total_seconds())


def _change(place: ZoneInfo, low: int, high: int) -> int:
    """The first second after `low`, up to `high`, that has the offset of `high`."""
    wanted = _offset(place, high)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if _offset(place, middle) == wanted else (middle, high)
    return high
