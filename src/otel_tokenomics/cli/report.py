"""`tokenomics report`: what the calls in a ledger cost, by owner, model, day."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from otel_tokenomics.cli import console, terms
from otel_tokenomics.ledger.queries import KEYS
from otel_tokenomics.ledger.store import reading
from otel_tokenomics.report import charges_view, json, rows, table
from otel_tokenomics.report.figures import plural

EXAMPLES = """\
  tokenomics report                                        by model, all time
  tokenomics report --by team,model --since today
  tokenomics report --by day --since 2026-11-01 --until 2026-12-01 --utc
  tokenomics report --by user --since 7d --top 10
  tokenomics report --since 2026-11-01 --utc --prices prices.toml --currency EUR
  tokenomics report --by team --json | jq '.rows[] | [.team, .cost]'

In the table `-` means unknown, which is never 0. `exact` is the share of calls whose tokens the provider
itself reported and whose price is known. Fixed charges of your price file, and its exchange rates, are
explained in docs/own-prices.md."""


def add_parser(subparsers: Any) -> None:
    """Add `report` to the command's subparsers."""
    parser = console.new_parser(subparsers, "report", "show tokens and cost from the ledger", EXAMPLES)
    parser.add_argument(
        "--by",
        type=keys_of,
        default=("model",),
        metavar="KEY[,KEY]",
        help=f"group by any of: {', '.join(KEYS)} (default: model)",
    )
    console.add_period(parser)
    console.add_ledger(parser)
    parser.add_argument("--json", action="store_true", help="print JSON, money as exact decimal strings")
    parser.add_argument("--top", type=console.positive, metavar="N", help="only the N dearest rows")
    parser.add_argument(
        "--currency", type=console.currency, metavar="CODE", help="the currency to sum (default: USD)"
    )
    parser.add_argument(
        "--prices", type=Path, metavar="FILE", help="with the charges and exchange rates of this price file"
    )
    parser.add_argument("--run", metavar="ID", dest="run_id", help="only one run of `tokenomics run`")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the report."""
    since, until = console.period_of(arguments)
    question = rows.Question(
        by=arguments.by,
        since=since,
        until=until,
        run=arguments.run_id,
        currency=arguments.currency,
        top=arguments.top,
        utc=arguments.utc,
    )
    path = console.ledger_of(arguments)
    own = terms.contracts(arguments.prices)
    with reading(path) as connection:
        report = rows.answer(connection, question, None if own is None else own.terms)
    if arguments.json:
        print(json.render(report))
        return 0
    width = console.width_of_output()
    if report.total.calls or report.missing.other_currencies:
        console.print_lines(table.render(report, width))
    else:
        print(f"No calls recorded in that period in {path}")
        for lost in [report.missing.lost] if report.missing.lost else []:
            print(f"lost: {plural(lost, 'usage record')} never reached the ledger (`tokenomics doctor`)")
    console.print_lines(charges_view.render(report, width))
    return 0


def keys_of(text: str) -> tuple[str, ...]:
    """Group keys from `team,model`, for argparse."""
    keys = tuple(dict.fromkeys(key.strip() for key in text.split(",")))
    unknown = [key for key in keys if key not in KEYS]
    if unknown:
        raise argparse.ArgumentTypeError(f"{unknown[0]!r} is not a key; the keys are {', '.join(KEYS)}")
    return keys
