"""`tokenomics doctor` tells what the metrics of another process could not tell apart."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from opentelemetry.metrics import NoOpMeterProvider
from tests.cli.conftest import Tokenomics
from tests.ledger._support import pipeline, record

from otel_tokenomics.flow import late
from otel_tokenomics.ledger.exporter import LedgerExporter
from otel_tokenomics.telemetry import metrics as room
from otel_tokenomics.telemetry.accounts import Accounts
from otel_tokenomics.telemetry.events import UsageEvents
from otel_tokenomics.telemetry.metrics import Metrics


@pytest.fixture
def accounts(monkeypatch: pytest.MonkeyPatch) -> Accounts:
    """Totals of this test alone: what an earlier one left to be told is told to the others first."""
    assert late.drain(10)
    fresh = Accounts()
    monkeypatch.setattr(room, "ACCOUNTS", fresh)
    return fresh


def test_doctor_shows_what_overflowed(accounts: Accounts, doctor: Tokenomics, tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite3"
    told, provider = Metrics(NoOpMeterProvider()), pipeline(LedgerExporter(path))
    events = UsageEvents(provider)
    for number in range(1, 301):
        one = record(model=f"ft:{number}")
        told.record(one, None)
        events.emit(one)
        if number == 250:
            provider.force_flush()
    provider.shutdown()
    document = json.loads(doctor("--json", "--ledger", path).stdout)
    overflows = {item["label"]: item for item in document["ledger"]["overflows"]}
    assert overflows["gen_ai.request.model"]["calls"] == 100
    assert overflows["gen_ai.request.model"]["processes"] == 1
    text = doctor("--ledger", path).stdout
    assert "metrics show _OTHER for 100 calls: gen_ai.request.model had too many values" in text


def test_doctor_says_nothing_of_what_did_not_overflow(
    accounts: Accounts, doctor: Tokenomics, tmp_path: Path
) -> None:
    path = tmp_path / "ledger.sqlite3"
    provider = pipeline(LedgerExporter(path))
    UsageEvents(provider).emit(record())
    provider.shutdown()
    assert "_OTHER" not in doctor("--ledger", path).stdout
