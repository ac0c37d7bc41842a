"""Pages with tables between marks: `<!-- semconv: metrics -->` ... `<!-- /semconv -->`."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path

from tools.semconv import tables
from tools.semconv.registry import Registry

PAGES = ("docs/convention.md",)
_MARKED = re.compile(r"(<!-- semconv: (\w+)(?: ([\w. ]+))? -->\n).*?(<!-- /semconv -->)", re.DOTALL)


def page(text: str, registry: Registry, semconv: Path) -> str:
    """The page with every marked part made anew.

    Raises `KeyError` for a mark that names no table.
    """
    made: Mapping[str, Callable[[str], list[str]]] = {
        "attributes": lambda prefixes: tables.attributes(registry, prefixes.split()),
        "upstream": lambda _: tables.upstream(registry),
        "metrics": lambda _: tables.metrics(registry),
        "labels": lambda _: tables.labels(registry),
        "refined": lambda _: tables.refined(registry),
        "span": lambda _: tables.span(registry),
        "events": lambda _: tables.events(registry),
        "ledger": lambda _: tables.ledger(registry, semconv),
        "promotion": lambda _: tables.promotion(semconv),
        "pending": lambda _: tables.pending(registry),
    }

    def fill(mark: re.Match[str]) -> str:
        lines = made[mark[2]](mark[3] or "")
        return mark[1] + "\n".join(["", *lines, "", ""]) + mark[4]

    return _MARKED.sub(fill, text)
