"""`tokenomics run`: the program as it was, and its cost on stderr."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import venv
from pathlib import Path

import pytest
from tests.cli.conftest import Tokenomics
from tests.ledger._support import execute, total

from otel_tokenomics.cli.run import environment_for

WAITER = """\
import os, signal, sys
from otel_tokenomics.telemetry.events import UsageEvents
from tests.ledger._support import MINI_CALL, record
UsageEvents().emit(record(**MINI_CALL))
if sys.argv[1] == "handle":
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(3))
print("ready", flush=True)
signal.pause()
"""


def test_the_program_is_left_as_it_is_and_its_cost_is_shown(
    tokenomics: Tokenomics, app: Path, ledger: Path
) -> None:
    done = tokenomics("run", "--ledger", ledger, "--", sys.executable, app, "--quiet", "a b")
    assert done.returncode == 7
    assert done.stdout == "out --quiet a b\n"
    assert done.stderr.startswith("err\n")
    assert "claude-sonnet-4-6" in done.stderr
    assert "$161.0742" in done.stderr
    assert "unpriced: 1 of 3 calls (no price for the model: openai/acme-large)" in done.stderr
    assert f"kept in {ledger}" in done.stderr
    assert total(ledger).calls == 3
    assert len(execute(ledger, "SELECT DISTINCT run FROM usage_records WHERE run IS NOT NULL")) == 1


def test_the_summary_is_of_this_run_alone(tokenomics: Tokenomics, app: Path, ledger: Path) -> None:
    for _ in range(2):
        done = tokenomics("run", "--ledger", ledger, "--", sys.executable, app)
        assert "3 calls in" in done.stderr
    assert total(ledger).calls == 6


def test_quiet_and_json(tokenomics: Tokenomics, app: Path, ledger: Path, tmp_path: Path) -> None:
    summary = tmp_path / "summary.json"
    done = tokenomics(
        "run", "--quiet", "--json-summary", summary, "--ledger", ledger, "--", sys.executable, app
    )
    assert done.stderr == "err\n"
    document = json.loads(summary.read_text())
    assert document["total"]["calls"] == 3
    assert document["total"]["cost"] == "161.0742"
    assert [row["model"] for row in document["rows"]][:1] == ["claude-sonnet-4-6"]


def test_a_program_without_calls_is_told_so(tokenomics: Tokenomics, tmp_path: Path) -> None:
    done = tokenomics("run", "--json-summary", "s.json", "--", sys.executable, "-c", "print('hi')")
    assert (done.returncode, done.stdout) == (0, "hi\n")
    assert "no LLM calls were recorded" in done.stderr
    assert "tokenomics doctor" in done.stderr
    assert json.loads((tmp_path / "s.json").read_text())["total"]["calls"] == 0


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ((), 2, "What is to be run?"),
        (("--",), 2, "What is to be run?"),
        (("--", "no-such-program"), 127, "no such program"),
        (("--ledger",), 2, "expected one argument"),
    ],
)
def test_rubbish(tokenomics: Tokenomics, arguments: tuple[str, ...], code: int, words: str) -> None:
    done = tokenomics("run", *arguments)
    assert done.returncode == code
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_a_ledger_that_is_off(tokenomics: Tokenomics, app: Path) -> None:
    done = tokenomics("run", "--", sys.executable, app, OTEL_TOKENOMICS_LEDGER="off")
    assert done.returncode == 2
    assert "--ledger PATH" in done.stderr


def test_a_ledger_that_cannot_be_written_does_not_stop_the_program(
    tokenomics: Tokenomics, app: Path, ledger: Path
) -> None:
    ledger.write_bytes(b"rubbish " * 1_000)
    done = tokenomics("run", "--ledger", ledger, "--", sys.executable, app)
    assert (done.returncode, done.stdout) == (7, "out\n")
    assert "Move the file aside" in done.stderr
    assert "Traceback" not in done.stderr


def test_another_interpreter_without_us_is_said(
    tokenomics: Tokenomics, environment: dict[str, str], tmp_path: Path
) -> None:
    venv.create(tmp_path / "other", with_pip=False)
    python = tmp_path / "other" / "bin" / "python"
    script = tmp_path / "tool"
    script.write_text(f"#!{python}\nprint('ran')\n")
    script.chmod(0o755)
    bare = os.pathsep.join(
        place
        for place in environment["PYTHONPATH"].split(os.pathsep)
        if not (Path(place) / "otel_tokenomics").exists()
    )
    package = tmp_path / "ours"
    package.mkdir()
    code = (
        f"import sys; sys.path[:0] = {environment['PYTHONPATH'].split(os.pathsep)!r}; "
        "from otel_tokenomics.cli.main import main; sys.exit(main())"
    )
    for program in (python, script):
        done = subprocess.run(
            [sys.executable, "-c", code, "run", "--", str(program), "x.py"],
            env={**environment, "PYTHONPATH": bare},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 2, done.stderr
        assert "is not installed" in done.stderr
        assert f"{python} -m pip install otel-tokenomics" in done.stderr
        assert "ran" not in done.stdout


@pytest.mark.parametrize(("mode", "code"), [("handle", 3), ("default", 128 + signal.SIGTERM)])
def test_signals_reach_the_program_and_its_exit_code_is_kept(
    environment: dict[str, str], tmp_path: Path, ledger: Path, mode: str, code: int
) -> None:
    program = tmp_path / "waiter.py"
    program.write_text(WAITER)
    command = [sys.executable, "-m", "otel_tokenomics", "run", "--ledger", str(ledger), "--"]
    process = subprocess.Popen(
        [*command, sys.executable, str(program), mode],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate()
    assert process.returncode == code
    assert "1 call in" in errors


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, ("tokenomics_ledger", "none", "none")),
        ({"OTEL_LOGS_EXPORTER": "otlp"}, ("otlp,tokenomics_ledger", "none", "none")),
        ({"OTEL_LOGS_EXPORTER": "none"}, ("tokenomics_ledger", "none", "none")),
        ({"OTEL_LOGS_EXPORTER": "tokenomics_ledger, otlp"}, ("otlp,tokenomics_ledger", "none", "none")),
        (
            {"OTEL_TRACES_EXPORTER": "otlp", "OTEL_METRICS_EXPORTER": "console"},
            ("tokenomics_ledger", "otlp", "console"),
        ),
    ],
)
def test_the_users_exporters_stay(given: dict[str, str], expected: tuple[str, ...]) -> None:
    made = environment_for(given, Path("/l.db"), "r1")
    names = ("OTEL_LOGS_EXPORTER", "OTEL_TRACES_EXPORTER", "OTEL_METRICS_EXPORTER")
    assert tuple(made[name] for name in names) == expected


def test_the_users_resource_stays() -> None:
    made = environment_for({"OTEL_RESOURCE_ATTRIBUTES": "a=b"}, Path("/l.db"), "r1")
    assert made["OTEL_RESOURCE_ATTRIBUTES"] == "a=b,tokenomics.run.id=r1"
    assert made["OTEL_TOKENOMICS_LEDGER"] == "/l.db"


def test_a_declarative_configuration_without_the_ledger_is_said(
    tokenomics: Tokenomics, app: Path, tmp_path: Path
) -> None:
    file = tmp_path / "otel.yaml"
    file.write_text('file_format: "1.0"\n')
    done = tokenomics("run", "--", sys.executable, app, OTEL_CONFIG_FILE=str(file))
    assert "names no tokenomics_ledger" in done.stderr


def test_a_declarative_configuration_with_the_ledger(
    tokenomics: Tokenomics, app: Path, ledger: Path, tmp_path: Path
) -> None:
    pytest.importorskip("opentelemetry.configuration")
    file = tmp_path / "otel.yaml"
    file.write_text(
        'file_format: "1.0"\n'
        "logger_provider:\n  processors:\n    - batch:\n        exporter:\n          tokenomics_ledger:\n"
    )
    done = tokenomics("run", "--ledger", ledger, "--", sys.executable, app, OTEL_CONFIG_FILE=str(file))
    assert done.returncode == 7
    assert total(ledger).calls == 3
