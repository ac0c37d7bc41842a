"""List and contracted amounts in the ledger: exact, also of a file from before they were kept."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from tests.ledger._support import priced, record, row

from otel_tokenomics.ledger import queries, schema
from otel_tokenomics.ledger.row import public
from otel_tokenomics.ledger.store import Ledger, reading

EVERYTHING = queries.Scope(None, None)


def costs(path: Path) -> list[dict[str, object]]:
    with reading(path) as connection:
        told = [public(found)["cost"] for found in queries.records(connection, EVERYTHING, None)]
    assert all(isinstance(cost, dict) for cost in told)
    return told  # type: ignore[return-value]


def test_all_three_amounts_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite3"
    large = 10**19 + 1
    agreed = priced(1, method="contract", list_femto=large, contracted_femto=10**15 + 1)
    Ledger(path).write([row(record(key="a", cost=agreed)), row(record(key="b"))])
    first, second = costs(path)
    assert (first["list"], first["contracted"], first["amount"]) == (
        "10000.000000000000001",
        "1.000000000000001",
        "0.000000000000001",
    )
    assert (second["list"], second["contracted"]) == (None, None)


def test_a_file_from_before_is_brought_up_to_date(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "ledger.sqlite3"
    with monkeypatch.context() as earlier:
        earlier.setattr(schema, "MIGRATIONS", schema.MIGRATIONS[:2])
        earlier.setattr(schema, "VERSION", 2)
        connection = sqlite3.connect(path, isolation_level=None)
        schema.migrate(connection, path)
        connection.execute("INSERT INTO usage_records (key, started_ns, cost_femto) VALUES ('old', 1, 5)")
        connection.close()
    Ledger(path).write([row(record(key="new", cost=priced(list_femto=7, contracted_femto=6)))])
    old, new = costs(path)
    assert (old["amount"], old["list"]) == ("0.000000000000005", None)
    assert new["list"] == "0.000000000000007"
