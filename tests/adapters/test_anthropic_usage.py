"""Anthropic's usage object, whole and streamed, as disjoint buckets.

The objects are those of https://docs.anthropic.com/en/api/messages and of the types of anthropic 2.12.
"""

from __future__ import annotations

from typing import Any

import pytest

from otel_tokenomics.adapters.anthropic import DIALECT
from otel_tokenomics.adapters.anthropic_usage import read_usage
from otel_tokenomics.adapters.dialect import Told
from otel_tokenomics.model.call import Facts, Reading

CASES: dict[str, tuple[dict[str, Any], dict[str, int]]] = {
    "plain": ({"input_tokens": 5, "output_tokens": 6}, {"input": 5, "output": 6}),
    "nulls are unknown": (
        {"input_tokens": 5, "cache_read_input_tokens": None, "cache_creation_input_tokens": None},
        {"input": 5},
    ),
    "zeros are zeros": (
        {
            "input_tokens": 0,
            "cache_read_input_tokens": 0,
            "cache_creation_input_tokens": 0,
            "output_tokens": 0,
        },
        {"input": 0, "cache_read": 0, "cache_write": 0, "output": 0},
    ),
    "writes by time to live": (
        {
            "input_tokens": 1,
            "cache_creation_input_tokens": 30,
            "cache_creation": {"ephemeral_5m_input_tokens": 10, "ephemeral_1h_input_tokens": 20},
            "output_tokens": 2,
        },
        {"input": 1, "cache_write.5m": 10, "cache_write.1h": 20, "output": 2},
    ),
    "writes not divided": (
        {"input_tokens": 1, "cache_creation_input_tokens": 30, "cache_creation": None},
        {"input": 1, "cache_write": 30},
    ),
    "writes divided in part": (
        {"cache_creation_input_tokens": 30, "cache_creation": {"ephemeral_5m_input_tokens": 10}},
        {"cache_write.5m": 10, "cache_write": 20},
    ),
    "thinking is inside the output": (
        {"input_tokens": 1, "output_tokens": 100, "output_tokens_details": {"thinking_tokens": 64}},
        {"input": 1, "output": 36, "reasoning": 64},
    ),
    "server tools": (
        {
            "input_tokens": 1,
            "output_tokens": 2,
            "server_tool_use": {"web_search_requests": 3, "web_fetch_requests": 4},
        },
        {"input": 1, "output": 2, "tool.web_search": 3, "tool.web_fetch": 4},
    ),
    "no server tool was used": (
        {"input_tokens": 1, "server_tool_use": {"web_search_requests": 0, "web_fetch_requests": 0}},
        {"input": 1},
    ),
    "compaction is billed on top": (
        {
            "input_tokens": 10,
            "output_tokens": 20,
            "iterations": [
                {"type": "compaction", "input_tokens": 1_000, "output_tokens": 200},
                {"type": "message", "input_tokens": 10, "output_tokens": 20},
                {"type": "compaction", "input_tokens": 2_000, "cache_read_input_tokens": 50},
            ],
        },
        {"input": 3_010, "output": 220, "cache_read": 50},
    ),
}


@pytest.mark.parametrize(("raw", "buckets"), CASES.values(), ids=CASES)
def test_buckets(raw: dict[str, Any], buckets: dict[str, int]) -> None:
    usage = read_usage(raw)
    assert usage.buckets == buckets
    assert (usage.flags, usage.source) == ((), "provider")


@pytest.mark.parametrize(
    "raw",
    [
        {"output_tokens": 1, "output_tokens_details": {"thinking_tokens": 2}},
        {"cache_creation_input_tokens": 1, "cache_creation": {"ephemeral_1h_input_tokens": 2}},
    ],
)
def test_figures_that_contradict_one_another_are_flagged(raw: dict[str, Any]) -> None:
    assert read_usage(raw).flags == ("mismatch",)


def read(*events: dict[str, Any], provider: str = "anthropic") -> Reading:
    """The reading of a stream's events."""
    facts, told = Facts(provider, "chat", "anthropic", "messages"), Told()
    for event in events:
        DIALECT.event(told, event)
    return DIALECT.reading(told, facts)


START = {
    "type": "message_start",
    "message": {
        "id": "msg_1",
        "model": "claude-opus-5-5",
        "usage": {
            "input_tokens": 9,
            "cache_creation_input_tokens": 30,
            "cache_creation": {"ephemeral_5m_input_tokens": 10, "ephemeral_1h_input_tokens": 20},
            "cache_read_input_tokens": 7,
            "output_tokens": 1,
            "service_tier": "standard",
            "speed": "fast",
            "inference_geo": "us",
        },
    },
}


def test_a_streams_start_holds_what_its_end_leaves_out() -> None:
    end = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 50}}
    reading = read(START, end)
    assert reading.usage.buckets == {
        "input": 9,
        "cache_read": 7,
        "cache_write.5m": 10,
        "cache_write.1h": 20,
        "output": 50,
    }
    assert (reading.service_tier, reading.speed, reading.inference_geo) == ("standard", "fast", "us")
    assert (reading.response_id, reading.response_model) == ("msg_1", "claude-opus-5-5")
    assert reading.finish_reason == "end_turn"


def test_counts_are_cumulative_and_nulls_do_not_undo_them() -> None:
    more = {"input_tokens": None, "output_tokens": 10, "cache_read_input_tokens": None}
    last = {"input_tokens": 12, "output_tokens": 30}
    reading = read(
        START,
        {"type": "message_delta", "delta": {}, "usage": more},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": last},
    )
    assert (reading.usage.buckets["input"], reading.usage.buckets["output"]) == (12, 30)
    assert reading.usage.buckets["cache_read"] == 7


def test_a_stream_without_its_start_has_what_its_end_says() -> None:
    assert read({"type": "message_delta", "usage": {"output_tokens": 4}}).usage.buckets == {"output": 4}


@pytest.mark.parametrize(
    "event",
    [{}, {"type": "ping"}, {"type": "message_start"}, {"type": "message_delta", "usage": [], "delta": 3}],
)
def test_events_that_say_nothing(event: dict[str, Any]) -> None:
    assert read(event).usage.source == "missing"


def test_bedrock_bills_the_model_of_the_request() -> None:
    assert read(START, provider="aws.bedrock").response_model is None
    assert read(START, provider="gcp.vertex_ai").response_model == "claude-opus-5-5"


def test_an_advisors_tokens_are_counted_under_its_own_model() -> None:
    advisor = {
        "type": "advisor_message",
        "model": "claude-opus-4-8",
        "input_tokens": 9,
        "output_tokens": 2,
        "cache_creation_input_tokens": 4,
        "cache_creation": {"ephemeral_1h_input_tokens": 4},
    }
    usage = read_usage({"input_tokens": 5, "output_tokens": 3, "iterations": [advisor, advisor]})
    assert usage.buckets == {
        "input": 5,
        "output": 3,
        "input@claude-opus-4-8": 18,
        "cache_write.1h@claude-opus-4-8": 8,
        "output@claude-opus-4-8": 4,
    }
    assert (usage.input_tokens, usage.output_tokens, usage.flags) == (31, 7, ())


def test_an_advisor_without_a_name_is_not_passed_over_in_silence() -> None:
    advisor = {"type": "advisor_message", "input_tokens": 9, "output_tokens": 2}
    usage = read_usage({"input_tokens": 5, "output_tokens": 3, "iterations": [advisor]})
    assert (usage.buckets, usage.flags) == ({"input": 5, "output": 3}, ("not_all_counted",))


@pytest.mark.parametrize(
    ("tools", "flags"),
    [({}, ("not_all_counted",)), ({"web_search_requests": 1}, ()), ({"web_fetch_requests": 1}, ())],
)
def test_a_containers_time_is_in_no_message(tools: dict[str, int], flags: tuple[str, ...]) -> None:
    usage = {"input_tokens": 5, "output_tokens": 3, "server_tool_use": tools}
    message = {"type": "message", "container": {"id": "c"}, "usage": usage}
    facts, told = Facts("anthropic", "chat", "anthropic", "messages"), Told()
    DIALECT.body(told, message, facts)
    assert DIALECT.reading(told, facts).usage.flags == flags
    delta = {"type": "message_delta", "delta": {"container": {"id": "c"}}, "usage": usage}
    assert read({"type": "message_start", "message": {}}, delta).usage.flags == flags


def test_code_that_is_counted() -> None:
    usage = read_usage({"input_tokens": 1, "server_tool_use": {"code_execution_requests": 2}})
    assert usage.buckets == {"input": 1, "tool.code_execution": 2}
