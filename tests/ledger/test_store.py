"""The ledger's file: durable, shared, migrated, and never damaged by an error."""

from __future__ import annotations

import os
import signal
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from tests.ledger._support import execute, priced, record, row, total

from otel_tokenomics.ledger import schema
from otel_tokenomics.ledger.errors import LedgerError
from otel_tokenomics.ledger.row import COLUMNS
from otel_tokenomics.ledger.store import Ledger, Loss, reading

WRITER = Path(__file__).with_name("_writer.py")
ROOT = Path(__file__).parents[2]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "ledger.sqlite3"


def writer(path: Path, mode: str, name: str, records: int) -> subprocess.Popen[str]:
    places = [str(ROOT / "src"), str(ROOT), os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, places))}
    command = [sys.executable, str(WRITER), str(path), mode, name, str(records)]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)


def cause_of(path: Path) -> str:
    with pytest.raises(LedgerError) as raised:
        Ledger(path, busy_seconds=0.05).write([row(record())])
    assert str(path) in str(raised.value)
    return raised.value.cause


def test_a_key_is_written_once(path: Path) -> None:
    ledger = Ledger(path)
    first, second = row(record(key="a", cost=priced(1))), row(record(key="a", cost=priced(2)))
    assert ledger.write([first]) == 1
    assert ledger.write([second, row(record(key="b"))]) == 1
    assert execute(path, "SELECT cost_femto FROM usage_records ORDER BY key")[0] == (1,)


def test_only_the_owner_may_read_it(path: Path) -> None:
    Ledger(path).write([row(record())])
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert all(stat.S_IMODE(file.stat().st_mode) == 0o600 for file in path.parent.iterdir())


def test_write_ahead_and_versioned(path: Path) -> None:
    Ledger(path).write([row(record())])
    assert execute(path, "PRAGMA journal_mode") == [("wal",)]
    assert execute(path, "PRAGMA user_version") == [(schema.VERSION,)]
    columns = {name for _, name, *_ in execute(path, "PRAGMA table_info(usage_records)")}
    assert columns == set(COLUMNS)


def test_an_empty_file_is_migrated(path: Path) -> None:
    path.parent.mkdir()
    path.touch()
    assert execute(path, "PRAGMA user_version") == [(0,)]
    assert Ledger(path).write([row(record())]) == 1
    assert execute(path, "PRAGMA user_version") == [(schema.VERSION,)]


def test_each_migration_keeps_the_rows(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Ledger(path).write([row(record(key="kept"))])
    further = (*schema.MIGRATIONS, "ALTER TABLE usage_records ADD COLUMN note TEXT")
    monkeypatch.setattr(schema, "MIGRATIONS", further)
    monkeypatch.setattr(schema, "VERSION", len(further))
    with reading(path) as connection:
        (found,) = connection.execute("SELECT * FROM usage_records").fetchall()
    assert (found["key"], found["note"]) == ("openai:kept", None)
    assert execute(path, "PRAGMA user_version") == [(len(further),)]


def test_a_migration_that_fails_changes_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Ledger(path).write([row(record(key="kept"))])
    broken = (*schema.MIGRATIONS, "CREATE TABLE half (n); CREATE TABLE losses (n)")
    monkeypatch.setattr(schema, "MIGRATIONS", broken)
    monkeypatch.setattr(schema, "VERSION", len(broken))
    assert cause_of(path) == "failed"
    assert execute(path, "PRAGMA user_version") == [(len(broken) - 1,)]
    assert execute(path, "SELECT count(*) FROM sqlite_master WHERE name = 'half'") == [(0,)]


def test_a_newer_file_is_refused_and_not_touched(path: Path) -> None:
    Ledger(path).write([row(record())])
    execute(path, f"PRAGMA user_version = {schema.VERSION + 1}")
    before = path.read_bytes()
    assert cause_of(path) == "too_new"
    with pytest.raises(LedgerError, match="schema version"), reading(path):
        pass
    assert path.read_bytes() == before


def test_another_programs_database_is_refused(path: Path) -> None:
    path.parent.mkdir()
    execute(path, "CREATE TABLE theirs (n)")
    before = path.read_bytes()
    assert cause_of(path) == "not_a_ledger"
    assert path.read_bytes() == before


def test_rubbish_is_refused_and_kept(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"not a database at all " * 100)
    before = path.read_bytes()
    assert cause_of(path) == "corrupt"
    assert path.read_bytes() == before


def test_a_folder_in_its_place(path: Path) -> None:
    path.mkdir(parents=True)
    assert cause_of(path) == "unwritable"


def test_a_file_in_its_folders_place(path: Path) -> None:
    path.parent.touch()
    assert cause_of(path) == "unwritable"


def test_locked_by_another(path: Path) -> None:
    Ledger(path).write([row(record(key="a"))])
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert cause_of(path) == "locked"
        other.execute("ROLLBACK")
    assert Ledger(path).write([row(record(key="b"))]) == 1


def test_a_full_disk(path: Path) -> None:
    ledger = Ledger(path)
    ledger.write([row(record(key="before"))])
    assert ledger._connection is not None
    pages = ledger._connection.execute("PRAGMA page_count").fetchone()[0]
    ledger._connection.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(LedgerError) as raised:
        ledger.write([row(record()) for _ in range(500)])
    assert raised.value.cause == "full"
    assert total(path).calls == 1
    ledger._connection.execute("PRAGMA max_page_count = 1000000")
    assert ledger.write([row(record()) for _ in range(500)]) == 500


def test_a_file_that_was_moved_away_is_begun_anew(path: Path) -> None:
    ledger = Ledger(path)
    ledger.write([row(record(key="a"))])
    path.rename(path.with_name("old"))
    other = Ledger(path)
    other.write([row(record(key="b"))])
    ledger.write([row(record(key="c"))])
    ledger.close()
    assert total(path).calls == 2
    assert execute(path, "PRAGMA integrity_check") == [("ok",)]


def test_losses_are_kept(path: Path) -> None:
    Ledger(path).write([], [Loss("outbox_full", 7, 1, run="r")])
    assert execute(path, "SELECT cause, records, run FROM losses") == [("outbox_full", 7, "r")]


def test_a_forked_child_writes_through_its_own_connection(path: Path) -> None:
    ledger = Ledger(path)
    ledger.write([row(record(key="parent-1"))])
    parents = ledger._connection
    pid = os.fork()
    if pid == 0:
        try:
            own = ledger.write([row(record(key="child"))]) == 1 and ledger._connection is not parents
            ledger.close()
            os._exit(0 if own else 1)
        finally:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    ledger.write([row(record(key="parent-2"))])
    assert total(path).calls == 3
    assert execute(path, "PRAGMA integrity_check") == [("ok",)]


def test_reading_while_another_writes(path: Path) -> None:
    ledger = Ledger(path)
    ledger.write([row(record(key="a"))])
    with reading(path) as connection:
        connection.execute("BEGIN")
        assert connection.execute("SELECT count(*) FROM usage_records").fetchone()[0] == 1
        assert ledger.write([row(record(key="b"))]) == 1
        assert connection.execute("SELECT count(*) FROM usage_records").fetchone()[0] == 1
    assert total(path).calls == 2


def test_reading_needs_a_ledger(path: Path) -> None:
    with pytest.raises(LedgerError, match="no such file yet") as raised, reading(path):
        pass
    assert raised.value.cause == "missing"
    assert not path.parent.exists()


def test_reading_cannot_write(path: Path) -> None:
    Ledger(path).write([row(record())])
    with pytest.raises(LedgerError, match="readonly"), reading(path) as connection:
        connection.execute("DELETE FROM usage_records")


def test_a_killed_writer_loses_no_commit(path: Path) -> None:
    child = writer(path, "commit", "k", 1_000_000)
    assert child.stdout is not None
    committed = -1
    for line in child.stdout:
        committed = int(line)
        if committed >= 300:
            break
    child.send_signal(signal.SIGKILL)
    rest = child.stdout.read().split()
    child.wait()
    child.stdout.close()
    last = int(rest[-1]) if rest and rest[-1].isdigit() else committed
    assert execute(path, "PRAGMA integrity_check") == [("ok",)]
    keys = {key for (key,) in execute(path, "SELECT key FROM usage_records")}
    assert {f"openai:k-{number}" for number in range(last + 1)} <= keys
    assert Ledger(path).write([row(record(key="after"))]) == 1


@pytest.mark.timeout(60)
def test_eight_processes_write_eighty_thousand_records(path: Path) -> None:
    children = [writer(path, "export", str(number), 10_000) for number in range(8)]
    for child in children:
        child.communicate()
    assert [child.returncode for child in children] == [0] * 8
    found = total(path)
    assert found.calls == 80_000
    assert found.cost_femto == 8 * sum(10**15 + number for number in range(10_000))
    assert found.cost_femto > 2**63
    assert found.tokens["input"] == 100 * 80_000
    assert execute(path, "PRAGMA integrity_check") == [("ok",)]
    assert execute(path, "SELECT count(*) FROM losses") == [(0,)]
