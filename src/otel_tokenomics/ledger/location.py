"""Where the ledger is: `OTEL_TOKENOMICS_LEDGER`, the configuration file, the user's state folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

VARIABLE = "OTEL_TOKENOMICS_LEDGER"
CONFIGURATION = "OTEL_TOKENOMICS_CONFIG"
OFF = "off"


def ledger_path(environ: Mapping[str, str]) -> Path | None:
    """The ledger's file, or `None` when the environment switches the ledger off."""
    named = environ.get(VARIABLE, "").strip() or _configured(environ)
    if named.lower() == OFF:
        return None
    return Path(named).expanduser() if named else default_path(environ)


def default_path(environ: Mapping[str, str]) -> Path:
    """`$XDG_STATE_HOME/otel-tokenomics/ledger.sqlite3`, by default under `~/.local/state`."""
    state = environ.get("XDG_STATE_HOME", "")
    home = Path(environ.get("HOME") or "~").expanduser()
    root = Path(state) if Path(state).is_absolute() else home / ".local" / "state"
    return root / "otel-tokenomics" / "ledger.sqlite3"


def _configured(environ: Mapping[str, str]) -> str:
    """`ledger.path` of the configuration file. What is wrong with the file is reported by its own reader."""
    file = environ.get(CONFIGURATION)
    if not file:
        return ""
    import tomllib

    try:
        path = tomllib.loads(Path(file).read_text("utf-8"))["ledger"]["path"]
    except (OSError, ValueError, KeyError, TypeError):
        return ""
    return path if isinstance(path, str) else ""
