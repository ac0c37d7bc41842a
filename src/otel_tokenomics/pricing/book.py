"""`PriceBook`: the compiled price cards that the package carries. Nothing here reaches for the network."""

from __future__ import annotations

import io
import json
import threading
import zipfile
from collections.abc import Callable, Mapping
from functools import lru_cache
from importlib.resources import files
from typing import Any

from otel_tokenomics.model.money import UnpricedReason
from otel_tokenomics.pricing.cards import DAY, Calendar, Card, read_calendar, read_card, unix_ns
from otel_tokenomics.pricing.names import Match, Names
from otel_tokenomics.pricing.tariff import Tariff

SCHEMA = 1
"""The newest form of card archives that is read here. A manifest without a `schema` is of form 1."""

_MOST_TARIFFS = 4096
_FRESH_DAYS = 60

TariffKey = tuple[str, str, str | None, str | None, str | None, str | None, bool]


class CardsError(ValueError):
    """A file that cannot be used as price cards; the message says why."""


class Section:
    """One provider's cards. A card is read from its compiled form when it is first asked for."""

    __slots__ = ("_calendars", "_cards", "_raw", "_units", "names")

    def __init__(
        self,
        provider: str,
        raw: Mapping[str, Any],
        units: Mapping[str, int],
        calendars: Mapping[str, Calendar],
    ) -> None:
        self._raw: Mapping[str, Any] = raw["cards"]
        self._units = units
        self._calendars = calendars
        self._cards: dict[str, Card] = {}
        self.names = Names(self._raw, raw["names"], provider)

    def card(self, id: str) -> Card:
        """The card of an id of the catalogue. Raises `KeyError`."""
        if (card := self._cards.get(id)) is None:
            card = self._cards[id] = read_card(id, self._raw[id], self._units, self._calendars)
        return card

    def ids(self) -> tuple[str, ...]:
        """The ids that have a card."""
        return tuple(self._raw)


class PriceBook:
    """Price cards by provider and model.

    `name` and `version` go on every cost, so that it can be explained and reckoned again; the version ends
    in the digest of the content. `date` is the day on which the catalogue was read. `tariffs` is what `keep`
    remembers.
    """

    __slots__ = (
        "_calendars",
        "_lock",
        "_providers",
        "_read",
        "_sections",
        "_units",
        "date",
        "name",
        "tariffs",
        "version",
    )

    def __init__(self, manifest: Mapping[str, Any], read: Callable[[str], Mapping[str, Any]]) -> None:
        self.name: str = manifest["name"]
        self.version: str = manifest["version"]
        self.date: str = manifest["date"]
        self._providers: tuple[str, ...] = tuple(manifest["providers"])
        self._units: Mapping[str, int] = manifest["units"]
        calendars: Mapping[str, Any] = manifest.get("calendars", {})
        self._calendars = {name: read_calendar(raw) for name, raw in calendars.items()}
        self._read = read
        self._sections: dict[str, Section] = {}
        self.tariffs: dict[TariffKey, Tariff | UnpricedReason] = {}
        self._lock = threading.Lock()

    def stale(self, now_ns: int) -> bool:
        """Whether the prices are older than 60 days at an instant, in Unix nanoseconds."""
        return now_ns - unix_ns(self.date) > _FRESH_DAYS * DAY

    def providers(self) -> tuple[str, ...]:
        """The catalogue's providers."""
        return self._providers

    def section(self, provider: str) -> Section | None:
        """One provider's cards, read when they are first asked for, or `None`."""
        if (section := self._sections.get(provider)) is not None:
            return section
        if provider not in self._providers:
            return None
        with self._lock:
            if provider not in self._sections:
                self._sections[provider] = Section(
                    provider, self._read(provider), self._units, self._calendars
                )
        return self._sections[provider]

    def match(self, provider: str, model: str) -> Match | None:
        """The id that a model's name stands for at a provider, and how it was found."""
        section = self.section(provider)
        return None if section is None else section.names.find(model)

    def card(self, provider: str, model: str) -> Card | None:
        """The card of a model by any of its names, or `None` when the catalogue does not know it."""
        section, match = self.section(provider), self.match(provider, model)
        return None if section is None or match is None else section.card(match.id)

    def keep(self, key: TariffKey, found: Tariff | UnpricedReason) -> Tariff | UnpricedReason:
        """Remember what a key comes to. Names come from servers, so memory is bounded."""
        if len(self.tariffs) >= _MOST_TARIFFS:
            self.tariffs.clear()
        self.tariffs[key] = found
        return found


@lru_cache(maxsize=1)
def bundled() -> PriceBook:
    """The price book that travels in the package. Raises `FileNotFoundError` if it was not packed."""
    data = files("otel_tokenomics.pricing").joinpath("data", "cards.zip").read_bytes()
    return read_book(data)


def read_book(data: bytes) -> PriceBook:
    """A price book from the bytes of its file. Raises `CardsError`, `zipfile.BadZipFile`, `KeyError`."""

    def member(name: str) -> Any:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return json.loads(archive.read(f"{name}.json"))

    manifest = member("manifest")
    check_form(manifest)
    return PriceBook(manifest, member)


def check_form(manifest: Mapping[str, Any]) -> None:
    """Raises `CardsError` for a form of archives that this version does not know."""
    form = manifest.get("schema", 1)
    if type(form) is not int or not 1 <= form <= SCHEMA:
        raise CardsError(f"it is of form {form!r}, and this version reads {SCHEMA}: upgrade the package")
