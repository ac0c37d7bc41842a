"""`tokenomics doctor`: what is covered here, what is not and why, and what to do about it."""

from __future__ import annotations

import argparse
import json
import os
from typing import Any

from otel_tokenomics.cli import console, findings
from otel_tokenomics.report.table import Line

EXAMPLES = """\
  tokenomics doctor                   run it where your program runs: same Python, same environment variables
  tokenomics doctor --json            for scripts
  tokenomics doctor > /dev/null && echo all covered

exit code: 0 nothing to put right, 1 something is not covered"""

_MARKS = {"ok": "ok   ", "note": "note ", "problem": "FIX  "}
_PARTS = {"ok": "row", "note": "row", "problem": "note"}


def add_parser(subparsers: Any) -> None:
    """Add `doctor` to the command's subparsers."""
    parser = console.new_parser(
        subparsers, "doctor", "tell what is covered here, what is not and why", EXAMPLES
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    console.add_ledger(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the findings; 1 when any of them is a problem."""
    sections = findings.collect(os.environ, arguments.ledger)
    problems = [item for section in sections for item in section.findings if item.level == "problem"]
    if arguments.json:
        document: dict[str, object] = {"healthy": not problems}
        document |= {section.name: section.document() for section in sections}
        print(json.dumps(document, indent=2, ensure_ascii=False))
    else:
        console.print_lines(line for section in sections for line in _lines(section))
        print(f"{len(problems)} to put right" if problems else "nothing to put right")
    return 1 if problems else 0


def _lines(section: findings.Section) -> list[Line]:
    lines = [Line(section.title, "head")]
    for finding in section.findings:
        lines.append(Line(f"  {_MARKS[finding.level]}{finding.text}", _PARTS[finding.level]))
        if finding.advice:
            lines.append(Line(f"       {finding.advice}", "title"))
    return [*lines, Line("", "row")]
