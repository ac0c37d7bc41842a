"""`tokenomics demo`: an agent, a provider on the loopback, and what the agent's calls cost."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any, Final

INTRODUCTION: Final = """\
The replies are canned, the prices are real. A small agent, on the real openai and anthropic client
libraries, talks to a provider on this machine's loopback: nothing leaves it and no key is needed.
"""


def add_parser(subparsers: Any) -> None:
    """Add `demo` to the command's subparsers."""
    parser = subparsers.add_parser(
        "demo",
        help="run a small agent against canned replies and show what it cost",
        description=INTRODUCTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--ledger",
        type=Path,
        metavar="PATH",
        help="keep the usage records in this ledger (default: a new one in the temporary folder)",
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the demo. 2 when something it needs is not installed, 1 when the agent failed."""
    # Imported here: every other command starts without a server and its parts.
    from otel_tokenomics.cli.demo.stage import play

    return play(arguments.ledger)
