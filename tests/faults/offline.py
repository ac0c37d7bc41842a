"""The canaries' process, and what it asked a network for since before anything was imported.

python -m tests.faults.offline FOLDER
"""

from __future__ import annotations

import json
import runpy
import sys
from pathlib import Path
from typing import Any

NETWORK = frozenset(
    {"socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto", "urllib.Request"}
)
"""https://docs.python.org/3/library/audit_events.html"""
asked: list[str] = []


def listen(event: str, args: tuple[Any, ...]) -> None:
    """Take note of what asks for a network. It is not hindered: it would be noticed."""
    if event in NETWORK:
        asked.append(f"{event} {args[-1]!r}")


if __name__ == "__main__":
    sys.addaudithook(listen)
    runpy.run_module("tests.faults.canaries", run_name="__main__")
    Path(sys.argv[1], "network.json").write_text(json.dumps(asked))
