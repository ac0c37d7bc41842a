"""`tokenomics demo`: an agent, a provider on the loopback, and what the agent's calls cost."""

from __future__ import annotations

import argparse
from typing import Any, Final

from otel_tokenomics.cli import console

EXAMPLES: Final = """\
  tokenomics demo                            into a new ledger in the temporary folder
  tokenomics demo --ledger ./demo.sqlite3    into one that you keep

The replies are canned, the prices are real: nothing leaves this machine and no key is needed."""


def add_parser(subparsers: Any) -> None:
    """Add `demo` to the command's subparsers."""
    parser = console.new_parser(
        subparsers, "demo", "run a small agent against canned replies and show what it cost", EXAMPLES
    )
    console.add_ledger(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the demo. Raises `CommandError` when something it needs is not installed, or failed."""
    # Imported here: every other command starts without a server and its parts.
    from otel_tokenomics.cli.demo.stage import play

    return play(arguments.ledger)
