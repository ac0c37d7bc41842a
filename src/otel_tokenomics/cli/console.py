"""What every command shares: its errors, its way of printing, the ledger it works on."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from otel_tokenomics.ledger.location import VARIABLE, ledger_path
from otel_tokenomics.report.period import EXAMPLES, instant
from otel_tokenomics.report.table import Line

USAGE_ERROR = 2
_STYLES = {"title": "dim", "head": "bold", "total": "bold", "note": "yellow"}


class CommandError(Exception):
    """Something the user can put right: printed without a traceback, exit code 2 unless said otherwise."""

    def __init__(self, message: str, code: int = USAGE_ERROR) -> None:
        super().__init__(message)
        self.code = code


def new_parser(subparsers: Any, name: str, summary: str, examples: str) -> argparse.ArgumentParser:
    """A command's parser, whose help ends with examples."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        name,
        help=summary,
        description=summary[0].upper() + summary[1:] + ".",
        epilog=f"examples:\n{examples}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    return parser


def add_ledger(parser: argparse.ArgumentParser) -> None:
    """Add `--ledger`."""
    parser.add_argument(
        "--ledger",
        type=Path,
        metavar="PATH",
        help=f"the ledger's file (default: ${VARIABLE}, else ~/.local/state/otel-tokenomics/ledger.sqlite3)",
    )


def add_period(parser: argparse.ArgumentParser) -> None:
    """Add `--since`, `--until` and `--utc`."""
    parser.add_argument("--since", metavar="TIME", help=f"from this time on: {EXAMPLES}")
    parser.add_argument("--until", metavar="TIME", help="before this time (exclusive)")
    parser.add_argument("--utc", action="store_true", help="days and hours in UTC, not in local time")


def ledger_of(arguments: argparse.Namespace) -> Path:
    """The ledger a command works on. Raises `CommandError` when the environment switched it off."""
    path: Path | None = arguments.ledger or ledger_path(os.environ)
    if path is None:
        raise CommandError(f"{VARIABLE} is off, so there is no ledger. Name one with --ledger PATH.")
    return path.expanduser()


def period_of(arguments: argparse.Namespace) -> tuple[datetime | None, datetime | None]:
    """`--since` and `--until` as instants. Raises `CommandError`."""
    now = datetime.now(UTC)
    try:
        since, until = (
            text and instant(text, now, utc=arguments.utc) for text in (arguments.since, arguments.until)
        )
    except (ValueError, OverflowError) as error:
        raise CommandError(str(error) if isinstance(error, ValueError) else "That is too long ago.") from None
    if since and until and since >= until:
        raise CommandError(f"--since {arguments.since} is not before --until {arguments.until}.")
    return since or None, until or None


def positive(text: str) -> int:
    """A whole number above zero, for argparse."""
    number = int(text) if text.isascii() and text.isdigit() else 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return number


def currency(text: str) -> str:
    """A code of ISO 4217 in any case, for argparse."""
    code = text.upper()
    if not (len(code) == 3 and code.isascii() and code.isalpha()):
        raise argparse.ArgumentTypeError(f"{text!r} is not a currency's code, such as USD or EUR")
    return code


def width_of_output(stream: Any = None) -> int | None:
    """The width to fit into: `COLUMNS`, else the terminal's; `None` (no limit) for a file or a pipe."""
    stream = stream or sys.stdout
    if os.environ.get("COLUMNS", "").isdigit():
        return int(os.environ["COLUMNS"]) or None
    return shutil.get_terminal_size().columns if stream.isatty() else None


def print_lines(lines: Iterable[Line], stream: Any = None) -> None:
    """Print a table; in colour on a terminal, with rich installed and `NO_COLOR` not set."""
    stream = stream or sys.stdout
    console = _rich_console(stream) if stream.isatty() and not os.environ.get("NO_COLOR") else None
    for line in lines:
        if console is None:
            print(line.text, file=stream)
        else:
            console.print(line.text, style=_STYLES.get(line.part, ""))


def make_lenient(*streams: Any) -> None:
    """Let a terminal that lacks a character show `?` for it instead of ending the command."""
    for stream in streams:
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")


def _rich_console(stream: Any) -> Any:
    try:
        from rich.console import Console
    except ImportError:
        return None
    return Console(file=stream, markup=False, highlight=False, emoji=False, soft_wrap=True)
