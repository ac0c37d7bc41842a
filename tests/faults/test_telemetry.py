"""Rows 12 to 19 and 58: OpenTelemetry fails under us, by its own extension points or by patching."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry._logs import NoOpLoggerProvider
from opentelemetry.metrics import NoOpMeterProvider
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import LogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.trace import Span, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from tests.faults.cases import BUCKETS, Case, differential, every
from tests.faults.test_ours import boom
from tests.support.telemetry import Telemetry, buckets_of
from tests.support.wire import Reply


class _Raising(SpanProcessor):
    def __init__(self, hook: str) -> None:
        setattr(self, hook, boom)


def made(case: Case) -> int:
    """The output tokens of an answer."""
    return sum(n for bucket, n in BUCKETS[case.library].items() if bucket.startswith(("output", "reasoning")))


@every
@pytest.mark.parametrize("hook", ["on_start", "on_end", "_on_ending"])
async def test_12_14_a_span_processor_raises(case: Case, hook: str) -> None:
    telemetry = await differential(case, case.reply(), telemetry=Telemetry(_Raising(hook)))
    assert buckets_of(telemetry.record()) == BUCKETS[case.library]
    counted = telemetry.metrics().get("gen_ai.client.inference.usage.output_tokens", {})
    assert sum(counted.values()) == made(case)


@every
@pytest.mark.parametrize("method", ["set_attributes", "set_status", "end", "is_recording"])
async def test_13_14_a_span_method_raises(case: Case, method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Span, method, boom)
    telemetry = await differential(case, case.reply())
    assert buckets_of(telemetry.record()) == BUCKETS[case.library]


@every
async def test_13_one_bad_attribute_costs_no_other(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    original = Span.set_attribute

    def set_attribute(self: Span, key: str, value: Any) -> Any:
        return boom() if key == "gen_ai.usage.output_tokens" else original(self, key, value)

    monkeypatch.setattr(Span, "set_attributes", boom)
    monkeypatch.setattr(Span, "set_attribute", set_attribute)
    telemetry = await differential(case, case.reply())
    (span,) = telemetry.spans()
    labels = span.attributes or {}
    assert "gen_ai.usage.output_tokens" not in labels
    assert labels["gen_ai.usage.input_tokens"] == telemetry.record()["gen_ai.usage.input_tokens"]


class _Broken:
    """An instrument that refuses everything."""

    record = add = set = boom


@every
@pytest.mark.parametrize("kind", ["create_histogram", "create_observable_counter"])
async def test_15_an_instrument_cannot_be_made_or_used(
    case: Case, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from opentelemetry.sdk.metrics import Meter

    monkeypatch.setattr(Meter, kind, lambda *args, **kwargs: _Broken())
    telemetry = await differential(case, case.reply())
    assert buckets_of(telemetry.record()) == BUCKETS[case.library]
    assert len(telemetry.spans()) == 1
    telemetry.metrics()


@every
async def test_15_a_histogram_raises(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    from opentelemetry.sdk.metrics import Histogram

    monkeypatch.setattr(Histogram, "record", boom)
    telemetry = await differential(case, case.reply())
    assert buckets_of(telemetry.record()) == BUCKETS[case.library]
    counted = telemetry.metrics().get("gen_ai.client.inference.usage.output_tokens", {})
    assert sum(counted.values()) == made(case), "a total does not depend on a distribution"


class _RaisingLogs(LogRecordExporter):
    export = shutdown = force_flush = boom


@every
async def test_16_the_event_cannot_be_emitted(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    from opentelemetry.sdk._logs import Logger

    monkeypatch.setattr(Logger, "emit", boom)
    telemetry = await differential(case, case.reply())
    assert telemetry.records() == []
    (span,) = telemetry.spans()
    assert (span.attributes or {}).get("gen_ai.usage.output_tokens", 0) == made(case)


@every
async def test_17_the_exporters_raise(case: Case, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL)

    class RaisingSpans(SpanExporter):
        export = boom

    telemetry = Telemetry()
    telemetry.tracer_provider = TracerProvider(shutdown_on_exit=False)
    telemetry.tracer_provider.add_span_processor(BatchSpanProcessor(RaisingSpans()))
    telemetry.logger_provider.add_log_record_processor(SimpleLogRecordProcessor(_RaisingLogs()))
    await differential(case, case.reply(), telemetry=telemetry)
    assert buckets_of(telemetry.record()) == BUCKETS[case.library]
    telemetry.tracer_provider.shutdown()


@every
async def test_17_18_an_exporter_that_hangs_holds_up_no_call(case: Case) -> None:
    release, entered = threading.Event(), threading.Event()

    class Hanging(SpanExporter):
        def export(self, spans: Any) -> SpanExportResult:
            entered.set()
            release.wait(60)
            return SpanExportResult.SUCCESS

    telemetry = Telemetry()
    processor: Any = BatchSpanProcessor(Hanging(), schedule_delay_millis=1, max_export_batch_size=1)
    telemetry.tracer_provider.add_span_processor(processor)
    try:
        for _ in range(3):
            await differential(case, case.reply(), telemetry=telemetry)
        assert len(telemetry.records()) == 3
    finally:
        release.set()
        processor.shutdown()


TELLER = "otel_tokenomics.telemetry.teller.OpenTelemetryTeller"

HARM: list[tuple[str, Callable[[pytest.MonkeyPatch], None]]] = [
    ("end", lambda patch: patch.setattr(Span, "end", boom)),
    ("set_attributes", lambda patch: patch.setattr(Span, "set_attributes", boom)),
    ("start", lambda patch: patch.setattr("opentelemetry.sdk.trace.Tracer.start_span", boom)),
    ("emit", lambda patch: patch.setattr("opentelemetry.sdk._logs.Logger.emit", boom)),
    ("record", lambda patch: patch.setattr("opentelemetry.sdk.metrics.Histogram.record", boom)),
    ("attach", lambda patch: patch.setattr("opentelemetry.context.attach", boom)),
    ("detach", lambda patch: patch.setattr(f"{TELLER}.leave", boom)),
]


@every
@pytest.mark.parametrize(("what", "harm"), HARM, ids=[what for what, _ in HARM])
async def test_19_telemetry_fails_while_an_error_is_in_flight(
    case: Case,
    what: str,
    harm: Callable[[pytest.MonkeyPatch], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    harm(monkeypatch)
    await differential(case, Reply(b'{"error":{"message":"no"}}', 500))
    await differential(case, Reply(error=lambda request: case.error("ReadError", "reset", request=request)))
    if not case.has("tasked"):
        await differential(case, Reply(error=lambda request: KeyboardInterrupt()))
    if case.stream:
        await differential(case, case.broken(2, case.error("ReadError", "reset")))
    await differential(case, case.reply())


@every
async def test_58_the_sampler_is_off(case: Case) -> None:
    telemetry = Telemetry()
    telemetry.tracer_provider = TracerProvider(sampler=ALWAYS_OFF, shutdown_on_exit=False)
    await differential(case, case.reply(), telemetry=telemetry)
    assert buckets_of(telemetry.record()) == BUCKETS[case.library]
    counted = telemetry.metrics().get("gen_ai.client.inference.usage.output_tokens", {})
    assert sum(counted.values()) == made(case)


@every
async def test_58_providers_that_do_nothing(case: Case) -> None:
    telemetry: Any = Telemetry()
    telemetry.tracer_provider = trace.NoOpTracerProvider()
    telemetry.meter_provider = NoOpMeterProvider()
    telemetry.logger_provider = NoOpLoggerProvider()
    await differential(case, case.reply(), telemetry=telemetry)


@every
async def test_58_the_sdk_is_disabled(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    telemetry = Telemetry()
    telemetry.tracer_provider = TracerProvider(shutdown_on_exit=False)
    telemetry.meter_provider = MeterProvider(shutdown_on_exit=False)
    telemetry.logger_provider = LoggerProvider(shutdown_on_exit=False)
    await differential(case, case.reply(), telemetry=telemetry)


@every
async def test_58_ours_is_disabled(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_TOKENOMICS_DISABLED", "true")
    telemetry = await differential(case, case.reply())
    assert telemetry.records() == []
    assert telemetry.spans() == []
