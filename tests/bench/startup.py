"""What it costs to start: fresh processes, with and without, in turn.

Modules are byte-compiled first, into a folder of their own, as an installer does it: a checkout whose
environment writes no bytecode would be measured compiling itself.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from typing import Any

ROUNDS = 9
_RESIDENT = """
import sys, time
def resident():
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * 4096 / 1e6
"""
_SDK = """
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.instrumentation.instrumentor import BaseInstrumentor
providers = dict(
    tracer_provider=TracerProvider(), meter_provider=MeterProvider(), logger_provider=LoggerProvider()
)
"""
_OURS = """
from otel_tokenomics.wiring.instrumentors import AnthropicInstrumentor, OpenAIInstrumentor
for kind in (OpenAIInstrumentor, AnthropicInstrumentor):
    kind().instrument(**providers)
"""
_EVERY = """
from otel_tokenomics.wiring import instrumentors
from otel_tokenomics.wiring.libraries import LIBRARIES
for row in LIBRARIES.values():
    getattr(instrumentors, row.instrumentor)().instrument(**providers)
"""
_TELL = """
import json
print(json.dumps([(time.perf_counter() - began) * 1e3, resident() - before]))
"""


def startup() -> dict[str, float]:
    """Milliseconds and megabytes: of a program with OpenTelemetry's SDK, and what we add to it."""
    with tempfile.TemporaryDirectory() as compiled:
        environ = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
        return _startup({**environ, "PYTHONPYCACHEPREFIX": compiled})


def _startup(environ: dict[str, str]) -> dict[str, float]:
    _run(_SDK + _OURS, environ)
    bare: list[tuple[float, float]] = []
    ours: list[tuple[float, float]] = []
    for _ in range(ROUNDS):
        bare.append(_run(_SDK, environ))
        ours.append(_run(_SDK + _OURS, environ))
    bare_ms, bare_mb = _least(bare)
    ours_ms, ours_mb = _least(ours)
    alone = min(_run(_OURS, environ, before=_SDK)[0] for _ in range(ROUNDS))
    return {
        "bare_ms": bare_ms,
        "bare_mb": bare_mb,
        "added_ms": ours_ms - bare_ms,
        "added_mb": ours_mb - bare_mb,
        "ours_ms": alone,
        "every_ms": min(_run(_EVERY, environ, before=_SDK)[0] for _ in range(ROUNDS)),
    }


def _least(taken: list[tuple[float, float]]) -> tuple[float, float]:
    """Whatever else the machine does only ever adds to the time. Memory does not depend on it."""
    return min(ms for ms, _ in taken), statistics.median(mb for _, mb in taken)


def _run(body: str, environ: dict[str, str], before: str = "") -> tuple[float, float]:
    program = f"{_RESIDENT}{before}\nbefore = resident(); began = time.perf_counter()\n{body}{_TELL}"
    command = [sys.executable, "-c", program]
    ran = subprocess.run(command, capture_output=True, text=True, check=True, env=environ)
    told: Any = json.loads(ran.stdout)
    return float(told[0]), float(told[1])
