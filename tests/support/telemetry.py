"""Real OpenTelemetry providers whose exports stay in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from opentelemetry.sdk._logs import LoggerProvider, LogRecordProcessor
from opentelemetry.sdk._logs.export import (
    BatchLogRecordProcessor,
    InMemoryLogRecordExporter,
    SimpleLogRecordProcessor,
)
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from tests.support import witness

from otel_tokenomics.flow import late
from otel_tokenomics.wiring import instrumentors
from otel_tokenomics.wiring.libraries import LIBRARIES

witness.install_in_child()

INSTRUMENTORS: Mapping[str, Any] = {
    name: getattr(instrumentors, library.instrumentor) for name, library in LIBRARIES.items()
}
RECORDED = "tokenomics.usage.recorded"
BUCKET = "tokenomics.usage.bucket."
Points = dict[tuple[tuple[str, Any], ...], float]


def told(record: Any) -> dict[str, Any]:
    """The whole record: what stands in the event's attributes and what stands in its body."""
    return {**(record.body or {}), **(record.attributes or {})}


class Telemetry:
    """Three providers and what they exported."""

    spans_by: Callable[[Any], SpanProcessor] = SimpleSpanProcessor
    logs_by: Callable[[Any], LogRecordProcessor] = SimpleLogRecordProcessor

    def __init__(self, *first: SpanProcessor) -> None:
        self.span_exporter = InMemorySpanExporter()
        self.tracer_provider = TracerProvider(shutdown_on_exit=False)
        for processor in first:
            self.tracer_provider.add_span_processor(processor)
        self.tracer_provider.add_span_processor(type(self).spans_by(self.span_exporter))
        self.log_exporter: Any = InMemoryLogRecordExporter()  # type: ignore[no-untyped-call]
        self.logger_provider = LoggerProvider(shutdown_on_exit=False)
        self.logger_provider.add_log_record_processor(type(self).logs_by(self.log_exporter))
        self.reader = InMemoryMetricReader()
        self.meter_provider = MeterProvider([self.reader], shutdown_on_exit=False)
        self._before: dict[str, Points] = {}

    @property
    def providers(self) -> dict[str, Any]:
        """Keyword arguments of `instrument`."""
        return {
            "tracer_provider": self.tracer_provider,
            "meter_provider": self.meter_provider,
            "logger_provider": self.logger_provider,
        }

    def records(self) -> list[dict[str, Any]]:
        """Every usage record, body and attributes as one, late ones included, oldest first."""
        assert late.drain(10), "late settlements took longer than 10 seconds"
        logs = self.log_exporter.get_finished_logs()
        return [told(log.log_record) for log in logs if is_record(log)]

    def record(self) -> dict[str, Any]:
        """The attributes of the one usage record."""
        records = self.records()
        assert len(records) == 1, f"{len(records)} usage records: {records}"
        return records[0]

    def spans(self) -> list[ReadableSpan]:
        """Finished spans, oldest first."""
        return list(self.span_exporter.get_finished_spans())

    def metrics(self) -> dict[str, Points]:
        """What each metric counted since `instrumented` began: name, then attributes, then value or sum."""
        late.drain(10)
        return _less(self._collect(), self._before)

    def clear(self) -> None:
        """Forget records and spans."""
        late.drain(10)
        self.log_exporter.clear()
        self.span_exporter.clear()

    def mark(self) -> None:
        """Totals are the process's: what was counted before this moment is left out of `metrics`."""
        self._before = self._collect()

    def _collect(self) -> dict[str, Points]:
        data = self.reader.get_metrics_data()
        found: dict[str, Points] = {}
        for resource in data.resource_metrics if data is not None else ():
            for scope in resource.scope_metrics:
                for metric in scope.metrics:
                    found[metric.name] = {
                        tuple(sorted((point.attributes or {}).items())): float(
                            getattr(point, "value", getattr(point, "sum", 0))
                        )
                        for point in metric.data.data_points
                    }
        return found


class Batches(Telemetry):
    """As an application has it: spans and logs are exported in batches, so that ours may wait."""

    spans_by = BatchSpanProcessor
    logs_by = BatchLogRecordProcessor

    def records(self) -> list[dict[str, Any]]:
        """Every usage record, once everything is exported."""
        self.logger_provider.force_flush()
        return super().records()


def is_record(log: Any) -> bool:
    """Whether an exported log is a usage record."""
    return bool(log.log_record.event_name == RECORDED)


def buckets_of(record: Mapping[str, Any]) -> dict[str, int]:
    """The disjoint usage buckets of a record."""
    return {key.removeprefix(BUCKET): value for key, value in record.items() if key.startswith(BUCKET)}


@contextmanager
def instrumented(
    *libraries: str, telemetry: Telemetry | None = None, **providers: Any
) -> Iterator[Telemetry]:
    """Instrument the libraries (all of them by default) for the block."""
    told = telemetry or Telemetry()
    chosen = [INSTRUMENTORS[name]() for name in libraries or INSTRUMENTORS]
    for instrumentor in chosen:
        instrumentor.instrument(**{**told.providers, **providers})
    told.mark()
    try:
        yield told
    finally:
        for instrumentor in chosen:
            instrumentor.uninstrument()
        late.drain(10)


def _less(now: dict[str, Points], before: dict[str, Points]) -> dict[str, Points]:
    left: dict[str, Points] = {}
    for name, points in now.items():
        earlier = before.get(name, {})
        grown = {key: value - earlier.get(key, 0.0) for key, value in points.items()}
        if kept := {key: value for key, value in grown.items() if value or key not in earlier}:
            left[name] = kept
    return left
