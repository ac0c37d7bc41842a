"""What `make versions` found, kept in the repository, for the page of coverage and for whoever reads it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.versions.table import rows

FILE = Path(__file__).with_name("found.jsonl")


@dataclass(frozen=True)
class Result:
    """One version of one library: what was asked for, what that was, how many ways to call it, and when."""

    library: str
    asked: str
    version: str
    passed: int
    failed: int
    absent: int
    date: str
    """The day, in UTC."""


def held() -> list[Result]:
    """What was found, in the order of the table, without what it no longer has."""
    lines = FILE.read_text("utf-8").splitlines() if FILE.exists() else []
    found = [Result(**json.loads(line)) for line in lines]
    by_row = {(result.library, result.asked): result for result in found}
    return [by_row[row.library, row.asked] for row in rows() if (row.library, row.asked) in by_row]


def keep(results: Iterable[Result]) -> None:
    """Put what was found now in place of what was found before."""
    by_row = {(result.library, result.asked): result for result in [*held(), *results]}
    lines = [
        json.dumps(asdict(by_row[row.library, row.asked]))
        for row in rows()
        if (row.library, row.asked) in by_row
    ]
    FILE.write_text("\n".join(lines) + "\n", "utf-8")
