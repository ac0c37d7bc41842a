"""`tokenomics records`: the usage records of a ledger, one a line."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from otel_tokenomics.cli import console
from otel_tokenomics.ledger import queries
from otel_tokenomics.ledger.row import public
from otel_tokenomics.ledger.store import reading
from otel_tokenomics.model.usage import TOKEN_COMPONENTS
from otel_tokenomics.report import table
from otel_tokenomics.report.figures import count_column, money
from otel_tokenomics.report.period import unix_ns

EXAMPLES = """\
  tokenomics records                                       the newest 20, as a table
  tokenomics records --json                                every record, one JSON object a line
  tokenomics records --json --since today | jq -c 'select(.cost.status != "complete")'
  tokenomics records --json --limit 1 | jq .cost.lines     how the last call's cost was reckoned"""

SHOWN = 20
"""Records in the table when no limit is given."""


def add_parser(subparsers: Any) -> None:
    """Add `records` to the command's subparsers."""
    parser = console.new_parser(subparsers, "records", "print single usage records from the ledger", EXAMPLES)
    parser.add_argument("--json", action="store_true", help="one JSON object a line, amounts exact")
    console.add_period(parser)
    parser.add_argument("--limit", type=console.positive, metavar="N", help="only the newest N records")
    console.add_ledger(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the records, the oldest first."""
    since, until = console.period_of(arguments)
    scope = queries.Scope(unix_ns(since) if since else None, unix_ns(until) if until else None)
    limit = arguments.limit if arguments.json else arguments.limit or SHOWN
    with reading(console.ledger_of(arguments)) as connection:
        found = queries.records(connection, scope, limit)
        if arguments.json:
            for record in found:
                print(json.dumps(public(record), ensure_ascii=False))
        else:
            _print_table(list(found), utc=arguments.utc)
    return 0


def _print_table(records: list[Mapping[str, Any]], *, utc: bool) -> None:
    if not records:
        print("No calls recorded in that period")
        return
    columns, _ = table.fit(list(_columns(records, utc=utc)), console.width_of_output())
    lines = table.laid_out(columns)
    parts = ("head", *("row" for _ in records))
    console.print_lines(table.Line(text, part) for text, part in zip(lines, parts, strict=True))


def _columns(records: list[Mapping[str, Any]], *, utc: bool) -> Iterable[table.Column]:
    yield table.Column("started", [_clock(record["started_ns"], utc=utc) for record in records], left=True)
    for name, key in (("team", "team"), ("provider", "provider")):
        yield table.Column(name, [table.shown(record[key]) for record in records], left=True)
    models = [record["response_model"] or record["request_model"] for record in records]
    yield table.Column("model", [table.shown(model) for model in models], left=True)
    for component in TOKEN_COMPONENTS:
        counts = [_whole(record[f"{component}_tokens"]) for record in records]
        yield table.Column(component.replace("_", " "), count_column(counts))
    yield table.Column("cost", [_cost(record) for record in records])
    yield table.Column("status", [_status(record) for record in records])
    yield table.Column("outcome", [table.shown(record["outcome"]) for record in records])


def _clock(started_ns: int, *, utc: bool) -> str:
    moment = datetime.fromtimestamp(started_ns // 1_000_000_000, UTC)
    return (moment if utc else moment.astimezone()).strftime("%Y-%m-%d %H:%M:%S")


def _whole(stored: int | str | None) -> int | None:
    return None if stored is None else int(stored)


def _cost(record: Mapping[str, Any]) -> str:
    return money(_whole(record["cost_femto"]), record["cost_currency"] or "USD")


def _status(record: Mapping[str, Any]) -> str:
    """The cost's status, or where the tokens come from when they are not the provider's own."""
    source = record["usage_source"]
    if record["cost_status"] == "complete" and source not in (None, "provider"):
        return table.shown(source)
    return table.shown(record["cost_status"])
