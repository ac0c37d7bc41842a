"""Runs every case of one library beside other instrumentations, each time in a process of its own.

Others do not all restore what they patch, so no two of these runs may share a process. Orders are read
from the standard input, one JSON object a line, and each is carried out in a fork:

    echo '{"library": "openai", "rivals": ["official"], "order": "we last"}' | python -m tests.faults.rivals
"""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import sys
import traceback
from contextlib import nullcontext
from typing import Any

from tests.faults.cases import CASES, Case, call
from tests.support.telemetry import Telemetry, buckets_of, instrumented
from tests.support.wire import Wire

PACKAGES = {
    "official": "opentelemetry.instrumentation.genai.{library}",
    "openllmetry": "opentelemetry.instrumentation.{library}",
    "openinference": "openinference.instrumentation.{library}",
}
OUR_METRICS = ("gen_ai.client.inference.", "gen_ai.client.operation.cost", "tokenomics.")


def package(rival: str, library: str) -> str:
    """The module that instruments the library."""
    return PACKAGES[rival].format(library=library)


def main(order: dict[str, Any]) -> dict[str, Any]:
    """What each case of the library gave, by its name."""
    telemetry = Telemetry()
    library, traced = order["library"], order.get("own_tracer", False)
    cases = [case for case in CASES if case.library == library]
    options: dict[str, Any] = {}
    if traced:
        options["open_telemetry"] = {"tracer_provider": telemetry.tracer_provider}
    elif library == "anthropic":
        options["open_telemetry"] = False
    ours = instrumented(library, telemetry=telemetry)
    first, last = (ours, nullcontext()) if order["order"] == "we first" else (nullcontext(), ours)
    with first:
        for rival in order["rivals"]:
            instrument(rival, library, telemetry)
        with last:
            results = {str(case): told(case, telemetry, options) for case in cases}
    for case in cases:
        without_us = run(case, options)
        results[str(case)]["same"] = results[str(case)].pop("seen") == without_us
    return results


def instrument(rival: str, library: str, telemetry: Telemetry) -> None:
    """Let a rival instrument the library, telling its spans to our provider."""
    module = importlib.import_module(package(rival, library))
    name = "OpenAIInstrumentor" if library == "openai" else "AnthropicInstrumentor"
    getattr(module, name)().instrument(
        tracer_provider=telemetry.tracer_provider,
        meter_provider=telemetry.meter_provider,
        logger_provider=telemetry.logger_provider,
    )


def run(case: Case, options: dict[str, Any]) -> list[Any]:
    """The transcript of one call."""
    return asyncio.run(call(case, case.client(Wire(case.reply()), **options)))


def told(case: Case, telemetry: Telemetry, options: dict[str, Any]) -> dict[str, Any]:
    """What was seen, recorded, spanned and counted."""
    telemetry.clear()
    telemetry.mark()
    seen = run(case, options)
    records = telemetry.records()
    return {
        "seen": seen,
        "records": records,
        "buckets": [buckets_of(record) for record in records],
        "spans": [_span(span) for span in telemetry.spans()],
        "metrics": {
            name: sum(points.values())
            for name, points in telemetry.metrics().items()
            if name.startswith(OUR_METRICS)
        },
    }


def _span(span: Any) -> dict[str, Any]:
    return {"name": span.name, "scope": span.instrumentation_scope.name, **dict(span.attributes or {})}


def serve() -> None:
    """Carry out one order after another, each in a fork. A result is a line; a failure is its traceback."""
    for line in sys.stdin:
        order = json.loads(line)
        if os.fork() == 0:
            os.environ.update(order.get("environment", {}))
            try:
                result = main(order)
            except BaseException:
                result = {"failed": traceback.format_exc()}
            print(json.dumps(result, default=str), flush=True)
            os._exit(0)
        os.wait()


if __name__ == "__main__":
    serve()
