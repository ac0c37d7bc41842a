"""`tokenomics info`: the versions that a bug report needs."""

from __future__ import annotations

import argparse
import json
import platform
import re
import sqlite3
import sys
from importlib import metadata
from typing import Any

from otel_tokenomics.cli import console
from otel_tokenomics.version import __version__

EXAMPLES = """\
  tokenomics info                  to paste into a bug report; it holds no keys, paths of yours or host names
  tokenomics info --json"""

_PREFIXES = ("opentelemetry-", "openinference-instrumentation")
_NAMES = ("openai", "anthropic", "httpx", "httpx2", "wrapt", "tiktoken", "grpcio", "rich", "langchain-core")


def add_parser(subparsers: Any) -> None:
    """Add `info` to the command's subparsers."""
    parser = console.new_parser(subparsers, "info", "print versions for a bug report", EXAMPLES)
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the versions."""
    versions = collect()
    if arguments.json:
        print(json.dumps(versions, indent=2))
        return 0
    width = max(map(len, versions))
    for name, version in versions.items():
        print(f"{name:{width}}  {version}")
    return 0


def collect() -> dict[str, str]:
    """Versions by name: this package, the platform, and what of the field is installed."""
    return {
        "otel-tokenomics": __version__,
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "platform": f"{sys.platform} {platform.machine()} {platform.release()}",
        "sqlite": sqlite3.sqlite_version,
        **installed(),
    }


def installed() -> dict[str, str]:
    """The versions of the installed distributions that matter here, by normalised name."""
    found = {}
    for distribution in metadata.distributions():
        name = re.sub(r"[-_.]+", "-", distribution.metadata["Name"] or "").lower()
        if name in _NAMES or name.startswith(_PREFIXES):
            found[name] = distribution.version
    return dict(sorted(found.items()))
