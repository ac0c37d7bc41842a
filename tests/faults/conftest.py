"""Faults are injected here on purpose: they are swallowed, as in production, and not raised again."""

from __future__ import annotations

import logging
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


class _Told(logging.Filter):
    """What is told of an exception is kept as text: who holds the exception holds the stream that it left."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Every record passes."""
        if record.exc_info:
            record.exc_text = logging.Formatter().formatException(record.exc_info)
            record.exc_info = None
        return True


@pytest.fixture(autouse=True)
def kept_as_text() -> Iterator[None]:
    """For pytest keeps every log record, and OpenTelemetry logs where a library's own span is left."""
    log, told = logging.getLogger("opentelemetry.context"), _Told()
    log.addFilter(told)
    yield
    log.removeFilter(told)


@pytest.fixture(autouse=True)
def swallowing(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The guard as it is in production."""
    monkeypatch.setenv("OTEL_TOKENOMICS_STRICT", "false")
    guard.set_strict(False)
    yield
    late.drain(10)
    guard.set_strict(False)
