"""Corrections: what records would cost by another reckoning, as records that refer to the old ones.

The ledger's usage records are never rewritten, and reports do not know corrections.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from otel_tokenomics.ledger.queries import Scope
from otel_tokenomics.ledger.row import storable
from otel_tokenomics.model.money import Cost, Line

_COLUMNS = (
    *("key", "scenario", "made_ns", "before_femto", "cost_femto", "cost_currency", "cost_status"),
    *("cost_method", "cost_lines", "price_id", "price_catalog", "price_catalog_version"),
    *("price_effective_date", "price_tier"),
)
# The columns are this module's own constants; nothing of a record is in the statement.
_INSERT = (
    f"INSERT INTO corrections ({', '.join(_COLUMNS)}) "  # noqa: S608
    f"VALUES ({', '.join('?' * len(_COLUMNS))}) ON CONFLICT DO NOTHING"
)


@dataclass(frozen=True, slots=True)
class Correction:
    """A usage record's cost by another reckoning.

    `key` is the record's, `scenario` says what was reckoned otherwise, `before_femto` is what stands there.
    """

    key: str
    scenario: str
    before_femto: int | None
    cost: Cost


def append(connection: sqlite3.Connection, corrections: Iterable[Correction], made_ns: int) -> int:
    """Add corrections, made at a time in Unix nanoseconds; how many were new.

    The same record in the same scenario under the same catalogue is corrected once. Raises `sqlite3.Error`.
    """
    before = connection.total_changes
    connection.executemany(_INSERT, (_row(correction, made_ns) for correction in corrections))
    return connection.total_changes - before


def made(connection: sqlite3.Connection, scope: Scope) -> Iterator[Mapping[str, Any]]:
    """The corrections of the records in `scope`, the oldest first. Raises `sqlite3.Error`."""
    clause, parameters = scope.where()
    keys = f"SELECT key FROM usage_records WHERE {clause}"  # noqa: S608
    statement = f"SELECT * FROM corrections WHERE key IN ({keys}) ORDER BY made_ns, rowid"  # noqa: S608
    for row in connection.execute(statement, parameters):
        yield dict(row)


def _row(correction: Correction, made_ns: int) -> tuple[object, ...]:
    cost = correction.cost
    return (
        correction.key,
        correction.scenario,
        made_ns,
        storable(correction.before_femto),
        storable(cost.amount_femto),
        cost.currency,
        cost.status,
        cost.method,
        json.dumps(list(map(_charge, cost.lines)), separators=(",", ":")) if cost.lines else None,
        cost.price_id,
        cost.catalog,
        cost.catalog_version or "",
        cost.effective_date,
        cost.tier,
    )


def _charge(line: Line) -> list[object]:
    """As a usage record tells its lines."""
    return [line.component, line.bucket, line.quantity, line.rate_femto, line.per, line.amount_femto]
