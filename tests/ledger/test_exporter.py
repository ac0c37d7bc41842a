"""The logs exporter `tokenomics_ledger`: nothing lost in a burst, nothing raised, every failure said once."""

from __future__ import annotations

import json
import logging
import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from opentelemetry._logs import LogRecord
from opentelemetry.sdk._logs import LoggerProvider, LogRecordProcessor, ReadWriteLogRecord
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor, LogRecordExportResult
from tests.ledger._support import BUCKETS, execute, pipeline, priced, record, total

from otel_tokenomics.ledger import exporter as module
from otel_tokenomics.ledger.exporter import LedgerExporter
from otel_tokenomics.ledger.row import row_of
from otel_tokenomics.model.attribution import Attribution
from otel_tokenomics.telemetry import outbox
from otel_tokenomics.telemetry.events import UsageEvents


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.sqlite3"


@pytest.fixture
def exporter(path: Path) -> LedgerExporter:
    return LedgerExporter(path)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing here waits for another process, and a retry is always due."""
    monkeypatch.setattr(module, "BUSY_SECONDS", 0.05)
    monkeypatch.setattr(module, "_FIRST_PAUSE_SECONDS", 0.0)


def errors(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [entry.getMessage() for entry in caplog.records if entry.name == "otel_tokenomics.ledger"]


def test_a_burst_beyond_the_queue_loses_nothing(path: Path, exporter: LedgerExporter) -> None:
    provider = pipeline(exporter)
    events = UsageEvents(provider)
    told = [record(cost=priced(10**15)) for _ in range(20_000)]
    for one in told:
        events.emit(one)
    provider.shutdown()
    found = total(path)
    assert found.calls == 20_000
    assert found.cost_femto == 20_000 * 10**15
    assert execute(path, "SELECT count(*) FROM losses") == [(0,)]


def test_the_row_is_the_record(path: Path, exporter: LedgerExporter) -> None:
    provider = pipeline(exporter, **{"service.name": "shop", "tokenomics.run.id": "r1"})
    told = record(
        key="k",
        attribution=Attribution(team="search", tags={"ticket": "A-1"}),
        trace_id="1f" * 16,
        span_id="2e" * 8,
    )
    UsageEvents(provider).emit(told)
    provider.shutdown()
    with closing(sqlite3.connect(path)) as connection:
        connection.row_factory = sqlite3.Row
        (found,) = map(dict, connection.execute("SELECT * FROM usage_records"))
    assert (
        found
        | {
            "key": "openai:k",
            "started_ns": told.started_ns,
            "duration_seconds": 1.5,
            "provider": "openai",
            "operation": "chat",
            "request_model": "gpt-5.4-mini",
            "response_model": "gpt-5.4-mini-2026-03-01",
            "response_id": "k",
            "service_tier": "default",
            "stream": 0,
            "buckets": json.dumps(BUCKETS, separators=(",", ":")),
            "usage_source": "provider",
            "input_tokens": 100,
            "cache_read_tokens": 50,
            "cache_write_tokens": 10,
            "output_tokens": 20,
            "reasoning_tokens": 5,
            "cost_femto": 2_500_000_000,
            "cost_currency": "USD",
            "cost_status": "complete",
            "cost_method": "catalog",
            "cost_lines": '[["input","input",10,250000000000000,1000000,2500000000]]',
            "price_id": "openai:gpt-5.4-mini",
            "price_tier": "standard",
            "attempts": 1,
            "possibly_billed": None,
            "outcome": "success",
            "team": "search",
            "user": None,
            "tags": '{"ticket":"A-1"}',
            "trace_id": "1f" * 16,
            "span_id": "2e" * 8,
            "service": "shop",
            "run": "r1",
            "process_id": os.getpid(),
        }
        == found
    )


def test_other_log_records_pass_by(path: Path, exporter: LedgerExporter) -> None:
    provider = pipeline(exporter)
    logger = provider.get_logger("app")
    logger.emit(LogRecord(body="hello", event_name="app.started"))
    UsageEvents(provider).emit(record())
    provider.shutdown()
    assert total(path).calls == 1


def test_what_a_processor_redacts_stays_redacted_also_in_a_burst(
    path: Path, exporter: LedgerExporter
) -> None:
    class Redactor(LogRecordProcessor):
        def on_emit(self, log_record: ReadWriteLogRecord) -> None:
            attributes: Any = log_record.log_record.attributes
            attributes["user.id"] = "redacted"

        def shutdown(self) -> None: ...

        def force_flush(self, timeout_millis: int = 30_000) -> bool:
            return True

    provider = LoggerProvider(shutdown_on_exit=False)
    provider.add_log_record_processor(Redactor())
    provider.add_log_record_processor(
        BatchLogRecordProcessor(exporter, max_queue_size=16, max_export_batch_size=8)
    )
    events = UsageEvents(provider)
    for _ in range(2_000):
        events.emit(record(attribution=Attribution(user="alice")))
    provider.shutdown()
    assert execute(path, "SELECT user, count(*) FROM usage_records GROUP BY 1") == [("redacted", 2_000)]


def test_another_pipelines_records_stay_out(path: Path, tmp_path: Path, exporter: LedgerExporter) -> None:
    ours, theirs = pipeline(exporter), pipeline(LedgerExporter(tmp_path / "theirs.sqlite3"))
    UsageEvents(ours).emit(record())
    UsageEvents(theirs).emit(record())
    UsageEvents(theirs).emit(record())
    ours.shutdown()
    theirs.shutdown()
    assert total(path).calls == 1
    assert total(tmp_path / "theirs.sqlite3").calls == 2


def test_records_of_another_emitter_are_written(path: Path, exporter: LedgerExporter) -> None:
    provider = pipeline(exporter)
    event = {"tokenomics.record.key": "openai:replayed", "gen_ai.provider.name": "openai"}
    provider.get_logger("replay").emit(
        LogRecord(timestamp=1, event_name="tokenomics.usage.recorded", attributes=event)
    )
    provider.shutdown()
    assert execute(path, "SELECT key, started_ns, provider FROM usage_records") == [
        ("openai:replayed", 1, "openai")
    ]


def lock(path: Path) -> Callable[[], None]:
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    def release() -> None:
        other.execute("ROLLBACK")
        other.close()

    return release


def test_a_locked_ledger_is_said_once_and_written_later(
    path: Path, exporter: LedgerExporter, caplog: pytest.LogCaptureFixture
) -> None:
    provider = pipeline(exporter)
    events = UsageEvents(provider)
    events.emit(record())
    provider.force_flush()
    release = lock(path)
    for _ in range(3):
        events.emit(record())
        provider.force_flush()
    assert outbox.pending() >= 3
    release()
    provider.shutdown()
    assert total(path).calls == 4
    (said,) = errors(caplog)
    assert str(path) in said
    assert "Close programs" in said
    assert "kept in memory" in said


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda path: path.write_bytes(b"rubbish " * 1_000), "Move the file aside"),
        (lambda path: path.mkdir(), "permissions"),
        (lambda path: execute(path, "CREATE TABLE theirs (n)"), "another program"),
        (lambda path: execute(path, "PRAGMA user_version = 99"), "not a ledger"),
    ],
)
def test_an_unusable_file_is_said_and_never_raised(
    path: Path,
    exporter: LedgerExporter,
    caplog: pytest.LogCaptureFixture,
    spoil: Callable[[Path], object],
    words: str,
) -> None:
    spoil(path)
    provider = pipeline(exporter)
    UsageEvents(provider).emit(record())
    provider.shutdown()
    first, last = errors(caplog)
    assert words in first
    assert "1 usage records were not written" in last


def test_it_recovers_when_the_file_does(
    path: Path, exporter: LedgerExporter, caplog: pytest.LogCaptureFixture
) -> None:
    path.write_bytes(b"rubbish " * 1_000)
    provider = pipeline(exporter)
    events = UsageEvents(provider)
    events.emit(record())
    provider.force_flush()
    path.rename(path.with_suffix(".aside"))
    events.emit(record())
    provider.shutdown()
    assert total(path).calls == 2
    assert len(errors(caplog)) == 1


def test_what_is_lost_is_counted_said_and_noted(
    path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BOUND", 10)
    exporter = LedgerExporter(path)
    provider = pipeline(exporter, **{"tokenomics.run.id": "r1"})
    events = UsageEvents(provider)
    events.emit(record())
    provider.force_flush()
    release = lock(path)
    for _ in range(25):
        events.emit(record())
    provider.force_flush()
    assert outbox.lost() >= 15
    release()
    provider.shutdown()
    assert total(path).calls == 11
    assert execute(path, "SELECT cause, records, run FROM losses") == [("outbox_full", 15, "r1")]
    assert any("the oldest were dropped" in said for said in errors(caplog))


def test_a_record_that_cannot_be_read_does_not_hold_up_the_others(
    path: Path, exporter: LedgerExporter, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    read = row_of

    def fail(attributes: Any, **known: Any) -> Any:
        if attributes["gen_ai.response.id"] == "bad":
            raise ValueError("bad")
        return read(attributes, **known)

    monkeypatch.setattr(module, "row_of", fail)
    provider = pipeline(exporter)
    for key in ("good", "bad"):
        UsageEvents(provider).emit(record(key=key))
    provider.shutdown()
    assert total(path).calls == 1
    assert execute(path, "SELECT cause, records FROM losses") == [("unreadable", 1)]
    assert "could not be read" in errors(caplog)[0]


def test_after_shutdown_it_is_silent(path: Path, exporter: LedgerExporter) -> None:
    exporter.shutdown()
    exporter.shutdown()
    assert exporter.export([]) is LogRecordExportResult.SUCCESS
    assert exporter.force_flush()
    assert not path.exists()


def test_nothing_is_opened_before_the_first_record(path: Path, exporter: LedgerExporter) -> None:
    assert exporter.force_flush()
    exporter.shutdown()
    assert not path.exists()


def test_a_forked_child_writes_its_own_records_and_the_parent_its_own(path: Path) -> None:
    provider = pipeline(LedgerExporter(path))
    events = UsageEvents(provider)
    events.emit(record(key="parent"))
    pid = os.fork()
    if pid == 0:
        try:
            events.emit(record(key="child"))
            provider.shutdown()
        finally:
            os._exit(0)
    os.waitpid(pid, 0)
    provider.shutdown()
    found = execute(path, "SELECT key, count(*), count(DISTINCT process_id) FROM usage_records GROUP BY 1")
    assert found == [("openai:child", 1, 1), ("openai:parent", 1, 1)]
    assert len(execute(path, "SELECT DISTINCT process_id FROM usage_records")) == 2


def test_no_error_of_its_own_reaches_the_processor(
    exporter: LedgerExporter, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(exporter, "_collect", lambda batch: 1 / 0)
    assert exporter.export([]) is LogRecordExportResult.FAILURE
    assert not exporter.force_flush()
    exporter.shutdown()
    assert errors(caplog) == ["the ledger's exporter failed: ZeroDivisionError: division by zero"]


def test_a_slow_retry_does_not_hold_up_exports(
    path: Path, exporter: LedgerExporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exporter, "_pause", 60.0)
    path.mkdir()
    provider = pipeline(exporter)
    events = UsageEvents(provider)
    tries: list[int] = []
    ledger = exporter._ledger
    assert ledger is not None
    write = ledger.write

    def counted(*rows: Any) -> int:
        tries.append(1)
        return write(*rows)

    monkeypatch.setattr(ledger, "write", counted)
    for _ in range(5):
        events.emit(record())
        provider.force_flush()
    assert len(tries) == 1
    path.rmdir()
    provider.shutdown()
    assert total(path).calls == 5
    assert logging.getLogger("otel_tokenomics.ledger").level == logging.NOTSET
