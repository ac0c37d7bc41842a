"""Each word of `OTEL_TOKENOMICS_COMPAT` adds the keys that its backend reads, and nothing else."""

from __future__ import annotations

import json
from typing import Any

import pytest
from openinference.semconv.trace import SpanAttributes
from opentelemetry import trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from tests.ledger._support import priced, record
from tests.support.telemetry import Telemetry

from otel_tokenomics.model.money import Line, unpriced
from otel_tokenomics.model.record import UsageRecord
from otel_tokenomics.telemetry.compat import ALIASES, KEYS
from otel_tokenomics.telemetry.metrics import Metrics
from otel_tokenomics.telemetry.spans import Spans
from otel_tokenomics.wiring.settings import COMPATS

FEMTO = 10**15
LINES = tuple(
    Line(component, component, 1, amount * FEMTO, 1, amount * FEMTO)
    for component, amount in (
        ("input", 1),
        ("cache_read", 2),
        ("cache_write", 4),
        ("output", 8),
        ("reasoning", 16),
    )
)


def paid(**changes: Any) -> UsageRecord:
    return record(cost=priced(31 * FEMTO, lines=LINES, **changes))


def told(one: UsageRecord, *compat: str) -> dict[str, Any]:
    """The attributes of the span of a call."""
    telemetry = Telemetry()
    spans = Spans(telemetry.tracer_provider, "own", compat)
    spans.close(spans.open(one.facts, one.started_ns), one, one.started_ns + (one.duration_ns or 0))
    return dict(telemetry.spans()[0].attributes or {})


def added(one: UsageRecord, word: str) -> dict[str, Any]:
    bare = told(one)
    full = told(one, word)
    assert {key: full[key] for key in bare} == bare, "what the default emits has changed"
    return {key: value for key, value in full.items() if key not in bare}


def test_openinference() -> None:
    """The keys of the package `openinference-semantic-conventions`, which Phoenix and Arize read."""
    keys = SpanAttributes
    assert added(paid(), "openinference") == {
        keys.OPENINFERENCE_SPAN_KIND: "LLM",
        keys.LLM_PROVIDER: "openai",
        keys.LLM_MODEL_NAME: "gpt-5.4-mini-2026-03-01",
        keys.LLM_TOKEN_COUNT_PROMPT: 160,
        keys.LLM_TOKEN_COUNT_COMPLETION: 25,
        keys.LLM_TOKEN_COUNT_TOTAL: 185,
        keys.LLM_TOKEN_COUNT_PROMPT_DETAILS_CACHE_READ: 50,
        keys.LLM_TOKEN_COUNT_PROMPT_DETAILS_CACHE_WRITE: 10,
        keys.LLM_TOKEN_COUNT_COMPLETION_DETAILS_REASONING: 5,
        keys.LLM_COST_TOTAL: 31.0,
        keys.LLM_COST_PROMPT: 7.0,
        keys.LLM_COST_COMPLETION: 24.0,
        keys.LLM_COST_PROMPT_DETAILS_INPUT: 1.0,
        keys.LLM_COST_PROMPT_DETAILS_CACHE_READ: 2.0,
        keys.LLM_COST_PROMPT_DETAILS_CACHE_WRITE: 4.0,
        keys.LLM_COST_COMPLETION_DETAILS_OUTPUT: 8.0,
        keys.LLM_COST_COMPLETION_DETAILS_REASONING: 16.0,
    }


def test_openlit() -> None:
    """openlit/openlit: src/client/src/lib/platform/agents/materialize.ts sums this key of spans.

    Its own pages read metrics of GPUs alone. The boards in its documentation that read the histogram of the
    same name (docs/snippets/destinations) select `telemetry_sdk_name="openlit"`, which we never are: no copy
    of the histogram would be seen there, so there is none.
    """
    assert added(paid(), "openlit") == {"gen_ai.usage.cost": 31.0}


def test_langfuse() -> None:
    """langfuse/langfuse: packages/shared/src/server/otel/OtelIngestionProcessor.ts, `extractCostDetails`.

    It parses this key as JSON, and only without it takes `gen_ai.usage.cost` for the total.
    """
    found = added(paid(), "langfuse")
    assert set(found) == {"langfuse.observation.cost_details"}
    details = json.loads(found["langfuse.observation.cost_details"])
    assert details.pop("total") == sum(details.values()) == 31.0
    assert set(details) == {"input", "cache_read", "cache_write", "output", "reasoning"}


def test_logfire() -> None:
    """pydantic/logfire, docs/guides/web-ui/llm-panels.md: its pages always take this key when it is present.

    The backend's own code is not public, and was not seen.
    """
    assert added(paid(), "logfire") == {"operation.cost": 31.0}


def test_litellm() -> None:
    """BerriAI/litellm: `COST_PREFIX` of litellm/integrations/otel/model/semconv.py."""
    assert added(paid(), "litellm") == {
        "litellm.cost.total": 31.0,
        "litellm.cost.input": 1.0,
        "litellm.cost.output": 8.0,
        "litellm.cost.cache_read": 2.0,
        "litellm.cost.cache_creation": 4.0,
    }


def distributions(*, legacy: bool) -> dict[str, Any]:
    """The histograms of one call as a reader gets them, by name."""
    reader = InMemoryMetricReader()
    metrics = Metrics(MeterProvider([reader], shutdown_on_exit=False), legacy)
    metrics.record(paid(), None)
    data = reader.get_metrics_data()
    assert data is not None
    found = data.resource_metrics[0].scope_metrics[0].metrics
    return {metric.name: metric for metric in found if hasattr(metric.data.data_points[0], "bucket_counts")}


def test_legacy_token_usage() -> None:
    """OpenTelemetry's metric of before September 2026, by the keys that boards select and split by."""
    name = "gen_ai.client.token.usage"
    metric = distributions(legacy=True)[name]
    assert metric.unit == "{token}"
    points = {point.attributes["gen_ai.token.type"]: point for point in metric.data.data_points}
    assert {kind: (point.count, point.sum) for kind, point in points.items()} == {
        "input": (1, 160),
        "output": (1, 25),
    }
    assert {**points["input"].attributes} == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-5.4-mini",
        "gen_ai.response.model": "gpt-5.4-mini-2026-03-01",
        "gen_ai.token.type": "input",
    }
    bare = set(distributions(legacy=False))
    assert name not in bare
    assert set(distributions(legacy=True)) == {*bare, name}


def test_cache_creation() -> None:
    assert added(paid(), "cache_creation") == {"gen_ai.usage.cache_creation.input_tokens": 10}


@pytest.mark.parametrize("word", ALIASES)
def test_no_price_is_no_cost_and_other_money_is_not_dollars(word: str) -> None:
    for one in (record(cost=unpriced("unknown_model")), paid(currency="EUR")):
        assert not [key for key in added(one, word) if "cost" in key]


def test_every_word_is_a_setting_and_every_key_is_known() -> None:
    assert set(COMPATS) == {"cache_creation", "legacy_token_usage", *ALIASES}
    assert {key for word in ALIASES for key in added(paid(), word)} <= KEYS


def test_a_foreign_span_is_given_the_keys_that_it_lacks() -> None:
    telemetry = Telemetry()
    spans = Spans(telemetry.tracer_provider, "annotate", ("logfire", "openlit"))
    known: dict[str, Any] = {"gen_ai.operation.name": "chat", "operation.cost": 1.0}
    with telemetry.tracer_provider.get_tracer("rival").start_as_current_span(
        "chat", attributes=known
    ) as rival:
        page = spans.open(paid().facts, 1)
        spans.annotate(page, paid())
        assert page.span is trace.get_current_span() is rival
    attributes = telemetry.spans()[0].attributes or {}
    assert (attributes["operation.cost"], attributes["gen_ai.usage.cost"]) == (1.0, 31.0)
