"""What the real collector does in a second of one core: `python -m tests.wire.rate`.

A process sends prepared requests of a thousand items over loopback, as fast as they are taken; the collector
delivers to a sink beside it. The figure is items per second of the collector's own processor time, user and
system, from the first request to the last delivery. So it does not depend on what else runs.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from tests.wire import feed
from tests.wire.otelcol import Collector
from tests.wire.sink import Sink

REQUESTS, ITEMS = 200, 1000
SPAN: feed.Values = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "openai",
    "gen_ai.request.model": "gpt-4o",
    "gen_ai.response.model": "gpt-4o-2024-08-06",
    "gen_ai.response.id": "chatcmpl-0123456789abcdef",
    "gen_ai.usage.input_tokens": 1000,
    "gen_ai.usage.output_tokens": 100,
    "gen_ai.usage.cache_read.input_tokens": 400,
    "server.address": "api.openai.com",
    "server.port": 443,
    "tokenomics.team.id": "search",
}
PRICED: feed.Values = {
    "tokenomics.cost.status": "complete",
    "gen_ai.usage.cost.amount": 0.0035,
    "gen_ai.usage.cost.currency": "USD",
    "tokenomics.price.id": "openai/gpt-4o",
}


def records(count: int) -> ExportLogsServiceRequest:
    """A request of usage records."""
    message = ExportLogsServiceRequest()
    inside = message.resource_logs.add().scope_logs.add()
    for number in range(count):
        log = inside.log_records.add(event_name="tokenomics.usage.recorded")
        log.attributes.extend(feed.pairs({**SPAN, **PRICED, "tokenomics.record.key": f"openai:{number}"}))
    return message


def seconds(pid: int) -> float:
    """Processor time of a process, user and system."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure(signal: str, message: Any, *names: str) -> float:
    """Items of a signal per second of processor time."""
    with tempfile.TemporaryDirectory() as folder, Sink() as sink:
        settings = {"TOKENOMICS_OTLP_ENDPOINT": sink.url}
        with Collector(Path(folder), *names, "backend-otlp", settings=settings) as collector:
            before = seconds(collector.pid)
            for _ in range(REQUESTS):
                feed.post(collector, signal, message)
            sink.quiet(2)
            used = seconds(collector.pid) - before
            arrived = len(sink.records()) if signal == "logs" else len(sink.spans())
            if arrived != REQUESTS * ITEMS:
                raise RuntimeError(f"{arrived} of {REQUESTS * ITEMS} {signal} arrived")
    return arrived / used


def main() -> None:
    """Print the rates."""
    own, foreign = feed.spans({**SPAN, **PRICED}, count=ITEMS), feed.spans(SPAN, count=ITEMS)
    for what, signal, message, names in (
        ("usage records, one collector", "logs", records(ITEMS), ("role-laptop",)),
        ("spans, one collector", "traces", own, ("role-laptop",)),
        ("spans, foreign.yaml, priced by the library", "traces", own, ("role-laptop", "foreign")),
        ("spans, foreign.yaml, priced here", "traces", foreign, ("role-laptop", "foreign")),
    ):
        print(f"{what:45} {measure(signal, message, *names):10,.0f} per second of one core")


if __name__ == "__main__":
    main()
