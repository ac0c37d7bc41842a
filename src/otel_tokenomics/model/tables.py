"""A TOML file's tables, read key by key. What is wrong is refused with file, line, key and what is right."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, NoReturn

from otel_tokenomics.model.money import FEMTO

_DECIMALS = 15
_DECIMAL = re.compile(r"([0-9]{1,15})(?:\.([0-9]{1,15}))?")
_CURRENCY = re.compile(r"[A-Z]{3}")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MOST_BYTES = 4_000_000

Place = tuple[str | int, ...]
Span = tuple[int, int | None]
"""An interval of Unix nanoseconds; its end is outside it, and `None` is open."""


class FileError(ValueError):
    """A file that cannot be: the message says where, what is wrong, and what would be right.

    `kind` is what the file should be.
    """

    kind = "configuration file"


@dataclass(frozen=True, slots=True)
class Document:
    """A file, with the line of each key so that an error can name it. Its errors are of the class `error`."""

    path: Path
    tables: Mapping[str, Any]
    lines: Mapping[Place, int]
    error: type[FileError] = FileError

    @classmethod
    def read(cls, path: Path, error: type[FileError] = FileError) -> Document:
        """The file at `path`. Raises `error`."""
        try:
            data = path.read_bytes()[: _MOST_BYTES + 1]
            text = data.decode("utf-8")
        except (OSError, UnicodeDecodeError) as trouble:
            raise error(f"{path} cannot be read: {trouble}") from None
        if len(data) > _MOST_BYTES:
            raise error(f"{path} is larger than {_MOST_BYTES // 10**6} MB: is it a {error.kind}?")
        return cls.parse(text, path, error)

    @classmethod
    def parse(cls, text: str, path: Path, error: type[FileError] = FileError) -> Document:
        """A file from its text. Raises `error`."""
        try:
            tables = tomllib.loads(text)
        except (tomllib.TOMLDecodeError, RecursionError) as trouble:
            raise error(f"{path} is not TOML: {trouble or 'nested too deeply'}") from None
        return cls(path, tables, dict(_places(text)), error)

    def refuse(self, place: Place, why: str) -> NoReturn:
        """Raise the error of one key, named without the numbers of its table."""
        key = ".".join(str(part) for part in place if isinstance(part, str))
        raise self.error(f"{self.path}, line {self.line(place)}: {key} {why}")

    def line(self, place: Place) -> int:
        """The line on which a key, or else what it is in, stands; 1 if a search cannot tell."""
        while place:
            if (line := self.lines.get(place)) is not None:
                return line
            place = place[:-1]
        return 1

    def each(self, name: str, keys: tuple[str, ...]) -> Iterator[Table]:
        """The tables `[[name]]`, which may hold `keys`. Raises the file's error."""
        found = self.tables.get(name, [])
        if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
            self.refuse((name,), f"must be tables: begin each with [[{name}]]")
        for number, values in enumerate(found):
            yield Table(self, (name, number), values, keys)

    def strings(self, name: str) -> Table:
        """The table `[name]`, whose keys are the user's own."""
        found = self.tables.get(name, {})
        if not isinstance(found, dict):
            self.refuse((name,), f"must be a table: begin it with [{name}]")
        return Table(self, (name,), found, None)


class Table:
    """One table. Its methods read a key, and refuse what cannot be."""

    def __init__(
        self, document: Document, place: Place, values: Mapping[str, Any], keys: tuple[str, ...] | None
    ) -> None:
        self._document = document
        self.place = place
        self.values = values
        for key in values if keys is not None else ():
            if key not in (keys or ()):
                self.refuse(key, f"is not known{nearest(key, keys or ())}; known: {', '.join(keys or ())}")

    @property
    def line(self) -> int:
        """The line on which the table begins."""
        return self._document.line(self.place)

    def refuse(self, key: str | None, why: str) -> NoReturn:
        """Raise the error of a key, or of the whole table."""
        self._document.refuse(self.place if key is None else (*self.place, key), why)

    def need(self, key: str, example: str) -> Any:
        """The value of a key that must be there."""
        if key not in self.values:
            self.refuse(None, f"lacks {key}: add {key} = {example}")
        return self.values[key]

    def text(self, key: str, example: str, default: str | None = None) -> str:
        """A non-empty string."""
        value = self.values.get(key, default) if default is not None else self.need(key, example)
        if not isinstance(value, str) or not value.strip():
            self.refuse(key, f"must be a non-empty string, not {value!r}: {key} = {example}")
        return value

    def texts(self, key: str, example: str) -> tuple[str, ...]:
        """A list of non-empty strings; empty where the key is absent."""
        value = self.values.get(key, [])
        if not isinstance(value, list) or not all(isinstance(item, str) and item for item in value):
            self.refuse(key, f"must be a list of strings, not {value!r}: {key} = {example}")
        if len(set(value)) != len(value):
            self.refuse(key, "names something twice: name each once")
        return tuple(value)

    def patterns(self, key: str) -> tuple[str, ...]:
        """A pattern, or a list of them, that a value is to be like."""
        value = self.values[key]
        found = (value,) if isinstance(value, str) else tuple(value) if isinstance(value, list) else ()
        if not found or not all(isinstance(item, str) and item for item in found):
            self.refuse(key, f'must be a string or a list of strings, not {value!r}: {key} = "search"')
        return found

    def choice(self, key: str, allowed: tuple[str, ...], default: str | None = None) -> str:
        """One of some words."""
        value = self.text(key, f'"{allowed[0]}"', default)
        if value not in allowed:
            self.refuse(key, f"is {value!r}; it must be {either(allowed)}{nearest(value, allowed)}")
        return value

    def whole(self, key: str, default: int) -> int:
        """A whole number from 1 on."""
        value = self.values.get(key, default)
        if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= 10**12:
            self.refuse(key, f"must be a whole number from 1 on, not {value!r}")
        return value

    def amount(self, key: str, example: str = '"2.50"') -> int:
        """An amount of money, a string, in femto-units of its currency."""
        return self.decimal(key, example)

    def decimal(self, key: str, example: str) -> int:
        """A decimal string from 0 on, in units of 1e-15."""
        value = self.need(key, example)
        if not isinstance(value, str):
            self.refuse(key, f"is the number {value!r}; write it as a string, so that it is exact: {example}")
        found = _DECIMAL.fullmatch(value)
        if found is None:
            self.refuse(key, f"is {value!r}; it must be a plain decimal of at most 15 places, as {example}")
        return int(found[1]) * FEMTO + int((found[2] or "").ljust(_DECIMALS, "0"))

    def currency(self, key: str = "currency", default: str | None = "USD") -> str:
        """An ISO 4217 code."""
        value = self.text(key, '"EUR"', default)
        if not _CURRENCY.fullmatch(value):
            self.refuse(key, f'is {value!r}; it must be a code of ISO 4217 in capitals, as "EUR"')
        return value

    def instant(self, key: str) -> int | None:
        """An instant in Unix nanoseconds: a date is its midnight in UTC."""
        value = self.values.get(key)
        if value is not None and not isinstance(value, date):
            self.refuse(key, f"is {value!r}; it must be a date without quotes: {key} = 2026-10-01")
        if isinstance(value, datetime):
            if value.tzinfo is None:
                self.refuse(key, f"is {value}, in no time zone: write {value.isoformat()}Z for UTC")
            return (value - _EPOCH) // timedelta(microseconds=1) * 1000
        if value is None:
            return None
        return (datetime(value.year, value.month, value.day, tzinfo=UTC) - _EPOCH).days * 86_400 * 10**9

    def period(self, *, begins: bool = False) -> Span:
        """`from` and `until`. With `begins`, `from` must be there."""
        if begins:
            self.need("from", "2026-10-01")
        start, end = self.instant("from"), self.instant("until")
        if start is not None and end is not None and end <= start:
            self.refuse("until", "is not after from: until is the first instant that is outside")
        return (start if start is not None else -(2**63), end)

    def inner(self, key: str, example: str) -> Table:
        """A table within this one, with at least one key."""
        value = self.need(key, example)
        if not isinstance(value, dict) or not value:
            self.refuse(key, f"must be a table, not {value!r}: {key} = {example}")
        return Table(self._document, (*self.place, key), value, None)

    def item(self, key: str, number: int, keys: tuple[str, ...]) -> Table:
        """One of the tables in a list, which may hold `keys`."""
        return Table(self._document, (*self.place, key, number), self.values[key][number], keys)

    def table(self, key: str, keys: tuple[str, ...]) -> Table:
        """A table within this one, which may hold `keys`."""
        return Table(self._document, (*self.place, key), self.values[key], keys)


def either(allowed: tuple[str, ...]) -> str:
    """`a, b or c`."""
    return ", ".join(allowed[:-1]) + f" or {allowed[-1]}" if len(allowed) > 1 else allowed[0]


def nearest(word: str, allowed: Iterable[str]) -> str:
    """` (did you mean x?)`, where something is near."""
    close = difflib.get_close_matches(word, tuple(allowed), 1)
    return f" (did you mean {close[0]}?)" if close else ""


_HEADER = re.compile(r"(\[\[?)\s*([^\[\]]+?)\s*\]\]?\s*(?:#.*)?")
_KEY = re.compile(
    r"""((?:"[^"]*"|'[^']*'|[A-Za-z0-9_-]+)(?:\s*\.\s*(?:"[^"]*"|'[^']*'|[A-Za-z0-9_-]+))*)\s*="""
)
_PART = re.compile(r""""([^"]*)"|'([^']*)'|([A-Za-z0-9_-]+)""")


def _places(text: str) -> Iterator[tuple[Place, int]]:
    """Every table and key with its line, the numbers of `[[tables]]` included."""
    counts: dict[Place, int] = {}
    table: Place = ()
    for number, line in enumerate(text.splitlines(), 1):
        bare = line.strip()
        if header := _HEADER.fullmatch(bare):
            table = _numbered(_parts(header[2]), counts, new=header[1] == "[[")
            yield table, number
        elif key := _KEY.match(bare):
            yield (*table, *_parts(key[1])), number


def _numbered(names: tuple[str, ...], counts: dict[Place, int], *, new: bool) -> Place:
    """The place of a header: a table within the last one of `[[tables]]` is in that one."""
    if new:
        counts[names] = counts.get(names, -1) + 1
        return (*names, counts[names])
    if names[:1] in counts and len(names) > 1:
        return (names[0], counts[names[:1]], *names[1:])
    return names


def _parts(text: str) -> tuple[str, ...]:
    return tuple(first or second or third for first, second, third in _PART.findall(text))
