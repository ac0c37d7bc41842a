"""`LedgerExporter`: the logs exporter `tokenomics_ledger`, which writes usage records to a SQLite file."""

from __future__ import annotations

import logging
import os
import threading
import time
import weakref
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from opentelemetry.sdk._logs.export import LogRecordExporter, LogRecordExportResult
from opentelemetry.sdk.resources import Resource

from otel_tokenomics.ledger.errors import LedgerError
from otel_tokenomics.ledger.location import OFF, ledger_path
from otel_tokenomics.ledger.row import Row, row_of
from otel_tokenomics.ledger.store import BUSY_SECONDS, Ledger, Loss, Overflow
from otel_tokenomics.telemetry import metrics, names
from otel_tokenomics.telemetry.events import whole
from otel_tokenomics.telemetry.outbox import BOUND, Entry, Outbox

if TYPE_CHECKING:
    from opentelemetry._logs import LogRecord
    from opentelemetry.sdk._logs import ReadableLogRecord

_logger = logging.getLogger("otel_tokenomics.ledger")

_FIRST_PAUSE_SECONDS = 1.0
_LONGEST_PAUSE_SECONDS = 30.0


class LedgerExporter(LogRecordExporter):
    """Writes every usage record of this process to the ledger; other log records pass by.

    `path` is the ledger's file, or `"off"`; without it the environment decides: see
    `location.ledger_path`. Nothing is opened before the first record. Nothing is ever raised:
    what cannot be written is kept for the next export, up to the outbox's bound, and beyond that
    counted as lost, logged, and noted in the ledger's `losses` table at the next chance.
    """

    def __init__(self, path: str | os.PathLike[str] | None = None) -> None:
        place = ledger_path(os.environ) if path is None else _given(path)
        self._ledger = Ledger(place, BUSY_SECONDS) if place else None
        self._outbox = Outbox() if place else None
        self._resource: Mapping[str, Any] | None = None
        self._waiting: deque[Row] = deque()
        self._losses: list[Loss] = []
        self._losses_seen = 0
        self._overflows_told: dict[str, int] = {}
        self._since_ns = time.time_ns()
        self._retry_at = 0.0
        self._pause = _FIRST_PAUSE_SECONDS
        self._logged: set[str] = set()
        self._lock = threading.Lock()
        self._closed = False
        _exporters.add(self)

    def export(self, batch: Sequence[ReadableLogRecord]) -> LogRecordExportResult:
        """Write the usage records of `batch`, and all that waits. FAILURE means: kept for later."""
        if self._ledger is None or self._closed:
            return LogRecordExportResult.SUCCESS
        return self._guarded(batch, retry=time.monotonic() >= self._retry_at)

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        """Write all that waits now; whether that is done."""
        if self._ledger is None or self._closed:
            return True
        return self._guarded((), retry=True) is LogRecordExportResult.SUCCESS

    def shutdown(self) -> None:
        """Write all that waits, say what could not be written, and close the file."""
        if self._ledger is None or self._outbox is None or self._closed:
            return
        self._outbox.close()
        self._guarded((), retry=True)
        self._closed = True
        if self._waiting:
            _logger.error(
                "%d usage records were not written to the ledger %s and are lost with this process",
                len(self._waiting),
                self._ledger.path,
            )
        self._ledger.close()

    def _guarded(self, batch: Sequence[ReadableLogRecord], *, retry: bool) -> LogRecordExportResult:
        try:
            with self._lock:
                self._collect(batch)
                written = self._write() if retry else not self._waiting
        except Exception as error:  # noqa: BLE001 - an exporter never raises
            self._log_once("failed", f"the ledger's exporter failed: {type(error).__name__}: {error}")
            written = False
        return LogRecordExportResult.SUCCESS if written else LogRecordExportResult.FAILURE

    def _collect(self, batch: Sequence[ReadableLogRecord]) -> None:
        """Turn the batch, and what the outbox holds beside it, into rows that wait to be written."""
        assert self._outbox is not None
        usage = [item for item in batch if item.log_record.event_name == names.USAGE_RECORDED]
        if usage:
            self._resource = usage[-1].resource.attributes
        for item in usage:
            self._add(_entry(item.log_record), item.resource.attributes)
        for entry in self._outbox.take({_key(item.log_record) for item in usage}):
            self._add(entry, self._own_resource())
        self._count_losses()
        self._outbox.unwritten = len(self._waiting)

    def _add(self, entry: Entry, resource: Mapping[str, Any]) -> None:
        try:
            self._waiting.append(_row(entry, resource))
        except Exception as error:  # noqa: BLE001 - it must not hold up the others
            self._lose("unreadable", 1, f"a usage record could not be read: {type(error).__name__}: {error}")

    def _count_losses(self) -> None:
        assert self._outbox is not None
        excess = max(0, len(self._waiting) - BOUND)
        for _ in range(excess):
            self._waiting.popleft()
        self._outbox.lost += excess
        unseen = self._outbox.lost - self._losses_seen
        self._losses_seen += unseen
        if unseen:
            detail = f"the ledger could not keep up: more than {BOUND} usage records waited for it"
            self._lose("outbox_full", unseen, f"{detail}, and the oldest were dropped")

    def _lose(self, cause: str, records: int, detail: str) -> None:
        self._losses.append(Loss(cause, records, time.time_ns(), os.getpid(), *self._origin()))
        self._log_once(cause, f"{detail}. `tokenomics doctor` counts them")

    def _overflow(self, label: str, operations: int) -> Overflow:
        return Overflow(label, operations, time.time_ns(), self._since_ns, os.getpid(), *self._origin())

    def _origin(self) -> tuple[str | None, str | None]:
        """Service and run."""
        resource = self._own_resource()
        return _known(resource.get(names.SERVICE)), _known(resource.get(names.RUN_ID))

    def _write(self) -> bool:
        assert self._ledger is not None
        assert self._outbox is not None
        if not (self._waiting or self._losses):
            return True
        known = metrics.overflows()
        grown = [label for label in known if known[label] != self._overflows_told.get(label)]
        overflows = [self._overflow(label, known[label]) for label in grown]
        try:
            self._ledger.write(tuple(self._waiting), self._losses, overflows)
        except LedgerError as error:
            self._retry_at = time.monotonic() + self._pause
            self._pause = min(self._pause * 2, _LONGEST_PAUSE_SECONDS)
            self._log_once(error.cause, f"{error} Until then up to {BOUND} usage records are kept in memory")
            return False
        self._overflows_told = known
        self._waiting.clear()
        self._losses.clear()
        self._outbox.unwritten = 0
        self._retry_at, self._pause = 0.0, _FIRST_PAUSE_SECONDS
        return True

    def _own_resource(self) -> Mapping[str, Any]:
        if self._resource is None:
            self._resource = Resource.create().attributes
        return self._resource

    def _log_once(self, cause: str, message: str) -> None:
        if cause not in self._logged:
            self._logged.add(cause)
            _logger.error("%s", message)

    def _after_fork_in_child(self) -> None:
        self._lock = threading.Lock()
        self._waiting.clear()
        self._losses.clear()
        self._losses_seen = 0
        self._overflows_told = {}
        self._since_ns = time.time_ns()
        self._retry_at, self._pause = 0.0, _FIRST_PAUSE_SECONDS


def _given(path: str | os.PathLike[str]) -> Path | None:
    return None if str(path).lower() == OFF else Path(path).expanduser()


def _known(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _key(record: LogRecord) -> str:
    return str((record.attributes or {}).get(names.RECORD_KEY))


def _entry(record: LogRecord) -> Entry:
    started_ns = record.timestamp or record.observed_timestamp or time.time_ns()
    return Entry(0, _key(record), whole(record), started_ns, record.trace_id or 0, record.span_id or 0)


def _row(entry: Entry, resource: Mapping[str, Any]) -> Row:
    return row_of(
        dict(entry.attributes),
        started_ns=entry.started_ns,
        trace_id=f"{entry.trace_id:032x}" if entry.trace_id else None,
        span_id=f"{entry.span_id:016x}" if entry.span_id else None,
        resource=resource,
        process_id=os.getpid(),
    )


_exporters: weakref.WeakSet[LedgerExporter] = weakref.WeakSet()


def _after_fork_in_child() -> None:
    for exporter in list(_exporters):
        exporter._after_fork_in_child()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
