"""`tokenomics run -- python app.py`: a program, instrumented, and what it cost when it ends."""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from types import FrameType
from typing import Any, Final

from otel_tokenomics.cli import console
from otel_tokenomics.ledger.errors import LedgerError
from otel_tokenomics.ledger.location import VARIABLE
from otel_tokenomics.ledger.store import reading
from otel_tokenomics.report import json as report_json
from otel_tokenomics.report import rows, table
from otel_tokenomics.report.figures import plural
from otel_tokenomics.report.rows import Report
from otel_tokenomics.telemetry.names import RUN_ID

EXAMPLES = """\
  tokenomics run -- python app.py --its --own --options
  tokenomics run --ledger ./costs.sqlite3 -- python app.py
  tokenomics run --quiet --json-summary cost.json -- pytest tests/
  OTEL_TRACES_EXPORTER=otlp tokenomics run -- python app.py    your exporters stay in force

The program's own output, signals and exit code are left as they are; the summary goes to stderr."""

EXPORTER: Final = "tokenomics_ledger"
NOT_FOUND: Final = 127

_PROBE = "import importlib.util as u, sys; sys.exit(0 if u.find_spec('otel_tokenomics') else 3)"
_FORWARDED = ("SIGTERM", "SIGHUP", "SIGINT", "SIGQUIT", "SIGUSR1", "SIGUSR2")
_FROM_TERMINAL = ("SIGINT", "SIGQUIT")


def add_parser(subparsers: Any) -> None:
    """Add `run` to the command's subparsers."""
    parser = console.new_parser(
        subparsers, "run", "run a program and show what its LLM calls cost when it ends", EXAMPLES
    )
    console.add_ledger(parser)
    parser.add_argument("--quiet", action="store_true", help="print no summary")
    parser.add_argument("--json-summary", type=Path, metavar="FILE", help="write the summary there as JSON")
    parser.add_argument("command", nargs=argparse.REMAINDER, metavar="-- PROGRAM [ARG ...]")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the program; its exit code, or 128 + n when signal n ended it."""
    command = arguments.command[1:] if arguments.command[:1] == ["--"] else arguments.command
    if not command:
        raise console.CommandError("What is to be run? For example: tokenomics run -- python app.py")
    ledger = console.ledger_of(arguments).absolute()
    check(command)
    run_id = uuid.uuid4().hex
    environment = environment_for(os.environ, ledger, run_id)
    _warn_of_declarative(environment)
    began = time.monotonic()
    code = _supervise([*instrument(), *command], environment)
    seconds = time.monotonic() - began
    report = _summary(ledger, run_id)
    if arguments.json_summary is not None:
        _write_json(arguments.json_summary, report)
    if not arguments.quiet:
        _print_summary(report, seconds, ledger)
    return code


def environment_for(environ: Mapping[str, str], ledger: Path, run_id: str) -> dict[str, str]:
    """The program's environment: the user's own, with our exporter, the ledger and the run's id added.

    Traces and metrics go nowhere unless the user said where, since by default they would go to a
    collector that may not exist. A SIGTERM flushes first, so that the summary has the last calls.
    """
    exporters = [name.strip() for name in environ.get("OTEL_LOGS_EXPORTER", "").split(",")]
    kept = [name for name in exporters if name not in ("", "none", EXPORTER)]
    labels = [label for label in (environ.get("OTEL_RESOURCE_ATTRIBUTES"), f"{RUN_ID}={run_id}") if label]
    return {
        "OTEL_TRACES_EXPORTER": "none",
        "OTEL_METRICS_EXPORTER": "none",
        "OTEL_TOKENOMICS_FLUSH_ON_SIGTERM": "true",
        **environ,
        "OTEL_LOGS_EXPORTER": ",".join([*kept, EXPORTER]),
        "OTEL_RESOURCE_ATTRIBUTES": ",".join(labels),
        VARIABLE: str(ledger),
    }


def instrument() -> list[str]:
    """The command that instruments a program: this environment's own, found beside this interpreter."""
    found = shutil.which("opentelemetry-instrument", path=sysconfig.get_path("scripts"))
    beside = Path(sys.executable).with_name("opentelemetry-instrument")
    if found or beside.exists():
        return [found or str(beside)]
    return [
        sys.executable,
        "-c",
        "from opentelemetry.instrumentation.auto_instrumentation import run; run()",
    ]


def check(command: list[str]) -> None:
    """Raise `CommandError` when the program is not there or runs on a Python that lacks this package."""
    program = shutil.which(command[0])
    if program is None:
        raise console.CommandError(f"{command[0]}: no such program on PATH.", NOT_FOUND)
    interpreter = _interpreter_of(Path(program))
    if interpreter is None or interpreter.parent == Path(sys.executable).parent:
        return
    probe = subprocess.run([interpreter, "-c", _PROBE], capture_output=True, check=False)  # noqa: S603
    if probe.returncode:
        raise console.CommandError(
            f"{command[0]} is {program}, which runs on {interpreter}, and otel-tokenomics is not installed "
            f"there: its calls could not be recorded. Install it ({interpreter} -m pip install "
            f"otel-tokenomics), or run your program with {sys.executable}."
        )


def _interpreter_of(program: Path) -> Path | None:
    """The Python that a program runs on: itself, or its first line's; `None` when that cannot be told."""
    if program.name.startswith("python"):
        return program
    try:
        with program.open("rb") as file:
            first = file.readline(256)
    except OSError:
        return None
    words = first[2:].split() if first.startswith(b"#!") else []
    named = Path(os.fsdecode(words[0])) if words else None
    return named if named and named.name.startswith("python") and named.exists() else None


def _supervise(command: list[str], environment: Mapping[str, str]) -> int:
    """Run the command with our own standard streams, pass signals on, and return its exit code."""
    # The handlers come first, so that a signal that arrives during the start is not lost.
    children: list[subprocess.Popen[bytes]] = []
    pending: list[int] = []

    def forward(number: int, frame: FrameType | None) -> None:
        if not children:
            pending.append(number)
        elif not _terminal_sent(number):
            children[0].send_signal(number)

    numbers = [getattr(signal, name) for name in _FORWARDED if hasattr(signal, name)]
    previous = {number: signal.signal(number, forward) for number in numbers}
    try:
        child = subprocess.Popen(command, env=dict(environment))  # noqa: S603 - the user's own command
        children.append(child)
        for number in pending:
            child.send_signal(number)
        code = child.wait()
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
    return code if code >= 0 else 128 - code


def _terminal_sent(number: int) -> bool:
    """Whether a terminal sent this signal: then it sent it to the program as well."""
    if signal.Signals(number).name not in _FROM_TERMINAL:
        return False
    try:
        terminal = os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY)
    except OSError:
        return False
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    except OSError:
        return False
    finally:
        os.close(terminal)


def _warn_of_declarative(environment: Mapping[str, str]) -> None:
    """A declarative configuration bypasses the exporters that the environment names."""
    file = environment.get("OTEL_CONFIG_FILE")
    if not file:
        return
    try:
        named = EXPORTER in Path(file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        named = False
    if not named:
        print(
            f"tokenomics: OTEL_CONFIG_FILE ({file}) is in force and names no {EXPORTER}, so nothing reaches "
            f"the ledger. Add to its logger_provider's processors: batch: {{exporter: {{{EXPORTER}: }}}}",
            file=sys.stderr,
        )


def _summary(ledger: Path, run_id: str) -> Report:
    """The report on one run. When the ledger cannot be read it is empty, and the reason is said."""
    question = rows.Question(by=("provider", "model"), run=run_id)
    try:
        with reading(ledger) as connection:
            return rows.answer(connection, question)
    except LedgerError as error:
        if error.cause != "missing":
            print(f"tokenomics: {error}", file=sys.stderr)
        return rows.nothing(question)


def _write_json(path: Path, report: Report) -> None:
    try:
        path.write_text(report_json.render(report) + "\n", encoding="utf-8")
    except OSError as error:
        print(f"tokenomics: --json-summary {path}: {error.strerror}", file=sys.stderr)


def _print_summary(report: Report, seconds: float, ledger: Path) -> None:
    sys.stdout.flush()
    print(file=sys.stderr)
    if not report.total.calls:
        print(
            "tokenomics: no LLM calls were recorded. If there were some, `tokenomics doctor` tells why not.",
            file=sys.stderr,
        )
        return
    console.print_lines(table.render(report, console.width_of_output(sys.stderr)), sys.stderr)
    print(f"{plural(report.total.calls, 'call')} in {seconds:.1f} s; kept in {ledger}", file=sys.stderr)
