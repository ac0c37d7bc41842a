"""The real command in a process of its own, and a program for it to run."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from collections.abc import Callable, Mapping
from importlib import metadata
from pathlib import Path

import pytest

from otel_tokenomics.cli.main import main

ROOT = Path(__file__).parents[2]

APP = """\
import sys, uuid
from otel_tokenomics.telemetry.events import UsageEvents
from tests.ledger._support import SONNET_CALL, MINI_CALL, UNPRICED_CALL, record

events = UsageEvents()
for call in (SONNET_CALL, MINI_CALL, UNPRICED_CALL):
    events.emit(record(key=uuid.uuid4().hex, **call))
print("out", *sys.argv[1:])
print("err", file=sys.stderr)
sys.exit(7)
"""

Tokenomics = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="session")
def python_path(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What PYTHONPATH has to hold so that a process finds the package as if it were installed."""
    places = [str(ROOT / "src"), str(ROOT)]
    try:
        metadata.distribution("otel-tokenomics")
    except metadata.PackageNotFoundError:
        places.append(str(registered(tmp_path_factory.mktemp("installed"))))
    return os.pathsep.join([*places, *filter(None, [os.environ.get("PYTHONPATH")])])


def registered(folder: Path) -> Path:
    """A folder with the metadata that an installation would have made, from pyproject.toml."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    info = folder / "otel_tokenomics-0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: otel-tokenomics\nVersion: 0\n")
    groups = [
        f"[{group}]\n" + "\n".join(f"{name} = {place}" for name, place in points.items())
        for group, points in project["entry-points"].items()
    ]
    (info / "entry_points.txt").write_text("\n".join(groups))
    return folder


@pytest.fixture
def environment(python_path: str, tmp_path: Path) -> dict[str, str]:
    """A user's environment without any of OpenTelemetry's variables or ours."""
    ours = ("OTEL_", "OPENAI_", "ANTHROPIC_", "COLUMNS", "NO_COLOR")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return {
        **kept,
        "PYTHONPATH": python_path,
        "HOME": str(tmp_path),
        "XDG_STATE_HOME": str(tmp_path / "state"),
    }


@pytest.fixture
def tokenomics(environment: dict[str, str], tmp_path: Path) -> Tokenomics:
    """Run `python -m otel_tokenomics ARGUMENT ...` with additions to the environment."""

    def run(*arguments: object, **additions: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "otel_tokenomics", *map(str, arguments)]
        given: Mapping[str, str] = {**environment, **additions}
        return subprocess.run(command, env=given, cwd=tmp_path, capture_output=True, text=True, check=False)

    return run


@pytest.fixture
def doctor(
    environment: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> Tokenomics:
    """Run `tokenomics doctor ARGUMENT ...` in this process, which has the client libraries imported."""

    def run(*arguments: object, **additions: str) -> subprocess.CompletedProcess[str]:
        given = {**environment, **additions}
        for name in set(os.environ) - set(given) - {"PYTEST_CURRENT_TEST"}:
            monkeypatch.delenv(name)
        for name, value in given.items():
            monkeypatch.setenv(name, value)
        monkeypatch.chdir(tmp_path)
        code = main(["doctor", *map(str, arguments)])
        return subprocess.CompletedProcess([], code, *capsys.readouterr())

    return run


@pytest.fixture
def app(tmp_path: Path) -> Path:
    """A program with three calls: $161.07, $0.0042, and one without a price. Its exit code is 7."""
    program = tmp_path / "app.py"
    program.write_text(APP)
    return program


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    """Where this test's ledger is."""
    return tmp_path / "ledger.sqlite3"
