"""Published bills: usage that somebody was charged for, and the amount."""

from __future__ import annotations

from typing import Any

import pytest
from tests.pricing._cases import NOW, cost_of, femto

Case = tuple[str, str, dict[str, int], str, str, dict[str, Any]]

CASES: dict[str, Case] = {
    # An Anthropic console charged 4.614 and 0.825 cents.
    "cache_write_counted_once": (
        "anthropic", "claude-3-7-sonnet-20250219", {"input": 3, "cache_write.5m": 12_304, "output": 550},
        "0.054399", NOW, {},
    ),
    # A platform's charge of 2026-05-16.
    "a_large_cache_write": (
        "anthropic", "claude-opus-4-7", {"input": 6, "cache_write": 159_217, "output": 2_745},
        "1.06376125", "2026-05-16T12:00", {},
    ),
    "a_write_without_a_time_to_live": (
        "anthropic", "claude-sonnet-4-5-20250929", {"input": 14, "cache_write": 4_410}, "0.0165795", NOW, {},
    ),
    "then_read": (
        "anthropic", "claude-sonnet-4-5-20250929", {"input": 14, "cache_read": 4_410}, "0.001365", NOW, {},
    ),
    "gemini_long_context": (
        "gcp.gemini", "gemini-2.5-pro", {"input": 5_005, "cache_read": 257_955, "output": 1_744},
        "0.10316125", NOW, {},
    ),
    "bedrock_in_a_region": (
        "aws.bedrock", "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
        {"input": 3, "cache_write": 25, "cache_read": 13_216, "output": 12}, "0.004672305", NOW, {},
    ),
    "bedrock_anywhere": (
        "aws.bedrock", "global.anthropic.claude-sonnet-4-5-20250929-v1:0",
        {"input": 3, "cache_read": 7_917, "cache_write": 350, "output": 442}, "0.0103266", NOW, {},
    ),
    "flex": ("openai", "o3", {"input": 10**6, "output": 10**6}, "5", NOW, {"service_tier": "flex"}),
    "batch": ("openai", "o3", {"input": 10**6, "output": 10**6}, "5", NOW, {"service_tier": "batch"}),
    "fast": (
        "anthropic", "claude-fable-5-2", {"input": 10**6, "output": 10**6}, "96", NOW, {"speed": "fast"},
    ),
    "before_a_price_cut": (
        "openai", "gpt-5.6-sol", {"input": 1_000, "output": 1_000}, "0.035", "2026-08-20T12:00", {},
    ),
    "after_it": (
        "openai", "gpt-5.6-sol", {"input": 1_000, "output": 1_000}, "0.024", "2026-08-21T12:00", {},
    ),
    "the_whole_request_at_the_long_rate": ("openai", "gpt-6-sol", {"input": 272_001}, "1.088004", NOW, {}),
    "the_last_short_request": ("openai", "gpt-6-sol", {"input": 272_000}, "0.544", NOW, {}),
    "gemini_flash": (
        "gcp.gemini", "gemini-3.7-flash", {"input": 10_000, "cache_read": 90_000, "output": 1_000},
        "0.018", "2026-09-02T12:00", {},
    ),
    "anthropic_batch": (
        "anthropic", "claude-opus-5-5", {"input": 1_000, "output": 1_000}, "0.012", NOW,
        {"service_tier": "batch"},
    ),
    "a_write_for_an_hour": ("anthropic", "claude-sonnet-4-6", {"cache_write.1h": 10_000}, "0.06", NOW, {}),
    "searches": ("anthropic", "claude-opus-5-5", {"tool.web_search": 6}, "0.06", NOW, {}),
    "peak": ("deepseek", "deepseek-v4-pro", {"input": 10**6}, "1.32", "2026-11-24T02:00", {}),
    "off_peak": ("deepseek", "deepseek-v4-pro", {"input": 10**6}, "0.66", NOW, {}),
    "a_write_for_twelve_hours": (
        "openai", "gpt-6-sol",
        {"input": 3_000, "cache_read": 2_000, "cache_write.12h": 5_000, "output": 100}, "0.0324", NOW, {},
    ),
    "inference_in_the_us": (
        "anthropic", "claude-opus-5-5", {"input": 1_000, "output": 1_000}, "0.0264", NOW,
        {"inference_geo": "us"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_published_bill(case: Case) -> None:
    provider, model, buckets, usd, at, served = case
    cost = cost_of(provider, model, buckets, at, **served)
    assert (cost.amount_femto, cost.status, cost.method) == (femto(usd), "complete", "catalog")
    assert cost.amount_femto == sum(line.amount_femto for line in cost.lines)
    assert (cost.unpriced_reason, cost.bound) == (None, None)


def test_a_cost_reported_by_the_vendor_wins() -> None:
    """xAI: 12,345,678 ticks of 1e-10 USD."""
    cost = cost_of("x_ai", "grok-4", {"input": 1}, reported_cost_femto=12_345_678 * 10**5)
    assert (cost.amount_femto, cost.method, cost.lines) == (femto("0.0012345678"), "vendor_reported", ())
