"""Times as people write them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from otel_tokenomics.report.period import instant, unix_ns

NOW = datetime(2026, 11, 24, 23, 30, tzinfo=UTC)


@pytest.fixture
def in_berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    ("text", "iso"),
    [
        ("now", "2026-11-24T23:30:00+00:00"),
        ("today", "2026-11-24T00:00:00+00:00"),
        (" Yesterday ", "2026-11-23T00:00:00+00:00"),
        ("90m", "2026-11-24T22:00:00+00:00"),
        ("36h", "2026-11-23T11:30:00+00:00"),
        ("7d", "2026-11-17T23:30:00+00:00"),
        ("2w", "2026-11-10T23:30:00+00:00"),
        ("2026-11-01", "2026-11-01T00:00:00+00:00"),
        ("2026-11-01T12:30", "2026-11-01T12:30:00+00:00"),
        ("2026-11-01T12:30:00Z", "2026-11-01T12:30:00+00:00"),
        ("2026-11-01T12:30:00+02:00", "2026-11-01T10:30:00+00:00"),
    ],
)
def test_in_utc(text: str, iso: str) -> None:
    assert instant(text, NOW, utc=True).astimezone(UTC).isoformat() == iso


@pytest.mark.parametrize(
    ("text", "iso"),
    [
        ("today", "2026-11-25T00:00:00+01:00"),
        ("yesterday", "2026-11-24T00:00:00+01:00"),
        ("2026-07-01", "2026-07-01T00:00:00+02:00"),
        ("2026-07-01T00:00:00Z", "2026-07-01T02:00:00+02:00"),
    ],
)
def test_in_local_time(in_berlin: None, text: str, iso: str) -> None:
    assert instant(text, NOW).isoformat() == iso


def test_a_day_on_which_the_clocks_change_begins_at_its_own_midnight(in_berlin: None) -> None:
    now = datetime(2026, 10, 26, 12, tzinfo=UTC)
    assert instant("yesterday", now).isoformat() == "2026-10-25T00:00:00+02:00"


@pytest.mark.parametrize("text", ["", "tomorrow", "7", "7y", "2026-13-01", "-1d", "1.5h"])
def test_rubbish_names_the_forms(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not a time\. Write one of: today, yesterday"):
        instant(text, NOW)


def test_nanoseconds_are_exact() -> None:
    assert unix_ns(datetime(2026, 11, 1, 12, 0, 0, 123_457, tzinfo=UTC)) == 1_793_534_400_123_457_000
