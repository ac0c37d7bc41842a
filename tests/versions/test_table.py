"""The table of versions has every library, and of a version older than the oldest nothing is recorded."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from tests.versions import record
from tests.versions.table import MAJORS, rows

from otel_tokenomics.wiring.libraries import LIBRARIES, Library

SCRIPT = """
import importlib, logging, sys
logging.basicConfig(format="%(message)s")
from otel_tokenomics.wiring import instrumentors
made = getattr(instrumentors, sys.argv[1])()
made.instrument()
for name in sys.argv[2:] * 2:
    importlib.import_module(name)
made.uninstrument(); made.instrument()
print(made.seam.active)
"""


@pytest.mark.parametrize("library", sorted(LIBRARIES))
def test_every_library_has_its_versions(library: str) -> None:
    assert library in MAJORS, f"tests/versions/table.py has no majors of {library}"
    assert LIBRARIES[library].oldest.partition(".")[0] == MAJORS[library][0]
    assert list(MAJORS[library]) == sorted(MAJORS[library], key=int)


def test_what_was_found_is_of_the_table_and_nothing_failed() -> None:
    found = {(result.library, result.asked): result for result in record.held()}
    assert set(found) <= {(row.library, row.asked) for row in rows()}, "run `make versions`"
    assert [result for result in found.values() if result.failed or not result.passed] == []


def older(place: Path, library: Library, module: str) -> None:
    """An installation of a version that is too old: its name, its number, and a module."""
    told = place / f"{library.distribution.replace('-', '_')}-0.0.1.dist-info"
    told.mkdir()
    (told / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {library.distribution}\nVersion: 0.0.1\n", "utf-8"
    )
    names = module.split(".")
    for depth in range(1, len(names)):
        package = place.joinpath(*names[:depth])
        package.mkdir(exist_ok=True)
        (package / "__init__.py").touch()
    leaf = place.joinpath(*names)
    leaf.with_suffix(".py").write_text("class SyncAPIClient:\n    pass\n", "utf-8")


@pytest.mark.parametrize("library", ["openai", "cohere", "mistralai"])
def test_of_an_older_version_nothing_is_recorded_which_is_said_once(library: str, tmp_path: Path) -> None:
    row = LIBRARIES[library]
    module = f"{row.package}.other" if library == "mistralai" else row.module
    older(tmp_path, row, module)
    ran = subprocess.run(
        [sys.executable, "-c", SCRIPT, row.instrumentor, module],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": str(tmp_path)},
    )
    assert ran.stdout.strip() == "False"
    assert ran.stderr.splitlines() == [
        f"{library} 0.0.1 is older than {row.oldest}: its calls are not recorded"
    ]
