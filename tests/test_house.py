"""The house keeps its order: who may import whom, what the wheel holds, what an import costs."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import textwrap
import zipfile
from pathlib import Path

import pytest
from tests._required import require, require_installed

ROOT = Path(__file__).resolve().parents[1]
HEAVY = ("openai", "anthropic", "httpx", "httpx2", "tiktoken", "opentelemetry.sdk", "grpc", "rich", "sqlite3")
MOST_PUBLIC_NAMES = 15


def run(*command: str, cwd: Path = ROOT, path: Path | None = None) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, **({"PYTHONPATH": str(path)} if path else {})}
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)


def lint_imports(root: Path) -> subprocess.CompletedProcess[str]:
    """The contracts of pyproject.toml, on the package below `root`."""
    require("importlinter", "the one-way flow between the rooms is checked with it")
    program = "from importlinter.cli import lint_imports_command; lint_imports_command(['--no-cache'])"
    return run(sys.executable, "-c", program, cwd=root, path=root / "src")


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the package with its contracts, to plant a fault in."""
    shutil.copytree(
        ROOT / "src", tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__", "data", "*.egg-info")
    )
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def test_imports_flow_one_way() -> None:
    kept = lint_imports(ROOT)
    assert kept.returncode == 0, kept.stdout + kept.stderr


@pytest.mark.parametrize(
    ("room", "line", "contract"),
    [
        ("pricing", "import otel_tokenomics.telemetry.names", "One-way flow between the rooms"),
        ("flow", "import otel_tokenomics.adapters.openai", "One-way flow between the rooms"),
        ("wiring", "import otel_tokenomics.cli.console", "One-way flow between the rooms"),
        ("adapters", "import openai", "Nobody imports a provider SDK or an HTTP library"),
        ("wiring", "import httpx", "Nobody imports a provider SDK or an HTTP library"),
        ("model", "import opentelemetry.trace", "Only telemetry, the ledger's exporter and wiring"),
    ],
)
def test_a_planted_violation_is_caught(copy: Path, room: str, line: str, contract: str) -> None:
    (copy / "src" / "otel_tokenomics" / room / "planted.py").write_text(f"{line}\n", encoding="utf-8")
    broken = lint_imports(copy)
    assert broken.returncode == 1, broken.stdout + broken.stderr
    line_of_contract = next(line for line in broken.stdout.splitlines() if line.startswith(contract))
    assert "BROKEN" in line_of_contract


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    require("hatchling", "the wheel is built with it")
    folder = tmp_path_factory.mktemp("dist")
    built = run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder))
    assert built.returncode == 0, built.stdout + built.stderr
    return zipfile.ZipFile(next(folder.glob("*.whl")))


@pytest.mark.parametrize(
    "name",
    [
        "otel_tokenomics/py.typed",
        "otel_tokenomics/data/o200k_base.tiktoken.xz",
        "otel_tokenomics/data/LICENSE-tiktoken",
        "otel_tokenomics/pricing/data/LICENSE-azure-genai-prices",
        "otel_tokenomics/pricing/data/LICENSE-genai-prices",
        "otel_tokenomics/pricing/data/LICENSE-litellm",
        "otel_tokenomics/pricing/data/LICENSE-model-prices",
        "licenses/LICENSE",
        "licenses/NOTICE",
        "entry_points.txt",
    ],
)
def test_the_wheel_holds(wheel: zipfile.ZipFile, name: str) -> None:
    assert any(held.endswith(name) for held in wheel.namelist())


def test_the_wheel_holds_price_cards(wheel: zipfile.ZipFile) -> None:
    data = [info for info in wheel.infolist() if info.filename.startswith("otel_tokenomics/pricing/data/")]
    assert any(info.file_size > 10_000 for info in data)


def test_the_wheel_holds_nothing_else(wheel: zipfile.ZipFile) -> None:
    roots = {name.partition("/")[0] for name in wheel.namelist()}
    assert {root for root in roots if not root.endswith(".dist-info")} == {"otel_tokenomics"}
    assert not [name for name in wheel.namelist() if "test" in name or name.endswith((".pyc", ".sqlite3"))]


def test_every_entry_point_is_there() -> None:
    require_installed()
    program = (
        "from importlib.metadata import distribution\n"
        "for point in distribution('otel-tokenomics').entry_points:\n"
        "    point.load()\n"
    )
    loaded = run(sys.executable, "-c", program)
    assert loaded.returncode == 0, loaded.stderr


def test_an_import_is_light() -> None:
    program = f"import sys, otel_tokenomics; print(*[name for name in {HEAVY!r} if name in sys.modules])"
    imported = run(sys.executable, "-c", program)
    assert (imported.returncode, imported.stdout.strip()) == (0, ""), imported.stderr


def test_public_names_are_few() -> None:
    import otel_tokenomics

    assert len(otel_tokenomics.__all__) <= MOST_PUBLIC_NAMES
    assert all(hasattr(otel_tokenomics, name) for name in otel_tokenomics.__all__)


def test_public_names_say_what_they_are() -> None:
    import otel_tokenomics

    told = [name for name in otel_tokenomics.__all__ if not name.startswith("__")]
    assert all(getattr(otel_tokenomics, name).__doc__ for name in told)


def test_sizes_are_kept() -> None:
    checked = run(sys.executable, "tools/check_sizes.py", "src", "tests", "tools")
    assert checked.returncode == 0, checked.stdout


def test_a_size_passed_is_told(tmp_path: Path) -> None:
    body = "".join(f"    x = {number}\n" for number in range(60))
    (tmp_path / "long.py").write_text(f"def f():\n{body}", encoding="utf-8")
    checked = run(sys.executable, str(ROOT / "tools" / "check_sizes.py"), str(tmp_path))
    assert checked.returncode == 1
    assert "f has 61 lines" in checked.stdout


DOCUMENTS = sorted(str(page.relative_to(ROOT)) for page in (*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")))


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_lead_somewhere(document: str) -> None:
    page = ROOT / document
    links = re.findall(r"\]\(([^)]+)\)", page.read_text(encoding="utf-8"))
    local = [link.partition("#")[0] for link in links if "://" not in link]
    assert [link for link in local if not (page.parent / link).exists()] == []


def test_every_variable_is_documented() -> None:
    from otel_tokenomics import environment_variables

    documented = (ROOT / "docs" / "platform.md").read_text(encoding="utf-8")
    variables = [name for name in vars(environment_variables) if name.startswith("OTEL_")]
    assert [name for name in variables if f"| `{name}` |" not in documented] == []


def test_the_documented_configuration_is_one(tmp_path: Path) -> None:
    from otel_tokenomics.wiring.settings import load

    text = (ROOT / "docs" / "platform.md").read_text(encoding="utf-8")
    indented = [block for block in text.split("\n\n") if block.lstrip("\n").startswith("    [")]
    config = tmp_path / "tokenomics.toml"
    config.write_text("\n".join(textwrap.dedent(block) for block in indented), encoding="utf-8")
    settings = load({"OTEL_TOKENOMICS_CONFIG": str(config)})
    assert settings.hosts["llm.internal.example"] == "openai"
    assert settings.attribution["team"] == "search"
