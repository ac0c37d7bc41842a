"""Faults are injected here on purpose: they are swallowed, as in production, and not raised again."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from otel_tokenomics.flow import guard, late
from otel_tokenomics.telemetry.accounts import ACCOUNTS
from otel_tokenomics.wiring import assembly


@pytest.fixture(autouse=True)
def empty_books() -> None:
    """Totals are the process's, and each provider tells them all: hundreds of tests would tell each other's.

    Emptied before a test, for what one leaves is read for the convention after its end.
    """
    late.catch_up()
    ACCOUNTS.reset()
    assembly._metrics_of.cache_clear()


@pytest.fixture(autouse=True)
def swallowing(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The guard as it is in production."""
    monkeypatch.setenv("OTEL_TOKENOMICS_STRICT", "false")
    guard.set_strict(False)
    yield
    late.drain(10)
    guard.set_strict(False)
