"""Anthropic's message batches: each result that succeeded is one billed message, at the prices of a batch.

https://docs.anthropic.com/en/api/retrieving-message-batch-results: a line has a `custom_id` and a `result`,
whose `type` is `succeeded`, `errored`, `canceled` or `expired`. Only the first has a `message` and is billed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from otel_tokenomics.adapters.batches import LinesMeter, WorkMeter
from otel_tokenomics.adapters.dialect import Dialect, Told
from otel_tokenomics.adapters.routes import Route
from otel_tokenomics.flow.contracts import Part
from otel_tokenomics.model.call import Facts

ROUTES = (
    Route("POST", "messages/batches", "fetch_response", "several"),
    Route("GET", "messages/batches/*/results", "fetch_response", "several"),
)


def meter(dialect: Dialect, options: Any, facts: Facts) -> LinesMeter | WorkMeter:
    """A meter of a batch's results, or of the batch that was created."""
    if facts.route == "messages/batches":
        return WorkMeter(options, facts, True, None)
    batch = options.url.partition("?")[0].rstrip("/").split("/")[-2]
    return LinesMeter(partial(_part, dialect, facts), options, batch, batch)


def _part(dialect: Dialect, asked: Facts, line: Mapping[str, Any]) -> Part | None:
    result = line.get("result")
    message = (
        result.get("message") if isinstance(result, dict) and result.get("type") == "succeeded" else None
    )
    if not isinstance(message, dict):
        return None
    facts = replace(asked, operation="chat", route="messages", billing="metered", stream=False)
    told = Told()
    dialect.body(told, message, facts)
    reading = dialect.reading(told, facts)
    reading.service_tier = "batch"
    return Part(reading.response_id or str(line.get("custom_id")), reading, facts)
