"""Plays every way to call one client library on the version that is installed, and says how it went.

    python tests/versions/play.py groq          a line for each that failed
    python tests/versions/play.py groq --json   the same as one line of JSON, last

What a version does not have is told as absent. Needs no test runner.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import traceback
from collections.abc import Callable
from importlib import metadata
from typing import Any

from tests.support.telemetry import instrumented
from tests.versions import apart, kits

Play = Callable[[], None]
TABLES = ("openai", "anthropic")
"""Those with a table of shapes of their own."""


def _table(library: str) -> list[tuple[str, Play]]:
    from tests.versions import smoke  # It needs what its two libraries bring.

    def play(entry: tuple[str, str, bool, smoke.Shape]) -> Play:
        def one() -> None:
            with instrumented(library) as telemetry:
                smoke.check(*entry[1:], telemetry)

        return one

    return [(entry[0], play(entry)) for entry in smoke.shapes() if entry[1] == library]


def shapes(library: str) -> list[tuple[str, Play]]:
    """Every way to call a library: its title, and what plays it."""
    if library in TABLES:
        return _table(library)
    return kits.shapes(library) + apart.SHAPES.get(library, [])


def run(library: str) -> dict[str, Any]:
    """Play them all."""
    passed, failed, absent = 0, {}, []
    for title, play in shapes(library):
        try:
            play()
            passed += 1
        except kits.Absent:
            absent.append(title)
        except TypeError as error:
            # An argument of a call that this version does not know is a shape that it does not have.
            if library in TABLES and "unexpected keyword argument" in str(error):
                absent.append(title)
            else:
                failed[title] = traceback.format_exc(limit=-3)
        except Exception as error:
            failed[title] = f"{type(error).__name__}: {error} {traceback.format_exc(limit=-2)}"
    return {"passed": passed, "failed": failed, "absent": absent, "version": metadata.version(library)}


def main() -> int:
    """Run, print, and say by the exit status whether all is well."""
    logging.disable(logging.CRITICAL)
    os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    told = run(sys.argv[1])
    if "--json" in sys.argv:
        print(json.dumps(told))
    else:
        print(f"{told['passed']} passed on {told['version']}; not there: {told['absent']}")
        for title, why in told["failed"].items():
            print(f"FAILED {title}: {why}")
    return 1 if told["failed"] or not told["passed"] else 0


if __name__ == "__main__":
    sys.exit(main())
