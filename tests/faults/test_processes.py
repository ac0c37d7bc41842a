"""Rows 17, 33, 55 and 58, each in a process of its own: exits, forks, and environments that say no."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import pytest

PREAMBLE = """
import asyncio, gc, json, logging, os, sys, threading
from tests.faults.cases import STANDING, call
from tests.support.either import value
from tests.support.telemetry import INSTRUMENTORS, Telemetry, instrumented
from tests.support.wire import Wire
from otel_tokenomics.flow import late

logging.basicConfig(level=logging.WARNING)
cases = {str(case): case for case in STANDING}
"""


def run(body: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a script. Warnings are errors of the process's own, so they are left as they come."""
    known = {**os.environ, "PYTHONDEVMODE": "0", **environment}
    known["PYTHONPATH"] = os.pathsep.join([os.getcwd(), known.get("PYTHONPATH", "")])
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", PREAMBLE + body, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=known, timeout=60)


@pytest.mark.parametrize("ending", ["return", "exit", "error", "sigint"])
def test_33_open_streams_at_interpreter_shutdown(ending: str) -> None:
    ran = run(
        """
import signal
ending = sys.argv[1]
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor, ConsoleLogRecordExporter
telemetry = Telemetry()
telemetry.logger_provider = LoggerProvider()
out = ConsoleLogRecordExporter(formatter=lambda log: (log.log_record.event_name or "") + os.linesep)
telemetry.logger_provider.add_log_record_processor(BatchLogRecordProcessor(out))
for instrumentor in INSTRUMENTORS.values():
    instrumentor().instrument(**telemetry.providers)

async def first(case):
    stream = await value(case.create(case.client(case.wire(case.reply()))))
    return stream, await value(stream.__anext__() if case.asynchronous else next(stream))

loop = asyncio.new_event_loop()
knot = [loop.run_until_complete(first(case)) for case in STANDING if case.stream]
knot.append(knot)
if ending == "exit":
    sys.exit(3)
if ending == "error":
    raise LookupError("the application's own")
if ending == "sigint":
    # A job in the background is started with this signal ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    # In this thread: one sent to the process may arrive when this one has nothing left to do.
    signal.raise_signal(signal.SIGINT)
""",
        ending,
    )
    codes = {"return": (0,), "exit": (3,), "error": (1,), "sigint": (1, -signal.SIGINT)}
    assert ran.returncode in codes[ending], ran.stderr
    assert "otel_tokenomics" not in ran.stderr
    assert ran.stderr.count("Traceback") == (1 if ending in ("error", "sigint") else 0), ran.stderr
    assert ran.stdout.count("tokenomics.usage.recorded") == 4, "the open streams were not settled at exit"


FORKED = """
def counted(telemetry):
    late.drain(10)
    data = telemetry.reader.get_metrics_data()
    points = [
        (metric.name, point.value)
        for resource in (data.resource_metrics if data else ())
        for scope in resource.scope_metrics
        for metric in scope.metrics
        for point in metric.data.data_points
        if metric.name == "gen_ai.client.inference.usage.output_tokens"
    ]
    return sum(number for _, number in points)

def one(case):
    asyncio.run(call(case, case.client(case.wire(case.reply()))))
"""


def test_55_a_forked_child_counts_from_zero() -> None:
    ran = run(
        FORKED
        + """
with instrumented() as telemetry:
    for case in STANDING:
        one(case)
    before = len(telemetry.records())
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        telemetry.clear()
        for case in STANDING[:3]:
            one(case)
        records = telemetry.records()
        os.write(write, json.dumps([int(counted(telemetry)), len(records)]).encode())
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    one(case)
    told = [int(counted(telemetry)), before, len(telemetry.records()), json.loads(os.read(read, 1000))]
    print(json.dumps(told))
"""
    )
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout) == [180, 8, 9, [60, 3]]


def test_55_a_stream_that_is_open_across_a_fork_is_the_parents() -> None:
    ran = run(
        FORKED
        + """
from tests.support.either import items
loop = asyncio.new_event_loop()
streaming = [case for case in STANDING if case.stream]

async def opened(case):
    return await value(case.create(case.client(case.wire(case.reply()))))

async def rest(stream):
    return [chunk async for chunk in items(stream)]

with instrumented() as telemetry:
    streams = [loop.run_until_complete(opened(case)) for case in streaming]
    child = os.fork()
    if child == 0:
        del streams
        gc.collect()
        print(len(telemetry.records()), "in the child", flush=True)
        sys.exit(0)
    assert os.waitpid(child, 0)[1] == 0
    for stream in streams:
        loop.run_until_complete(rest(stream))
    print(len(telemetry.records()), "in the parent", flush=True)
"""
    )
    assert ran.returncode == 0, ran.stderr
    assert "4 in the parent" in ran.stdout, ran.stdout + ran.stderr
    assert "Traceback" not in ran.stderr


def test_55_threads_and_spawned_processes_add_up() -> None:
    ran = run(
        FORKED
        + """
from concurrent.futures import ThreadPoolExecutor
with instrumented() as telemetry:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(one, list(cases.values()) * 10))
    print(len(telemetry.records()), int(counted(telemetry)))
"""
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.split() == ["80", "1600"]


def test_58_disabled_costs_nothing() -> None:
    ran = run(
        """
import openai._base_client as base
before = base.SyncAPIClient.request
with instrumented():
    assert base.SyncAPIClient.request is before
    for case in STANDING:
        asyncio.run(call(case, case.client(case.wire(case.reply()))))
assert threading.active_count() <= 2, threading.enumerate()
print("quiet")
""",
        OTEL_TOKENOMICS_DISABLED="true",
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.strip() == "quiet"
    assert [
        line for line in ran.stderr.splitlines() if not line.startswith("WARNING:asyncio:Executing")
    ] == []


def test_17_the_collector_is_down() -> None:
    ran = run(
        """
import time
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
logging.disable(logging.CRITICAL)
down = "http://127.0.0.1:9"
telemetry = Telemetry()
telemetry.tracer_provider = TracerProvider(shutdown_on_exit=False)
telemetry.tracer_provider.add_span_processor(
    BatchSpanProcessor(OTLPSpanExporter(f"{down}/v1/traces", timeout=1), schedule_delay_millis=10)
)
telemetry.logger_provider.add_log_record_processor(
    BatchLogRecordProcessor(OTLPLogExporter(f"{down}/v1/logs", timeout=1), schedule_delay_millis=10)
)
with instrumented(telemetry=telemetry):
    slowest = 0.0
    for case in list(cases.values()) * 20:
        wire = Wire(case.reply())
        began = time.perf_counter()
        asyncio.run(call(case, case.client(wire)))
        slowest = max(slowest, time.perf_counter() - began)
    print(len(telemetry.records()), slowest)
os._exit(0 if slowest < 2 else 1)
"""
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
