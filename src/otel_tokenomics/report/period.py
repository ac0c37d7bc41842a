"""What people write for a time: `today`, `7d`, `2026-11-01`, an ISO instant."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

EXAMPLES = "today, yesterday, now, 36h, 7d, 4w, 2026-11-01, 2026-11-01T12:00, 2026-11-01T12:00:00Z"

_BACK = re.compile(r"([0-9]{1,4})([mhdw])")
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def instant(text: str, now: datetime, *, utc: bool = False) -> datetime:
    """The instant `text` means at `now` (with a time zone), in the local zone or in UTC.

    A day without a time is its midnight. `7d` is seven days before now. Raises `ValueError` with the
    accepted forms.
    """
    word = text.strip().lower()
    if word == "now":
        return _zoned(now, utc)
    if back := _BACK.fullmatch(word):
        return _zoned(now - timedelta(**{_UNITS[back[2]]: int(back[1])}), utc)
    if word in ("today", "yesterday"):
        today = _zoned(now, utc).replace(tzinfo=None, hour=0, minute=0, second=0, microsecond=0)
        return _located(today - timedelta(days=word == "yesterday"), utc)
    try:
        return _located(datetime.fromisoformat(text.strip()), utc)
    except ValueError:
        raise ValueError(f"{text!r} is not a time. Write one of: {EXAMPLES}") from None


def unix_ns(moment: datetime) -> int:
    """Nanoseconds since 1970 of an instant, exactly."""
    return (moment - _EPOCH) // timedelta(microseconds=1) * 1000


def _located(moment: datetime, utc: bool) -> datetime:
    if moment.tzinfo is None and utc:
        return moment.replace(tzinfo=UTC)
    return moment.astimezone()


def _zoned(moment: datetime, utc: bool) -> datetime:
    return moment.astimezone(UTC if utc else None)
