"""Spans of other instrumentations: one shape, and the price that the Python engine gives."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from tests.wire import feed
from tests.wire.otelcol import Collector
from tests.wire.sink import Sink, mapping, total
from tools.collector import prices

from otel_tokenomics.model.money import as_double
from otel_tokenomics.pricing.book import bundled

CLAUDE, GPT = "claude-sonnet-4-5-20250929", "gpt-4o-2024-08-06"
# 1205 tokens in, of which 1000 came from a cache and 200 went to one; 50 out.
ANTHROPIC = {"input": 5, "cache_read": 1000, "cache_write": 200, "output": 50}
OPENAI = {"input": 60, "cache_read": 40, "output": 20}
Values = dict[str, str | int | float | bool]


class Producer(NamedTuple):
    """What an instrumentation writes about one of two calls."""

    attributes: Values
    provider: str
    model: str
    buckets: dict[str, int]
    scope: str = "app"
    name: str = "chat"


PRODUCERS = {
    "openinference": Producer(
        {
            "openinference.span.kind": "LLM",
            "llm.provider": "anthropic",
            "llm.model_name": CLAUDE,
            "llm.token_count.prompt": 1205,
            "llm.token_count.completion": 50,
            "llm.token_count.prompt_details.cache_read": 1000,
            "llm.token_count.prompt_details.cache_write": 200,
        },
        "anthropic",
        CLAUDE,
        ANTHROPIC,
    ),
    "openllmetry, old": Producer(
        {
            "gen_ai.system": "Anthropic",
            "llm.request.type": "chat",
            "gen_ai.request.model": CLAUDE,
            "gen_ai.response.model": CLAUDE,
            "gen_ai.usage.prompt_tokens": 1205,
            "gen_ai.usage.completion_tokens": 50,
            "gen_ai.usage.cache_read_input_tokens": 1000,
            "gen_ai.usage.cache_creation_input_tokens": 200,
        },
        "anthropic",
        CLAUDE,
        ANTHROPIC,
    ),
    "openllmetry, new": Producer(
        {
            "gen_ai.provider.name": "openai",
            "gen_ai.operation.name": "chat",
            "gen_ai.request.model": "gpt-4o",
            "gen_ai.response.model": GPT,
            "gen_ai.usage.input_tokens": 100,
            "gen_ai.usage.output_tokens": 20,
            "gen_ai.usage.cache_read.input_tokens": 40,
        },
        "openai",
        GPT,
        OPENAI,
    ),
    "openlit, whose input holds no cache": Producer(
        {
            "gen_ai.system": "anthropic",
            "gen_ai.operation.name": "chat",
            "gen_ai.request.model": CLAUDE,
            "gen_ai.response.model": CLAUDE,
            "gen_ai.usage.input_tokens": 5,
            "gen_ai.usage.output_tokens": 50,
            "gen_ai.usage.cache_read_input_tokens": 1000,
            "gen_ai.usage.cache_creation_input_tokens": 200,
        },
        "anthropic",
        CLAUDE,
        ANTHROPIC,
        scope="openlit.otel.tracing",
    ),
    "vercel": Producer(
        {
            "ai.operationId": "ai.generateText.doGenerate",
            "ai.model.provider": "openai.chat",
            "ai.model.id": "gpt-4o",
            "ai.response.model": GPT,
            "ai.usage.inputTokens": 100,
            "ai.usage.outputTokens": 20,
            "ai.usage.cachedInputTokens": 40,
        },
        "openai",
        GPT,
        OPENAI,
        scope="ai",
        name="ai.generateText.doGenerate",
    ),
    "anthropic itself": Producer(
        {
            "gen_ai.provider.name": "anthropic",
            "gen_ai.operation.name": "chat",
            "gen_ai.request.model": CLAUDE,
            "gen_ai.response.model": CLAUDE,
            "gen_ai.usage.input_tokens": 1205,
            "gen_ai.usage.output_tokens": 50,
            "gen_ai.usage.cache_read.input_tokens": 1000,
            "gen_ai.usage.cache_write.input_tokens": 200,
        },
        "anthropic",
        CLAUDE,
        ANTHROPIC,
        scope="com.anthropic.sdk.python",
    ),
    "opentelemetry, old, as strings": Producer(
        {
            "gen_ai.system": "openai",
            "gen_ai.operation.name": "chat",
            "gen_ai.request.model": GPT,
            "gen_ai.usage.prompt_tokens": "100",
            "gen_ai.usage.completion_tokens": "20",
            "gen_ai.usage.cache_read.input_tokens": 40.0,
        },
        "openai",
        GPT,
        OPENAI,
    ),
}


@contextmanager
def priced(folder: Path, *roles: str) -> Iterator[tuple[Collector, Sink]]:
    """A collector that prices foreign spans, and its sink."""
    with Sink() as sink:
        settings = {"TOKENOMICS_OTLP_ENDPOINT": sink.url, "TOKENOMICS_SAMPLING_PERCENT": "0"}
        names = ("role-laptop", *roles, "foreign", "backend-otlp")
        with Collector(folder, *names, settings=settings) as collector:
            yield collector, sink


def engine(provider: str, model: str, buckets: Mapping[str, int]) -> float | None:
    """The Python engine's answer, in USD."""
    amount = prices.ask(provider, model, {key: value for key, value in buckets.items() if value}, bundled())
    return None if amount is None else as_double(amount)


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """What became of every producer's span."""
    with priced(tmp_path_factory.mktemp("foreign")) as (collector, sink):
        for case, producer in PRODUCERS.items():
            attributes = {**producer.attributes, "case": case}
            feed.post(collector, "traces", feed.spans(attributes, scope=producer.scope, name=producer.name))
        assert sink.wait(lambda: len(sink.spans()) == len(PRODUCERS))
        assert collector.complaints() == []
        return {seen["case"]: seen for seen in (mapping(span.attributes) for span in sink.spans())}


@pytest.mark.parametrize("case", PRODUCERS)
def test_every_producer_gets_one_shape_and_the_engines_price(
    told: dict[str, dict[str, Any]], case: str
) -> None:
    producer, seen = PRODUCERS[case], told[case]
    given = sum(count for bucket, count in producer.buckets.items() if bucket != "output")
    assert seen["gen_ai.operation.name"] == "chat"
    assert seen["gen_ai.provider.name"] == producer.provider
    assert seen["gen_ai.usage.input_tokens"] == given
    assert seen["gen_ai.usage.output_tokens"] == producer.buckets["output"]
    assert seen["gen_ai.usage.cache_read.input_tokens"] == producer.buckets["cache_read"]
    expected = engine(producer.provider, producer.model, producer.buckets)
    assert expected is not None
    assert seen["gen_ai.usage.cost.amount"] == pytest.approx(expected, rel=1e-15)
    assert seen["tokenomics.cost.status"] == "complete"
    assert seen["tokenomics.cost.assumption"] == "collector"
    assert seen["tokenomics.price.catalog.version"] == bundled().version
    assert not [key for key in seen if key.startswith(("tokenomics.rate", "tokenomics.model"))]


BASE: Values = {**PRODUCERS["openllmetry, new"].attributes}
LEFT_ALONE: dict[str, tuple[Values, str]] = {
    "the library's own": ({**BASE, "tokenomics.cost.status": "unpriced"}, "otel_tokenomics"),
    "an agent that repeats the totals": ({**BASE, "gen_ai.operation.name": "invoke_agent"}, "app"),
    "the outer span of the AI SDK": (
        {
            "ai.operationId": "ai.generateText",
            "ai.usage.inputTokens": 100,
            "ai.model.provider": "openai.chat",
        },
        "ai",
    ),
    "the vendor's own report": (BASE, "com.anthropic.claude-platform"),
    "no model at all": ({"http.request.method": "POST"}, "app"),
}
UNPRICED: dict[str, Values] = {
    "unknown_model": {**BASE, "gen_ai.response.model": "gpt-9-imaginary"},
    "missing_usage": {key: value for key, value in BASE.items() if "usage" not in key},
    "unknown_tier": {**BASE, "openai.response.service_tier": "flex"},
}


def test_what_is_not_inference_is_not_counted_and_what_is_unknown_is_not_zero(tmp_path: Path) -> None:
    with priced(tmp_path) as (collector, sink):
        for case, (attributes, scope) in LEFT_ALONE.items():
            feed.post(collector, "traces", feed.spans({**attributes, "case": case}, scope=scope))
        for reason, attributes in UNPRICED.items():
            feed.post(collector, "traces", feed.spans({**attributes, "case": reason}))
        reported = {**BASE, "gen_ai.usage.cost": 0.25, "case": "reported"}
        feed.post(collector, "traces", feed.spans(reported))
        expected = len(LEFT_ALONE) + len(UNPRICED) + 1
        assert sink.wait(lambda: len(sink.spans()) == expected)
        seen = {told["case"]: told for told in (mapping(span.attributes) for span in sink.spans())}
        unpriced = "tokenomics.foreign.unpriced_operations"
        assert sink.wait(lambda: total(sink.points(), unpriced) == len(UNPRICED))
        assert total(sink.points(), "tokenomics.foreign.cost") == 0.25
    for case in LEFT_ALONE:
        assert "tokenomics.cost.assumption" not in seen[case]
        assert "gen_ai.usage.cost.amount" not in seen[case]
    for reason in UNPRICED:
        assert "gen_ai.usage.cost.amount" not in seen[reason]
        assert seen[reason]["tokenomics.cost.status"] == "unpriced"
        assert seen[reason]["tokenomics.cost.unpriced_reason"] == reason
    assert seen["reported"]["gen_ai.usage.cost.amount"] == 0.25
    assert seen["reported"]["tokenomics.cost.method"] == "gateway_reported"


def cases() -> Iterator[tuple[str, str, dict[str, int]]]:
    """Every model of the table, with a short and a long request of every bucket."""
    for provider, by_price in prices.table().items():
        for found, models in by_price.items():
            for model in models:
                for above in {found[0].above, found[-1].above}:
                    whole = {"input": above + 907, "cache_read": 401, "cache_write": 89, "output": 311}
                    yield provider, model, whole
                    yield (
                        provider,
                        model,
                        {"input": above + 1, "cache_read": 0, "cache_write": 0, "output": 7},
                    )


def test_every_price_is_the_engines_and_is_counted_before_sampling(tmp_path: Path) -> None:
    asked = list(cases())
    with priced(tmp_path) as (collector, sink):
        message = feed.spans({}, count=0)
        for number, (provider, model, buckets) in enumerate(asked):
            message.MergeFrom(feed.spans(inference(provider, model, buckets, number)))
        feed.post(collector, "traces", message)
        assert sink.wait(lambda: len(sink.spans()) == len(asked))
        told = {seen["case"]: seen for seen in (mapping(span.attributes) for span in sink.spans())}
    assert len(asked) > 2000
    wrong = [case for number, case in enumerate(asked) if not agrees(told[number], *case)]
    assert wrong == []


def inference(provider: str, model: str, buckets: Mapping[str, int], number: int) -> Values:
    """A span in OpenTelemetry's names."""
    return {
        "case": number,
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": provider,
        "gen_ai.request.model": model,
        "gen_ai.usage.input_tokens": buckets["input"] + buckets["cache_read"] + buckets["cache_write"],
        "gen_ai.usage.output_tokens": buckets["output"],
        "gen_ai.usage.cache_read.input_tokens": buckets["cache_read"],
        "gen_ai.usage.cache_write.input_tokens": buckets["cache_write"],
    }


def agrees(seen: Mapping[str, Any], provider: str, model: str, buckets: Mapping[str, int]) -> bool:
    """Whether the collector says what the engine says, or neither has a price."""
    expected, mine = engine(provider, model, buckets), seen.get("gen_ai.usage.cost.amount")
    if mine is None or expected is None:
        return bool(mine is None and seen["tokenomics.cost.status"] == "unpriced")
    return bool(mine == pytest.approx(expected, rel=1e-15))


def test_money_of_foreign_spans_is_counted_before_they_are_sampled(tmp_path: Path) -> None:
    with priced(tmp_path, "role-sampling") as (collector, sink):
        feed.post(collector, "traces", feed.spans(BASE, count=500))
        one = engine("openai", GPT, OPENAI)
        assert one is not None
        assert sink.wait(lambda: total(sink.points(), "tokenomics.foreign.input_tokens") == 500 * 100)
        assert total(sink.points(), "tokenomics.foreign.cost") == pytest.approx(500 * one, rel=1e-12)
        assert sink.spans() == []
