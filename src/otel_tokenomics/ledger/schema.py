"""The ledger's tables, and how an older file is brought up to date.

An amount is a number of femto-units of its currency. SQLite's integers end at 2**63, which is 9,223
dollars in femto-dollars, so `cost_femto` has no declared type: an integer where it fits, else its
digits as text. The token columns are stored alike. Sums are exact: see `queries.exact_sum`.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

from otel_tokenomics.ledger.errors import LedgerError

APPLICATION_ID = 0x746F6B6E
"""`tokn`: tells a ledger from another program's database."""

_V1 = """
CREATE TABLE usage_records (
    key TEXT NOT NULL PRIMARY KEY,
    started_ns INTEGER NOT NULL,
    duration_seconds REAL,
    provider TEXT, operation TEXT,
    request_model TEXT, response_model TEXT, response_id TEXT,
    service_tier TEXT, stream INTEGER,
    buckets TEXT NOT NULL DEFAULT '{}',
    usage_source TEXT, usage_estimator TEXT, usage_flags TEXT,
    input_tokens, cache_read_tokens, cache_write_tokens, output_tokens, reasoning_tokens,
    cost_femto, cost_currency TEXT, cost_status TEXT, cost_method TEXT, cost_source TEXT,
    cost_bound TEXT, cost_unpriced_reason TEXT, cost_assumption TEXT, cost_lines TEXT,
    price_id TEXT, price_catalog TEXT, price_catalog_version TEXT, price_effective_date TEXT, price_tier TEXT,
    attempts INTEGER, possibly_billed INTEGER, outcome TEXT, error_type TEXT, status_code INTEGER,
    team TEXT, project TEXT, feature TEXT, cost_center TEXT, tenant TEXT, user TEXT, session TEXT,
    tags TEXT NOT NULL DEFAULT '{}',
    server_address TEXT, server_port INTEGER,
    trace_id TEXT, span_id TEXT,
    service TEXT, run TEXT, process_id INTEGER, sequence INTEGER
);
CREATE INDEX usage_records_started ON usage_records (started_ns);
CREATE INDEX usage_records_run ON usage_records (run) WHERE run IS NOT NULL;
CREATE TABLE losses (
    at_ns INTEGER NOT NULL,
    cause TEXT NOT NULL,
    records INTEGER NOT NULL,
    process_id INTEGER, service TEXT, run TEXT
);
"""

_V2 = """
CREATE TABLE corrections (
    key TEXT NOT NULL REFERENCES usage_records (key),
    scenario TEXT NOT NULL,
    made_ns INTEGER NOT NULL,
    before_femto, cost_femto, cost_currency TEXT, cost_status TEXT, cost_method TEXT, cost_lines TEXT,
    price_id TEXT, price_catalog TEXT, price_catalog_version TEXT NOT NULL DEFAULT '',
    price_effective_date TEXT, price_tier TEXT,
    PRIMARY KEY (key, scenario, price_catalog_version)
)
"""

_V3 = """
ALTER TABLE usage_records ADD COLUMN cost_list_femto;
ALTER TABLE usage_records ADD COLUMN cost_contracted_femto
"""

_V4 = """
CREATE TABLE overflows (
    label TEXT NOT NULL,
    operations INTEGER NOT NULL,
    at_ns INTEGER NOT NULL,
    since_ns INTEGER NOT NULL,
    process_id INTEGER NOT NULL, service TEXT, run TEXT,
    PRIMARY KEY (label, process_id, since_ns)
)
"""

_V5 = """
ALTER TABLE usage_records ADD COLUMN claimed TEXT
"""

_V6 = """
ALTER TABLE usage_records ADD COLUMN agent TEXT;
ALTER TABLE usage_records ADD COLUMN workflow TEXT;
ALTER TABLE usage_records ADD COLUMN step TEXT;
ALTER TABLE usage_records ADD COLUMN tool TEXT;
ALTER TABLE usage_records ADD COLUMN conversation TEXT
"""

MIGRATIONS = (_V1, _V2, _V3, _V4, _V5, _V6)
"""Statement scripts: number N brings a file from version N to N + 1."""

VERSION = len(MIGRATIONS)


def version_of(connection: sqlite3.Connection) -> int:
    """The schema version of an open file; 0 is an empty one."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def check(connection: sqlite3.Connection, path: Path) -> int:
    """The schema version of a file that may be used as a ledger.

    Raises `LedgerError`: the file is of a newer version, or of another program.
    """
    version = version_of(connection)
    identity = int(connection.execute("PRAGMA application_id").fetchone()[0])
    tables = int(connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0])
    if identity != APPLICATION_ID and (tables or version):
        raise LedgerError("not_a_ledger", path, "the file holds tables that are not a ledger's")
    if version > VERSION:
        detail = f"the file has schema version {version}, and this version knows {VERSION} at most"
        raise LedgerError("too_new", path, detail)
    return version


def migrate(connection: sqlite3.Connection, path: Path) -> None:
    """Bring the file to `VERSION` in one transaction. Safe when several processes do it at once.

    Raises `LedgerError` as `check` does, and `sqlite3.Error`.
    """
    if check(connection, path) == VERSION:
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        for script in MIGRATIONS[check(connection, path) :]:
            for statement in script.split(";"):
                connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {VERSION}")
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise
