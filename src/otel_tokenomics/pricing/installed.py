"""Newer price cards in the user's data folder: put there by a command that checked them, never downloaded."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import tempfile
import zipfile
from collections.abc import Mapping
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import Any

from otel_tokenomics.pricing.book import CardsError, PriceBook, bundled, read_book

_MOST_BYTES = 50_000_000
_log = logging.getLogger("otel_tokenomics")


def cards_path(environ: Mapping[str, str]) -> Path:
    """`$XDG_DATA_HOME/otel-tokenomics/cards.zip`, by default under `~/.local/share`."""
    data = environ.get("XDG_DATA_HOME", "")
    home = Path(environ.get("HOME") or "~").expanduser()
    root = Path(data) if Path(data).is_absolute() else home / ".local" / "share"
    return root / "otel-tokenomics" / "cards.zip"


@lru_cache(maxsize=1)
def current() -> PriceBook:
    """The price book in force: the package's, or one in the user's data folder that is not older."""
    book = bundled()
    path = cards_path(os.environ)
    if not path.is_file():
        return book
    try:
        other = _opened(path.read_bytes())
    except (CardsError, OSError) as error:
        _log.warning("%s is not used: %s. The package's prices are.", path, error)
        return book
    return book if other.date < book.date else other


def verified(data: bytes) -> PriceBook:
    """The price book of an archive in which every card can be read. Raises `CardsError`."""
    book = _opened(data)
    try:
        if _digest(data) != _manifest(data)["sha256"]:
            raise CardsError("its content is not what its manifest says: it was cut or changed")
        for provider in book.providers():
            section = book.section(provider)
            for id in () if section is None else section.ids():
                assert section is not None
                section.card(id)
    except CardsError:
        raise
    except Exception as error:
        raise CardsError(f"it holds a card that cannot be read ({type(error).__name__}: {error})") from error
    return book


def install(data: bytes, path: Path) -> None:
    """Put verified cards where `current` looks, whole or not at all. Raises `OSError`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".cards-", delete=False) as made:
        try:
            made.write(data)
            made.flush()
            os.fsync(made.fileno())
            Path(made.name).replace(path)
        except BaseException:
            Path(made.name).unlink(missing_ok=True)
            raise


def _opened(data: bytes) -> PriceBook:
    """The book of an archive whose manifest is in a form that is known. Raises `CardsError`."""
    try:
        _manifest(data)  # refuses what would unpack to too much, before anything is read
        return read_book(data)
    except CardsError:
        raise
    except Exception as error:
        raise CardsError(f"it is no archive of price cards ({type(error).__name__}: {error})") from error


def _manifest(data: bytes) -> Any:
    with zipfile.ZipFile(BytesIO(data)) as archive:
        if sum(info.file_size for info in archive.infolist()) > _MOST_BYTES:
            raise CardsError(f"it unpacks to more than {_MOST_BYTES // 10**6} MB")
        return json.loads(archive.read("manifest.json"))


def _digest(data: bytes) -> str:
    """SHA-256 over every section with its name, as the build that makes the cards reckons it."""
    digest = hashlib.sha256()
    with zipfile.ZipFile(BytesIO(data)) as archive:
        for name in sorted(set(archive.namelist()) - {"manifest.json"}):
            body = archive.read(name)
            digest.update(f"{name}:{len(body)}\n".encode())
            digest.update(body)
    return digest.hexdigest()
