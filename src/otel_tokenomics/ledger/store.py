"""`Ledger`: the SQLite file, one writer connection per process, and read-only connections to it."""

from __future__ import annotations

import contextlib
import ctypes
import os
import sqlite3
import threading
import time
import weakref
from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path

from otel_tokenomics.ledger import schema
from otel_tokenomics.ledger.errors import LedgerError, ledger_error
from otel_tokenomics.ledger.row import COLUMNS, Row

BUSY_SECONDS = 5.0
"""How long a write waits for another process's transaction."""

_RETRY_SECONDS = 0.01
_FORK_WAIT_SECONDS = 0.2
_LOG_LEFT = "its last records are in {}, which is read only in a folder that can be written: copy both to one"

# Named and numbered columns are this package's own constants; nothing of a record is in the statement.
_INSERT = (
    f"INSERT INTO usage_records ({', '.join(COLUMNS)}) "  # noqa: S608
    f"VALUES ({', '.join('?' * len(COLUMNS))}) ON CONFLICT (key) DO NOTHING"
)
_INSERT_LOSS = (
    "INSERT INTO losses (cause, records, at_ns, process_id, service, run) VALUES (?, ?, ?, ?, ?, ?)"
)

_INSERT_OVERFLOW = (
    "INSERT INTO overflows (label, operations, at_ns, since_ns, process_id, service, run) "
    "VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (label, process_id, since_ns) "
    "DO UPDATE SET operations = excluded.operations, at_ns = excluded.at_ns"
)


@dataclass(frozen=True, slots=True)
class Loss:
    """`records` usage records that never reached the ledger, and why."""

    cause: str
    records: int
    at_ns: int
    process_id: int | None = None
    service: str | None = None
    run: str | None = None


@dataclass(frozen=True, slots=True)
class Overflow:
    """`operations` of one process, since its first, of which its metrics show `_OTHER` for a label.

    `label` names the label, or the metric, that was full. The records themselves have every value.
    """

    label: str
    operations: int
    at_ns: int
    since_ns: int
    process_id: int
    service: str | None = None
    run: str | None = None


class Ledger:
    """Writes usage records to a SQLite file: WAL, one transaction per batch, idempotent by key.

    The file is opened at the first write and again after a fork or when the file was moved away.
    A commit survives the death of the process; a power failure may take the last commits
    (`synchronous=NORMAL`). The file and its folder are readable by their owner only.
    """

    def __init__(self, path: Path, busy_seconds: float = BUSY_SECONDS) -> None:
        self.path = path
        self._busy_seconds = busy_seconds
        self._connection: sqlite3.Connection | None = None
        self._inode: tuple[int, int] | None = None
        self._lock = threading.Lock()
        self._held_for_fork = False
        _ledgers.add(self)

    def write(
        self, rows: Sequence[Row], losses: Sequence[Loss] = (), overflows: Sequence[Overflow] = ()
    ) -> int:
        """Commit `rows`, `losses` and `overflows`; how many rows were new.

        Raises `LedgerError` when nothing could be committed; then nothing was.
        """
        with self._lock:
            try:
                return self._commit(self._opened(), rows, losses, overflows)
            except (sqlite3.Error, OSError) as error:
                raise ledger_error(error, self.path) from error

    def close(self) -> None:
        """Close the connection; a later write opens it again."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def _commit(
        self,
        connection: sqlite3.Connection,
        rows: Sequence[Row],
        losses: Sequence[Loss],
        overflows: Sequence[Overflow],
    ) -> int:
        connection.execute("BEGIN IMMEDIATE")
        try:
            before = connection.total_changes
            connection.executemany(_INSERT, rows)
            added = connection.total_changes - before
            connection.executemany(_INSERT_LOSS, map(astuple, losses))
            connection.executemany(_INSERT_OVERFLOW, map(astuple, overflows))
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        return added

    def _opened(self) -> sqlite3.Connection:
        if self._connection is not None and self._inode != _inode(self.path):
            _abandon(self._connection)
            self._connection = None
        if self._connection is None:
            self._connection = _open_writer(self.path, self._busy_seconds)
            self._inode = _inode(self.path)
        return self._connection

    def _before_fork(self) -> None:
        # A child forked in the middle of a commit would inherit SQLite's own locks, held for ever.
        self._held_for_fork = self._lock.acquire(timeout=_FORK_WAIT_SECONDS)

    def _after_fork_in_parent(self) -> None:
        if self._held_for_fork:
            self._held_for_fork = False
            self._lock.release()

    def _after_fork_in_child(self) -> None:
        self._lock = threading.Lock()
        if self._connection is not None:
            _abandon(self._connection)
            self._connection = None


def _inode(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return (status.st_dev, status.st_ino)


def _open_writer(path: Path, busy_seconds: float) -> sqlite3.Connection:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.close(os.open(path, os.O_CREAT | os.O_RDWR | getattr(os, "O_CLOEXEC", 0), 0o600))
    connection = sqlite3.connect(path, timeout=busy_seconds, isolation_level=None, check_same_thread=False)
    try:
        schema.check(connection, path)
        _use_wal(connection, time.monotonic() + busy_seconds)
        connection.execute("PRAGMA synchronous = NORMAL")
        schema.migrate(connection, path)
    except BaseException:
        connection.close()
        raise
    return connection


def _use_wal(connection: sqlite3.Connection, deadline: float) -> None:
    """Switch to WAL. SQLite does not wait here when another process does the same, so this does."""
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorname != "SQLITE_BUSY" or time.monotonic() > deadline:
                raise
            time.sleep(_RETRY_SECONDS)
        else:
            return


def _abandon(connection: sqlite3.Connection) -> None:
    """Leave a connection open for ever.

    It is the parent's, or its file was moved away: closing it would remove the write-ahead log of
    whoever has the file of that name now.
    """
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(connection))


@contextlib.contextmanager
def reading(path: Path) -> Iterator[sqlite3.Connection]:
    """A read-only connection to an existing ledger, while others write to it.

    Raises `LedgerError`: no such file, not a ledger, of a newer version, unreadable.
    """
    try:
        connection = _open_reader(path)
    except (sqlite3.Error, OSError) as error:
        raise ledger_error(error, path) from error
    try:
        yield connection
    except sqlite3.Error as error:
        raise ledger_error(error, path) from error
    finally:
        connection.close()


@contextlib.contextmanager
def adding(path: Path) -> Iterator[sqlite3.Connection]:
    """A transaction on an existing ledger, for a command that adds to it: committed as a whole or not at all.

    Raises `LedgerError` as `reading` does, and when the file cannot be written.
    """
    with reading(path):
        pass
    try:
        with contextlib.closing(_open_writer(path, BUSY_SECONDS)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            yield connection
            connection.execute("COMMIT")
    except (sqlite3.Error, OSError) as error:
        raise ledger_error(error, path) from error


def _open_reader(path: Path) -> sqlite3.Connection:
    if not path.exists():
        raise LedgerError("missing", path, "there is no such file yet")
    older = path.stat().st_size and _version(path) < schema.VERSION
    connection = _upgraded(path) if older else _connect_reader(path)
    if schema.version_of(connection) == 0:
        connection.close()
        raise LedgerError("missing", path, "the file is empty")
    connection.row_factory = sqlite3.Row
    return connection


def _upgraded(path: Path) -> sqlite3.Connection:
    """A reader of an older file: brought up to date, or a copy is, where the file itself cannot be."""
    try:
        _open_writer(path, BUSY_SECONDS).close()
    except (sqlite3.Error, OSError) as error:
        if ledger_error(error, path).cause not in ("unwritable", "full"):
            raise
        return _upgraded_copy(path)
    return _connect_reader(path)


def _upgraded_copy(path: Path) -> sqlite3.Connection:
    """A private database that lasts as long as its connection; SQLite keeps on disk what is much."""
    copy = sqlite3.connect("", isolation_level=None)
    try:
        with contextlib.closing(_connect_reader(path)) as source:
            source.backup(copy)
        schema.migrate(copy, path)
        copy.execute("PRAGMA query_only = ON")
    except BaseException:
        copy.close()
        raise
    return copy


def _version(path: Path) -> int:
    connection = _connect_reader(path)
    try:
        return schema.check(connection, path)
    finally:
        connection.close()


def _connect_reader(path: Path) -> sqlite3.Connection:
    """Read-only. In a folder that cannot be written SQLite needs to be told that nobody writes.

    It then passes over the write-ahead log: a file that still has one is refused, not read in part.
    """
    address = path.absolute().as_uri()
    connection = sqlite3.connect(f"{address}?mode=ro", uri=True, timeout=BUSY_SECONDS, isolation_level=None)
    try:
        schema.version_of(connection)
    except sqlite3.OperationalError:
        connection.close()
        if os.access(path.parent, os.W_OK):
            raise
        if (log := path.with_name(f"{path.name}-wal")).exists() and log.stat().st_size:
            raise LedgerError("unwritable", path, _LOG_LEFT.format(log.name)) from None
        connection = sqlite3.connect(f"{address}?mode=ro&immutable=1", uri=True, isolation_level=None)
    return connection


_ledgers: weakref.WeakSet[Ledger] = weakref.WeakSet()


def _before_fork() -> None:
    for ledger in list(_ledgers):
        ledger._before_fork()


def _after_fork_in_parent() -> None:
    for ledger in list(_ledgers):
        ledger._after_fork_in_parent()


def _after_fork_in_child() -> None:
    for ledger in list(_ledgers):
        ledger._after_fork_in_child()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork_in_child
    )
