"""What the vendors' listed prices make of a usage, worked out by hand to the last digit.

Rates in USD for a million tokens, as the catalogue gives them on 2026-11-24 unless a case says otherwise.
It cites https://developers.openai.com/api/docs/pricing and
https://platform.claude.com/docs/en/about-claude/pricing, which were not
opened for this. Bills that others published are in `test_golden.py`.
"""

from __future__ import annotations

from typing import Any

import pytest
from tests.pricing._cases import cost_of

from otel_tokenomics.model.money import decimal_string

M = 1_000_000
Case = tuple[str, dict[str, int], dict[str, Any], str]
LUNA_BEFORE, LUNA_AFTER = "2026-07-29T23:59:59", "2026-07-30T00:00:00"

OPENAI: dict[str, Case] = {
    # 2.50 in, 1.25 cached, 10.00 out: 60 x 2.50 + 40 x 1.25 + 20 x 10, per million.
    "gpt-4o": (
        "gpt-4o-2024-08-06",
        {"input": 60, "cache_read": 40, "output": 15, "reasoning": 5},
        {},
        "0.0004",
    ),
    # 0.15 in, 0.60 out.
    "gpt-4o-mini": ("gpt-4o-mini", {"input": 1_000, "output": 1_000}, {}, "0.00075"),
    # 0.02 in.
    "an embedding": ("text-embedding-3-small", {"input": 8}, {}, "0.00000016"),
    # 0.006 a minute.
    "transcription by time": ("whisper-1", {"audio.ms": 60_000}, {}, "0.006"),
    # 15.00 for a million characters.
    "speech": ("tts-1", {"characters": 2_000}, {}, "0.03"),
    # 5.00 text in, 10.00 image in, 40.00 image out.
    "an image": ("gpt-image-1", {"input": 10, "input.image": 100, "output.image": 1_000}, {}, "0.04105"),
    # 10.00 for a thousand searches.
    "web searches": ("gpt-4o", {"input": 0, "output": 0, "tool.web_search": 3}, {}, "0.03"),
    # 2 in, 8 out, standard; priority 3.50 and 14.
    "o3": ("o3", {"input": M, "output": M}, {}, "10"),
    "o3 priority": ("o3", {"input": M, "output": M}, {"service_tier": "priority"}, "17.5"),
    "o3 fast is priority": ("o3", {"input": M, "output": M}, {"service_tier": "fast"}, "17.5"),
    # gpt-5.6-luna: 1 and 6, cut by 80 % at 2026-07-30T00:00Z (OpenAI's changelog).
    "luna before": ("gpt-5.6-luna", {"input": M // 10, "output": M}, {"at": LUNA_BEFORE}, "6.1"),
    "luna after": ("gpt-5.6-luna", {"input": M // 10, "output": M}, {"at": LUNA_AFTER}, "1.22"),
    # gpt-6-sol: 2 in and 10 out up to 272,000 tokens of input; above, 4 and 15 for the whole request.
    "sol at the cliff": ("gpt-6-sol", {"input": 272_000, "output": 1_000}, {}, "0.554"),
    "sol over the cliff": ("gpt-6-sol", {"input": 272_001, "output": 1_000}, {}, "1.103004"),
    "cached input counts for the cliff": (
        "gpt-6-sol",
        {"input": 1, "cache_read": 272_000},
        {},
        "0.108804",  # 1 x 4.00 + 272,000 x 0.40
    ),
    # A write for thirty minutes is 1.25 times the input, as when the time to live is not said.
    "a write for thirty minutes": ("gpt-6-sol", {"input": 0, "cache_write.30m": 1_000}, {}, "0.0025"),
    "a write for an unknown time": ("gpt-6-sol", {"input": 0, "cache_write": 1_000}, {}, "0.0025"),
    # 1.10 in, 0.55 cached.
    "cached input": ("o1-mini", {"input": 0, "cache_read": 1_000}, {}, "0.00055"),
}
ANTHROPIC: dict[str, Case] = {
    # Sonnet 4.6, 3 and 15: read 0.30, written 3.75 for five minutes and 6 for an hour.
    "both times to live": (
        "claude-sonnet-4-6",
        {"input": 60, "cache_read": 40, "cache_write.5m": 10, "cache_write.1h": 20, "output": 20},
        {},
        "0.0006495",  # 60 x 3 + 40 x 0.30 + 10 x 3.75 + 20 x 6 + 20 x 15
    ),
    # Opus 5.5: 4 and 20; fast is twice; in the US 1.1 times, searches excepted.
    "opus 5.5": ("claude-opus-5-5", {"input": 1_000, "output": 1_000}, {}, "0.024"),
    "fast": ("claude-opus-5-5", {"input": 1_000, "output": 1_000}, {"speed": "fast"}, "0.048"),
    "fast in the US": (
        "claude-opus-5-5",
        {"input": 1_000, "output": 1_000},
        {"speed": "fast", "inference_geo": "us"},
        "0.0528",
    ),
    "in the US with a search": (
        "claude-opus-5-5",
        {"input": 1_000, "output": 1_000, "tool.web_search": 1},
        {"inference_geo": "us"},
        "0.0364",
    ),
    # Before Opus 4.6 the place of inference does not change the price.
    "an earlier model in the US": ("claude-opus-4-5", {"input": 1_000}, {"inference_geo": "us"}, "0.005"),
    "anywhere": ("claude-opus-5-5", {"input": 1_000}, {"inference_geo": "global"}, "0.004"),
    "fetching is free": ("claude-opus-5-5", {"input": 1_000, "tool.web_fetch": 6}, {}, "0.004"),
    # Haiku 5.5: 0.10 and 0.50 up to 100,000 tokens of input, five times that above.
    "haiku at the cliff": ("claude-haiku-5-5", {"input": 100_000, "output": 1_000}, {}, "0.0105"),
    "haiku over the cliff": ("claude-haiku-5-5", {"input": 100_001, "output": 1_000}, {}, "0.0525005"),
    "thinking is output": ("claude-sonnet-5", {"input": 100, "output": 100, "reasoning": 900}, {}, "0.0102"),
}


def check(provider: str, case: Case) -> None:
    """The amount of a case, and that nothing is missing from it."""
    model, buckets, how, usd = case
    cost = cost_of(provider, model, buckets, **how)
    assert cost.amount_femto is not None
    assert decimal_string(cost.amount_femto) == usd
    assert (cost.status, cost.method, cost.bound, cost.currency) == ("complete", "catalog", None, "USD")


@pytest.mark.parametrize("case", OPENAI.values(), ids=OPENAI)
def test_openai(case: Case) -> None:
    check("openai", case)


@pytest.mark.parametrize("case", ANTHROPIC.values(), ids=ANTHROPIC)
def test_anthropic(case: Case) -> None:
    check("anthropic", case)


def test_a_cost_explains_itself() -> None:
    cost = cost_of("openai", "gpt-6-sol", {"input": 272_001, "output": 10}, service_tier="flex")
    assert cost.price_id == "openai/gpt-6-sol/flex"
    assert (cost.tier, cost.effective_date, cost.assumption) == ("gt_272000", "2026-10-12", None)
    line = cost.lines[0]
    assert (line.component, line.bucket, line.quantity) == ("input", "input", 272_001)
    assert (line.rate_femto, line.per, line.amount_femto) == (2 * 10**15, 10**6, 272_001 * 2 * 10**9)


def test_a_count_that_could_not_be_read_leaves_no_complete_cost() -> None:
    cost = cost_of("openai", "gpt-4o", {"input": 10}, usage_is={"flags": ("not_a_count",)})
    assert cost.status != "complete"
