"""Pytest hooks of the live check: a test fails for what it emitted, a whole run for what nothing emits."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support import witness as witnesses
from tests.support.live import report

_SEEN = "tokenomics_seen"
_FOUND = "tokenomics_found"


def pytest_configure(config: pytest.Config) -> None:
    """Watch from before the first test; every worker has a folder for the processes it starts."""
    config.addinivalue_line(
        "markers", "partial_telemetry(reason): breaks the emission itself; attributes may be missing"
    )
    folder = tempfile.TemporaryDirectory(prefix="tokenomics-witness-")
    witnesses.prepare(Path(folder.name))
    config.add_cleanup(folder.cleanup)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> Iterator[None]:
    """After everything else of the test: what it emitted must be what the registry says."""
    yield
    if found := _new_findings(item):
        told = "\n  ".join(str(one) for one in found)
        pytest.fail(f"emitted, and not so in semconv/ (see docs/convention.md):\n  {told}", pytrace=False)


def _new_findings(item: pytest.Item) -> list[Any]:
    witness = witnesses.install()
    witnesses.read_children(witness, Path(os.environ[witnesses.PLACE]))
    found = witness.take()
    if item.get_closest_marker("partial_telemetry") is not None:
        found = [one for one in found if one.kind not in witnesses.PARTIAL]
    return found


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A worker hands over what it saw; whoever has seen everything says whether that is all there is."""
    witness = witnesses.install()
    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        output[_SEEN] = sorted(witness.check.seen)
    elif _whole(session) and session.exitstatus == 0 and witness.check.gaps():
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_testnodedown(node: Any) -> None:
    """A worker has ended."""
    witnesses.install().check.seen.update(getattr(node, "workeroutput", {}).get(_SEEN, ()))


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Print how much of the registry was emitted, and after a whole run what was not."""
    check = witnesses.install().check
    if not check.seen:
        return
    terminalreporter.section("semantic convention")
    for line in report(check):
        terminalreporter.write_line(line)
    if _whole(terminalreporter._session):
        for gap in check.gaps():
            terminalreporter.write_line(str(gap), red=True)


def _whole(session: pytest.Session) -> bool:
    """Whether every test was asked for: no path, no selection."""
    config = session.config
    option = config.option
    chosen = option.keyword or option.deselect or option.ignore or option.ignore_glob
    stopped = option.collectonly or getattr(option, "lf", False) or session.shouldstop or session.shouldfail
    plain = option.markexpr in ("", "not soak")
    return bool(
        config.args_source is pytest.Config.ArgsSource.TESTPATHS and plain and not (chosen or stopped)
    )
