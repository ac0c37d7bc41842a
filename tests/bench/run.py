"""`make bench`: what one call and one streamed chunk cost, bare against instrumented.

All variants are timed in one process, in turn, a few calls at a time, so that whatever else the machine
does falls on all of them alike. It only ever adds, so that the lower tenth of all turns is what counts: it
differs by a few microseconds between an idle machine and one whose processes queue. The parts are found by
leaving one out after another: spans off, a meter provider that does nothing, a logger provider that does
nothing.
What is done a moment later or when metrics are collected is off the caller's path: the late thread's own time
and that of a last catching up, told apart from what the caller waits for, and held to the ceiling with it.
Start-up is measured in fresh processes. What one price costs is told last (`tests.bench.prices`).

    make bench                      the tables
    make bench ARGS=--json          the same as JSON
    make bench ARGS='--rounds 50'   more turns
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from opentelemetry._logs import NoOpLoggerProvider
from opentelemetry.metrics import NoOpMeterProvider
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor, LogRecordExporter, LogRecordExportResult
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, DEFAULT_ON
from tests.bench import alone, prices
from tests.bench.startup import startup
from tests.bench.workload import CHUNKS, LIBRARIES, Timed, calls

from otel_tokenomics.budgets.plan import Plan
from otel_tokenomics.budgets.protocol import Answer, Balance, Line, Store
from otel_tokenomics.budgets.stores.memory import MemoryStore
from otel_tokenomics.budgets.stores.opening import open_store
from otel_tokenomics.flow import late
from otel_tokenomics.wiring import governing
from otel_tokenomics.wiring.instrumentors import AnthropicInstrumentor, OpenAIInstrumentor

CALLS_A_TURN = 100
STREAMS_A_TURN = 8
WARM_CALLS, WARM_STREAMS = 60, 1
"""What runs before each turn's timing: a patched class throws the interpreter's inline caches away."""
OF_A_TURN = WARM_CALLS + CALLS_A_TURN + WARM_STREAMS + STREAMS_A_TURN
CEILINGS = {
    "us_per_call": 180.0,
    "us_per_call_with_what_is_done_afterwards": 180.0,
    "us_per_call_unsampled_without_metrics": 125.0,
    "us_per_call_with_a_budget": 180.0,
    "us_per_chunk": 3.0,
    "startup_ms": 50.0,
    "startup_of_every_library_ms": 50.0,
    "startup_mb": 10.0,
}
"""What all of it may add: DESIGN's section on speed, docs/adr/0011. A budget's store takes no time."""
BUDGET = '[store]\nurl = "memory:"\n[[budget]]\nname = "{}"\nlimit = "1000000 USD"\nwindow = "day"\n'
WITHOUT_STORE = "a budget without its store"
"""The budget whose store takes no time: what a store takes in a call is more than what it takes alone."""


class _Spans(SpanExporter):
    def export(self, spans: Any) -> SpanExportResult:
        return SpanExportResult.SUCCESS


class _Logs(LogRecordExporter):
    def export(self, batch: Any) -> LogRecordExportResult:
        return LogRecordExportResult.SUCCESS

    def shutdown(self) -> None:
        """Nothing is held."""

    def force_flush(self, timeout_millis: int = 0) -> bool:
        return True


class Variant(AbstractContextManager[None]):
    """The instrumentation with some of its parts."""

    def __init__(
        self,
        spans: bool = True,
        metrics: bool = True,
        record: bool = True,
        sampled: bool = True,
        budget: Path | None = None,
    ) -> None:
        self._environment = {"OTEL_TOKENOMICS_SPANS": "own" if spans else "off"}
        if budget is not None:
            self._environment["OTEL_TOKENOMICS_CONFIG"] = str(budget)
        tracer_provider = TracerProvider(sampler=DEFAULT_ON if sampled else ALWAYS_OFF)
        tracer_provider.add_span_processor(BatchSpanProcessor(_Spans()))
        logger_provider: Any = NoOpLoggerProvider()
        if record:
            logger_provider = LoggerProvider()
            logger_provider.add_log_record_processor(BatchLogRecordProcessor(_Logs()))
        self.afterwards: list[float] = []
        self._began = 0
        self._providers = {
            "tracer_provider": tracer_provider,
            "meter_provider": MeterProvider([InMemoryMetricReader()]) if metrics else NoOpMeterProvider(),
            "logger_provider": logger_provider,
        }

    def __enter__(self) -> None:
        os.environ.update(self._environment)
        for kind in (OpenAIInstrumentor, AnthropicInstrumentor):
            kind().instrument(**self._providers)
        self._began = _late_ns()

    def __exit__(self, *error: object) -> None:
        for kind in (OpenAIInstrumentor, AnthropicInstrumentor):
            kind().uninstrument()
        for name in self._environment:
            del os.environ[name]
        began = time.thread_time_ns()
        late.catch_up()
        took = time.thread_time_ns() - began + _late_ns() - self._began
        self.afterwards.append(took / 1e3 / OF_A_TURN)


def _late_ns() -> int:
    """What the late thread has taken of a processor so far."""
    thread = late._worker.thread
    if thread is None or thread.ident is None:
        return 0
    return time.clock_gettime_ns(time.pthread_getcpuclockid(thread.ident))


class _NoStore(MemoryStore):
    """Grants all that it is asked, and keeps nothing."""

    def reserve(self, hold: str, lines: Sequence[Line], ttl: float) -> Answer:
        return Answer(True, (Balance(0, 0),) * len(lines))


def _opened(plan: Plan, default: Path) -> Store:
    return _NoStore() if plan.budgets[0].name == WITHOUT_STORE else open_store(plan, default)


def variants(folder: Path) -> dict[str, AbstractContextManager[None]]:
    """Bare, whole, whole without one part after another, and whole with budgets, whose files are made."""
    budget, storeless = folder / "budget.toml", folder / "storeless.toml"
    budget.write_text(BUDGET.format("b"), encoding="utf-8")
    storeless.write_text(BUDGET.format(WITHOUT_STORE), encoding="utf-8")
    return {
        "bare": nullcontext(),
        "all": Variant(),
        "no spans": Variant(spans=False),
        "no metrics": Variant(metrics=False),
        "no record": Variant(record=False),
        "nothing told": Variant(spans=False, metrics=False, record=False),
        "unsampled, no metrics": Variant(sampled=False, metrics=False),
        "all, with a budget": Variant(budget=budget),
        WITHOUT_STORE: Variant(budget=storeless),
    }


def measure(rounds: int) -> dict[str, Any]:
    """The lower tenths in microseconds, for each library and variant."""
    vars(governing)["open_store"] = _opened
    with tempfile.TemporaryDirectory() as folder:
        return _measure(rounds, variants(Path(folder)))


def _measure(rounds: int, chosen: dict[str, AbstractContextManager[None]]) -> dict[str, Any]:
    told: dict[str, Any] = {}
    for library in LIBRARIES:
        plain, stream = calls(library)
        assert stream() == CHUNKS
        _warm(chosen, plain, stream)
        taken: dict[str, tuple[list[float], list[float]]] = {name: ([], []) for name in chosen}
        gc.collect()
        gc.freeze()
        for turn in range(rounds):
            # Every other round runs backwards, so that a drift of the machine's speed falls out.
            names = list(chosen) if turn % 2 else list(chosen)[::-1]
            for name in names:
                with chosen[name]:
                    _repeat(plain, WARM_CALLS)
                    taken[name][0].extend(_timed(plain, CALLS_A_TURN))
                    _repeat(stream, WARM_STREAMS)
                    taken[name][1].extend(_timed(stream, STREAMS_A_TURN))
        gc.unfreeze()
        told[library] = _table(taken, {name: _afterwards(variant) for name, variant in chosen.items()})
    return told


def _afterwards(variant: AbstractContextManager[None]) -> float:
    """Microseconds a call of what is done off the caller's path."""
    if not isinstance(variant, Variant):
        return 0.0
    took = _tenth(variant.afterwards)
    variant.afterwards.clear()
    return took


def _warm(chosen: dict[str, AbstractContextManager[None]], plain: Timed, stream: Timed) -> None:
    for variant in chosen.values():
        with variant:
            _repeat(plain, WARM_CALLS)
            stream()


def _repeat(act: Timed, times: int) -> None:
    for _ in range(times):
        act()


def _timed(act: Callable[[], Any], times: int) -> list[float]:
    # The thread's own time: nothing here waits, and what other processes do is not our cost.
    clock, taken = time.thread_time_ns, []
    for _ in range(times):
        began = clock()
        act()
        taken.append((clock() - began) / 1e3)
    return taken


def _tenth(taken: list[float]) -> float:
    return sorted(taken)[len(taken) // 10]


def _table(taken: dict[str, tuple[list[float], list[float]]], afterwards: dict[str, float]) -> dict[str, Any]:
    tenths = {name: (_tenth(calls), _tenth(streams)) for name, (calls, streams) in taken.items()}
    bare_call, bare_stream = tenths["bare"]
    rows = {
        name: {
            "us_per_call": call,
            "added_us_per_call": call - bare_call,
            "ratio": call / bare_call,
            "afterwards_us_per_call": afterwards[name],
            "us_per_stream": stream,
            # What a stream adds beyond what a plain call adds, spread over its chunks.
            "added_us_per_chunk": ((stream - bare_stream) - (call - bare_call)) / CHUNKS,
            "stream_ratio": stream / bare_stream,
        }
        for name, (call, stream) in tenths.items()
    }
    whole = tenths["all"][0]
    shares = {
        "seam, price, making the record": tenths["nothing told"][0] - bare_call,
        "span": whole - tenths["no spans"][0],
        "metrics": whole - tenths["no metrics"][0],
        "record": whole - tenths["no record"][0],
        "afterwards metrics": afterwards["all"] - afterwards["no metrics"],
        "afterwards record": afterwards["all"] - afterwards["no record"],
    }
    return {"variants": rows, "shares_us_per_call": shares}


def show(report: dict[str, Any]) -> None:
    """The report as tables."""
    columns = ("us/call", "added", "ratio", "afterwards", "us/stream", "us/chunk added", "ratio")
    for library in LIBRARIES:
        print(f"\n{library}: one plain call, one stream of {CHUNKS} chunks, in process")
        print(" " * 28 + "".join(f"{column:>15}" for column in columns))
        for name, row in report[library]["variants"].items():
            print(
                f"{name:28}{row['us_per_call']:15.0f}{row['added_us_per_call']:15.0f}{row['ratio']:15.2f}"
                f"{row['afterwards_us_per_call']:15.0f}{row['us_per_stream']:15.0f}{row['added_us_per_chunk']:15.2f}{row['stream_ratio']:15.2f}"
            )
        shares = report[library]["shares_us_per_call"]
        print("share of each part, us/call: " + ", ".join(f"{part} {us:.0f}" for part, us in shares.items()))
    told = ", ".join(f"{name} {us:.0f}" for name, us in report["alone_us_per_call"].items())
    print(f"\nour part alone, in a loop of its own, us/call: {told}")
    start = report["startup"]
    print(
        f"\nstart-up, fresh processes: {start['bare_ms']:.0f} ms bare, +{start['added_ms']:.0f} ms and "
        f"+{start['added_mb']:.1f} MB instrumented ({start['ours_ms']:.0f} ms with the SDK loaded, "
        f"{start['every_ms']:.0f} for every client library's instrumentor)"
    )
    print(f"load of the machine at the end: {report['load']:.1f} on {os.cpu_count()} cores")
    print("\nceilings: " + ", ".join(f"{what} {value} of {most:g}" for what, value, most in verdicts(report)))


def verdicts(report: dict[str, Any]) -> list[tuple[str, str, float]]:
    """What was measured beside each ceiling, the worse of the two libraries."""
    rows = [report[library]["variants"] for library in LIBRARIES]
    measured = {
        "us_per_call": max(row["all"]["added_us_per_call"] for row in rows),
        "us_per_call_with_what_is_done_afterwards": max(
            row["all"]["added_us_per_call"] + row["all"]["afterwards_us_per_call"] for row in rows
        ),
        "us_per_call_unsampled_without_metrics": max(
            row["unsampled, no metrics"]["added_us_per_call"] for row in rows
        ),
        "us_per_call_with_a_budget": max(row[WITHOUT_STORE]["added_us_per_call"] for row in rows),
        "us_per_chunk": max(row["all"]["added_us_per_chunk"] for row in rows),
        "startup_ms": report["startup"]["added_ms"],
        "startup_of_every_library_ms": report["startup"]["every_ms"],
        "startup_mb": report["startup"]["added_mb"],
    }
    return [(what, f"{measured[what]:.1f}", most) for what, most in CEILINGS.items()]


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--rounds", type=int, default=12, help="turns of each variant (default: 12)")
    parser.add_argument("--litellm", action="store_true", help="measure litellm's prices too")
    asked = parser.parse_args()
    report = {
        **measure(asked.rounds),
        "alone_us_per_call": {
            "all": alone.taken(Variant()),
            "unsampled, no metrics": alone.taken(Variant(sampled=False, metrics=False)),
        },
        "startup": startup(),
        "ceilings": CEILINGS,
        "load": os.getloadavg()[0],
    }
    if asked.json:
        print(json.dumps(report, indent=2))
    else:
        show(report)
        print("\none price")
        prices.show(asked.litellm)


if __name__ == "__main__":
    main()
