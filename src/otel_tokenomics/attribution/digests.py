"""`[personal]`: owners that leave the process as a keyed hash of themselves, never as they are.

    [personal]
    hash = ["user"]
    salt_env = "OWNER_SALT"

HMAC-SHA-256 (RFC 2104) of the owner's kind and its value, cut to 80 bits: that two of a million users share
one has a probability of 4e-13, and without the salt nobody can try names. Services with one salt agree.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from otel_tokenomics.model.attribution import OWNERS, Attribution
from otel_tokenomics.model.tables import Document, Table, either, nearest

TABLE = "personal"
KEYS = ("hash", "salt_env", "salt_file")
MARK = "hmac:"
LIKELY = ("user", "session", "tenant")
"""What is withheld where the table cannot be read: whoever wrote it meant some of these."""
_LENGTH = 20
_LEAST_SALT = 16
_MOST_SEEN = 4096
_DIGEST = re.compile(rf"{MARK}[0-9a-f]{{{_LENGTH}}}")


@dataclass(frozen=True, slots=True)
class Digests:
    """Hashes the owners in `owners`. Without a salt it withholds them: what is personal is never plain."""

    owners: tuple[str, ...] = LIKELY
    salt: bytes | None = field(default=None, repr=False)
    _seen: dict[tuple[str, str], str] = field(default_factory=dict, compare=False, repr=False)

    def of(self, owner: str, value: str) -> str | None:
        """What stands for an owner's value. A digest stands for itself: it came from a process of ours."""
        digest = self._seen.get((owner, value))
        if digest is not None:
            return digest
        if owner not in self.owners or _DIGEST.fullmatch(value):
            return value
        if self.salt is None:
            return None
        told = f"{owner}\0{value}".encode("utf-8", "surrogatepass")
        digest = MARK + hmac.new(self.salt, told, "sha256").hexdigest()[:_LENGTH]
        if len(self._seen) >= _MOST_SEEN:
            self._seen.clear()
        self._seen[owner, value] = digest
        return digest

    def apply(self, who: Attribution) -> Attribution:
        """An attribution that may leave the process."""
        told: dict[str, Any] = {}
        for owner in self.owners:
            value = getattr(who, owner)
            if value is not None:
                told[owner] = self.of(owner, value)
        return who.but(told) if told else who

    def subject(self, subject: Mapping[str, str]) -> dict[str, str]:
        """What describes a call, with digests in it; what is withheld is not in it."""
        told = {key: self.of(key, value) for key, value in subject.items()}
        return {key: value for key, value in told.items() if value is not None}


def digests_of(document: Document, environ: Mapping[str, str]) -> Digests | None:
    """What a configuration file has hashed; `None` where it has nothing.

    Raises the document's error, also where the salt is not there. The salt's own value is in no message.
    """
    owners, table = _owners(document)
    return None if table is None else Digests(owners, _salt(table, environ))


def hashed_by(document: Document, environ: Mapping[str, str]) -> Digests | None:
    """The same for who only compares: without a salt nothing is equal to anything."""
    try:
        return digests_of(document, environ)
    except document.error:
        owners, _ = _owners(document)
        return Digests(owners)


def _owners(document: Document) -> tuple[tuple[str, ...], Table | None]:
    if TABLE not in document.tables:
        return (), None
    found = document.strings(TABLE)
    table = Table(document, found.place, found.values, KEYS)
    table.need("hash", '["user"]')
    owners = table.texts("hash", '["user"]')
    for name in owners:
        if name not in OWNERS:
            table.refuse("hash", f"names {name!r}; it may name {either(OWNERS)}{nearest(name, OWNERS)}")
    return owners, table


def _salt(table: Table, environ: Mapping[str, str]) -> bytes:
    if ("salt_env" in table.values) == ("salt_file" in table.values):
        table.refuse(None, 'needs one salt: salt_env = "OWNER_SALT", or salt_file = "/run/secrets/salt"')
    if "salt_env" in table.values:
        key, name = "salt_env", table.text("salt_env", '"OWNER_SALT"')
        salt = environ.get(name, "").encode("utf-8", "surrogateescape").strip()
    else:
        key, name = "salt_file", table.text("salt_file", '"/run/secrets/salt"')
        salt = _read(table, name).strip()
    if len(salt) < _LEAST_SALT:
        what = "not set" if not salt else f"shorter than {_LEAST_SALT} bytes"
        table.refuse(key, f"names {name}, which is {what}: make one, as with `openssl rand -hex 32`")
    return salt


def _read(table: Table, name: str) -> bytes:
    try:
        return Path(name).expanduser().read_bytes()[:4096]
    except OSError as error:
        table.refuse("salt_file", f"names {name}, which cannot be read: {error.strerror}")
