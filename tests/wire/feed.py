"""Hand-made OTLP, for what a test wants to be exact about."""

from __future__ import annotations

import time
import urllib.request
from collections.abc import Mapping
from typing import Any

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from tests.wire.otelcol import Collector

Values = dict[str, str | int | float | bool]
Attributes = Mapping[str, str | int | float | bool]


def pairs(attributes: Attributes) -> list[KeyValue]:
    """Attributes as OTLP writes them."""
    return [KeyValue(key=key, value=any_value(value)) for key, value in attributes.items()]


def any_value(value: str | int | float | bool) -> AnyValue:
    """One value; a bool is no int."""
    if isinstance(value, bool):
        return AnyValue(bool_value=value)
    if isinstance(value, int):
        return AnyValue(int_value=value)
    return AnyValue(double_value=value) if isinstance(value, float) else AnyValue(string_value=value)


def post(collector: Collector, signal: str, message: Any) -> int:
    """Send a request to the collector's receiver; its status."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{collector.http}/v1/{signal}",
        data=message.SerializeToString(),
        headers={"content-type": "application/x-protobuf"},
    )
    with urllib.request.urlopen(request, timeout=30) as response:
        status: int = response.status
    return status


def counters(instance: str, value: int, metric: str, *, series: int = 1) -> ExportMetricsServiceRequest:
    """A delta of `value` in each of `series` series of a counter, from one process."""
    message = ExportMetricsServiceRequest()
    resource = message.resource_metrics.add()
    resource.resource.attributes.extend(pairs({"service.name": "fleet", "service.instance.id": instance}))
    told = resource.scope_metrics.add().metrics.add(name=metric, unit="{token}")
    told.sum.aggregation_temporality = 1
    told.sum.is_monotonic = True
    now = time.time_ns()
    for number in range(series):
        point = told.sum.data_points.add(as_int=value, time_unix_nano=now, start_time_unix_nano=now - 10**9)
        point.attributes.extend(pairs({"gen_ai.request.model": f"model-{number}-{'x' * 80}"}))
    return message


def spans(
    attributes: Attributes,
    *,
    count: int = 1,
    scope: str = "app",
    name: str = "chat",
    resource: Attributes | None = None,
) -> ExportTraceServiceRequest:
    """`count` spans with these attributes, each a trace of its own."""
    message = ExportTraceServiceRequest()
    told = message.resource_spans.add()
    told.resource.attributes.extend(pairs({"service.name": "fleet", **(resource or {})}))
    inside = told.scope_spans.add()
    inside.scope.name = scope
    now = time.time_ns()
    for number in range(count):
        span = inside.spans.add(name=name, kind=3, start_time_unix_nano=now - 10**9, end_time_unix_nano=now)
        span.trace_id = (number + 1).to_bytes(16, "big")
        span.span_id = (number + 1).to_bytes(8, "big")
        span.attributes.extend(pairs(attributes))
    return message
