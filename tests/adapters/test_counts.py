"""Whatever stands where a count should: flagged, never raised, never taken for zero."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_tokenomics.adapters import anthropic_usage, openai_usage
from otel_tokenomics.adapters.counts import Counts
from otel_tokenomics.model.usage import Usage

RUBBISH: list[tuple[Any, str]] = [
    ("12", "not_a_count"),
    ([1], "not_a_count"),
    ({"tokens": 1}, "not_a_count"),
    (True, "not_a_count"),
    (False, "not_a_count"),
    (1.5, "not_a_count"),
    (math.nan, "not_a_count"),
    (math.inf, "not_a_count"),
    (1e300, "not_a_count"),
    (2**63, "not_a_count"),
    (2**53, "not_a_count"),
    (-1, "negative"),
    (-1.0, "negative"),
    (-math.inf, "negative"),
]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)
OPENAI_KEYS = (
    "prompt_tokens",
    "input_tokens",
    "completion_tokens",
    "output_tokens",
    "total_tokens",
    "type",
    "seconds",
)
OPENAI_PARTS = (
    "cached_tokens",
    "cache_write_tokens",
    "cache_write_tokens_details",
    "audio_tokens",
    "image_tokens",
    "reasoning_tokens",
    "rejected_prediction_tokens",
)
ANTHROPIC_KEYS = (
    "input_tokens",
    "output_tokens",
    "cache_read_input_tokens",
    "cache_creation_input_tokens",
    "cache_creation",
    "iterations",
    "server_tool_use",
    "output_tokens_details",
)


@pytest.mark.parametrize(("value", "flag"), RUBBISH, ids=repr)
def test_rubbish_is_flagged_and_unknown(value: Any, flag: str) -> None:
    counts = Counts({})
    assert counts.get({"n": value}, "n") is None
    assert counts.flags == {flag}


@pytest.mark.parametrize("raw", [{}, {"n": None}])
def test_absent_and_null_are_unknown_and_no_fault(raw: dict[str, Any]) -> None:
    counts = Counts({})
    assert counts.get(raw, "n") is None
    assert counts.flags == set()


@pytest.mark.parametrize(("value", "count"), [(0, 0), (0.0, 0), (7, 7), (7.0, 7), (2**53 - 1, 2**53 - 1)])
def test_a_count_is_an_int(value: Any, count: int) -> None:
    counts = Counts({})
    found = counts.get({"n": value}, "n")
    assert found == count
    assert type(found) is int
    assert counts.flags == set()


def test_the_first_name_that_is_there_holds() -> None:
    counts = Counts({})
    assert counts.get({"a": None, "b": 2}, "a", "b") == 2
    assert counts.get({"a": 1, "b": 2}, "a", "b") == 1
    assert counts.get({"b": 2}, "a") is None


def test_parts_beyond_the_whole_are_flagged() -> None:
    counts = Counts({})
    assert counts.rest(10, 3, None, 7) == 0
    assert counts.flags == set()
    assert counts.rest(10, 11) == 0
    assert counts.flags == {"mismatch"}


READERS: list[tuple[Callable[[Mapping[str, Any]], Usage], str]] = [
    (openai_usage.read_usage, "completion_tokens"),
    (anthropic_usage.read_usage, "output_tokens"),
]


@pytest.mark.parametrize(("read", "output"), READERS)
@pytest.mark.parametrize(("value", "flag"), RUBBISH, ids=repr)
def test_rubbish_beside_a_good_count_leaves_the_good_one(
    read: Callable[[Mapping[str, Any]], Usage], output: str, value: Any, flag: str
) -> None:
    name = "prompt_tokens" if output == "completion_tokens" else "input_tokens"
    usage = read({name: 5, output: value})
    assert usage.buckets["input"] == 5
    assert "output" not in usage.buckets
    assert usage.output_tokens is None
    assert usage.flags == (flag,)


@pytest.mark.parametrize(("read", "output"), READERS)
def test_nothing_at_all_is_missing(read: Callable[[Mapping[str, Any]], Usage], output: str) -> None:
    assert read({}).source == "missing"
    assert read({output: None}).source == "missing"
    assert read({output: 0}).buckets == {"output": 0}


def sound(usage: Usage) -> None:
    assert all(type(count) is int and count >= 0 for count in usage.buckets.values())
    assert set(usage.flags) <= {"mismatch", "negative", "not_a_count"}


@given(
    st.dictionaries(st.sampled_from(OPENAI_KEYS), JSON | st.just("duration")),
    st.sampled_from(["prompt_tokens_details", "input_tokens_details", "completion_tokens_details"]),
    st.dictionaries(st.sampled_from(OPENAI_PARTS), JSON) | JSON,
)
def test_openai_never_raises(raw: dict[str, Any], key: str, parts: Any) -> None:
    sound(openai_usage.read_usage({**raw, key: parts}))


@given(st.dictionaries(st.sampled_from(ANTHROPIC_KEYS), JSON | st.dictionaries(st.text(max_size=3), JSON)))
def test_anthropic_never_raises(raw: dict[str, Any]) -> None:
    sound(anthropic_usage.read_usage(raw))
    sound(anthropic_usage.read_usage({"iterations": [{**raw, "type": "compaction"}, raw, None]}))


COUNT = st.integers(0, 10**9)


@given(COUNT, COUNT, COUNT, COUNT, COUNT, COUNT)
def test_openai_buckets_add_up_to_its_totals(
    plain: int, read: int, written: int, audio: int, text: int, thought: int
) -> None:
    usage = openai_usage.read_usage(
        {
            "prompt_tokens": plain + read + written + audio,
            "prompt_tokens_details": {
                "cached_tokens": read,
                "cache_write_tokens": written,
                "audio_tokens": audio,
            },
            "completion_tokens": text + thought,
            "completion_tokens_details": {"reasoning_tokens": thought},
            "total_tokens": plain + read + written + audio + text + thought,
        }
    )
    assert usage.flags == ()
    assert (usage.input_tokens, usage.output_tokens) == (plain + read + written + audio, text + thought)
    assert usage.buckets["input"] == plain


@given(COUNT, COUNT, COUNT, COUNT, COUNT, COUNT)
def test_anthropic_buckets_are_its_own(
    plain: int, read: int, short: int, long: int, text: int, thought: int
) -> None:
    usage = anthropic_usage.read_usage(
        {
            "input_tokens": plain,
            "cache_read_input_tokens": read,
            "cache_creation_input_tokens": short + long,
            "cache_creation": {"ephemeral_5m_input_tokens": short, "ephemeral_1h_input_tokens": long},
            "output_tokens": text + thought,
            "output_tokens_details": {"thinking_tokens": thought},
        }
    )
    assert usage.flags == ()
    assert (usage.input_tokens, usage.output_tokens) == (plain + read + short + long, text + thought)
    assert (usage.component("cache_write"), usage.buckets["reasoning"]) == (short + long, thought)
