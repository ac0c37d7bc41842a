"""Processes that make a mixture of calls: `_calls.py FOLDER PROCESSES CALLS RATIO ...`.

For each ratio of sampling, so many processes make so many calls each, into a ledger that they share. They
are forked from one that has imported the client libraries and has no provider yet: what takes longest is
done once. Most calls are settled at the real desk, with a response that is not read from a wire; some go
through the real client libraries. Each leaves a file that says what each kind of telemetry says all of its
calls cost.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.sampling import TraceIdRatioBased
from tests.faults.cases import CASES
from tests.ledger._support import pipeline
from tests.support import replies
from tests.support.telemetry import Telemetry, instrumented
from tests.support.wire import JSON, Reply

from otel_tokenomics import attribute
from otel_tokenomics.flow import late
from otel_tokenomics.flow.desk import Desk
from otel_tokenomics.ledger.exporter import LedgerExporter
from otel_tokenomics.model.call import Ended, Facts, Reading, Responded
from otel_tokenomics.model.usage import MISSING, Usage
from otel_tokenomics.telemetry.accounts import ACCOUNTS
from otel_tokenomics.wiring.assembly import desk_of
from otel_tokenomics.wiring.settings import Settings

PLAIN = [case for case in CASES if str(case) in ("openai-sync-plain", "anthropic-sync-plain")]
AMOUNT = "gen_ai.usage.cost.amount"
SERVED = (
    ("openai", "gpt-4o-2024-08-06"),
    ("anthropic", "claude-sonnet-4-5-20250929"),
    ("openai", "gpt-4o-mini-2024-07-18"),
    ("openai", "acme-large"),
    ("deepseek", "deepseek-chat"),
)
TIERS = (None, "default", "flex", "priority", None, "somewhere")
ENDINGS: tuple[Any, ...] = (None, None, None, ValueError, KeyboardInterrupt, TimeoutError)


class ReadTimeout(Exception):
    """As the HTTP library calls it: the request was sent, and may be billed."""


@dataclass
class Read:
    """A meter that has read a response."""

    told: Reading
    veils: bool = False
    keeps: bool = True
    complete: bool = field(default=True)

    def reading(self) -> Reading:
        """What the response says."""
        return self.told

    def draft(self) -> None:
        """Nothing is left to count."""


class Spans(SpanProcessor):
    """The amounts on finished spans."""

    def __init__(self) -> None:
        self.amounts: list[float] = []

    def on_end(self, span: ReadableSpan) -> None:
        """Note what the span says it cost."""
        if span.attributes and AMOUNT in span.attributes:
            self.amounts.append(float(str(span.attributes[AMOUNT])))


def usage(number: int) -> Usage:
    """Token counts of every component, odd enough that no sum is round."""
    if number % 41 == 0:
        return MISSING
    buckets = {"input": number % 997, "output": number % 313 + 1}
    if number % 3 == 0:
        buckets |= {"cache_read": number % 89, "reasoning": number % 57}
    if number % 7 == 0:
        buckets |= {"cache_write.5m": number % 11, "cache_write.1h": number % 13, "tool.web_search": 1}
    return Usage(buckets, "stream_partial" if number % 23 == 0 else "provider")


def settle(desk: Desk, writer: str, number: int) -> None:
    """One call, from its admission to its settlement."""
    provider, served = SERVED[number % len(SERVED)]
    facts = Facts(provider, "chat", "openai", "/chat/completions", f"alias-{number % 400}", number % 2 == 0)
    facts.server_address, facts.server_port = "api.example.com", 443
    reading = Reading(
        usage(number), f"{writer}-{number}", served, TIERS[number % len(TIERS)], finish_reason="stop"
    )
    error = ENDINGS[number % len(ENDINGS)]
    status = 400 if number % 37 == 0 else 200
    if number % 29 == 0:
        facts.billing, reading.background = "polled", True
        reading.response_id = f"{writer}-poll-{number // 290}"
    entry = desk.admit(facts)
    if number % 31 == 0:
        reading, error = Reading(), ReadTimeout
    else:
        desk.responded(entry, Read(reading), Responded(SimpleNamespace(status_code=status)))  # type: ignore[arg-type]
        desk.chunk(entry, Read(reading))  # type: ignore[arg-type]
    desk.settle(entry, Read(reading), Ended(error() if error else None))  # type: ignore[arg-type]


def through_clients(telemetry: Telemetry, writer: str, calls: int) -> None:
    """Plain calls of the real client libraries, each with an id of its own."""
    with instrumented(telemetry=telemetry):
        for case in PLAIN:
            body = replies.chat() if case.library == "openai" else replies.message()
            known = [replies.dumps({**body, "id": f"{writer}-{case}-{number}"}) for number in range(calls)]
            client = case.client(case.wire(*[Reply(one, headers=JSON) for one in known]))
            for number in range(calls):
                with attribute(team=f"team {number}"):
                    case.create(client)


def told(telemetry: Telemetry, spans: Spans) -> dict[str, Any]:
    """The cost by each kind of telemetry; whole femto-units as text."""
    late.drain(10)
    points: dict[str, list[Any]] = {}
    data: Any = telemetry.reader.get_metrics_data()
    for scope in data.resource_metrics[0].scope_metrics:
        for metric in scope.metrics:
            points[metric.name] = [
                (dict(point.attributes), point.value)
                for point in metric.data.data_points
                if hasattr(point, "value")
            ]
    return {
        "technical": str(sum(amount for _, amount in ACCOUNTS.cost())),
        "allocated": str(sum(amount for _, amount in ACCOUNTS.owner_cost())),
        "points": points,
        "spans": spans.amounts,
    }


def work(folder: Path, writer: str, calls: int, ratio: float) -> None:
    """One process: make the calls, export everything, write what was told."""
    telemetry, spans = Telemetry(), Spans()
    telemetry.tracer_provider = TracerProvider(TraceIdRatioBased(ratio), shutdown_on_exit=False)
    telemetry.tracer_provider.add_span_processor(spans)
    telemetry.logger_provider = pipeline(LedgerExporter(folder / "ledger.sqlite3"))
    desk = desk_of(Settings(spans="own"), telemetry.providers)
    for number in range(1, calls + 1):
        with attribute(team=f"team {number % 250}", project=f"project {number % 7}"):
            settle(desk, writer, number)
    through_clients(telemetry, writer, 50)
    result = told(telemetry, spans)
    telemetry.logger_provider.shutdown()
    (folder / f"{writer}.json").write_text(json.dumps(result))


def started(folder: Path, writer: str, calls: int, ratio: float) -> int:
    """The id of a forked process at work."""
    process = os.fork()
    if process == 0:
        work(folder, writer, calls, ratio)
        sys.exit(0)
    return process


def main(place: Path, processes: int, calls: int, ratios: list[str]) -> None:
    """Have the work done by real processes. Raises `SystemExit` when one of them failed."""
    for case in PLAIN:
        case.create(case.client(case.wire(case.reply())))
    for ratio in ratios:
        (place / ratio).mkdir()
    running = [
        started(place / ratio, f"w{number}", calls, float(ratio))
        for ratio in ratios
        for number in range(processes)
    ]
    sys.exit(max(os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) != 0 for process in running))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4:])
