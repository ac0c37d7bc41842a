"""What `doctor` finds out about client libraries and rivals, with and without what it looks for."""

from __future__ import annotations

import subprocess
import sys
from importlib import metadata
from pathlib import Path
from types import ModuleType

import pytest

from otel_tokenomics.wiring import coverage
from otel_tokenomics.wiring.coverage import Client, Rival


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def install(site: Path, name: str, version: str, entry: str = "") -> None:
    info = site / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    if entry:
        (info / "entry_points.txt").write_text(f"[opentelemetry_instrumentor]\n{entry}\n")


def found(name: str) -> Rival:
    (rival,) = [rival for rival in coverage.rivals({}) if rival.name == name]
    return rival


def client(monkeypatch: pytest.MonkeyPatch, **classes: type) -> Client:
    module = ModuleType("openai._base_client")
    vars(module).update(classes)
    monkeypatch.setitem(sys.modules, "openai._base_client", module)
    return next(client for client in coverage.clients() if client.name == "openai")


@pytest.mark.parametrize("library", coverage.POINTS)
def test_the_installed_libraries_have_every_point(library: str) -> None:
    if coverage.version_of(library) is None:
        pytest.skip(f"{library} is not installed")
    (known,) = [client for client in coverage.clients() if client.name == library]
    assert known.covered
    assert len(known.present) == len(coverage.POINTS[library])
    assert not known.missing
    assert known.error is None


def test_a_library_that_lost_a_point(monkeypatch: pytest.MonkeyPatch, site: Path) -> None:
    install(site, "openai", "99.0")
    whole = type("SyncAPIClient", (), {"request": 1, "_process_response": 1, "_retry_request": 1})
    partly = type("AsyncAPIClient", (), {"request": 1, "_process_response": 1})
    known = client(monkeypatch, SyncAPIClient=whole, AsyncAPIClient=partly)
    assert known.version == "99.0"
    assert len(known.present) == 5
    (missing,) = known.missing
    assert missing.title == "openai._base_client.AsyncAPIClient._sleep_for_retry|_retry_request"
    assert missing.without == "retried attempts are not counted"


def test_a_library_without_its_classes(monkeypatch: pytest.MonkeyPatch, site: Path) -> None:
    install(site, "openai", "99.0")
    assert len(client(monkeypatch).missing) == 6


def test_a_library_that_cannot_be_imported(monkeypatch: pytest.MonkeyPatch, site: Path) -> None:
    install(site, "openai", "99.0")
    monkeypatch.setitem(sys.modules, "openai._base_client", None)
    (known,) = [client for client in coverage.clients() if client.name == "openai"]
    assert known.error is not None
    assert "ModuleNotFoundError" in known.error


def test_a_library_that_is_not_covered_yet(site: Path) -> None:
    install(site, "google-generativeai", "0.8")
    (known,) = [client for client in coverage.clients() if client.name == "google-generativeai"]
    assert not known.covered


def test_a_rival_that_is_broken(site: Path) -> None:
    install(site, "opentelemetry-instrumentation-openai-v2", "2.4b0", "openai_v2 = no_such_module:It")
    rival = found("opentelemetry-instrumentation-openai-v2")
    assert rival.broken is not None
    assert "no_such_module" in rival.broken
    assert not rival.disabled


def test_a_rival_that_is_disabled_is_not_loaded(site: Path) -> None:
    install(site, "openinference-instrumentation-anthropic", "1.0", "oi_anthropic = no_such_module:It")
    environ = {"OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "x, oi_anthropic"}
    (rival,) = [r for r in coverage.rivals(environ) if r.name == "openinference-instrumentation-anthropic"]
    assert rival.disabled
    assert rival.broken is None


def test_a_rival_without_an_instrumentor(site: Path) -> None:
    install(site, "openlit", "1.2")
    assert found("openlit") == Rival("openlit", "1.2", "OpenLIT")


def test_our_own_registration(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coverage, "OURS", "tokenomics-elsewhere")
    assert coverage.entry_points() == []
    install(site, "tokenomics_elsewhere", "1", "tokenomics_here = m:C")
    assert coverage.entry_points() == ["tokenomics_here"]
    assert metadata.version("tokenomics-elsewhere") == "1"


def test_what_reaches_for_the_network_is_not_imported_to_be_looked_at() -> None:
    code = (
        "import sys; from otel_tokenomics.wiring.coverage import clients;"
        "found = {client.name: client for client in clients()};"
        "assert 'litellm' not in sys.modules; print(found['litellm'].present, found['litellm'].missing)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "HTTPHandler.post" in ran.stdout
    assert ran.stdout.endswith("()\n")
