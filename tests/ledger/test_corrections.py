"""Corrections: appended beside the records, once each, in a file that was made before there were any."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from tests.ledger._support import execute, priced, record, row, total

from otel_tokenomics.ledger import corrections, schema
from otel_tokenomics.ledger.corrections import Correction
from otel_tokenomics.ledger.errors import LedgerError
from otel_tokenomics.ledger.queries import Scope
from otel_tokenomics.ledger.store import Ledger, adding, reading
from otel_tokenomics.model.money import Cost

WIDE = 2**70


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.sqlite3"


def correction(amount: int = 7, scenario: str = "{}", key: str = "openai:one") -> Correction:
    return Correction(key, scenario, 5, priced(amount))


def append(path: Path, *made: Correction) -> int:
    with adding(path) as connection:
        return corrections.append(connection, made, made_ns=9)


def test_a_correction_refers_to_a_record_and_changes_none(path: Path) -> None:
    Ledger(path).write([row(record(key="one", cost=priced(5)))])
    before = execute(path, "SELECT * FROM usage_records")
    assert append(path, correction(WIDE)) == 1
    assert execute(path, "SELECT * FROM usage_records") == before
    assert total(path).cost_femto == 5
    with reading(path) as connection:
        (found,) = corrections.made(connection, Scope())
    assert (found["key"], found["before_femto"], int(found["cost_femto"])) == ("openai:one", 5, WIDE)
    assert (found["made_ns"], found["price_catalog_version"], found["cost_status"]) == (9, "1", "complete")


def test_the_same_correction_is_made_once(path: Path) -> None:
    Ledger(path).write([row(record(key="one"))])
    assert append(path, correction(), correction()) == 1
    assert append(path, correction(), correction(scenario='{"tier":"batch"}')) == 1
    without_catalogue = Correction("openai:one", "{}", 5, Cost(1, "complete"))
    assert append(path, without_catalogue, without_catalogue) == 1


def test_a_scope_is_that_of_the_records(path: Path) -> None:
    Ledger(path).write([row(record(key="one", started_ns=10)), row(record(key="two", started_ns=20))])
    append(path, correction(), correction(key="openai:two"))
    with reading(path) as connection:
        found = [one["key"] for one in corrections.made(connection, Scope(since_ns=15))]
    assert found == ["openai:two"]


def test_a_file_of_the_first_version_is_migrated(path: Path) -> None:
    Ledger(path).write([row(record(key="one"))])
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(
            "DROP TABLE overflows; DROP TABLE corrections;"
            "ALTER TABLE usage_records DROP COLUMN agent; ALTER TABLE usage_records DROP COLUMN workflow;"
            "ALTER TABLE usage_records DROP COLUMN step; ALTER TABLE usage_records DROP COLUMN tool;"
            "ALTER TABLE usage_records DROP COLUMN conversation;"
            "ALTER TABLE usage_records DROP COLUMN claimed;"
            "ALTER TABLE usage_records DROP COLUMN cost_list_femto;"
            "ALTER TABLE usage_records DROP COLUMN cost_contracted_femto; PRAGMA user_version = 1;"
        )
    assert append(path, correction()) == 1
    assert execute(path, "PRAGMA user_version") == [(schema.VERSION,)]
    assert execute(path, "SELECT key FROM usage_records") == [("openai:one",)]


def test_what_fails_adds_nothing(path: Path) -> None:
    Ledger(path).write([row(record(key="one"))])
    with pytest.raises(ZeroDivisionError), adding(path) as connection:
        corrections.append(connection, [correction()], 1)
        raise ZeroDivisionError
    assert execute(path, "SELECT count(*) FROM corrections") == [(0,)]


def test_a_ledger_that_is_not_there_is_not_made(path: Path) -> None:
    with pytest.raises(LedgerError, match="no such file"):
        append(path, correction())
    assert not path.exists()
