"""Usage records to test with, and ways to bring them to a ledger through the real SDK."""

from __future__ import annotations

import itertools
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor, LogRecordExporter
from opentelemetry.sdk.resources import Resource
from tests.support import witness

from otel_tokenomics.ledger.queries import Rollup, Scope, rollups
from otel_tokenomics.ledger.row import Row, row_of
from otel_tokenomics.ledger.store import reading
from otel_tokenomics.model.attribution import Attribution
from otel_tokenomics.model.call import Facts, Reading
from otel_tokenomics.model.money import Cost, Line, unpriced
from otel_tokenomics.model.record import UsageRecord
from otel_tokenomics.model.usage import Usage
from otel_tokenomics.telemetry.events import attributes

witness.install_in_child()

STARTED_NS = 1_793_534_400_000_000_000
"""2026-11-01T12:00:00Z."""

BUCKETS = {
    "input": 100,
    "cache_read": 50,
    "cache_write.5m": 7,
    "cache_write.1h": 3,
    "output": 20,
    "reasoning": 5,
}

_numbers = itertools.count(1)


def priced(femto: int = 2_500_000_000, **changes: Any) -> Cost:
    """A complete cost from a card, of one line."""
    line = Line("input", "input", 10, 250_000_000_000_000, 1_000_000, femto)
    card = {"price_id": "openai:gpt-5.4-mini", "catalog": "cards", "catalog_version": "1", "tier": "standard"}
    known = {"method": "catalog", "effective_date": "2026-01-01", "lines": (line,), **card}
    return Cost(**{"amount_femto": femto, "status": "complete", **known, **changes})


def record(
    *,
    key: str | None = None,
    provider: str = "openai",
    model: str | None = "gpt-5.4-mini",
    served: str | None = "gpt-5.4-mini-2026-03-01",
    usage: Usage | None = None,
    cost: Cost | None = None,
    attribution: Attribution | None = None,
    tier: str | None = "default",
    **changes: Any,
) -> UsageRecord:
    """A usage record of a plain chat call, with a key of its own."""
    response_id = key or f"resp_{next(_numbers)}"
    facts = Facts(provider, "chat", provider, "/chat/completions", model)
    facts.server_address, facts.server_port = "api.openai.com", 443
    reading = Reading(usage or Usage(BUCKETS), response_id, served, tier)
    known: dict[str, Any] = {"started_ns": STARTED_NS, "duration_ns": 1_500_000_000, "status_code": 200}
    return UsageRecord(
        key=f"{provider}:{response_id}",
        facts=facts,
        reading=reading,
        cost=cost or priced(),
        attribution=attribution or Attribution(team="search"),
        **{**known, **changes},
    )


def row(told: UsageRecord, **resource: str) -> Row:
    """The ledger's row of a record, without the SDK between."""
    return row_of(
        attributes(told), started_ns=told.started_ns, resource=resource, process_id=1, trace_id=told.trace_id
    )


def pipeline(exporter: LogRecordExporter, **resource: str) -> LoggerProvider:
    """A real provider with the real batch processor, at its default settings."""
    provider = LoggerProvider(Resource(dict(resource)), shutdown_on_exit=False)
    provider.add_log_record_processor(BatchLogRecordProcessor(exporter))
    return provider


def total(path: Path) -> Rollup:
    """The ledger's total over all records."""
    with reading(path) as connection:
        return rollups(connection, (), Scope())[0]


def execute(path: Path, statement: str) -> list[Any]:
    """Run a statement on a ledger's file, beside whoever has it open."""
    with closing(sqlite3.connect(path)) as connection:
        rows = connection.execute(statement).fetchall()
        connection.commit()
        return rows


SONNET_CALL: dict[str, Any] = {
    "provider": "anthropic",
    "model": "claude-sonnet-4-6",
    "served": "claude-sonnet-4-6",
    "cost": priced(161_070_000_000_000_000),
    "attribution": Attribution(team="support"),
}
MINI_CALL: dict[str, Any] = {"cost": priced(4_200_000_000_000)}
UNPRICED_CALL: dict[str, Any] = {"served": "acme-large", "cost": unpriced("unknown_model")}
