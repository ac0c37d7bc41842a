"""Questions to a ledger: rollups with exact sums, what is missing from them, and single records."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from otel_tokenomics.model.usage import TOKEN_COMPONENTS
from otel_tokenomics.pricing.contracts_charges import Converted, together

_SPLIT = 1_000_000_000
_FOREVER_NS = 2**63 - 1

_TIER = "COALESCE(price_tier, service_tier)"
_MODEL = "COALESCE(response_model, request_model)"
_NO_LIST = (
    "cost_contracted_femto IS NOT NULL OR price_id LIKE 'own/%' "
    "OR cost_method IN ('contract', 'vendor_reported', 'gateway_reported')"
)
# The amount of a call without terms is its list price and what was agreed; what terms leave open stays open.
_LIST = (
    "(CASE WHEN cost_list_femto IS NOT NULL THEN cost_list_femto "
    f"WHEN {_NO_LIST} THEN NULL ELSE cost_femto END)"
)
_CONTRACTED = (
    "(CASE WHEN cost_contracted_femto IS NOT NULL THEN cost_contracted_femto "
    "WHEN cost_method = 'contract' OR price_id LIKE 'own/%' THEN NULL ELSE cost_femto END)"
)
_ESTIMATED = (
    "(usage_source IN ('stream_partial', 'tokenizer', 'heuristic') OR cost_method = 'estimated') "
    "AND cost_status IS NOT 'unpriced'"
)

KEYS = {
    "team": "team",
    "project": "project",
    "feature": "feature",
    "tenant": "tenant",
    "user": "user",
    "session": "session",
    "agent": "agent",
    "workflow": "workflow",
    "step": "step",
    "tool": "tool",
    "conversation": "conversation",
    "provider": "provider",
    "model": _MODEL,
    "operation": "operation",
    "tier": _TIER,
    "day": "strftime('%Y-%m-%d', started_ns / 1000000000, 'unixepoch'{zone})",
    "hour": "strftime('%Y-%m-%d %H:00', started_ns / 1000000000, 'unixepoch'{zone})",
    "service": "service",
    "run": "run",
}
"""What a report may be grouped by, and its SQL. `model` is the served one where it is known."""


@dataclass(frozen=True, slots=True)
class Scope:
    """Which records: `since_ns` inclusive, `until_ns` exclusive, Unix nanoseconds; one run; one currency.

    Records without a currency, which have no amount, are in the scope of any unless `strict`.
    """

    since_ns: int | None = None
    until_ns: int | None = None
    run: str | None = None
    currency: str | None = None
    strict: bool = False

    def where(self) -> tuple[str, list[object]]:
        """The WHERE clause, and its parameters."""
        parts = (
            ("started_ns >= ?", self.since_ns),
            ("started_ns < ?", self.until_ns),
            ("run = ?", self.run),
            ("cost_currency = ?" if self.strict else "ifnull(cost_currency = ?, 1)", self.currency),
        )
        given = [(text, _bound(value)) for text, value in parts if value is not None]
        return " AND ".join(text for text, _ in given) or "1", [value for _, value in given]


@dataclass(frozen=True, slots=True)
class Rollup:
    """One group's sums. A token component or a cost that no record of the group told is `None`.

    `list_femto` is of the calls that have a list price: `unlisted_calls` have an amount, but none.
    `exchanged` says which part of the amounts was in other money.
    """

    keys: Mapping[str, str | None]
    calls: int
    tokens: Mapping[str, int | None]
    cost_femto: int | None
    unpriced_calls: int
    estimated_calls: int
    list_femto: int | None = None
    contracted_femto: int | None = None
    unlisted_calls: int = 0
    exchanged: Sequence[Converted] = ()


@dataclass(frozen=True, slots=True)
class Unpriced:
    """How many calls of a model have no price, and why."""

    provider: str | None
    model: str | None
    reason: str | None
    calls: int


@dataclass(frozen=True, slots=True)
class Missing:
    """What a report's figures leave out."""

    unpriced: Sequence[Unpriced] = ()
    estimated: int = 0
    partial: int = 0
    other_currencies: Mapping[str, int] = field(default_factory=dict)
    lost: int = 0


def rollups(
    connection: sqlite3.Connection, by: Sequence[str], scope: Scope, *, utc: bool = False
) -> list[Rollup]:
    """Sums per group, the dearest first. With no keys: one row, the total."""
    connection.create_aggregate("exact_sum", 1, _ExactSum)  # type: ignore[arg-type]
    clause, parameters = scope.where()
    groups = [KEYS[key].format(zone="" if utc else ", 'localtime'") for key in by]
    sums = [exact_sum(f"{component}_tokens") for component in TOKEN_COMPONENTS]
    columns = [
        *groups,
        "count(*)",
        "count(*) FILTER (WHERE cost_status IS 'unpriced')",
        f"count(*) FILTER (WHERE {_ESTIMATED})",
        f"count(*) FILTER (WHERE cost_femto IS NOT NULL AND {_LIST} IS NULL)",
        *(exact_sum(column) for column in ("cost_femto", _LIST, _CONTRACTED)),
        *sums,
    ]
    grouped = f"GROUP BY {', '.join(str(n + 1) for n in range(len(by)))}" if by else ""
    statement = f"SELECT {', '.join(columns)} FROM usage_records WHERE {clause} {grouped}"  # noqa: S608
    rows = connection.execute(statement, parameters)
    return sorted((_rollup(by, tuple(row)) for row in rows), key=dearest_first)


def total_of(groups: Sequence[Rollup], keys: Mapping[str, str | None] | None = None) -> Rollup:
    """The total of a ledger's groups, under the keys that they share."""
    return Rollup(
        keys=keys or {},
        calls=sum(group.calls for group in groups),
        tokens={name: known_sum(group.tokens[name] for group in groups) for name in TOKEN_COMPONENTS},
        cost_femto=known_sum(group.cost_femto for group in groups),
        unpriced_calls=sum(group.unpriced_calls for group in groups),
        estimated_calls=sum(group.estimated_calls for group in groups),
        list_femto=known_sum(group.list_femto for group in groups),
        contracted_femto=known_sum(group.contracted_femto for group in groups),
        unlisted_calls=sum(group.unlisted_calls for group in groups),
        exchanged=together(item for group in groups for item in group.exchanged),
    )


def allocated(connection: sqlite3.Connection, scope: Scope, under: str) -> dict[tuple[str, str], int]:
    """What calls were charged, by price id and currency, of the prices whose id begins with `under`."""
    connection.create_aggregate("exact_sum", 1, _ExactSum)  # type: ignore[arg-type]
    clause, parameters = scope.where()
    rows = connection.execute(
        f"SELECT price_id, cost_currency, {exact_sum('cost_femto')} FROM usage_records "  # noqa: S608
        f"WHERE {clause} AND substr(price_id, 1, ?) = ? AND cost_femto IS NOT NULL GROUP BY 1, 2",
        [*parameters, len(under), under],
    )
    return {(row[0], row[1]): _joined(*row[2:]) or 0 for row in rows}


def exact_sum(column: str) -> str:
    """SQL for three columns whose sum is exact: high parts, low parts, and numbers kept as text.

    SQLite's own SUM fails beyond 2**63, which is 9,223 dollars in femto-dollars.
    """
    return (
        f"SUM({column} / {_SPLIT}) FILTER (WHERE typeof({column}) = 'integer'), "
        f"SUM({column} % {_SPLIT}) FILTER (WHERE typeof({column}) = 'integer'), "
        f"exact_sum({column}) FILTER (WHERE typeof({column}) = 'text')"
    )


def missing(connection: sqlite3.Connection, scope: Scope) -> Missing:
    """What the figures of `rollups` leave out within `scope`."""
    clause, parameters = scope.where()
    counts = connection.execute(
        f"SELECT count(*) FILTER (WHERE {_ESTIMATED}), "  # noqa: S608
        f"count(*) FILTER (WHERE cost_status = 'partial') FROM usage_records WHERE {clause}",
        parameters,
    ).fetchone()
    return Missing(
        unpriced=_unpriced(connection, scope),
        estimated=counts[0],
        partial=counts[1],
        other_currencies=_other_currencies(connection, scope),
        lost=losses(connection, scope),
    )


def losses(connection: sqlite3.Connection, scope: Scope | None = None) -> int:
    """Usage records that were lost, as far as the processes that lost them could note it."""
    scope = scope or Scope()
    clause, parameters = Scope(scope.since_ns, scope.until_ns, scope.run).where()
    clause = clause.replace("started_ns", "at_ns")
    total = connection.execute(f"SELECT total(records) FROM losses WHERE {clause}", parameters)  # noqa: S608
    return int(total.fetchone()[0])


def currencies(connection: sqlite3.Connection, scope: Scope) -> list[str]:
    """The currencies of priced records in `scope`, the most used first."""
    clause, parameters = scope.where()
    rows = connection.execute(
        f"SELECT cost_currency FROM usage_records WHERE {clause} AND cost_currency IS NOT NULL "  # noqa: S608
        "GROUP BY 1 ORDER BY count(*) DESC, 1",
        parameters,
    )
    return [row[0] for row in rows]


def assumptions(connection: sqlite3.Connection) -> list[tuple[str, str | None, int]]:
    """Every assumption that costs rest on: `(assumption, provider, calls)`."""
    rows = connection.execute(
        "SELECT cost_assumption, provider, count(*) FROM usage_records "
        "WHERE cost_assumption IS NOT NULL GROUP BY 1, 2 ORDER BY 3 DESC"
    )
    return [(row[0], row[1], row[2]) for row in rows]


def overflows(connection: sqlite3.Connection) -> list[tuple[str, int, int]]:
    """What metrics showed as `_OTHER`: `(label or metric, operations, processes)`, the most first."""
    rows = connection.execute(
        "SELECT label, sum(operations), count(*) FROM overflows GROUP BY 1 ORDER BY 2 DESC, 1"
    )
    return [(row[0], row[1], row[2]) for row in rows]


def count(connection: sqlite3.Connection) -> int:
    """How many records the ledger holds."""
    return int(connection.execute("SELECT count(*) FROM usage_records").fetchone()[0])


def records(
    connection: sqlite3.Connection, scope: Scope, limit: int | None = None
) -> Iterator[Mapping[str, Any]]:
    """The records in order of their start; with `limit`, the newest so many."""
    clause, parameters = scope.where()
    statement = f"SELECT * FROM usage_records WHERE {clause}"  # noqa: S608
    if limit is not None:
        newest = f"{statement} ORDER BY started_ns DESC, rowid DESC LIMIT {int(limit)}"
        statement = f"SELECT * FROM ({newest})"  # noqa: S608
    for row in connection.execute(f"{statement} ORDER BY started_ns, sequence", parameters):
        yield dict(row)


def _bound(value: int | str) -> int | str:
    """An instant beyond what SQLite's integers hold lies beyond every record as well."""
    return max(-_FOREVER_NS, min(_FOREVER_NS, value)) if isinstance(value, int) else value


class _ExactSum:
    """A SQL aggregate that adds whole numbers of any size, kept as text."""

    def __init__(self) -> None:
        self.total: int | None = None

    def step(self, digits: str) -> None:
        self.total = (self.total or 0) + int(digits)

    def finalize(self) -> str | None:
        return None if self.total is None else str(self.total)


def _rollup(by: Sequence[str], row: Sequence[Any]) -> Rollup:
    keys, (calls, unpriced, estimated, unlisted, *sums) = row[: len(by)], row[len(by) :]
    amounts = [_joined(*sums[n : n + 3]) for n in range(0, len(sums), 3)]
    return Rollup(
        keys=dict(zip(by, keys, strict=True)),
        calls=calls,
        tokens=dict(zip(TOKEN_COMPONENTS, amounts[3:], strict=True)),
        cost_femto=amounts[0],
        unpriced_calls=unpriced,
        estimated_calls=estimated,
        list_femto=amounts[1],
        contracted_femto=amounts[2],
        unlisted_calls=unlisted,
    )


def _joined(high: int | None, low: int | None, wide: str | None) -> int | None:
    if high is None and wide is None:
        return None
    return (high or 0) * _SPLIT + (low or 0) + int(wide or 0)


def known_sum(numbers: Iterable[int | None]) -> int | None:
    """The sum of the numbers that are known; `None` when none is."""
    known = [number for number in numbers if number is not None]
    return sum(known) if known else None


def dearest_first(rollup: Rollup) -> tuple[bool, int, int, tuple[str, ...]]:
    """The order of a report's rows: by cost, those without one last."""
    cost = rollup.cost_femto
    names = tuple(value or "" for value in rollup.keys.values())
    return (cost is None, -(cost or 0), -rollup.calls, names)


def _unpriced(connection: sqlite3.Connection, scope: Scope) -> list[Unpriced]:
    clause, parameters = scope.where()
    rows = connection.execute(
        f"SELECT provider, {_MODEL}, cost_unpriced_reason, count(*) FROM usage_records "  # noqa: S608
        f"WHERE {clause} AND cost_status = 'unpriced' GROUP BY 1, 2, 3 ORDER BY 4 DESC, 1, 2",
        parameters,
    )
    return [Unpriced(*row) for row in rows]


def _other_currencies(connection: sqlite3.Connection, scope: Scope) -> dict[str, int]:
    if scope.currency is None:
        return {}
    clause, parameters = Scope(scope.since_ns, scope.until_ns, scope.run).where()
    rows = connection.execute(
        f"SELECT cost_currency, count(*) FROM usage_records WHERE {clause} "  # noqa: S608
        "AND cost_currency IS NOT NULL AND cost_currency <> ? GROUP BY 1 ORDER BY 1",
        [*parameters, scope.currency],
    )
    return {row[0]: row[1] for row in rows}
