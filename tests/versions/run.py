"""`make versions`: every way to call each client library, on its oldest, each major and the newest version.

Each version has a virtual environment of its own, kept for the next time (see `environments`).

    make versions                          every library, and the table in docs/coverage.md anew
    make versions ARGS='--only cohere'     rows whose name holds that, and what was told of the others stays
    make versions ARGS=--fresh             make the environments anew, so that the newest are the newest
"""

from __future__ import annotations

import argparse
import datetime
import json
import sys
from pathlib import Path
from typing import Any

from tests.versions import environments, record
from tests.versions.table import Row, rows

PLAY = Path(__file__).with_name("play.py")
_NOTHING: dict[str, Any] = {"passed": 0, "absent": [], "version": "-"}


def played(row: Row, fresh: bool) -> dict[str, Any]:
    """What came of one version. The last line that its process prints is JSON."""
    try:
        place = environments.environment(row.pins, fresh)
    except Exception as error:
        return {**_NOTHING, "failed": {"install": f"{type(error).__name__}: {error}"}}
    ran = environments.run(place, str(PLAY), row.library, "--json")
    lines = ran.stdout.strip().splitlines()
    if not lines or not lines[-1].startswith("{"):
        return {**_NOTHING, "failed": {"start": ran.stderr.strip()[-2000:]}}
    told: dict[str, Any] = json.loads(lines[-1])
    return told if told["passed"] else {**told, "failed": {"all": "nothing passed", **told["failed"]}}


def main() -> int:
    """Make, run, print, keep. The exit status is 1 if anything failed anywhere."""
    parser = argparse.ArgumentParser(prog="make versions", description=__doc__)
    parser.add_argument("--only", default="", help="a part of a row's name")
    parser.add_argument("--fresh", action="store_true", help="make the environments anew")
    asked = parser.parse_args()
    chosen = [row for row in rows() if asked.only in row.name]
    results: list[record.Result] = []
    print(f"{'library':25}{'asked for':12}{'version':10}{'passed':>7}{'failed':>7}{'not there':>10}")
    for row in chosen:
        told = played(row, asked.fresh)
        counts = told["passed"], len(told["failed"]), len(told["absent"])
        print("{:25}{:12}{:10}".format(row.library, row.asked, told["version"]), end="")
        print("{:7}{:7}{:10}".format(*counts), flush=True)
        for shape, why in told["failed"].items():
            print(f"FAILED {row.name}: {shape}: {why}")
        today = datetime.datetime.now(tz=datetime.UTC).date().isoformat()
        results.append(record.Result(row.library, row.asked, told["version"], *counts, today))
    if not chosen:
        print(f"no row's name holds {asked.only!r}", file=sys.stderr)
        return 1
    record.keep(results)
    return 1 if any(result.failed for result in results) else 0


if __name__ == "__main__":
    sys.exit(main())
