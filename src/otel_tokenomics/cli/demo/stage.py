"""The demo's stage: start the provider, run the agent under `opentelemetry-instrument`, show the ledger."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from otel_tokenomics.cli.demo import INTRODUCTION
from otel_tokenomics.cli.demo.provider import LoopbackProvider

AGENT: Final = "otel_tokenomics.cli.demo.agent"
CLIENTS: Final = ("openai", "anthropic")
INSTRUMENT: Final = (
    "opentelemetry-instrument",
    "--traces_exporter",
    "none",
    "--metrics_exporter",
    "none",
    "--logs_exporter",
    "tokenomics_ledger",
)

ASSUMPTION: Final = """\
assumption: 127.0.0.1 is no provider's host, so each call is taken to be the client library's own vendor's
and priced because the served model is one of that vendor's. A stream that asks for no usage is counted here;
behind a host that is known to give it, as api.openai.com is, it would be asked for.
"""

NEXT: Final = """\
Try next, on your own program:
  tokenomics run -- python app.py            its calls, and a cost summary when it ends
  tokenomics doctor                          what is covered here, what is not, and why
On this ledger:
  export OTEL_TOKENOMICS_LEDGER={ledger}
  tokenomics report --by team,feature --json
  tokenomics records --json"""


@dataclass(frozen=True, slots=True)
class Sample:
    """A kind of record worth a look, and how to tell it."""

    title: str
    fits: Callable[[dict[str, Any]], bool]


SAMPLES: Final = (
    Sample("Most of the prompt came from the provider's cache", lambda r: bool(r["usage"].get("cache_read"))),
    Sample("The provider failed once; one response was billed", lambda r: r["attempts"] > 1),
    Sample(
        "The application hung up; what came so far is counted here, and marked",
        lambda r: r["usage_source"] == "stream_partial",
    ),
)


def play(ledger: Path | None) -> int:
    """Run the demo, into `ledger` or a new one.

    2 when something that it needs is not installed, 1 when the agent or a command failed.
    """
    if problem := _missing():
        print(problem, file=sys.stderr)
        return 2
    ledger = ledger or Path(tempfile.mkdtemp(prefix="tokenomics-demo-")) / "ledger.sqlite3"
    print(INTRODUCTION)
    with LoopbackProvider() as provider:
        environment = environment_for(provider, ledger.absolute())
        if code := _run_agent(provider, environment):
            return code
    return _show(environment, ledger.absolute())


def environment_for(provider: LoopbackProvider, ledger: Path) -> dict[str, str]:
    """The agent's environment: this one, with the provider in place of the vendors.

    OpenTelemetry's variables are left out, so that the demo does the same for everyone, and the
    loopback is kept from any proxy.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    return {
        **kept,
        "OPENAI_BASE_URL": provider.openai_url,
        "OPENAI_API_KEY": "no-key-is-needed",
        "ANTHROPIC_BASE_URL": provider.url,
        "ANTHROPIC_API_KEY": "no-key-is-needed",
        "NO_PROXY": "127.0.0.1",
        "no_proxy": "127.0.0.1",
        "OTEL_SERVICE_NAME": "tokenomics-demo",
        "OTEL_TOKENOMICS_LEDGER": str(ledger),
    }


def _missing() -> str | None:
    """What the demo needs and does not find, and what to do about it."""
    absent = [name for name in CLIENTS if importlib.util.find_spec(name) is None]
    if absent:
        return (
            f"tokenomics demo runs real client libraries, and {' and '.join(absent)} is not installed here. "
            f"Install it, then run it again:\n  {sys.executable} -m pip install {' '.join(absent)}"
        )
    if _instrument() is None:
        return (
            f"tokenomics demo runs under opentelemetry-instrument, which is not beside {sys.executable} "
            f"nor on PATH. Install it:\n  {sys.executable} -m pip install opentelemetry-instrumentation"
        )
    return None


def _instrument() -> str | None:
    """The `opentelemetry-instrument` of this very environment, else the one on `PATH`."""
    return shutil.which(INSTRUMENT[0], path=sysconfig.get_path("scripts")) or shutil.which(INSTRUMENT[0])


def _run_agent(provider: LoopbackProvider, environment: dict[str, str]) -> int:
    print("$", *INSTRUMENT, "python agent.py", flush=True)
    command = [_instrument() or INSTRUMENT[0], *INSTRUMENT[1:], sys.executable, "-m", AGENT]
    began = time.monotonic()
    finished = subprocess.run(command, env=environment, check=False)  # noqa: S603 - our own agent
    if finished.returncode:
        print(
            f"\nThe agent ended with exit code {finished.returncode}; its own message is above.",
            file=sys.stderr,
        )
        return 1
    seconds = time.monotonic() - began
    print(f"{len(provider.requests)} requests in {seconds:.1f} s, start-up included. Its code: {AGENT}\n")
    return 0


def _show(environment: dict[str, str], ledger: Path) -> int:
    report = ("report", "--by", "team,model")
    print("$ tokenomics", *report)
    shown = _tokenomics(environment, *report)
    print(shown.stdout)
    listed = _tokenomics(environment, "records", "--json")
    if shown.returncode or listed.returncode:
        print(shown.stderr or listed.stderr, file=sys.stderr)
        return 1
    records = [json.loads(line) for line in listed.stdout.splitlines()]
    print(f"Three of the {len(records)} usage records (tokenomics records --json), in part:")
    for line in _samples(records):
        print(line)
    print(f"\n{ASSUMPTION}\n{NEXT.format(ledger=ledger)}")
    return 0


def _tokenomics(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "otel_tokenomics.cli.main", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)  # noqa: S603


def _samples(records: list[dict[str, Any]]) -> Iterator[str]:
    keys = ("provider", "response_model", "usage", "usage_source", "attempts", "outcome", "attribution")
    for sample in SAMPLES:
        record = next((record for record in records if sample.fits(record)), None)
        if record is not None:
            part = {key: record[key] for key in keys if key in record}
            part["cost"] = {
                key: record["cost"].get(key) for key in ("amount", "currency", "status", "method")
            }
            yield f"\n{sample.title}:\n  {json.dumps(part)}"
