"""Buckets are disjoint; what OpenTelemetry counts is their sums; unknown is not zero."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_tokenomics.model.usage import MISSING, Usage, component_of

NAMES = (
    "input",
    "input.audio",
    "cache_read",
    "cache_write.5m",
    "cache_write.1h",
    "output",
    "output.image",
    "reasoning",
    "tool.web_search",
    "audio.ms",
    "images",
)
BUCKETS = st.dictionaries(st.sampled_from(NAMES), st.integers(0, 2**53))


@pytest.mark.parametrize(
    ("bucket", "component"),
    [
        ("input", "input"),
        ("cache_write.1h", "cache_write"),
        ("tool.web_search", "tool"),
        ("audio.ms", "audio"),
    ],
)
def test_a_bucket_belongs_to_a_component(bucket: str, component: str) -> None:
    assert component_of(bucket) == component


def test_inclusive_counts_are_sums_of_the_disjoint_ones() -> None:
    usage = Usage({"input": 1, "cache_read": 10, "cache_write.1h": 100, "output": 1000, "reasoning": 10_000})
    assert usage.input_tokens == 111
    assert usage.output_tokens == 11_000
    assert usage.component("cache_write") == 100


@pytest.mark.parametrize(
    ("buckets", "expected"),
    [
        ({}, (None, None)),
        ({"input": 0}, (0, None)),
        ({"output": 0}, (None, 0)),
        ({"images": 2}, (None, None)),
    ],
)
def test_absent_is_unknown_and_zero_is_zero(
    buckets: dict[str, int], expected: tuple[int | None, int | None]
) -> None:
    usage = Usage(buckets)
    assert (usage.input_tokens, usage.output_tokens) == expected


@given(BUCKETS)
def test_every_token_is_counted_once(buckets: dict[str, int]) -> None:
    usage = Usage(buckets)
    counted = sum(usage.tokens().values())
    assert counted == (usage.input_tokens or 0) + (usage.output_tokens or 0)
    tokens = {"input", "cache_read", "cache_write", "output", "reasoning"}
    assert counted == sum(count for name, count in buckets.items() if component_of(name) in tokens)


def test_missing_usage_says_so() -> None:
    assert MISSING.source == "missing"
    assert (MISSING.input_tokens, MISSING.output_tokens, MISSING.tokens()) == (None, None, {})
