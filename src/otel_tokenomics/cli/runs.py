"""`tokenomics runs`: what each run in the ledger cost, with the runs within it."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from otel_tokenomics.attribution.runs import ID, NAME, PARENT
from otel_tokenomics.cli import console
from otel_tokenomics.ledger import queries
from otel_tokenomics.ledger.store import reading
from otel_tokenomics.model.money import decimal_string
from otel_tokenomics.model.usage import TOKEN_COMPONENTS
from otel_tokenomics.report import table

EXAMPLES = """\
  tokenomics runs                     the dearest runs, each with those within it
  tokenomics runs --since today --json

A run is what `with run("name"):` surrounds in a program; docs/budgets.md explains it. The cost of a run is
that of all its calls, runs within it included, each call counted once."""

_SHOWN = 20
_SECOND = 1_000_000_000


@dataclass(slots=True)
class Node:
    """One run: its own calls, and those of the runs within it."""

    id: str
    name: str
    parent: str | None
    calls: int = 0
    tokens: int = 0
    attempts: int = 0
    femto: int = 0
    unpriced: int = 0
    first_tokens: int | None = None
    children: list[Node] = field(default_factory=list)

    def add(self, row: Mapping[str, Any]) -> None:
        """Count one record."""
        tokens = sum(int(row[f"{part}_tokens"] or 0) for part in TOKEN_COMPONENTS)
        self.calls += 1
        self.tokens += tokens
        self.attempts += row["attempts"] or 1
        self.first_tokens = tokens if self.first_tokens is None else self.first_tokens
        if row["cost_femto"] is None or row["cost_currency"] not in (None, "USD"):
            self.unpriced += 1
        else:
            self.femto += int(row["cost_femto"])

    def told(self) -> dict[str, Any]:
        """The run as JSON says it."""
        return {
            "id": self.id,
            "name": self.name,
            "cost": decimal_string(self.femto),
            "calls": self.calls,
            "tokens": self.tokens,
            "attempts": self.attempts,
            "unpriced": self.unpriced,
            "amplification": round(self.tokens / self.first_tokens, 2) if self.first_tokens else None,
            "runs": [child.told() for child in self.children],
        }


def add_parser(subparsers: Any) -> None:
    """Add `runs` to the command's subparsers."""
    parser = console.new_parser(subparsers, "runs", "what each run cost, with the runs within it", EXAMPLES)
    parser.add_argument("--json", action="store_true", help="print JSON, money as exact decimal strings")
    parser.add_argument(
        "--top", type=console.positive, default=_SHOWN, metavar="N", help="only the dearest N"
    )
    console.add_period(parser)
    console.add_ledger(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the runs, the dearest first."""
    since, until = console.period_of(arguments)
    begin, end = [None if at is None else int(at.timestamp()) * _SECOND for at in (since, until)]
    with reading(console.ledger_of(arguments)) as connection:
        roots = trees(queries.records(connection, queries.Scope(begin, end), None))
    dearest = sorted(roots, key=lambda node: (-node.femto, node.id))[: arguments.top]
    if arguments.json:
        print(json.dumps({"runs": [node.told() for node in dearest]}, ensure_ascii=False))
    elif dearest:
        _print([(depth, node) for root in dearest for depth, node in _walk(root)])
    else:
        print('No runs recorded in that period: a program makes one with `with run("name"):`')
    return 0


def trees(rows: Iterable[Mapping[str, Any]]) -> list[Node]:
    """Every run that has no other around it, complete with what is within."""
    nodes: dict[str, Node] = {}
    for row in rows:
        tags = json.loads(row["tags"])
        if ID in tags:
            node = nodes.setdefault(tags[ID], Node(tags[ID], tags.get(NAME, "run"), tags.get(PARENT)))
            node.add(row)
    for node in list(nodes.values()):
        if node.parent is not None:
            # A run without calls of its own is known by those within it alone.
            nodes.setdefault(node.parent, Node(node.parent, "run", None)).children.append(node)
    roots = [node for node in nodes.values() if node.parent is None]
    for root in roots:
        _sum(root)
    return roots


def _sum(node: Node) -> None:
    for child in node.children:
        _sum(child)
        node.calls += child.calls
        node.tokens += child.tokens
        node.attempts += child.attempts
        node.femto += child.femto
        node.unpriced += child.unpriced
        if node.first_tokens is None:
            node.first_tokens = child.first_tokens


def _walk(node: Node, depth: int = 0) -> Iterator[tuple[int, Node]]:
    yield depth, node
    for child in node.children:
        yield from _walk(child, depth + 1)


def _print(shown: list[tuple[int, Node]]) -> None:
    columns = [
        table.Column("run", ["  " * depth + node.name for depth, node in shown], left=True),
        table.Column("cost USD", [decimal_string(node.femto) for _, node in shown]),
        table.Column("calls", [f"{node.calls:,}" for _, node in shown]),
        table.Column("attempts", [f"{node.attempts:,}" for _, node in shown]),
        table.Column("tokens", [f"{node.tokens:,}" for _, node in shown]),
        table.Column("amplification", [_times(node) for _, node in shown]),
        table.Column("id", [node.id for _, node in shown], left=True),
    ]
    fitted, _ = table.fit(columns, console.width_of_output())
    parts = ("head", *("row" for _ in shown))
    lines = table.laid_out(fitted)
    console.print_lines(table.Line(text, part) for text, part in zip(lines, parts, strict=True))


def _times(node: Node) -> str:
    return f"{node.tokens / node.first_tokens:.1f}x" if node.first_tokens else "-"
