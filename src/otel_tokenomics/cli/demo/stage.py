"""The demo's stage: start the provider, run the agent under `opentelemetry-instrument`, show the ledger."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from otel_tokenomics.cli.console import CommandError
from otel_tokenomics.cli.demo.provider import LoopbackProvider
from otel_tokenomics.cli.run import EXPORTER, instrument
from otel_tokenomics.ledger.location import VARIABLE

AGENT: Final = "otel_tokenomics.cli.demo.agent"
CLIENTS: Final = ("openai", "anthropic")
OPTIONS: Final = ("--traces_exporter", "none", "--metrics_exporter", "none", "--logs_exporter", EXPORTER)

INTRODUCTION: Final = """\
The replies are canned, the prices are real. A small agent, on the real openai and anthropic client
libraries, talks to a provider on this machine's loopback: nothing leaves it and no key is needed.
"""

ASSUMPTION: Final = """\
assumption: 127.0.0.1 is nobody's known host, so a call's provider is taken to be its client library's
vendor, and priced because the served model is one of that vendor's. A stream that carries no usage is
counted here; behind a host that is known to give it, such as api.openai.com, it would have been asked for.
"""

NEXT: Final = """\
Try next, on your own program:
  tokenomics run -- python app.py            its calls, and a cost summary when it ends
  tokenomics doctor                          what is covered here, what is not, and why
On the demo's ledger:
  export {variable}={ledger}
  tokenomics report --by team,feature --json
  tokenomics records"""


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
    """Run the demo, into `ledger` or a new one; 0. Raises `CommandError`."""
    check()
    ledger = (ledger or Path(tempfile.mkdtemp(prefix="tokenomics-demo-")) / "ledger.sqlite3").expanduser()
    print(INTRODUCTION)
    with LoopbackProvider() as provider:
        environment = environment_for(provider, ledger.absolute())
        _run_agent(provider, environment)
    _show_report(environment)
    _show_samples(environment)
    print(f"\n{ASSUMPTION}\n{NEXT.format(variable=VARIABLE, ledger=ledger.absolute())}")
    return 0


def check() -> None:
    """Raise `CommandError` when a client library is absent."""
    absent = [name for name in CLIENTS if importlib.util.find_spec(name) is None]
    if absent:
        raise CommandError(
            f"The demo runs real client libraries. Not installed here: {', '.join(absent)}. "
            f"Install, then run the demo again:\n  {sys.executable} -m pip install {' '.join(absent)}"
        )


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
        VARIABLE: str(ledger),
    }


def _run_agent(provider: LoopbackProvider, environment: dict[str, str]) -> None:
    print("$ opentelemetry-instrument", *OPTIONS, "python agent.py", flush=True)
    command = [*instrument(), *OPTIONS, sys.executable, "-m", AGENT]
    began = time.monotonic()
    code = subprocess.run(command, env=environment, check=False).returncode  # noqa: S603 - our own agent
    if code:
        raise CommandError(f"The demo's agent ended with exit code {code}; what it said is above.", 1)
    seconds = time.monotonic() - began
    print(f"{len(provider.requests)} requests in {seconds:.1f} s, start-up included. Its code: {AGENT}\n")


def _show_report(environment: dict[str, str]) -> None:
    command = ("report", "--by", "team,model")
    print("$ tokenomics", *command, flush=True)
    _tokenomics(environment, command, None)


def _show_samples(environment: dict[str, str]) -> None:
    listed = _tokenomics(environment, ("records", "--json"), subprocess.PIPE)
    records = [json.loads(line) for line in listed.splitlines()]
    print(f"\n$ tokenomics records --json    {len(records)} lines; three of them, in part:")
    for line in _samples(records):
        print(line)


def _tokenomics(environment: dict[str, str], arguments: tuple[str, ...], output: int | None) -> str:
    """What a command of ours printed, if `output` is a pipe; else it prints it itself."""
    command = [sys.executable, "-m", "otel_tokenomics", *arguments]
    done = subprocess.run(command, env=environment, stdout=output, text=True, check=False)  # noqa: S603
    if done.returncode:
        raise CommandError(f"tokenomics {' '.join(arguments)} ended with exit code {done.returncode}.", 1)
    return done.stdout or ""


def _samples(records: list[dict[str, Any]]) -> Iterator[str]:
    keys = ("provider", "response_model", "usage", "usage_source", "attempts", "outcome", "attribution")
    for sample in SAMPLES:
        record = next((record for record in records if sample.fits(record)), None)
        if record is not None:
            part = {key: record[key] for key in keys}
            part["cost"] = {key: record["cost"][key] for key in ("amount", "currency", "status", "method")}
            yield f"{sample.title}:\n  {json.dumps(part)}"
