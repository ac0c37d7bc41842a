"""Virtual environments of pinned client libraries: one base with this project, and one above it for each.

They lie under the user's cache folder (`XDG_CACHE_HOME`, else `~/.cache`), named after what is in them, and
are kept for the next time. The base has this project and what it depends on; an environment above it sees
that, and has of its own only what its pins need otherwise, as `pip` resolves it.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SUPPORT = ("pyyaml",)
"""What the tests' own support needs."""


def needs() -> list[str]:
    """What the project depends on."""
    told: list[str] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    return told


def _home(*parts: str) -> Path:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    name = hashlib.sha256(" ".join([*parts, *needs(), *SUPPORT, sys.version]).encode()).hexdigest()[:16]
    return cache / "otel-tokenomics" / "versions" / name


def python_of(place: Path) -> Path:
    """An environment's interpreter."""
    return place / "bin" / "python"


def _packages(place: Path) -> Path:
    return Path(sysconfig.get_path("purelib", "venv", {"base": str(place), "platbase": str(place)}))


def _make(place: Path, fresh: bool, below: Path | None, what: list[str]) -> Path:
    if fresh:
        shutil.rmtree(place, ignore_errors=True)
    if not (place / "whole").exists():
        shutil.rmtree(place, ignore_errors=True)
        place.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(place)], check=True)
        if below is not None:
            (_packages(place) / "base.pth").write_text(f"{_packages(below)}\n")
        pip = [sys.executable, "-m", "pip", "--python", str(python_of(place)), "install", "-q"]
        subprocess.run([*pip, "--disable-pip-version-check", *needs(), *what], check=True)
        (place / "whole").touch()
    return place


def environment(pins: tuple[str, ...], fresh: bool) -> Path:
    """The environment of some pins, made if it is not there whole."""
    base = _make(_home("base", str(ROOT)), False, None, ["--editable", str(ROOT), *SUPPORT])
    return _make(_home(str(ROOT), *pins), fresh, base, list(pins))


def run(place: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """Run the environment's interpreter in this checkout."""
    variables = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'src'}"}
    return subprocess.run(
        [str(python_of(place)), "-W", "ignore", *command],
        capture_output=True,
        text=True,
        check=False,
        env=variables,
        cwd=place,
        timeout=300,
    )
