"""The tables of the configuration file that say who pays: `[[owner]]`, `[personal]`, `[baggage]`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from otel_tokenomics.attribution import digests, rules
from otel_tokenomics.model.attribution import OWNERS
from otel_tokenomics.model.tables import Document, Table, either, nearest

_KEYS = ("accept", "send", "hosts")


@dataclass(frozen=True, slots=True)
class Baggage:
    """Which owners are taken from W3C baggage, which go along in it, and to which hosts of models too."""

    accept: tuple[str, ...] = OWNERS
    send: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()


def _baggage(document: Document, environ: Mapping[str, str]) -> Baggage:
    found = document.strings("baggage")
    table = Table(document, found.place, found.values, _KEYS)
    return Baggage(
        accept=_owners(table, "accept") if "accept" in table.values else OWNERS,
        send=_owners(table, "send"),
        hosts=table.texts("hosts", '["llm.internal.example"]'),
    )


def _owners(table: Table, key: str) -> tuple[str, ...]:
    named = table.texts(key, '["tenant"]')
    for name in named:
        if name not in OWNERS:
            table.refuse(key, f"names {name!r}; it may name {either(OWNERS)}{nearest(name, OWNERS)}")
    return named


def _rules(document: Document, environ: Mapping[str, str]) -> rules.Rules | None:
    return rules.rules_of(document)


TABLES: Mapping[str, tuple[str, Callable[[Document, Mapping[str, str]], Any]]] = {
    "owner": ("owners", _rules),
    "personal": ("personal", digests.digests_of),
    "baggage": ("baggage", _baggage),
}
"""For each table, the setting that it makes, and how it is read."""


def read(table: str, path: Path, environ: Mapping[str, str]) -> tuple[str, Any]:
    """The setting that a table makes. Raises `FileError`."""
    setting, parse = TABLES[table]
    return setting, parse(Document.read(path), environ)
