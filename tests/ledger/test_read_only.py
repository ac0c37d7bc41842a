"""Ledgers that can only be read: of every earlier version, written by that version, and of this one."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from tests.ledger._support import execute, record, row

from otel_tokenomics.ledger import schema
from otel_tokenomics.ledger.errors import LedgerError
from otel_tokenomics.ledger.queries import Scope, rollups
from otel_tokenomics.ledger.store import Ledger, reading

OLD = Path(__file__).with_name("old")
"""What `.dump` said of files that the code of each version had written."""
VERSIONS = range(1, schema.VERSION)
NOBODY = 65534


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that others can reach, unlike pytest's own."""
    made = Path(tempfile.mkdtemp(prefix="tokenomics-"))
    made.chmod(0o755)
    yield made
    made.chmod(0o755)
    shutil.rmtree(made)


def old_ledger(folder: Path, version: int) -> Path:
    path = folder / "ledger.sqlite3"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript((OLD / f"v{version}.sql").read_text("utf-8"))
        connection.execute("PRAGMA journal_mode = WAL")
    return path


def locked(folder: Path) -> None:
    for file in folder.iterdir():
        file.chmod(0o444)
    folder.chmod(0o555)


def as_nobody(look: Callable[[], object]) -> Any:
    """What a child without root's rights sees: permissions do not bind root."""
    read_end, write_end = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            if os.geteuid() == 0:
                os.setgroups([])
                os.setgid(NOBODY)
                os.setuid(NOBODY)
            os.write(write_end, json.dumps(look()).encode())
            os._exit(0)
        finally:
            os._exit(1)
    os.close(write_end)
    with open(read_end, "rb") as told:
        answer = told.read()
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    return json.loads(answer)


def told(path: Path) -> object:
    """Calls, femto-dollars, unpriced calls, losses and the version, as `reading` sees them; or why not."""
    try:
        with reading(path) as connection:
            total = rollups(connection, (), Scope())[0]
            (lost,) = connection.execute("SELECT sum(records) FROM losses").fetchone()
            version = schema.version_of(connection)
    except LedgerError as error:
        return [error.cause, str(error)]
    return [total.calls, total.cost_femto, total.unpriced_calls, lost, version]


def changed(path: Path) -> object:
    try:
        with reading(path) as connection:
            connection.execute("DELETE FROM usage_records")
    except LedgerError as error:
        return error.cause
    return None


SEEN = [3, 161_074_200_000_000_000, 1, 7, schema.VERSION]


@pytest.mark.parametrize("version", VERSIONS)
def test_an_old_ledger_is_brought_up_to_date(folder: Path, version: int) -> None:
    path = old_ledger(folder, version)
    assert told(path) == SEEN
    assert execute(path, "PRAGMA user_version") == [(schema.VERSION,)]


@pytest.mark.parametrize("version", VERSIONS)
def test_an_old_ledger_where_nothing_can_be_written(folder: Path, version: int) -> None:
    path = old_ledger(folder, version)
    before = path.read_bytes()
    locked(folder)
    assert as_nobody(lambda: os.access(path, os.W_OK)) is False
    assert as_nobody(lambda: told(path)) == SEEN
    assert as_nobody(lambda: changed(path)) == "unwritable"
    assert path.read_bytes() == before
    assert [file.name for file in folder.iterdir()] == [path.name]


def test_an_old_file_in_a_folder_that_can_be_written(folder: Path) -> None:
    path = old_ledger(folder, 1)
    path.chmod(0o444)
    folder.chmod(0o777)
    assert as_nobody(lambda: told(path)) == SEEN
    assert execute(path, "PRAGMA user_version") == [(1,)]


def test_records_in_a_log_that_cannot_be_read_are_not_passed_over(folder: Path) -> None:
    """What a killed process left, without its shared memory: SQLite would read the file alone."""
    source = folder / "source"
    ledger = Ledger(source / "ledger.sqlite3")
    ledger.write([row(record(key="in the log"))])
    for name in ("ledger.sqlite3", "ledger.sqlite3-wal"):
        shutil.copy(source / name, folder / name)
    ledger.close()
    shutil.rmtree(source)
    locked(folder)
    cause, words = as_nobody(lambda: told(folder / "ledger.sqlite3"))
    assert cause == "unwritable"
    assert "its last records are in ledger.sqlite3-wal" in words
    assert "copy both to one" in words
