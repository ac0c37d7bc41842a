"""`make versions`: the smoke file on the oldest, each major and the newest of every client library.

Each pair of versions gets a virtual environment of its own under the user's cache folder
(`XDG_CACHE_HOME`, else `~/.cache`), named after its pins and kept for the next time. Only this package and
what it depends on is installed beside the client libraries.

    make versions                      every pair
    make versions ARGS='--only 1.40'   pairs whose name holds "1.40"
    make versions ARGS=--fresh         make the environments anew
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SMOKE = ROOT / "tests" / "versions" / "smoke.py"


@dataclass(frozen=True)
class Pair:
    """Requirements of the two client libraries; newest means the newest that the bound allows."""

    openai: str
    anthropic: str
    also: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """A readable name."""
        return f"openai{self.openai} anthropic{self.anthropic}"

    @property
    def pins(self) -> list[str]:
        """What to install."""
        return [f"openai{self.openai}", f"anthropic{self.anthropic}", *self.also]


PAIRS = (
    Pair("==1.40.0", "==0.49.0", ("httpx<0.28",)),
    Pair(">=1.109,<2", ">=0.125,<1"),
    Pair(">=2,<3", ">=1,<2"),
    Pair(">=3,<4", ">=2,<3"),
)


def home(pair: Pair, fresh: bool) -> Path:
    """The pair's environment, made if it is not there whole."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    text = " ".join([*pair.pins, sys.version, (ROOT / "pyproject.toml").read_text()])
    place = cache / "otel-tokenomics" / "versions" / hashlib.sha256(text.encode()).hexdigest()[:16]
    if fresh:
        shutil.rmtree(place, ignore_errors=True)
    if not (place / "whole").exists():
        shutil.rmtree(place, ignore_errors=True)
        place.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run([sys.executable, "-m", "venv", str(place)], check=True)
        pip = [str(place / "bin" / "python"), "-m", "pip", "install", "-q", "--disable-pip-version-check"]
        subprocess.run([*pip, "--editable", str(ROOT), *pair.pins], check=True)
        (place / "whole").touch()
    return place


def smoke(place: Path) -> dict[str, object]:
    """Run the smoke file there. Its last line is JSON."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [str(place / "bin" / "python"), "-W", "ignore", str(SMOKE), "--json"]
    ran = subprocess.run(
        command, capture_output=True, text=True, check=False, env=environment, cwd=place, timeout=300
    )
    lines = ran.stdout.strip().splitlines()
    if not lines or not lines[-1].startswith("{"):
        return {"passed": 0, "failed": {"start": ran.stderr.strip()[-2000:]}, "absent": [], "versions": {}}
    told: dict[str, object] = json.loads(lines[-1])
    return told


def main() -> int:
    """Make, run, print. The exit status is 1 if a shape failed anywhere."""
    parser = argparse.ArgumentParser(prog="make versions", description=__doc__)
    parser.add_argument("--only", default="", help="a part of the pair's name")
    parser.add_argument("--fresh", action="store_true", help="make the environments anew")
    asked = parser.parse_args()
    rows, failed = [], {}
    for pair in PAIRS:
        if asked.only not in pair.name:
            continue
        print(f"{pair.name} ...", file=sys.stderr, flush=True)
        told = smoke(home(pair, asked.fresh))
        versions = told["versions"] or {"openai": pair.openai, "anthropic": pair.anthropic}
        rows.append((versions, told))
        if told["failed"]:
            failed[pair.name] = told["failed"]
    print(f"{'openai':12}{'anthropic':12}{'http':10}{'passed':>8}{'failed':>8}{'not there':>11}")
    for versions, told in rows:
        print(
            f"{versions['openai']:12}{versions['anthropic']:12}{versions.get('http', '-'):10}"
            f"{told['passed']:8}{len(told['failed']):8}{len(told['absent']):11}"
        )
    for name, shapes in failed.items():
        for shape, why in shapes.items():
            print(f"FAILED {name}: {shape}: {why}")
    if not rows:
        print(f"no pair's name holds {asked.only!r}", file=sys.stderr)
    return 1 if failed or not rows else 0


if __name__ == "__main__":
    sys.exit(main())
