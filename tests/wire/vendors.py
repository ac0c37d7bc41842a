"""Two vendors' intakes on loopback, with the rules that their documentation states."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from tests.wire.otelcol import SECRETS
from tests.wire.sink import Request, mapping, points

METRIC_CONFIG = {
    "resource_attributes_as_tags",
    "instrumentation_scope_metadata_as_tags",
    "histograms",
    "summaries",
}


@dataclass
class Datadog:
    """Its OTLP intakes. `series` is what it stores: of two points in one second, the last."""

    refusals: list[str] = field(default_factory=list)
    series: dict[Any, float] = field(default_factory=dict)

    def __call__(self, request: Request) -> tuple[int, dict[str, str]]:
        """Judge a request: 202 when it is taken, as Datadog says."""
        if request.headers.get("dd-api-key") != SECRETS["DD_API_KEY"]:
            return self._refuse(403, "no valid dd-api-key")
        if request.headers.get("content-type") != "application/x-protobuf":
            return self._refuse(415, "not protobuf")
        return self._metrics(request) if request.signal == "metrics" else self._traces(request)

    def total(self, metric: str) -> float:
        """What its query for the sum of a counter shows."""
        return sum(value for (name, *_), value in self.series.copy().items() if name == metric)

    def _metrics(self, request: Request) -> tuple[int, dict[str, str]]:
        if request.wire_bytes > 500_000 or len(request.body) > 5_000_000:
            return self._refuse(413, "payload too large")
        if not set(json.loads(request.headers.get("dd-otel-metric-config", "{}"))) <= METRIC_CONFIG:
            return self._refuse(400, "unknown metric configuration")
        message = request.message()
        if 2 in temporalities(message):
            return self._refuse(400, "cumulative temporality")
        for point in points(message):
            resource = dict(point.resource)
            tags = (resource.get("service.name"), resource.get("deployment.environment.name"), point.labels)
            self.series[(point.metric, point.time_ns // 10**9, tags)] = point.value
        return 202, {}

    def _traces(self, request: Request) -> tuple[int, dict[str, str]]:
        if request.headers.get("dd-otlp-source") != "llmobs":
            return self._refuse(403, "no dd-otlp-source")
        return (202, {}) if len(request.body) <= 3_200_000 else self._refuse(413, "payload too large")

    def _refuse(self, status: int, why: str) -> tuple[int, dict[str, str]]:
        self.refusals.append(why)
        return status, {}


@dataclass
class NewRelic:
    """Its OTLP intake. `errors` is NrIntegrationError: what was answered 2xx and lost all the same."""

    refusals: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def __call__(self, request: Request) -> tuple[int, dict[str, str]]:
        """Judge a request: 200 and an empty body before anything is checked."""
        if request.headers.get("api-key") != SECRETS["NEW_RELIC_LICENSE_KEY"]:
            self.refusals.append("no valid api-key")
            return 403, {}
        if request.wire_bytes >= 1_000_000:
            self.refusals.append("payload too large")
            return 413, {}
        message = request.message()
        if request.signal == "traces":
            self._check_spans(message)
        elif 2 in temporalities(message):
            self.errors.append("cumulative temporality")
        return 200, {}

    def _check_spans(self, message: Any) -> None:
        for told in message.resource_spans:
            self._check("resource", told.resource.attributes, 64)
            for scope in told.scope_spans:
                self._check("scope", scope.scope.attributes, 8)
                for span in scope.spans:
                    self._check("span", span.attributes, 128)

    def _check(self, what: str, attributes: Any, most: int) -> None:
        if len(attributes) > most:
            self.errors.append(f"{what}: more than {most} attributes")
        for key, value in mapping(attributes).items():
            if len(key) > 255:
                self.errors.append(f"{what}: a name longer than 255")
            if isinstance(value, str) and len(value) > 4095:
                self.errors.append(f"{what}: a value longer than 4095")


def temporalities(message: Any) -> set[int]:
    """The aggregation temporalities in a metrics request: 1 delta, 2 cumulative."""
    found = set()
    for told in message.resource_metrics:
        for scope in told.scope_metrics:
            for metric in scope.metrics:
                kind = metric.WhichOneof("data")
                if kind in ("sum", "histogram", "exponential_histogram"):
                    found.add(getattr(metric, kind).aggregation_temporality)
    return found
