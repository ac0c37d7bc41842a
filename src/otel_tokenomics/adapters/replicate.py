"""The `replicate` client library: predictions that are asked for until they end, billed once by their id.

Usage: https://replicate.com/docs/reference/http#predictions.get, `metrics`. Most models are billed by the
time that they ran, `predict_time`, and those that say how many tokens there were by these. One that failed or
was cancelled has run as well. One that is never seen at its end is not counted.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from otel_tokenomics.adapters.counts import Counts
from otel_tokenomics.adapters.dialect import ShapeDialect
from otel_tokenomics.adapters.http import HttpAdapter
from otel_tokenomics.adapters.http_body import body_of
from otel_tokenomics.adapters.openai_work import milliseconds
from otel_tokenomics.adapters.routes import Endpoint, Route, Routes
from otel_tokenomics.model.call import Facts, Reading
from otel_tokenomics.model.text import clean
from otel_tokenomics.model.usage import MISSING, Usage

_ENDED = frozenset({"succeeded", "failed", "canceled", "aborted"})
_TOKENS = {"input": "input_token_count", "output": "output_token_count"}


def read(body: Mapping[str, Any]) -> Reading:
    """What a prediction says of itself, under way or at its end."""
    reading = Reading(
        _usage(body.get("metrics")), clean(body.get("id")), clean(body.get("model")), background=True
    )
    reading.pending = body.get("status") not in _ENDED
    return reading


def _usage(metrics: Any) -> Usage:
    if not isinstance(metrics, dict):
        return MISSING
    counts = Counts(metrics)
    found = {bucket: counts.get(metrics, name) for bucket, name in _TOKENS.items()}
    buckets = {bucket: count for bucket, count in found.items() if count is not None}
    if not buckets and (ran := milliseconds(metrics.get("predict_time"))) is not None:
        buckets["compute.ms"] = ran
    flags = tuple(sorted(counts.flags))
    return Usage(buckets, flags=flags) if buckets or flags else MISSING


class Replicate(HttpAdapter):
    """The adapter."""

    flavor = provider = "replicate"
    sign = "replicate-python/"
    routes = Routes(
        Route("POST", "models/*/*/predictions", "text_completion"),
        Route("POST", "deployments/*/*/predictions", "text_completion"),
        Route("POST", "predictions", "text_completion"),
        Route("POST", "predictions/*/cancel", "text_completion", "polled"),
        Route("GET", "predictions/*", "text_completion", "polled"),
    )
    dialect = ShapeDialect(read, lambda event: None, lambda body: (), lambda event: True)

    def told(self, route: Route, endpoint: Endpoint, request: Any, stream: bool) -> Facts:
        """The facts of a request: the model is in its path, or is what its body names a version of."""
        facts = super().told(route, endpoint, request, stream)
        parts = request.url.path.strip("/").split("/")
        if route.tail.startswith("models/"):
            facts.request_model = clean("/".join(parts[-3:-1]))
        elif route.tail == "predictions":
            facts.request_model = clean(body_of(request).get("version"))
        return facts
