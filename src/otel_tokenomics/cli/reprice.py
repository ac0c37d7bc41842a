"""`tokenomics reprice`: a period of the ledger reckoned again; the ledger's records stay as they are."""

from __future__ import annotations

import argparse
import sqlite3
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from otel_tokenomics.cli import console, terms
from otel_tokenomics.cli.report import keys_of
from otel_tokenomics.ledger import corrections, queries
from otel_tokenomics.ledger.corrections import Correction
from otel_tokenomics.ledger.queries import KEYS, Scope
from otel_tokenomics.ledger.store import adding, reading
from otel_tokenomics.pricing import vendors
from otel_tokenomics.pricing.book import PriceBook
from otel_tokenomics.pricing.installed import current
from otel_tokenomics.report import restate_view
from otel_tokenomics.report.figures import plural
from otel_tokenomics.report.period import instant, unix_ns
from otel_tokenomics.report.restate import Pricer, Restated, Scenario, Target, recorded, restated, summed

EXAMPLES = """\
  tokenomics reprice --since 30d                            at today's price cards
  tokenomics reprice --since 30d --at 2026-08-01            at the prices of a day
  tokenomics reprice --by team,model --tier batch           if all that could be batch were batch
  tokenomics reprice --model gpt-5.4=gpt-5.4-mini           if another model had answered
  tokenomics reprice --model gpt-5.4=anthropic:claude-sonnet-5
  tokenomics reprice --prices agreed.toml                   under other terms than those that are set
  tokenomics reprice --no-cache                             what the prompt cache saves
  tokenomics reprice --since 7d --record                    keep what changed, beside the old records
  tokenomics reprice --recorded                             what was kept so

The ledger's records are never rewritten and reports do not change. What cannot be restated is told with the
reason and is in neither sum; calls without a price before are told apart."""

CURRENCY = "USD"
TIERS = ("batch", "flex", "priority", "standard")


def add_parser(subparsers: Any) -> None:
    """Add `reprice` to the command's subparsers."""
    parser = console.new_parser(subparsers, "reprice", "reckon a period of the ledger again", EXAMPLES)
    console.add_period(parser)
    parser.add_argument("--at", metavar="TIME", help="at the prices of this time, not of each call's")
    parser.add_argument(
        "--model", action="append", default=[], metavar="M=N", help="N, or PROVIDER:N, instead of M"
    )
    parser.add_argument("--tier", choices=TIERS, help="as if served in this tier")
    parser.add_argument("--no-cache", action="store_true", help="as if no prompt cache had been used")
    parser.add_argument(
        "--by",
        type=keys_of,
        default=("model",),
        metavar="KEY[,KEY]",
        help=f"group by any of: {', '.join(KEYS)} (default: model)",
    )
    parser.add_argument("--prices", type=Path, metavar="FILE", help="by the terms of this price file")
    parser.add_argument("--record", action="store_true", help="add a correction for each changed amount")
    parser.add_argument("--recorded", action="store_true", help="show the corrections that were recorded")
    parser.add_argument("--json", action="store_true", help="print JSON, money as exact decimal strings")
    console.add_ledger(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the restatement; with `--record`, append corrections."""
    since, until = console.period_of(arguments)
    scope = Scope(unix_ns(since) if since else None, unix_ns(until) if until else None, currency=CURRENCY)
    book, path = current(), console.ledger_of(arguments)
    scenario = _scenario(arguments, book)
    made: list[Correction] = []
    with reading(path) as connection:
        items = _items(arguments, connection, scope, scenario, book)
        noted = _noting(items, scenario, made) if arguments.record else items
        found = summed(arguments.by, noted)
        others = queries.missing(connection, scope).other_currencies
    added = _record(path, made) if arguments.record else None
    if arguments.json:
        about = {"since": _iso(since), "until": _iso(until), "currency": CURRENCY}
        about |= {"scenario": scenario.name(), "catalog_version": book.version}
        print(restate_view.to_json(found, **about, recorded=added))
    elif not found.total.calls:
        print(f"No calls recorded in that period in {path}")
    else:
        title = _title(arguments, scenario, book)
        console.print_lines(restate_view.render(found, title, CURRENCY, console.width_of_output()))
        for currency, calls in others.items():
            print(f"left out: {plural(calls, 'call')} in {currency}")
        if added is not None:
            known = f", {len(made) - added:,} known already" if added < len(made) else ""
            print(f"recorded: {plural(added, 'correction')}{known}")
    return 0


def _items(
    arguments: argparse.Namespace,
    connection: sqlite3.Connection,
    scope: Scope,
    scenario: Scenario,
    book: PriceBook,
) -> Iterator[Restated]:
    if arguments.recorded:
        return recorded(connection, scope, arguments.by, utc=arguments.utc)
    return restated(
        connection, scope, arguments.by, scenario, _pricer(arguments.prices, book), utc=arguments.utc
    )


def _pricer(named: Path | None, book: PriceBook) -> Pricer:
    """Prices by the terms named, else by those that are set. Raises `CommandError`."""
    reckon = terms.pricer(named)
    return lambda facts, reading, at_ns: reckon(facts, reading, at_ns, book)


def _scenario(arguments: argparse.Namespace, book: PriceBook) -> Scenario:
    """What is asked. Raises `CommandError`."""
    asked = arguments.at or arguments.model or arguments.tier or arguments.no_cache or arguments.record
    asked = asked or arguments.prices
    if arguments.recorded and asked:
        raise console.CommandError("--recorded shows what was recorded: it goes with --by and a period only.")
    try:
        at = arguments.at and instant(arguments.at, datetime.now(UTC), utc=arguments.utc)
    except (ValueError, OverflowError) as error:
        raise console.CommandError(str(error)) from None
    models = dict(_replacement(text, book) for text in arguments.model)
    return Scenario(unix_ns(at) if at else None, models, arguments.tier, arguments.no_cache)


def _replacement(text: str, book: PriceBook) -> tuple[str, Target]:
    old, _, new = text.partition("=")
    if not (old and new):
        raise console.CommandError(f"--model {text!r} is not M=N: the model that answered, and another.")
    provider, colon, model = new.partition(":")
    known = colon and vendors.catalogued(provider) in book.providers()
    return old, Target(model, provider) if known else Target(new)


def _noting(items: Iterator[Restated], scenario: Scenario, made: list[Correction]) -> Iterator[Restated]:
    """The items; a correction is noted for each whose amount changed."""
    for item in items:
        if item.cost is not None and item.kept is None and item.cost.amount_femto != item.before_femto:
            made.append(Correction(item.key, scenario.name(), item.before_femto, item.cost))
        yield item


def _record(path: Path, made: Sequence[Correction]) -> int:
    with adding(path) as connection:
        return corrections.append(connection, made, time.time_ns())


def _title(arguments: argparse.Namespace, scenario: Scenario, book: PriceBook) -> str:
    if arguments.recorded:
        return "corrections recorded; the records themselves are as they were"
    told = [f"at the prices of {arguments.at}" if arguments.at else "at the prices of each call's time"]
    told += [f"{old} answered by {target.model}" for old, target in scenario.models.items()]
    told += [f"tier {scenario.tier}"] if scenario.tier else []
    told += [f"by the terms of {arguments.prices}"] if arguments.prices else []
    told += ["no prompt cache"] if scenario.uncached else []
    return f"restated {', '.join(told)}; {book.name} {book.version}"


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()
