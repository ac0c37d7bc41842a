"""The store of one machine: a SQLite file that all processes share, one transaction for each step.

A lock file in front makes waiting fair: SQLite's own busy handler sleeps in growing steps, so that a process
among many may wait for hundreds of milliseconds. Write-ahead log with `synchronous = NORMAL`: a transaction
survives the death of the process; a power failure may undo the last ones.
"""

from __future__ import annotations

import fcntl
import os
import random
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from otel_tokenomics.budgets.protocol import (
    UNLIMITED,
    Answer,
    Balance,
    Line,
    Settled,
    StoreDownError,
    packed,
    unpacked,
)

VERSION = 1
_NO_LIMIT = 2**62
_SWEEP_SECONDS = 1.0
_KEPT_DAYS = 40
_DAY = 86_400
_SCHEMA = """
CREATE TABLE IF NOT EXISTS account(
    name TEXT NOT NULL, slot INTEGER NOT NULL, spent INTEGER NOT NULL, held INTEGER NOT NULL,
    until INTEGER NOT NULL, PRIMARY KEY(name, slot)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS hold(
    id TEXT PRIMARY KEY, expires REAL NOT NULL, lines TEXT NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS hold_expires ON hold(expires);
CREATE TABLE IF NOT EXISTS late(
    id TEXT PRIMARY KEY, expired REAL NOT NULL, lines TEXT NOT NULL) WITHOUT ROWID;
"""
_HOLD = """
INSERT INTO account VALUES(?1, ?2, 0, ?3, ?4)
ON CONFLICT(name, slot) DO UPDATE SET held = held + ?3 WHERE spent + held + ?3 <= ?5
RETURNING spent, held
"""
_MOVE = """
UPDATE account SET spent = spent + ?3, held = held - ?4 WHERE name = ?1 AND slot = ?2 RETURNING spent, held
"""
_SUM = "SELECT coalesce(sum(spent), 0), coalesce(sum(held), 0) FROM account WHERE name = ? AND slot >= ?"


class SQLiteStore:
    """Accounts in a file. Safe among threads, processes and after a fork, where it opens anew.

    `timeout` is the most seconds that a step may wait for its turn.
    """

    blocks = True

    def __init__(self, path: Path, timeout: float = 1.0, clock: Callable[[], float] = time.time) -> None:
        self.path = path
        self._timeout = timeout
        self._clock = clock
        self._lock = threading.Lock()
        self._pid = 0
        self._turn = -1
        self._db: sqlite3.Connection | None = None
        self._swept = 0.0
        self._parents: list[sqlite3.Connection] = []

    def now(self) -> float:
        """This machine's time."""
        return self._clock()

    def reserve(self, hold: str, lines: Sequence[Line], ttl: float) -> Answer:
        """Hold all lines or none."""
        with self._transaction() as db:
            now = self._clock()
            over = self._sweep(db, now) if now - self._swept > _SWEEP_SECONDS else 0
            answer = _held(db, lines)._replace(expired=over)
            if answer.granted:
                db.execute("INSERT INTO hold VALUES(?, ?, ?)", (hold, now + ttl, packed(lines)))
            return answer

    def top_up(self, hold: str, lines: Sequence[Line]) -> Answer:
        """Hold as much again."""
        with self._transaction() as db:
            found = db.execute("SELECT lines FROM hold WHERE id = ?", (hold,)).fetchone()
            if found is None:
                return Answer(False, _read(db, lines))
            answer = _held(db, lines)
            if answer.granted:
                sums = [
                    amount + line.amount for (*_, amount), line in zip(unpacked(found[0]), lines, strict=True)
                ]
                db.execute("UPDATE hold SET lines = ? WHERE id = ?", (packed(lines, sums), hold))
            return answer

    def settle(self, hold: str, spent: Sequence[int]) -> Settled:
        """Turn the hold into what was spent."""
        with self._transaction() as db:
            found = db.execute("DELETE FROM hold WHERE id = ? RETURNING lines", (hold,)).fetchone()
            late = False
            if found is None:
                found = db.execute("DELETE FROM late WHERE id = ? RETURNING lines", (hold,)).fetchone()
                late = found is not None
            if found is None:
                return Settled("unknown")
            balances = []
            for (account, slot, amount), actual in zip(unpacked(found[0]), spent, strict=True):
                change = (account, slot, actual - amount, 0) if late else (account, slot, actual, amount)
                balances.append(Balance(*(db.execute(_MOVE, change).fetchone() or (0, 0))))
            return Settled("late" if late else "settled", tuple(balances))

    def expire(self) -> int:
        """Settle in full what has expired."""
        with self._transaction() as db:
            return self._sweep(db, self._clock())

    def read(self, lines: Sequence[Line]) -> tuple[Balance, ...]:
        """The balance of each line."""
        with self._transaction() as db:
            return _read(db, lines)

    def look(self, lines: Sequence[Line]) -> Answer:
        """The balance of each line, without what has expired."""
        with self._transaction() as db:
            over = self._sweep(db, self._clock())
            return Answer(True, _read(db, lines), expired=over)

    def accounts(self) -> list[str]:
        """The names of all accounts."""
        with self._transaction() as db:
            return [name for (name,) in db.execute("SELECT DISTINCT name FROM account ORDER BY name")]

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            if self._db is not None and self._pid == os.getpid():
                self._db.close()
                os.close(self._turn)
            self._db, self._turn, self._pid = None, -1, 0

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """The connection, in a transaction that commits at the end, or is undone by an error."""
        deadline = time.monotonic() + self._timeout
        if not self._lock.acquire(timeout=self._timeout):
            raise StoreDownError(f"{self.path} was busy for {self._timeout} s")
        try:
            db = self._opened()
            self._take_turn(deadline)
            try:
                with _failing(self.path):
                    db.execute("BEGIN IMMEDIATE")
                    try:
                        yield db
                    except BaseException:
                        db.execute("ROLLBACK")
                        raise
                    db.execute("COMMIT")
            finally:
                fcntl.flock(self._turn, fcntl.LOCK_UN)
        finally:
            self._lock.release()

    def _take_turn(self, deadline: float) -> None:
        wait = 50e-6
        while True:
            try:
                return fcntl.flock(self._turn, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise StoreDownError(
                        f"{self.path}.turn was locked for {self._timeout} s: is a process stopped?"
                    ) from None
                # No sleep in order: who waits a random time is soon the one that asks at the right moment.
                time.sleep(wait * random.random())  # noqa: S311 - no secret
                wait = min(wait * 2, 1e-3)

    def _opened(self) -> sqlite3.Connection:
        if self._db is not None and self._pid == os.getpid():
            return self._db
        if self._db is not None:
            # SQLite forbids to use, or even close, a connection that a parent opened.
            self._parents.append(self._db)
            self._db = None
        with _failing(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._turn = os.open(f"{self.path}.turn", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
            db = sqlite3.connect(
                self.path, timeout=self._timeout, isolation_level=None, check_same_thread=False
            )
            self._prepare(db)
        self._db, self._pid = db, os.getpid()
        return db

    def _prepare(self, db: sqlite3.Connection) -> None:
        fcntl.flock(self._turn, fcntl.LOCK_EX)
        try:
            version = db.execute("PRAGMA user_version").fetchone()[0]
            if version > VERSION:
                raise StoreDownError(
                    f"{self.path} is of form {version}, this version knows {VERSION}: upgrade"
                )
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("PRAGMA synchronous = NORMAL")
            if version < VERSION:
                db.executescript(f"BEGIN; {_SCHEMA} PRAGMA user_version = {VERSION}; COMMIT")
        finally:
            fcntl.flock(self._turn, fcntl.LOCK_UN)

    def _sweep(self, db: sqlite3.Connection, now: float) -> int:
        self._swept = now
        over = db.execute("DELETE FROM hold WHERE expires <= ? RETURNING id, lines", (now,)).fetchall()
        for hold, lines in over:
            db.execute("INSERT OR REPLACE INTO late VALUES(?, ?, ?)", (hold, now, lines))
            for account, slot, amount in unpacked(lines):
                db.execute(_MOVE, (account, slot, amount, amount)).fetchone()
        if over:
            old = now - _KEPT_DAYS * _DAY
            db.execute("DELETE FROM late WHERE expired < ?", (old,))
            db.execute("DELETE FROM account WHERE until > 0 AND until < ? AND held = 0", (old,))
        return len(over)


def _held(db: sqlite3.Connection, lines: Sequence[Line]) -> Answer:
    balances = []
    done: list[Line] = []
    for line in lines:
        balance = _hold_one(db, line)
        if balance is None:
            for other in done:
                db.execute(_MOVE, (other.account, other.slot, 0, other.amount)).fetchone()
            return Answer(False, _read(db, lines))
        done.append(line)
        balances.append(balance)
    return Answer(True, tuple(balances))


def _hold_one(db: sqlite3.Connection, line: Line) -> Balance | None:
    limit = _NO_LIMIT if line.limit == UNLIMITED else line.limit
    if line.step:
        spent, held = db.execute(_SUM, (line.account, line.since)).fetchone()
        if spent + held + line.amount > limit:
            return None
        db.execute(_HOLD, (line.account, line.slot, line.amount, line.until, _NO_LIMIT)).fetchone()
        return Balance(spent, held + line.amount)
    if line.amount > limit:
        return None
    row = db.execute(_HOLD, (line.account, line.slot, line.amount, line.until, limit)).fetchone()
    return None if row is None else Balance(*row)


def _read(db: sqlite3.Connection, lines: Sequence[Line]) -> tuple[Balance, ...]:
    return tuple([_read_one(db, line) for line in lines])


def _read_one(db: sqlite3.Connection, line: Line) -> Balance:
    if line.step:
        return Balance(*db.execute(_SUM, (line.account, line.since)).fetchone())
    where = (line.account, line.slot)
    row = db.execute("SELECT spent, held FROM account WHERE name = ? AND slot = ?", where).fetchone()
    return Balance(*(row or (0, 0)))


@contextmanager
def _failing(path: Path) -> Iterator[None]:
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        raise StoreDownError(f"{path}: {error}") from error
