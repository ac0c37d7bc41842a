"""The rules: what is priced, by what, and what is never taken for nothing."""

from __future__ import annotations

from typing import Any

import pytest
from tests.pricing._cases import NOW, cost_of, facts, femto, instant

from otel_tokenomics.model.call import Reading
from otel_tokenomics.model.usage import MISSING, Usage
from otel_tokenomics.pricing.book import bundled
from otel_tokenomics.pricing.price import price

MILLION = {"input": 10**6}


@pytest.mark.parametrize("tier", [None, "default", "auto", "standard"])
def test_the_ordinary_tier(tier: str | None) -> None:
    assert cost_of("openai", "gpt-5", MILLION, service_tier=tier).amount_femto == femto("1.25")


@pytest.mark.parametrize(("tier", "usd"), [("flex", "0.625"), ("priority", "2.5"), ("fast", "2.5")])
def test_the_served_tier_sets_the_price(tier: str, usd: str) -> None:
    asked = {"service_tier": "default"}
    cost = cost_of("openai", "gpt-5", MILLION, service_tier=tier, facts_are=asked)
    assert cost.amount_femto == femto(usd)
    assert cost.price_id == f"openai/gpt-5/{'flex' if tier == 'flex' else 'priority'}"


@pytest.mark.parametrize(
    ("provider", "model", "served"),
    [
        ("openai", "gpt-5", {"service_tier": "scale"}),
        ("openai", "gpt-5", {"service_tier": "hyper"}),
        ("openai", "gpt-4", {"service_tier": "flex"}),
        ("anthropic", "claude-opus-5-5", {"service_tier": "priority"}),
        ("anthropic", "claude-sonnet-5", {"speed": "fast"}),
        ("anthropic", "claude-opus-5-5", {"speed": "warp"}),
        ("anthropic", "claude-opus-5-5", {"speed": "fast", "service_tier": "batch"}),
        ("anthropic", "claude-opus-5-5", {"inference_geo": "mars"}),
        ("openai", "gpt-5", {"inference_geo": "us"}),
    ],
)
def test_an_unknown_way_of_being_served_is_not_the_ordinary_one(
    provider: str, model: str, served: dict[str, Any]
) -> None:
    cost = cost_of(provider, model, MILLION, **served)
    assert (cost.amount_femto, cost.status, cost.unpriced_reason) == (None, "unpriced", "unknown_tier")


def test_a_tier_has_no_price_before_its_first() -> None:
    assert cost_of("openai", "o3", MILLION, "2026-10-11T23:59", service_tier="flex").amount_femto is None
    cost = cost_of("openai", "o3", MILLION, "2026-10-12T00:00", service_tier="flex")
    assert (cost.amount_femto, cost.effective_date) == (femto("1"), "2026-10-12")


def test_a_price_changes_at_the_instant() -> None:
    boundary = instant("2026-08-21T00:00")
    reading = Reading(Usage({"input": 10**5}), response_model="gpt-5.6-sol")
    before = price(facts(), reading, boundary - 1, bundled())
    after = price(facts(), reading, boundary, bundled())
    assert (before.amount_femto, before.effective_date) == (femto("0.5"), None)
    assert (after.amount_femto, after.effective_date) == (femto("0.4"), "2026-08-21")


@pytest.mark.parametrize("geo", [None, "global", "not_available"])
def test_inference_anywhere_costs_the_list_price(geo: str | None) -> None:
    cost = cost_of("anthropic", "claude-opus-5-5", MILLION, inference_geo=geo)
    assert (cost.amount_femto, cost.price_id) == (femto("4"), "anthropic/claude-opus-5-5")


@pytest.mark.parametrize(
    ("model", "usd"), [("claude-opus-4-6", "5.5"), ("claude-fable-5", "11"), ("claude-opus-4-5", "5")]
)
def test_inference_in_the_us_costs_more_from_opus_4_6_on(model: str, usd: str) -> None:
    assert cost_of("anthropic", model, MILLION, inference_geo="us").amount_femto == femto(usd)


def test_geography_leaves_searches_alone() -> None:
    buckets = {"input": 10**6, "tool.web_search": 100}
    cost = cost_of("anthropic", "claude-opus-5-5", buckets, inference_geo="us")
    assert cost.amount_femto == femto("5.4")
    assert cost.price_id == "anthropic/claude-opus-5-5/geo:us"


@pytest.mark.parametrize(
    ("provider", "model", "reason"),
    [
        ("openai", "gpt-99", "unknown_model"),
        ("openai", "gpt-5.6-solar", "unknown_model"),
        ("anthropic", "claude-opus-5-5-turbo", "unknown_model"),
        ("acme", "gpt-5", "unknown_provider"),
        ("openai", None, "unknown_model"),
    ],
)
def test_what_is_not_known_is_not_priced(provider: str, model: str | None, reason: str) -> None:
    cost = cost_of(provider, model, MILLION)
    assert (cost.amount_femto, cost.status, cost.unpriced_reason) == (None, "unpriced", reason)


def test_the_requested_model_stands_in_and_says_so() -> None:
    cost = cost_of("openai", None, MILLION, facts_are={"request_model": "gpt-5"})
    assert cost.amount_femto == femto("1.25")
    assert cost.assumption == "response names no model: priced as the requested model"


def test_the_requested_model_never_overrides_the_served_one() -> None:
    asked = {"request_model": "gpt-5"}
    assert cost_of("openai", "gpt-5-mini", MILLION, facts_are=asked).amount_femto == femto("0.25")
    assert cost_of("openai", "acme-1", MILLION, facts_are=asked).amount_femto is None


def test_bedrock_bills_the_id_of_the_request() -> None:
    asked = {"request_model": "us.anthropic.claude-sonnet-4-5-20250929-v1:0"}
    cost = cost_of("aws.bedrock", None, MILLION, facts_are=asked)
    assert (cost.amount_femto, cost.assumption) == (femto("3.3"), None)


@pytest.mark.parametrize("model", ["gpt-5", "gpt-5-2025-08-07", "gpt-4o-2024-08-06"])
def test_an_assumed_provider_is_believed_for_its_own_models(model: str) -> None:
    cost = cost_of("openai", model, MILLION, facts_are={"provider_assumed": True})
    assert cost.status == "complete"
    assert cost.assumption == "host not known: priced as openai's list price"


@pytest.mark.parametrize(
    "model", ["GPT-5", "models/gpt-5", "gpt-oss-120b", "qwen3", "ft:gpt-4o-mini:a::b", None]
)
def test_an_assumed_provider_is_not_believed_for_anything_else(model: str | None) -> None:
    assumed = {"provider_assumed": True, "request_model": "gpt-5"}
    cost = cost_of("openai", model, MILLION, facts_are=assumed)
    assert (cost.amount_femto, cost.unpriced_reason) == (None, "unknown_model")


@pytest.mark.parametrize("usage", [MISSING, Usage({}), Usage({"input": 1}, source="missing")])
def test_without_usage_there_is_no_price(usage: Usage) -> None:
    cost = price(facts(), Reading(usage, response_model="gpt-5"), instant(NOW), bundled())
    assert (cost.amount_femto, cost.unpriced_reason) == (None, "missing_usage")


def test_zero_is_zero() -> None:
    cost = cost_of("openai", "gpt-5", {"input": 0, "output": 0, "video": 0})
    assert (cost.amount_femto, cost.status, cost.lines) == (0, "complete", ())


def test_free_operations_cost_nothing_by_rule() -> None:
    free = {"billing": "free"}
    cost = cost_of("openai", None, {}, facts_are=free)
    assert (cost.amount_femto, cost.status, cost.price_id) == (0, "complete", "rule/free/chat")


@pytest.mark.parametrize(
    ("source", "bound"), [("tokenizer", None), ("heuristic", None), ("stream_partial", "lower")]
)
def test_counted_tokens_make_an_estimate(source: str, bound: str | None) -> None:
    cost = cost_of("openai", "gpt-5", MILLION, usage_is={"source": source})
    assert (cost.amount_femto, cost.method, cost.bound) == (femto("1.25"), "estimated", bound)


def test_what_has_no_rate_makes_the_cost_a_lower_bound() -> None:
    cost = cost_of("openai", "gpt-4o-audio-preview", {"input": 10**6, "input.audio": 5})
    assert (cost.amount_femto, cost.status, cost.bound) == (femto("2.5"), "partial", "lower")
    assert cost.unpriced_reason == "unsupported_modality"


def test_nothing_priced_is_unpriced() -> None:
    cost = cost_of("openai", "gpt-4o-audio-preview", {"input": 0, "input.audio": 5})
    assert (cost.amount_femto, cost.unpriced_reason) == (None, "unsupported_modality")


@pytest.mark.parametrize(
    ("provider", "model", "bucket", "usd"),
    [
        ("openai", "gpt-5", "reasoning", "10"),
        ("openai", "gpt-4", "cache_read", "30"),
        ("openai", "gpt-5", "cache_write", "1.25"),
        ("openai", "gpt-6-sol", "cache_write", "2.5"),
        ("openai", "gpt-6-sol", "cache_write.30m", "2.5"),
        ("openai", "gpt-4o", "input.image", "2.5"),
        ("openai", "gpt-4o-realtime-preview", "input.audio", "40"),
        ("openai", "gpt-image-1", "output.image", "40"),
        ("openai", "gpt-image-1.5", "output.image", "32"),
        ("openai", "gpt-5", "output.image", None),
        ("openai", "gpt-5", "cache_write.12h", None),
        ("anthropic", "claude-opus-5-5", "cache_write", "5"),
        ("anthropic", "claude-opus-5-5", "cache_write.5m", "5"),
        ("anthropic", "claude-opus-5-5", "cache_write.1h", "8"),
        ("anthropic", "claude-2", "cache_read", None),
        ("anthropic", "claude-2", "cache_write.1h", None),
        ("gcp.gemini", "gemini-2.5-pro", "input.audio", "1.25"),
        ("anthropic", "claude-3-haiku", "tool.web_search", "10000"),
        ("openai", "gpt-4", "tool.web_search", "10000"),
        ("anthropic", "claude-opus-5-5", "tool.web_fetch", "0"),
        ("x_ai", "grok-4", "tool.web_search", "5000"),
        ("x_ai", "grok-4", "tool.maps", None),
        ("openai", "gpt-4o", "input.video", None),
        ("anthropic", "claude-opus-5-5", "input.video", None),
        ("gcp.gemini", "gemini-2.5-pro", "input.video", "1.25"),
        ("openai", "gpt-5", "tool.file_search", "2500"),
        ("openai", "gpt-5", "tool.container", "7500"),
    ],
)
def test_which_rate_covers_a_bucket(provider: str, model: str, bucket: str, usd: str | None) -> None:
    """Prices are for a million units, and a tenth of that is used: no long context."""
    cost = cost_of(provider, model, {bucket: 10**5})
    assert cost.amount_femto == (None if usd is None else femto(usd) // 10)


def test_audio_is_billed_by_time() -> None:
    cost = cost_of("openai", "gpt-transcribe", {"audio.ms": 1_800_000})
    (line,) = cost.lines
    assert (cost.amount_femto, line.component, line.per) == (femto("0.135"), "input", 3_600_000)


def test_a_fee_for_each_request_is_a_line() -> None:
    cost = cost_of("perplexity", "sonar", {"input": 10**6}, "2026-09-26T23:59")
    assert [line.component for line in cost.lines] == ["input", "request"]


def test_a_cost_says_where_its_price_is_from() -> None:
    cost = cost_of("openai", "gpt-6-sol", {"input": 300_000})
    book = bundled()
    assert (cost.catalog, cost.catalog_version) == (book.name, book.version)
    assert (cost.currency, cost.price_id, cost.tier) == ("USD", "openai/gpt-6-sol", "gt_272000")


def test_a_reported_cost_has_the_computed_one_beside_it() -> None:
    cost = cost_of("x_ai", "grok-4.5", {"input": 1_000}, reported_cost_femto=femto("0.0019"))
    assert (cost.amount_femto, cost.computed_femto) == (femto("0.0019"), femto("0.002"))
    unknown = cost_of("x_ai", "grok-99", {"input": 1_000}, reported_cost_femto=5)
    assert (unknown.amount_femto, unknown.computed_femto, unknown.unpriced_reason) == (5, None, None)


def test_names_from_servers_do_not_fill_the_memory() -> None:
    book = bundled()
    for number in range(5_000):
        cost_of("openai", f"invented-{number}", MILLION)
    assert len(book.tariffs) <= 4_096


def test_an_azure_deployment_is_taken_for_a_global_one_and_says_so() -> None:
    cost = cost_of("azure.ai.openai", "gpt-4o-2024-08-06", {"input": 10**6, "output": 10**6})
    assert (cost.amount_femto, cost.status) == (femto("12.5"), "complete")
    assert cost.assumption == "Azure deployment not known: priced as global standard"


@pytest.mark.parametrize(
    ("model", "usd"),
    [
        ("global.gpt-4o", "2.5"),
        ("data_zone.gpt-4o", "2.75"),
        ("regional.gpt-4o", "2.75"),
        ("gpt-4o-mini-2024-07-18", "0.15"),
        ("gpt-5-2025-08-07", "1.25"),
        ("o3-2025-04-16", "2"),
        ("gpt-4o-2024-05-13", "5"),
        ("regional.gpt-5.6-luna", None),
    ],
)
def test_azure_sells_a_model_by_the_kind_of_deployment(model: str, usd: str | None) -> None:
    cost = cost_of("azure.ai.openai", model, MILLION)
    assert cost.amount_femto == (None if usd is None else femto(usd))
    assert (cost.assumption is None) == ("." in model.partition("-")[0])


def test_rates_are_remembered_for_as_long_as_they_hold_and_no_longer() -> None:
    """Calls are not in the order of time: each instant has its own rate, whatever was before."""
    rates = {"2026-08-16T15:59:59": "0.435", "2026-11-24T00:59:59": "0.66", "2026-11-24T01:00": "1.32"}
    rates |= {"2026-11-24T04:00": "0.66", "2026-11-21T02:00": "0.66", "2027-01-04T02:00": "1.32"}
    for at, usd in [*rates.items(), *reversed(rates.items())]:
        assert (at, cost_of("deepseek", "deepseek-v4-pro", MILLION, at).amount_femto) == (at, femto(usd))


def test_holidays_that_nobody_knows_yet_are_an_assumption() -> None:
    last = cost_of("deepseek", "deepseek-v4-pro", MILLION, "2026-12-31T23:59:59")
    after = cost_of("deepseek", "deepseek-v4-pro", MILLION, "2027-01-01T00:00")
    assert (last.assumption, after.assumption) == (
        None,
        "holidays of that year not known: only weekends taken as off-peak",
    )


def test_prices_are_stale_after_sixty_days() -> None:
    book = bundled()
    day = 86_400 * 10**9
    assert not book.stale(instant(book.date) + 60 * day)
    assert book.stale(instant(book.date) + 60 * day + 1)


def test_a_usage_may_have_any_buckets_in_any_order() -> None:
    """A plan is for buckets in their order; more of them than are remembered change nothing."""
    one = {"input": 300_000, "output": 7, "reasoning": 0}
    other = dict(reversed(one.items()))
    for number in range(200):
        cost_of("openai", "gpt-6-sol", {f"invented.{number}": 1, **one})
    costs = [cost_of("openai", "gpt-6-sol", buckets) for buckets in (one, other)]
    assert costs[0].amount_femto == costs[1].amount_femto
    assert {cost.tier for cost in costs} == {"gt_272000"}
