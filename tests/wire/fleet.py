"""Processes that make calls and send what is told about them to a collector."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.wire import load

ROOT = Path(__file__).resolve().parents[2]


def start(
    name: str, calls: int, endpoint: str, *, pause_at: int = 0, settings: Mapping[str, str] | None = None
) -> subprocess.Popen[str]:
    """One application, instrumented from outside, its three signals sent to `endpoint` by gRPC."""
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
        "OTEL_SERVICE_NAME": "fleet",
        "OTEL_RESOURCE_ATTRIBUTES": "tokenomics.team.id=search,deployment.environment.name=test",
        "OTEL_TRACES_EXPORTER": "otlp",
        "OTEL_METRICS_EXPORTER": "otlp",
        "OTEL_LOGS_EXPORTER": "otlp",
        "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint,
        "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
        "OTEL_EXPORTER_OTLP_TIMEOUT": "60",
        "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE": "delta",
        "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "openai,openai_v2,anthropic,genai_openai,genai_anthropic",
        "OTEL_METRIC_EXPORT_INTERVAL": "300",
        "OTEL_BSP_SCHEDULE_DELAY": "100",
        "OTEL_BLRP_SCHEDULE_DELAY": "100",
        **(settings or {}),
    }
    program = Path(sys.executable).parent / "opentelemetry-instrument"
    script = [sys.executable, str(ROOT / "tests" / "wire" / "load.py"), name, str(calls), str(pause_at)]
    return subprocess.Popen(
        [str(program), *script],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process: subprocess.Popen[str], seconds: float = 120) -> str:
    """Wait for it to end well; what it wrote to stderr."""
    _, errors = process.communicate("go on\n", timeout=seconds)
    assert process.returncode == 0, errors
    return errors


def ids(names: list[str], calls: int) -> set[str]:
    """The response ids of every call of these processes."""
    return {f"chatcmpl-{name}-{i}" for name in names for i in range(calls)}


def bill(calls: int, processes: int) -> int:
    """What they cost together, in 1e-12 USD."""
    return processes * sum(load.pico_usd(i) for i in range(calls))
