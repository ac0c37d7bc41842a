"""The rows of client libraries: each has an entry point, an adapter that exists, and a hook of its own."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from tests._required import missing
from tests.support.libraries import KITS, Kit, installed
from tools import coverage

from otel_tokenomics.adapters.hosts import Hosts
from otel_tokenomics.wiring import instrumentors, raw_http
from otel_tokenomics.wiring.frameworks import FRAMEWORKS
from otel_tokenomics.wiring.libraries import LIBRARIES, Library

PYPROJECT = Path(__file__).parents[2] / "pyproject.toml"
every = pytest.mark.parametrize("library", LIBRARIES.values(), ids=lambda row: row.distribution)


def test_the_entry_points_are_the_rows() -> None:
    points = tomllib.loads(PYPROJECT.read_text())["project"]["entry-points"]["opentelemetry_instrumentor"]
    assert points == {
        row.entry_point: f"otel_tokenomics.wiring.instrumentors:{row.instrumentor}"
        for row in LIBRARIES.values()
    } | {
        row.entry_point: f"otel_tokenomics.wiring.frameworks:{row.instrumentor}"
        for row in FRAMEWORKS.values()
    } | {raw_http.ENTRY_POINT: "otel_tokenomics.wiring.raw_http:RawHTTPInstrumentor"}


def test_every_library_is_under_test() -> None:
    assert {kit.distribution for kit in KITS.values()} == set(LIBRARIES)


@every
def test_a_row_names_an_adapter_and_an_instrumentor(library: Library) -> None:
    adapter = library.adapter_class()(Hosts())
    assert callable(adapter.facts)
    kind = getattr(instrumentors, library.instrumentor)
    assert kind.library is library
    assert getattr(instrumentors, kind.__name__) is kind, "made once"


OTHERWISE = [
    kit for kit in KITS.values() if installed(kit) and kit.module != LIBRARIES[kit.distribution].module
]
"""Those whose clients are imported from elsewhere than what is waited for."""


@pytest.mark.parametrize("kit", OTHERWISE, ids=lambda kit: kit.library)
def test_whoever_imports_one_client_imports_what_is_waited_for(kit: Kit) -> None:
    script = "import importlib, sys; getattr(importlib.import_module(sys.argv[1]), sys.argv[2])"
    script += "; sys.exit(sys.argv[3] not in sys.modules)"
    for client in kit.clients:
        command = [sys.executable, "-c", script, kit.module, client, LIBRARIES[kit.distribution].module]
        assert subprocess.run(command, check=False).returncode == 0, f"{client} alone is not seen"


def test_a_name_that_no_row_has() -> None:
    with pytest.raises(AttributeError, match="NobodyInstrumentor"):
        _ = instrumentors.NobodyInstrumentor


def test_no_adapter_is_imported_before_its_library() -> None:
    script = """
import sys
from otel_tokenomics.wiring import instrumentors, raw_http
from otel_tokenomics.wiring.libraries import LIBRARIES, Library
for row in LIBRARIES.values():
    getattr(instrumentors, row.instrumentor)().instrument()
print([name for name in sys.modules if name in ("openai", "groq", "otel_tokenomics.adapters.compatible")])
"""
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


@pytest.mark.parametrize("kit", KITS.values(), ids=lambda kit: kit.library)
def test_it_is_installed_to_be_tested(kit: Kit) -> None:
    if not installed(kit) and "elsewhere" in kit.features:
        pytest.skip(f"{kit.library} has an environment of its own")
    if not installed(kit):
        missing(f"{kit.library} is not installed", "the fault matrix leaves it out")


def test_the_page_of_coverage_is_what_the_tables_say() -> None:
    held = coverage.PAGE.read_text("utf-8")
    assert held == coverage.page(coverage.counted(held)), "stale: run `make coverage`"
