"""The `tokenomics` command."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Callable, Sequence

from otel_tokenomics.cli import console
from otel_tokenomics.ledger.errors import LedgerError
from otel_tokenomics.version import __version__

COMMANDS = (
    "run",
    "report",
    "budget",
    "runs",
    "price",
    "reprice",
    "prices",
    "records",
    "doctor",
    "info",
    "demo",
)

_DESCRIPTION = "What your LLM calls cost: run a program, see its tokens and money by team and model."
_EPILOG = """\
begin here:
  tokenomics demo                            a small agent, real prices, no key needed
  tokenomics run -- python app.py            your program, and its cost when it ends
  tokenomics report --by team,model --since today
  tokenomics doctor                          what is covered here, what is not, and why

`tokenomics COMMAND --help` has more examples."""


def new_parser() -> argparse.ArgumentParser:
    """The command's parser, with every command's own."""
    parser = argparse.ArgumentParser(
        prog="tokenomics",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"otel-tokenomics {__version__}")
    subparsers = parser.add_subparsers(metavar="COMMAND", required=True)
    for name in COMMANDS:
        importlib.import_module(f"otel_tokenomics.cli.{name}").add_parser(subparsers)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; its exit code. 2: something to put right, said on stderr."""
    console.make_lenient(sys.stdout, sys.stderr)
    parser = new_parser()
    given = sys.argv[1:] if argv is None else argv
    if not given:
        parser.print_help(sys.stderr)
        return console.USAGE_ERROR
    arguments = parser.parse_args(given)
    command: Callable[[argparse.Namespace], int] = arguments.run
    try:
        code = command(arguments)
        sys.stdout.flush()
        return code
    except (console.CommandError, LedgerError) as error:
        print(f"tokenomics: {error}", file=sys.stderr)
        return getattr(error, "code", console.USAGE_ERROR)
    except BrokenPipeError:
        return _quiet_end()
    except KeyboardInterrupt:
        return 130


def _quiet_end() -> int:
    """The reader of our output, such as `head`, has gone: that is no error."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


if __name__ == "__main__":
    sys.exit(main())
