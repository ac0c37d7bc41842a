"""Windows tile time in every zone, across every change of its clocks."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_tokenomics.budgets.windows import Window, bounds, duration, parse, spelled

ZONES = (
    *("UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe"),
    *("Pacific/Apia", "America/Sao_Paulo", "Africa/Casablanca", "Asia/Beirut", "America/Havana"),
)
TIMES = st.integers(1_262_304_000, 1_924_905_600)
KINDS = ("hour", "day", "week", "month")


def unix(text: str, zone: str = "UTC") -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp())


@given(TIMES, st.sampled_from(ZONES), st.sampled_from(KINDS))
def test_windows_tile_time(now: int, zone: str, kind: str) -> None:
    start, end = bounds(kind, zone, now)
    assert start <= now < end
    assert bounds(kind, zone, start) == bounds(kind, zone, end - 1) == (start, end)
    assert bounds(kind, zone, end)[0] == end
    assert bounds(kind, zone, start - 1)[1] == start


@given(TIMES, st.sampled_from(ZONES))
def test_a_day_is_the_zones_day(now: int, zone: str) -> None:
    place = ZoneInfo(zone)
    start, _ = bounds("day", zone, now)
    assert datetime.fromtimestamp(start, place).date() == datetime.fromtimestamp(now, place).date()


@pytest.mark.parametrize(
    ("kind", "zone", "at", "start", "end"),
    [
        ("month", "Europe/Berlin", "2026-03-15", "2026-03-01", "2026-04-01"),
        ("month", "Europe/Berlin", "2026-12-31T23:59:59", "2026-12-01", "2027-01-01"),
        ("week", "Europe/Berlin", "2026-11-24T12:00", "2026-11-23", "2026-11-30"),
        ("day", "Europe/Berlin", "2026-03-29T12:00", "2026-03-29", "2026-03-30"),
        ("hour", "Asia/Kolkata", "2026-01-01T10:59:59", "2026-01-01T10:00", "2026-01-01T11:00"),
    ],
)
def test_a_window_is_where_the_clocks_put_it(kind: str, zone: str, at: str, start: str, end: str) -> None:
    assert bounds(kind, zone, unix(at, zone)) == (unix(start, zone), unix(end, zone))


@pytest.mark.parametrize(("day", "hours"), [("2026-03-29", 23), ("2026-10-25", 25), ("2026-11-24", 24)])
def test_a_day_may_have_another_length(day: str, hours: int) -> None:
    start, end = bounds("day", "Europe/Berlin", unix(f"{day}T12:00", "Europe/Berlin"))
    assert end - start == hours * 3600


def test_an_hour_that_comes_twice_is_two_windows() -> None:
    first = int(datetime(2026, 10, 25, 0, 30, tzinfo=UTC).timestamp())
    assert bounds("hour", "Europe/Berlin", first)[1] == bounds("hour", "Europe/Berlin", first + 3600)[0]


def test_a_day_that_a_zone_left_out_is_in_no_window() -> None:
    # Samoa went from 29 to 31 December 2011.
    last = unix("2011-12-29T12:00", "Pacific/Apia")
    assert bounds("day", "Pacific/Apia", last)[1] == bounds("day", "Pacific/Apia", last + 86_400)[0]


@given(TIMES, st.integers(1, 10**6))
def test_a_rolling_window_counts_no_less_than_its_length(now: int, seconds: int) -> None:
    slot = Window("rolling", seconds).slot(now)
    assert slot.start <= now < slot.ends == slot.start + slot.step
    assert slot.since <= now - seconds, "all that was spent within the window is counted"
    assert slot.since > now - seconds - 2 * slot.step, "and little more"
    assert slot.until >= slot.ends + seconds, "a slot is kept for as long as it counts"


def test_a_life_has_one_slot() -> None:
    assert Window("lifetime").slot(1) == Window("lifetime").slot(10**9)
    assert Window("lifetime").resets(1) is None


@pytest.mark.parametrize(
    ("text", "parsed"),
    [("month", ("month", 0)), ("rolling 24h", ("rolling", 86_400)), ("run", ("run", 0))],
)
def test_windows_are_written_as(text: str, parsed: tuple[str, int]) -> None:
    assert parse(text) == parsed


@pytest.mark.parametrize("text", ["", "fortnight", "rolling", "rolling 0h", "rolling 1y", "monthly", "h 1"])
def test_what_is_no_window_is_none(text: str) -> None:
    with pytest.raises(ValueError) as caught:
        parse(text)
    assert caught.value.args


@given(st.integers(1, 10**6))
def test_a_duration_is_spelled_as_it_is_read(seconds: int) -> None:
    assert duration(spelled(seconds)) == seconds
