"""Usage records and spans wait a moment before they are handed to the SDK, and nobody can tell."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry._logs import get_logger
from opentelemetry.sdk._logs import (
    ConcurrentMultiLogRecordProcessor,
    LoggerProvider,
    LogRecordProcessor,
)
from opentelemetry.sdk._logs.export import (
    BatchLogRecordProcessor,
    InMemoryLogRecordExporter,
    SimpleLogRecordProcessor,
)
from opentelemetry.sdk.trace import ConcurrentMultiSpanProcessor, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from tests.faults.cases import CASES
from tests.support import replies
from tests.support.telemetry import Batches, Telemetry, instrumented, is_record
from tests.support.wire import JSON, Reply

from otel_tokenomics.flow import late
from otel_tokenomics.telemetry.handover import BeforeFlush, Handover

CASE = next(case for case in CASES if str(case) == "openai-sync-plain")


@pytest.fixture(autouse=True)
def unhurried(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nothing is handed over because a moment has passed."""
    assert late.drain(10)
    monkeypatch.setattr(late, "MOMENT", 3600.0)
    yield
    assert late.drain(10)


class Pipeline:
    """A logger provider with processors, and what they export. `sampled`: whether spans are."""

    def __init__(self, *kinds: Callable[[Any], LogRecordProcessor], sampled: bool = True) -> None:
        self.exporter: Any = InMemoryLogRecordExporter()  # type: ignore[no-untyped-call]
        self.telemetry = Telemetry()
        self.telemetry.logger_provider = self.provider = LoggerProvider(shutdown_on_exit=False)
        for kind in kinds:
            self.provider.add_log_record_processor(kind(self.exporter))
        if not sampled:
            self.telemetry.tracer_provider = TracerProvider(ALWAYS_OFF, shutdown_on_exit=False)

    def call(self, size: int = 10) -> None:
        """One call of a client library."""
        body = {**replies.chat(), "padding": "x" * size}
        client = CASE.client(CASE.wire(Reply(replies.dumps(body), headers=JSON)))
        CASE.create(client)

    def told(self) -> list[Any]:
        """The usage records that the processors were handed and have exported."""
        for processor in self.provider._multi_log_record_processor._log_record_processors:
            if not isinstance(processor, BeforeFlush):
                processor.force_flush()
        return [log.log_record for log in self.exporter.get_finished_logs() if is_record(log)]


sampling = pytest.mark.parametrize("sampled", [True, False], ids=["sampled", "not sampled"])


@sampling
def test_a_record_waits_where_every_processor_makes_batches(sampled: bool) -> None:
    pipeline = Pipeline(BatchLogRecordProcessor, sampled=sampled)
    with instrumented("openai", telemetry=pipeline.telemetry):
        pipeline.call()
        assert pipeline.told() == []
        late.catch_up()
        assert len(pipeline.told()) == 1


@sampling
@pytest.mark.parametrize("act", ["force_flush", "shutdown"])
def test_a_flush_or_a_shutdown_right_after_the_call_finds_its_record(sampled: bool, act: str) -> None:
    pipeline = Pipeline(BatchLogRecordProcessor, sampled=sampled)
    with instrumented("openai", telemetry=pipeline.telemetry):
        pipeline.call()
        getattr(pipeline.provider, act)()
        logs = pipeline.exporter.get_finished_logs()
    assert len([log for log in logs if is_record(log)]) == 1


@sampling
@pytest.mark.parametrize(
    "kinds",
    [
        (SimpleLogRecordProcessor,),
        (BatchLogRecordProcessor, SimpleLogRecordProcessor),
        (type("Own", (BatchLogRecordProcessor,), {}),),
    ],
    ids=["simple", "both", "somebody's own"],
)
def test_any_other_processor_is_handed_the_record_before_the_call_returns(sampled: bool, kinds: Any) -> None:
    pipeline = Pipeline(*kinds, sampled=sampled)
    with instrumented("openai", telemetry=pipeline.telemetry):
        pipeline.call()
        assert len(pipeline.told()) == len(kinds)


def test_processors_may_be_added_at_any_time() -> None:
    pipeline = Pipeline(BatchLogRecordProcessor)
    with instrumented("openai", telemetry=pipeline.telemetry):
        pipeline.call()
        simple: Any = InMemoryLogRecordExporter()  # type: ignore[no-untyped-call]
        pipeline.provider.add_log_record_processor(SimpleLogRecordProcessor(simple))
        pipeline.call()
        assert len(simple.get_finished_logs()) == 1
        pipeline.provider.force_flush()
    assert len(simple.get_finished_logs()) == 2


def test_the_hook_stands_first_and_once_however_many_loggers_there_are() -> None:
    provider = LoggerProvider(shutdown_on_exit=False)
    processors = [BatchLogRecordProcessor(InMemoryLogRecordExporter()) for _ in range(2)]  # type: ignore[no-untyped-call]
    for processor in processors:
        provider.add_log_record_processor(processor)
    for name in ("one", "another"):
        handover = Handover(get_logger(name, logger_provider=provider))
        assert handover.may_wait()
        assert handover.may_wait()
    hook, *rest = provider._multi_log_record_processor._log_record_processors
    assert isinstance(hook, BeforeFlush)
    assert rest[-2:] == processors
    provider.shutdown()


def test_the_hook_wants_no_record_for_itself() -> None:
    assert not BeforeFlush().enabled(event_name="any")


def test_a_processor_may_say_that_its_records_may_wait() -> None:
    class Patient(SimpleLogRecordProcessor):
        records_may_wait = True

    provider = LoggerProvider(shutdown_on_exit=False)
    provider.add_log_record_processor(Patient(InMemoryLogRecordExporter()))  # type: ignore[no-untyped-call]
    assert Handover(get_logger("any", logger_provider=provider)).may_wait()
    provider.shutdown()


def test_who_hands_records_to_several_processors_at_once_gets_them_at_once() -> None:
    provider = LoggerProvider(
        shutdown_on_exit=False, multi_log_record_processor=ConcurrentMultiLogRecordProcessor()
    )
    provider.add_log_record_processor(SimpleLogRecordProcessor(InMemoryLogRecordExporter()))  # type: ignore[no-untyped-call]
    assert not Handover(get_logger("any", logger_provider=provider)).may_wait()
    provider.shutdown()


def test_a_logger_that_is_not_the_sdks_is_handed_the_record_at_once() -> None:
    class Foreign:
        def emit(self, record: Any) -> None: ...

    assert not Handover(Foreign()).may_wait()  # type: ignore[arg-type]


@sampling
def test_a_record_that_waited_names_its_span_and_its_times(sampled: bool) -> None:
    pipeline = Pipeline(BatchLogRecordProcessor, sampled=sampled)
    with instrumented("openai", telemetry=pipeline.telemetry):
        with pipeline.telemetry.tracer_provider.get_tracer("app").start_as_current_span("around") as around:
            pipeline.call()
        pipeline.provider.force_flush()
    (record,) = pipeline.told()
    assert record.trace_id == around.get_span_context().trace_id
    assert record.span_id not in (0, around.get_span_context().span_id)
    took = record.body["tokenomics.record.duration"]
    assert (record.observed_timestamp - record.timestamp) / 1e9 == pytest.approx(took)


def test_without_a_span_of_its_own_a_record_names_the_one_around(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_TOKENOMICS_SPANS", "off")
    pipeline = Pipeline(BatchLogRecordProcessor)
    with instrumented("openai", telemetry=pipeline.telemetry):
        with pipeline.telemetry.tracer_provider.get_tracer("app").start_as_current_span("around") as around:
            pipeline.call()
        assert trace.get_current_span() is not around
        assert pipeline.told() == [], "nobody waits for it"
        pipeline.provider.force_flush()
    (record,) = pipeline.told()
    assert record.span_id == around.get_span_context().span_id


def test_a_large_body_is_read_before_the_call_returns() -> None:
    from otel_tokenomics.adapters import stainless
    from otel_tokenomics.adapters.dialect import object_of

    read: list[int] = []
    pipeline = Pipeline(BatchLogRecordProcessor, sampled=False)
    with pytest.MonkeyPatch.context() as patch, instrumented("openai", telemetry=pipeline.telemetry):

        def counted(text: bytes) -> Any:
            read.append(len(text))
            return object_of(text)

        patch.setattr(stainless, "object_of", counted)
        pipeline.call()
        assert read == []
        pipeline.call(stainless._MOST_UNREAD)
        assert len(read) == 1
        pipeline.provider.force_flush()
    assert len(read) == 2
    assert len(pipeline.told()) == 2


class Traced:
    """A tracer provider with processors, and what they export."""

    def __init__(self, *kinds: Callable[[Any], SpanProcessor], chain: Any = None) -> None:
        self.telemetry = Batches()
        self.exporter = self.telemetry.span_exporter
        self.provider = TracerProvider(shutdown_on_exit=False, active_span_processor=chain)
        for kind in kinds:
            self.provider.add_span_processor(kind(self.exporter))
        self.telemetry.tracer_provider = self.provider

    def call(self) -> None:
        """One call of a client library."""
        CASE.create(CASE.client(CASE.wire(Reply(replies.dumps(replies.chat()), headers=JSON))))

    def ended(self) -> list[Any]:
        """The spans that the processors were handed and have exported."""
        for processor in self.provider._active_span_processor._span_processors:
            if not isinstance(processor, BeforeFlush):
                processor.force_flush()
        return list(self.exporter.get_finished_spans())


def test_a_span_is_ended_a_moment_later_where_every_processor_makes_batches() -> None:
    traced = Traced(BatchSpanProcessor)
    with instrumented("openai", telemetry=traced.telemetry):
        before = time.time_ns()
        traced.call()
        after = time.time_ns()
        assert traced.ended() == []
        late.catch_up()
        (span,) = traced.ended()
    assert before <= span.start_time < span.end_time <= after
    assert span.attributes["gen_ai.usage.input_tokens"] == 100


@pytest.mark.parametrize("act", ["force_flush", "shutdown"])
def test_a_flush_or_a_shutdown_right_after_the_call_finds_its_span(act: str) -> None:
    traced = Traced(BatchSpanProcessor)
    with instrumented("openai", telemetry=traced.telemetry):
        traced.call()
        getattr(traced.provider, act)()
        assert len(traced.exporter.get_finished_spans()) == 1


@pytest.mark.parametrize(
    "kinds",
    [
        (SimpleSpanProcessor,),
        (BatchSpanProcessor, SimpleSpanProcessor),
        (type("Own", (BatchSpanProcessor,), {}),),
    ],
    ids=["simple", "both", "somebody's own"],
)
def test_any_other_processor_is_handed_the_span_before_the_call_returns(kinds: Any) -> None:
    traced = Traced(*kinds)
    with instrumented("openai", telemetry=traced.telemetry):
        traced.call()
        assert len(traced.ended()) == len(kinds)


def test_who_hands_spans_to_several_processors_at_once_gets_them_at_once() -> None:
    traced = Traced(BatchSpanProcessor, chain=ConcurrentMultiSpanProcessor())
    with instrumented("openai", telemetry=traced.telemetry):
        traced.call()
        assert len(traced.ended()) == 1
    traced.provider.shutdown()


def test_a_span_is_ended_at_once_where_its_record_is_wanted_at_once() -> None:
    traced = Traced(BatchSpanProcessor)
    traced.telemetry.logger_provider.add_log_record_processor(
        SimpleLogRecordProcessor(InMemoryLogRecordExporter())  # type: ignore[no-untyped-call]
    )
    with instrumented("openai", telemetry=traced.telemetry):
        traced.call()
        assert len(traced.ended()) == 1


def test_span_processors_may_be_added_at_any_time() -> None:
    traced = Traced(BatchSpanProcessor)
    with instrumented("openai", telemetry=traced.telemetry):
        traced.call()
        simple = InMemorySpanExporter()
        traced.provider.add_span_processor(SimpleSpanProcessor(simple))
        traced.call()
        assert len(simple.get_finished_spans()) == 1
        traced.provider.force_flush()
    assert len(simple.get_finished_spans()) == 2


def test_a_failed_call_ends_its_span_at_once() -> None:
    traced = Traced(BatchSpanProcessor)
    with instrumented("openai", telemetry=traced.telemetry), pytest.raises(Exception, match="refused"):
        CASE.create(CASE.client(CASE.wire(Reply(b'{"error": {"message": "refused"}}', 400, JSON))))
    (span,) = traced.ended()
    assert span.attributes["error.type"] == "BadRequestError"


ENDS = """
import sys
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor, ConsoleLogRecordExporter
from tests.telemetry.test_handover import Pipeline, instrumented
from otel_tokenomics.wiring import instrumentors
pipeline = Pipeline()
out = ConsoleLogRecordExporter(formatter=lambda log: (log.log_record.event_name or "") + "\\n")
provider = LoggerProvider()
provider.add_log_record_processor(BatchLogRecordProcessor(out))
instrumentors.OpenAIInstrumentor().instrument(
    logger_provider=provider, tracer_provider=pipeline.telemetry.tracer_provider
)
for _ in range(3):
    pipeline.call()
if "error" in sys.argv:
    raise LookupError
"""


@pytest.mark.parametrize("ending", ["return", "error"])
def test_nothing_is_lost_when_a_process_ends_right_after_a_call(ending: str) -> None:
    known = {**os.environ, "PYTHONPATH": os.pathsep.join([os.getcwd(), os.environ.get("PYTHONPATH", "")])}
    ran = subprocess.run(
        [sys.executable, "-c", ENDS, ending],
        capture_output=True,
        text=True,
        check=False,
        env=known,
        timeout=60,
    )
    assert ran.stdout.count("tokenomics.usage.recorded") == 3, ran.stdout + ran.stderr
