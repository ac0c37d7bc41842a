"""The price book: cards compiled at build time, loaded provider by provider when one is first needed."""

from __future__ import annotations

import io
import json
import threading
import zipfile
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any

from otel_tokenomics.pricing.card import Card
from otel_tokenomics.pricing.names import candidates


class PriceBook:
    """A catalogue of price cards. `name` and `version` are recorded with every cost taken from it."""

    def __init__(self, archive: bytes) -> None:
        self._archive = zipfile.ZipFile(io.BytesIO(archive))
        self._lock = threading.Lock()
        self._sections: dict[str, Mapping[str, Any]] = {}
        self._cards: dict[tuple[str, str], Card | None] = {}
        self._manifest: dict[str, Any] = json.loads(self._archive.read("manifest.json"))
        self.name: str = self._manifest["catalog"]
        self.version: str = self._manifest["version"]
        self.date: str = self._manifest["date"]
        self.known_providers = frozenset(self._manifest["providers"])
        self.units: Mapping[str, int] = self._manifest["units"]

    def providers(self) -> list[str]:
        """The catalogue's provider ids."""
        return list(self._manifest["providers"])

    def models(self, provider: str) -> list[str]:
        """The catalogue's model ids of one provider."""
        return list(self._section(provider)["models"])

    def card(self, provider: str, model: str, exact: bool = False) -> Card | None:
        """The card of a model by its id, a documented alias, or its id without a date or a version.

        With `exact` only the first two. Never by a prefix: an unknown model has no card.
        """
        key = (provider, model if not exact else f"={model}")
        if key in self._cards:
            return self._cards[key]
        found = self._find(provider, (model,) if exact else candidates(model))
        if len(self._cards) < 4096:
            self._cards[key] = found
        return found

    def _find(self, provider: str, names: tuple[str, ...]) -> Card | None:
        section = self._section(provider)
        models, aliases = section["models"], section["aliases"]
        for name in names:
            model = name if name in models else aliases.get(name)
            if model is not None:
                return Card(provider, model, models[model], self.units)
        return None

    def _section(self, provider: str) -> Mapping[str, Any]:
        section = self._sections.get(provider)
        if section is None:
            with self._lock:
                section = self._load(provider)
                self._sections[provider] = section
        return section

    def _load(self, provider: str) -> Mapping[str, Any]:
        if provider not in self._manifest["providers"]:
            return {"models": {}, "aliases": {}}
        section: Mapping[str, Any] = json.loads(self._archive.read(f"{provider}.json"))
        return section


@cache
def bundled() -> PriceBook:
    """The book that this package ships. Read from the package once; never from the network."""
    return PriceBook(resources.files(__package__).joinpath("data/cards.zip").read_bytes())
