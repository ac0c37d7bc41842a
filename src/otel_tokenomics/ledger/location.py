"""Where the ledger is: `OTEL_TOKENOMICS_LEDGER`, else the user's state folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

VARIABLE = "OTEL_TOKENOMICS_LEDGER"
OFF = "off"


def ledger_path(environ: Mapping[str, str]) -> Path | None:
    """The ledger's file, or `None` when the environment switches the ledger off."""
    named = environ.get(VARIABLE, "").strip()
    if named.lower() == OFF:
        return None
    return Path(named).expanduser() if named else default_path(environ)


def default_path(environ: Mapping[str, str]) -> Path:
    """`$XDG_STATE_HOME/otel-tokenomics/ledger.sqlite3`, by default under `~/.local/state`."""
    state = environ.get("XDG_STATE_HOME", "")
    root = Path(state) if Path(state).is_absolute() else Path("~/.local/state").expanduser()
    return root / "otel-tokenomics" / "ledger.sqlite3"
