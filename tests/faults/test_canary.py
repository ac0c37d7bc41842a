"""A string put wherever text passes leaves this process nowhere: not one exported byte holds it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.faults.canaries import CANARY

MARK = CANARY.encode()


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Everything that a process with the canary everywhere wrote, by name."""
    folder = tmp_path_factory.mktemp("canary")
    environment = {**os.environ, "OTEL_TOKENOMICS_ESTIMATE": "tokenizer", "PYTHONWARNINGS": "ignore"}
    command = [sys.executable, "-m", "tests.faults.offline", str(folder)]
    ran = subprocess.run(command, capture_output=True, check=False, env=environment)
    assert ran.returncode == 0, ran.stderr.decode()
    files = {path.name: path.read_bytes() for path in sorted(folder.iterdir())}
    return {**files, "stdout": ran.stdout, "stderr": ran.stderr}


def test_no_exported_byte_holds_the_canary(exported: dict[str, bytes]) -> None:
    held = {name: text.count(MARK) for name, text in exported.items() if MARK in text}
    assert held == {}


def test_nothing_asked_for_a_network(exported: dict[str, bytes]) -> None:
    """Not to import the client libraries' instrumentation, not for a price or a tokenizer, not to settle."""
    assert json.loads(exported["network.json"]) == []


def test_there_was_something_to_leak(exported: dict[str, bytes]) -> None:
    records, spans = map(int, exported["stdout"].split())
    assert records >= 20
    assert spans >= 40
    for name in ("logs.pb", "spans.pb", "metrics.pb", "ledger.db"):
        assert len(exported[name]) > 1000, name
    assert b"gen_ai.usage.cost.amount" in exported["logs.pb"]
    assert json.loads(exported["records.json"])[0]["gen_ai.provider.name"]
    assert b"failed with" in exported["stderr"], "a fault of ours was logged, without its message"


def test_the_ledger_was_written(exported: dict[str, bytes], tmp_path: Path) -> None:
    assert any(name.startswith("ledger.db") for name in exported)
    assert sum(len(text) for name, text in exported.items() if name.startswith("ledger.db")) > 4096
