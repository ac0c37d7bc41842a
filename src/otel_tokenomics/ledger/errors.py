"""What can be wrong with a ledger's file: the cause, where, and what to do next."""

from __future__ import annotations

import errno
import sqlite3
from pathlib import Path
from typing import Literal

Cause = Literal["locked", "unwritable", "full", "corrupt", "too_new", "not_a_ledger", "missing", "failed"]

_ADVICE: dict[Cause, str] = {
    "locked": "Another process holds it. Close programs that keep a transaction open on it",
    "unwritable": "Check the permissions of the file and its folder, or set OTEL_TOKENOMICS_LEDGER to a path "
    "that this user can write",
    "full": "Free some space on that disk, or set OTEL_TOKENOMICS_LEDGER to a path on another one",
    "corrupt": "Move the file aside (nothing here deletes it); a new one is begun by itself. "
    "`sqlite3 FILE .recover` may save its rows",
    "too_new": "Upgrade otel-tokenomics here, or set OTEL_TOKENOMICS_LEDGER to another path. "
    "The file was not touched",
    "not_a_ledger": "It is a database of another program. Set OTEL_TOKENOMICS_LEDGER to another path",
    "missing": "Record something first, for example with `tokenomics run -- python app.py`, "
    "or name the file with --ledger",
    "failed": "See `tokenomics doctor`",
}

_CAUSES: tuple[tuple[str, Cause], ...] = (
    ("SQLITE_BUSY", "locked"),
    ("SQLITE_LOCKED", "locked"),
    ("SQLITE_READONLY", "unwritable"),
    ("SQLITE_CANTOPEN", "unwritable"),
    ("SQLITE_PERM", "unwritable"),
    ("SQLITE_AUTH", "unwritable"),
    ("SQLITE_FULL", "full"),
    ("SQLITE_CORRUPT", "corrupt"),
    ("SQLITE_NOTADB", "corrupt"),
)


class LedgerError(Exception):
    """A ledger that cannot be used. `cause` is a stable word; the text says what to do next."""

    def __init__(self, cause: Cause, path: Path, detail: str) -> None:
        self.cause: Cause = cause
        self.path = path
        super().__init__(f"ledger {path}: {detail}. {_ADVICE[cause]}.")


def ledger_error(error: sqlite3.Error | OSError, path: Path) -> LedgerError:
    """The `LedgerError` that an error of SQLite or of the file system amounts to."""
    if isinstance(error, OSError):
        cause: Cause = "full" if error.errno in (errno.ENOSPC, errno.EDQUOT) else "unwritable"
        return LedgerError(cause, path, error.strerror or type(error).__name__)
    name = getattr(error, "sqlite_errorname", None) or ""
    cause = next((cause for prefix, cause in _CAUSES if name.startswith(prefix)), "failed")
    return LedgerError(cause, path, str(error))
