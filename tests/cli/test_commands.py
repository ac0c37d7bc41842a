"""`report`, `records`, `doctor`, `info` and `--help`, as a new user meets them."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
from tests.cli.conftest import Tokenomics
from tests.ledger._support import MINI_CALL, SONNET_CALL, STARTED_NS, UNPRICED_CALL, priced, record, row

from otel_tokenomics.ledger.store import Ledger, Loss
from otel_tokenomics.version import __version__

COMMANDS = ("run", "report", "records", "doctor", "info", "demo")


@pytest.fixture
def filled(ledger: Path) -> Path:
    calls = (SONNET_CALL, MINI_CALL, UNPRICED_CALL)
    told = [record(**call, started_ns=STARTED_NS + n * 10**9) for n, call in enumerate(calls)]
    Ledger(ledger).write([row(one) for one in told])
    return ledger


@pytest.mark.parametrize("command", COMMANDS)
def test_help_teaches(tokenomics: Tokenomics, command: str) -> None:
    done = tokenomics(command, "--help")
    assert done.returncode == 0
    if command != "demo":
        assert f"examples:\n  tokenomics {command}" in done.stdout
    assert command in tokenomics("--help").stdout


def test_version(tokenomics: Tokenomics) -> None:
    assert tokenomics("--version").stdout == f"otel-tokenomics {__version__}\n"


def test_report(tokenomics: Tokenomics, filled: Path) -> None:
    done = tokenomics("report", "--by", "team,model", "--ledger", filled)
    assert (done.returncode, done.stderr) == (0, "")
    assert [line.split()[0] for line in done.stdout.splitlines()[1:6]] == [
        "team",
        "support",
        "search",
        "search",
        "total",
    ]
    assert "not a bill" in done.stdout.splitlines()[0]


def test_report_finds_the_ledger_by_the_environment(tokenomics: Tokenomics, filled: Path) -> None:
    assert "$161.07" in tokenomics("report", OTEL_TOKENOMICS_LEDGER=str(filled)).stdout


def test_report_json(tokenomics: Tokenomics, filled: Path) -> None:
    arguments = (
        "report",
        "--json",
        "--by",
        "day,team",
        "--since",
        "2026-11-01",
        "--until",
        "2026-11-02",
        "--utc",
    )
    document = json.loads(tokenomics(*arguments, "--ledger", filled).stdout)
    assert {"currency", "since", "until", "total", "rows"} < set(document)
    assert document["since"] == "2026-11-01T00:00:00+00:00"
    assert document["rows"][0]["day"] == "2026-11-01"
    assert document["total"]["cost"] == "161.0742"
    keys = {"day", "team", "calls", "tokens", "cost", "unpriced_calls", "estimated_calls"}
    assert all(keys < set(found) for found in document["rows"])


def test_a_currency_that_is_none_is_refused(tokenomics: Tokenomics) -> None:
    done = tokenomics("report", "--currency", "euro!")
    assert (done.returncode, done.stdout) == (2, "")
    assert "'euro!' is not a currency's code, such as USD or EUR" in done.stderr


def test_report_of_another_period_is_empty_and_says_so(tokenomics: Tokenomics, filled: Path) -> None:
    done = tokenomics("report", "--until", "2020-01-01", "--ledger", filled)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"No calls recorded in that period in {filled}\n"


@pytest.mark.parametrize("since", ["0001-01-02", "9999w", "1900-01-01T00:00:00Z"])
def test_report_since_long_ago(tokenomics: Tokenomics, filled: Path, since: str) -> None:
    done = tokenomics("report", "--since", since, "--until", "9999-12-30", "--ledger", filled)
    assert "$161.07" in done.stdout


def test_records_json(tokenomics: Tokenomics, filled: Path) -> None:
    done = tokenomics("records", "--json", "--ledger", filled)
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert [one["cost"]["amount"] for one in found] == ["161.07", "0.0042", None]
    assert found[0]["started_at"] == "2026-11-01T12:00:00.000000Z"
    latest = tokenomics("records", "--json", "--limit", 1, "--ledger", filled).stdout
    assert json.loads(latest) == found[2]


def test_records_table(tokenomics: Tokenomics, filled: Path) -> None:
    done = tokenomics("records", "--utc", "--ledger", filled)
    first = done.stdout.splitlines()[1]
    assert first.startswith("2026-11-01 12:00:00  support  anthropic  claude-sonnet-4-6")
    assert "unpriced" in done.stdout
    assert tokenomics("records", "--since", "now", "--ledger", filled).stdout.startswith("No calls recorded")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "begin here:"),
        (("reprot",), "invalid choice"),
        (("report", "--by", "colour"), "the keys are team, project"),
        (("report", "--since", "tomorrow"), "is not a time. Write one of: today"),
        (("report", "--since", "now", "--until", "yesterday"), "is not before"),
        (("report", "--top", "0"), "not a whole number above 0"),
        (("report", "--top", "many"), "not a whole number above 0"),
        (("report",), "there is no such file yet"),
        (("records", "--ledger", "missing.db"), "there is no such file yet"),
        (("records", "--ledger", "/proc/self/cmdline"), "ledger /proc/self/cmdline"),
        (("report", "--ledger", "/"), "ledger /"),
    ],
)
def test_rubbish_is_answered_plainly(tokenomics: Tokenomics, arguments: tuple[str, ...], words: str) -> None:
    done = tokenomics(*arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    assert words in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("content", [b"", b"rubbish " * 1_000])
def test_a_file_that_is_no_ledger(tokenomics: Tokenomics, ledger: Path, content: bytes) -> None:
    ledger.write_bytes(content)
    done = tokenomics("report", "--ledger", ledger)
    assert done.returncode == 2
    assert str(ledger) in done.stderr
    assert ledger.read_bytes() == content


def test_a_ledger_in_a_folder_that_nobody_may_write(tokenomics: Tokenomics, filled: Path) -> None:
    filled.parent.chmod(0o500)
    try:
        assert "$161.07" in tokenomics("report", "--ledger", filled).stdout
    finally:
        filled.parent.chmod(0o700)


def test_a_reader_that_goes_away_is_no_error(environment: dict[str, str], ledger: Path) -> None:
    Ledger(ledger).write([row(record()) for _ in range(3_000)])
    command = [sys.executable, "-m", "otel_tokenomics", "records", "--json", "--ledger", str(ledger)]
    process = subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.readline()
    process.stdout.close()
    assert process.stderr.read() == ""
    process.stderr.close()
    assert process.wait() == 0


def on_a_terminal(environment: dict[str, str], *arguments: str, **additions: str) -> str:
    """What the command prints on a terminal 60 columns wide."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "otel_tokenomics", *arguments]
    given = {**environment, "TERM": "xterm-256color", "COLUMNS": "60", **additions}
    with subprocess.Popen(command, env=given, stdout=theirs, stderr=theirs):
        os.close(theirs)
        parts = []
        try:
            while part := os.read(ours, 65_536):
                parts.append(part)
        except OSError:
            pass
    os.close(ours)
    return b"".join(parts).decode()


def test_colour_on_a_terminal_unless_told_otherwise(environment: dict[str, str], filled: Path) -> None:
    pytest.importorskip("rich")
    arguments = ("report", "--by", "team,model", "--ledger", str(filled))
    assert "\x1b[" in on_a_terminal(environment, *arguments)
    plain = on_a_terminal(environment, *arguments, NO_COLOR="1")
    assert "\x1b[" not in plain
    assert "not shown for want of width: exact, cache write" in plain


def test_a_terminal_without_unicode(tokenomics: Tokenomics, ledger: Path) -> None:
    Ledger(ledger).write([row(record(served="模型", cost=priced()))])
    done = tokenomics("report", "--ledger", ledger, PYTHONIOENCODING="ascii")
    assert done.returncode == 0
    assert "??" in done.stdout


def test_info(tokenomics: Tokenomics) -> None:
    versions = json.loads(tokenomics("info", "--json").stdout)
    assert versions["otel-tokenomics"] == __version__
    assert {"python", "sqlite", "opentelemetry-sdk"} <= set(versions)
    assert versions["opentelemetry-sdk"] in tokenomics("info").stdout


def test_doctor_finds_the_clients_and_the_ledger(tokenomics: Tokenomics, filled: Path) -> None:
    Ledger(filled).write([row(record(cost=priced(assumption="host taken for openai")))], [Loss("full", 4, 1)])
    done = tokenomics("doctor", "--json", "--ledger", filled, OTEL_LOGS_EXPORTER="otlp,tokenomics_ledger")
    document = json.loads(done.stdout)
    libraries = {found["name"]: found for found in document["clients"]["libraries"]}
    assert libraries["openai"]["covered"]
    assert not libraries["openai"]["missing"]
    assert document["opentelemetry"]["entry_points"]
    assert document["ledger"]["records"] == 4
    assert document["ledger"]["lost"] == 4
    assert document["ledger"]["assumptions"] == [
        {"assumption": "host taken for openai", "provider": "openai", "calls": 1}
    ]
    problems = [
        finding
        for section in document.values()
        if isinstance(section, dict)
        for finding in section["findings"]
        if finding["level"] == "problem"
    ]
    assert document["healthy"] is (not problems)
    assert done.returncode == (1 if problems else 0)


def test_doctor_tells_what_to_do(tokenomics: Tokenomics, ledger: Path) -> None:
    ledger.write_bytes(b"rubbish " * 1_000)
    done = tokenomics("doctor", "--ledger", ledger, OTEL_SDK_DISABLED="true")
    assert done.returncode == 1
    assert "OTEL_SDK_DISABLED is set: nothing is recorded" in done.stdout
    assert "Move the file aside" in done.stdout
    assert "to put right" in done.stdout.splitlines()[-1]


def test_doctor_knows_the_prices_and_the_settings(doctor: Tokenomics, tmp_path: Path) -> None:
    file = tmp_path / "tokenomics.toml"
    file.write_text('[ledger]\npath = "~/configured.db"\n\n[hosts]\n"llm.corp" = "openai"\n')
    given = {"OTEL_TOKENOMICS_CONFIG": str(file), "OTEL_TOKENOMICS_SPANS": "own"}
    document = json.loads(doctor("--json", **given).stdout)
    assert document["prices"]["version"]
    assert document["prices"]["age_days"] >= 0
    assert document["settings"]["spans"] == {"value": "own", "source": "OTEL_TOKENOMICS_SPANS"}
    assert document["settings"]["hosts"] == {"value": {"llm.corp": "openai"}, "source": f"{file}:4"}
    assert (
        document["settings"]["ledger"]["value"]
        == document["ledger"]["path"]
        == str(tmp_path / "configured.db")
    )
    assert document["settings"]["strict"]["source"] == "default"


def test_doctor_knows_the_tables_of_owners_and_budgets(doctor: Tokenomics, tmp_path: Path) -> None:
    file = tmp_path / "tokenomics.toml"
    file.write_text(
        '[[owner]]\nmatch = { service = "s*" }\nset = { team = "search" }\n[baggage]\nsend = ["team"]\n'
        '[personal]\nhash = ["user"]\nsalt_env = "SALT"\n'
        '[[budget]]\nname = "b"\nlimit = "5 USD"\nwindow = "day"\n'
    )
    given = {"OTEL_TOKENOMICS_CONFIG": str(file), "SALT": "canary-0123456789"}
    done = doctor("--json", **given).stdout
    known = {name: each["value"] for name, each in json.loads(done)["settings"].items() if "value" in each}
    assert (known["owners"], known["budgets"]) == (["team=search"], ["b"])
    assert (known["personal"], known["budget_mode"]) == ({"owners": "user"}, "as configured")
    assert known["baggage"]["send"] == "team"
    assert "canary" not in done + doctor(**given).stdout


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"OTEL_TOKENOMICS_SPANS": "sometimes"}, "must be auto, own, annotate or off"),
        ({"OTEL_TOKENOMICS_CONFIG": "/no/such/file.toml"}, "cannot be read"),
        ({"OTEL_TOKENOMICS_LEGDER": "x"}, "OTEL_TOKENOMICS_LEGDER is set, and no such setting exists"),
    ],
)
def test_doctor_finds_wrong_settings(doctor: Tokenomics, given: dict[str, str], words: str) -> None:
    assert words in doctor(**given).stdout


def test_doctor_without_a_ledger(doctor: Tokenomics) -> None:
    assert "is off: no ledger is kept" in doctor(OTEL_TOKENOMICS_LEDGER="off").stdout
