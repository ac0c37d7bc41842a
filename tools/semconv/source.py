"""The registry's files as they stand: every definition with the file that it is in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

SEMCONV = Path(__file__).resolve().parents[2] / "semconv"
OWN = "model"
DRAFT = "vendored/genai-cost-draft"
UPSTREAM = "vendored/opentelemetry"
ORIGINS = (UPSTREAM, DRAFT, OWN)
MANIFEST = "manifest.yaml"
FORMAT = "definition/2"

Raw = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Document:
    """One file of definitions. `origin` is the directory of the registry it belongs to."""

    path: Path
    origin: str
    data: Raw

    @property
    def own(self) -> bool:
        """Whether the file is of our registry, and not a copy of others' definitions."""
        return self.origin == OWN

    def section(self, name: str) -> list[Raw]:
        """The definitions of one section."""
        found = self.data.get(name)
        return found if isinstance(found, list) else []


def documents(root: Path = SEMCONV) -> list[Document]:
    """Every file of definitions of the registry at `root` and of what it depends on.

    Raises `OSError` and `yaml.YAMLError`.
    """
    return list(_documents(root))


def _documents(root: Path) -> Iterator[Document]:
    for origin in ORIGINS:
        for path in sorted((root / origin).glob("*.yaml")):
            if path.name != MANIFEST:
                data = yaml.safe_load(path.read_text(encoding="utf-8"))
                yield Document(path, origin, data if isinstance(data, dict) else {})


def manifest(origin: str, root: Path = SEMCONV) -> Raw:
    """The manifest of one registry."""
    data: Raw = yaml.safe_load((root / origin / MANIFEST).read_text(encoding="utf-8"))
    return data


def remarks(definition: Raw) -> Raw:
    """Our own annotations of a definition, of an attribute's use, or of an enumeration's member."""
    found = (definition.get("annotations") or {}).get("tokenomics")
    return found if isinstance(found, dict) else {}
