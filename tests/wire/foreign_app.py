"""One call of a real client library under a real instrumentation of somebody else's.

foreign_app.py RIVAL LIBRARY TRACES_URL    `itself` is the client library's own tracing
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from tests.faults.cases import CASES, call
from tests.faults.rivals import instrument
from tests.support.telemetry import Telemetry
from tests.support.wire import Wire


def main(rival: str, library: str, url: str) -> None:
    """Instrument, call, and send the spans."""
    telemetry = Telemetry()
    provider = TracerProvider(resource=Resource.create({"service.name": "foreign"}))
    provider.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter(url)))
    telemetry.tracer_provider = provider
    options: dict[str, Any] = {}
    if library == "anthropic":
        options["open_telemetry"] = {"tracer_provider": provider} if rival == "itself" else False
    if rival != "itself":
        instrument(rival, library, telemetry)
    case = next(c for c in CASES if c.library == library and not c.stream and not c.asynchronous)
    asyncio.run(call(case, case.client(Wire(case.reply()), **options)))
    provider.shutdown()


if __name__ == "__main__":
    main(*sys.argv[1:4])
