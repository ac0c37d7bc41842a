"""Prints how many exchanges were replayed, also when the tests ran in several processes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

REPLAYED = "replayed"


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """One line for each provider and shape."""
    counts: dict[tuple[str, str], Counter[str]] = {}
    for provider, shape, mode, kind, number in _replayed(terminalreporter):
        counts.setdefault((provider, shape), Counter())[f"{kind} {mode}"] += number
    if not counts:
        return
    terminalreporter.section("recorded exchanges replayed")
    for (provider, shape), kinds in sorted(counts.items()):
        told = ", ".join(f"{number} {kind}" for kind, number in sorted(kinds.items()))
        terminalreporter.write_line(f"{provider} {shape}: {kinds.total()} ({told})")
    total = sum(kinds.total() for kinds in counts.values())
    terminalreporter.write_line(f"{total} replays of recorded exchanges in all")


def _replayed(terminalreporter: Any) -> Iterator[tuple[str, str, str, str, int]]:
    for reports in terminalreporter.stats.values():
        for report in reports:
            if getattr(report, "when", None) == "call":
                yield from (told for name, told in report.user_properties if name == REPLAYED)
