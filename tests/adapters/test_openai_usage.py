"""OpenAI's usage objects, each kind, as disjoint buckets.

The objects are those of https://platform.openai.com/docs/api-reference and of the types of openai 3.54.
"""

from __future__ import annotations

from typing import Any

import pytest

from otel_tokenomics.adapters.dialect import Told
from otel_tokenomics.adapters.openai_dialect import DIALECT
from otel_tokenomics.adapters.openai_usage import read_usage
from otel_tokenomics.adapters.openai_work import unit_of_images
from otel_tokenomics.model.call import Facts, Reading

CASES: dict[str, tuple[dict[str, Any], dict[str, int]]] = {
    "chat": (
        {
            "prompt_tokens": 100,
            "completion_tokens": 20,
            "total_tokens": 120,
            "prompt_tokens_details": {"cached_tokens": 40, "audio_tokens": 10},
            "completion_tokens_details": {"reasoning_tokens": 5, "audio_tokens": 3},
        },
        {"input": 50, "cache_read": 40, "input.audio": 10, "output": 12, "reasoning": 5, "output.audio": 3},
    ),
    "chat without details": (
        {"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 9, "prompt_tokens_details": None},
        {"input": 7, "output": 2},
    ),
    "zeros are zeros": (
        {
            "prompt_tokens": 0,
            "completion_tokens": 0,
            "prompt_tokens_details": {"cached_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 0},
        },
        {"input": 0, "cache_read": 0, "output": 0, "reasoning": 0},
    ),
    "responses with writes by time to live": (
        {
            "input_tokens": 10_000,
            "input_tokens_details": {
                "cached_tokens": 2_000,
                "cache_write_tokens": 5_000,
                "cache_write_tokens_details": {"ttl_30m_tokens": 1_000, "ttl_12h_tokens": 4_000},
            },
            "output_tokens": 100,
            "output_tokens_details": {"reasoning_tokens": 64},
            "total_tokens": 10_100,
        },
        {
            "input": 3_000,
            "cache_read": 2_000,
            "cache_write.30m": 1_000,
            "cache_write.12h": 4_000,
            "output": 36,
            "reasoning": 64,
        },
    ),
    "writes that are not divided": (
        {"input_tokens": 10, "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 4}},
        {"input": 6, "cache_read": 0, "cache_write": 4},
    ),
    "embeddings": ({"prompt_tokens": 8, "total_tokens": 8}, {"input": 8}),
    "transcription by tokens": (
        {
            "type": "tokens",
            "input_tokens": 14,
            "input_token_details": {"text_tokens": 4, "audio_tokens": 10},
            "output_tokens": 45,
            "total_tokens": 59,
        },
        {"input": 4, "input.audio": 10, "output": 45},
    ),
    "transcription by time": ({"type": "duration", "seconds": 9.2}, {"audio.ms": 9_200}),
    "realtime, what was cached of each": (
        {
            "total_tokens": 253,
            "input_tokens": 132,
            "output_tokens": 121,
            "input_token_details": {
                "text_tokens": 100,
                "audio_tokens": 22,
                "image_tokens": 10,
                "cached_tokens": 75,
                "cached_tokens_details": {"text_tokens": 64, "audio_tokens": 8, "image_tokens": 3},
            },
            "output_token_details": {"text_tokens": 30, "audio_tokens": 91},
        },
        {
            "input": 36,
            "input.audio": 14,
            "input.image": 7,
            "cache_read": 64,
            "cache_read.audio": 8,
            "cache_read.image": 3,
            "output": 30,
            "output.audio": 91,
        },
    ),
    "a run": ({"prompt_tokens": 5, "completion_tokens": 6, "total_tokens": 11}, {"input": 5, "output": 6}),
}


@pytest.mark.parametrize(("raw", "buckets"), CASES.values(), ids=CASES)
def test_buckets(raw: dict[str, Any], buckets: dict[str, int]) -> None:
    usage = read_usage(raw)
    assert usage.buckets == buckets
    assert (usage.flags, usage.source) == ((), "provider")


def test_images_are_output_images() -> None:
    raw = {
        "input_tokens": 50,
        "input_tokens_details": {"image_tokens": 40, "text_tokens": 10},
        "output_tokens": 60,
        "total_tokens": 110,
    }
    assert read_usage(raw, "image").buckets == {"input": 10, "input.image": 40, "output.image": 60}
    divided = {**raw, "output_tokens_details": {"image_tokens": 50, "text_tokens": 10}}
    assert read_usage(divided, "image").buckets == {
        "input": 10,
        "input.image": 40,
        "output": 10,
        "output.image": 50,
    }


def test_rejected_predictions_are_inside_the_output() -> None:
    details = {"accepted_prediction_tokens": 2, "rejected_prediction_tokens": 3}
    usage = read_usage({"prompt_tokens": 1, "completion_tokens": 10, "completion_tokens_details": details})
    assert usage.buckets == {"input": 1, "output": 10}
    assert usage.details == {"rejected_prediction": 3}


@pytest.mark.parametrize(
    "raw",
    [
        {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 3},
        {"prompt_tokens": 1, "prompt_tokens_details": {"cached_tokens": 2}},
        {"completion_tokens": 1, "completion_tokens_details": {"reasoning_tokens": 2}},
    ],
)
def test_figures_that_contradict_one_another_are_flagged(raw: dict[str, Any]) -> None:
    assert read_usage(raw).flags == ("mismatch",)


@pytest.mark.parametrize("seconds", [None, "9", True, -1, float("nan"), float("inf"), 1e12])
def test_a_duration_that_cannot_be_is_missing(seconds: Any) -> None:
    assert read_usage({"type": "duration", "seconds": seconds}).source == "missing"


def read(body: dict[str, Any], operation: str = "chat", route: str = "responses") -> Reading:
    """The reading of a whole body."""
    facts, told = Facts("openai", operation, "openai", route), Told()
    DIALECT.body(told, body, facts)
    return DIALECT.reading(told, facts)


def test_every_served_value_is_read() -> None:
    reading = read({"id": "r1", "model": "gpt-5", "service_tier": "flex", "usage": {"input_tokens": 1}})
    assert (reading.response_id, reading.response_model, reading.service_tier) == ("r1", "gpt-5", "flex")


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"status": "queued", "background": True}, (True, True)),
        ({"status": "in_progress", "background": True}, (True, True)),
        ({"status": "completed", "background": True}, (False, True)),
        ({"status": "completed", "background": False}, (False, False)),
        ({"status": "cancelled", "background": True}, (False, True)),
        ({"object": "thread.run", "status": "requires_action"}, (True, True)),
        ({"object": "thread.run", "status": "completed"}, (False, True)),
        ({"background": "yes"}, (False, False)),
    ],
)
def test_background_work_says_where_it_stands(body: dict[str, Any], expected: tuple[bool, bool]) -> None:
    reading = read(body)
    assert (reading.pending, reading.background) == expected


def test_only_searches_are_counted() -> None:
    output = [
        {"type": "web_search_call", "action": {"type": "search"}},
        {"type": "web_search_call"},
        {"type": "web_search_call", "action": {"type": "open_page"}},
        {"type": "web_search_call", "action": {"type": "find_in_page"}},
        {"type": "message"},
        None,
    ]
    usage = read({"output": output, "usage": {"input_tokens": 1, "output_tokens": 2}}).usage
    assert usage.buckets == {"input": 1, "output": 2, "tool.web_search": 2}


@pytest.mark.parametrize(
    ("body", "operation", "buckets"),
    [
        ({"duration": 3.4, "text": "x"}, "transcription", {"audio.ms": 3_400}),
        ({"duration": 3.4}, "translation", {"audio.ms": 3_400}),
        ({"data": [{"url": "x"}, {"url": "y"}]}, "image_generation", {"images": 2}),
        ({"data": []}, "image_generation", {"images": 0}),
        ({"text": "x"}, "transcription", {}),
        ({"data": "x"}, "image_generation", {}),
    ],
)
def test_quantities_where_there_is_no_usage(
    body: dict[str, Any], operation: str, buckets: dict[str, int]
) -> None:
    assert read(body, operation, "any").usage.buckets == buckets


def test_groq_puts_its_usage_elsewhere() -> None:
    facts, told = Facts("groq", "chat", "openai", "chat/completions"), Told()
    DIALECT.event(told, {"id": "c", "x_groq": {"usage": {"prompt_tokens": 3, "completion_tokens": 4}}})
    assert DIALECT.reading(told, facts).usage.buckets == {"input": 3, "output": 4}


@pytest.mark.parametrize("name", ["num_cached_tokens", "cached_tokens", "prompt_cache_hit_tokens"])
def test_what_was_cached_is_told_beside_the_details(name: str) -> None:
    told = {"prompt_tokens": 70, "completion_tokens": 1, name: 69}
    assert read_usage(told).buckets == {"input": 1, "cache_read": 69, "output": 1}
    inside = {**told, "prompt_tokens_details": {"cached_tokens": 60}}
    assert read_usage(inside).buckets == {"input": 10, "cache_read": 60, "output": 1}
    more = read_usage({**told, name: 71})
    assert (more.buckets["input"], more.buckets["cache_read"], more.flags) == (0, 70, ("mismatch",))


def test_video_is_told_from_text() -> None:
    usage = read_usage({"prompt_tokens": 270, "prompt_tokens_details": {"video_tokens": 258}})
    assert usage.buckets == {"input": 12, "input.video": 258}


def test_reasoning_beside_the_output() -> None:
    xai = {"prompt_tokens": 32, "completion_tokens": 9, "completion_tokens_details": {"reasoning_tokens": 94}}
    usage = read_usage({**xai, "total_tokens": 135})
    assert (usage.buckets, usage.flags) == ({"input": 32, "output": 9, "reasoning": 94}, ())
    assert read_usage({**xai, "completion_tokens": 103, "total_tokens": 135}).buckets == usage.buckets


def test_audio_that_went_in_by_time() -> None:
    usage = read_usage({"prompt_tokens": 4, "completion_tokens": 9, "prompt_audio_seconds": 203})
    assert usage.buckets == {"input": 4, "output": 9, "audio.ms": 203_000}


TOKENS = {"input_tokens": 1, "output_tokens": 2}


def test_the_servers_own_tools_are_counted() -> None:
    output = [
        {"type": "file_search_call"},
        {"type": "file_search_call"},
        {"type": "code_interpreter_call", "container_id": "a"},
        {"type": "code_interpreter_call", "container_id": "a"},
        {"type": "shell_call", "environment": {"container_id": "b"}},
        {"type": "shell_call", "environment": {"type": "local"}},
        {"type": "x_search_call"},
        {"type": "mcp_call"},
    ]
    usage = read({"output": output, "usage": TOKENS}).usage
    assert usage.buckets == {
        "input": 1,
        "output": 2,
        "tool.file_search": 2,
        "tool.container": 2,
        "tool.social_search": 1,
    }
    assert usage.flags == ("not_all_counted",), "how long containers ran is not told"


def test_a_containers_size() -> None:
    tools = [{"type": "code_interpreter", "container": {"type": "auto", "memory_limit": "4g"}}]
    call = {"type": "code_interpreter_call", "container_id": "a"}
    usage = read({"output": [call], "tools": tools, "usage": TOKENS}).usage
    assert usage.buckets["tool.container.4g"] == 1


def test_the_preview_of_web_search_is_told_apart() -> None:
    body = {"output": [{"type": "web_search_call"}], "usage": TOKENS}
    preview = read({**body, "tools": [{"type": "web_search_preview"}]}).usage
    assert preview.buckets["tool.web_search_preview"] == 1
    assert read({**body, "tools": [{"type": "web_search"}]}).usage.buckets["tool.web_search"] == 1


IMAGES = {
    "input_tokens": 10,
    "input_tokens_details": {"image_tokens": 4, "text_tokens": 6},
    "output_tokens": 100,
    "total_tokens": 110,
}


def test_images_that_a_tool_made_are_its_models() -> None:
    body = {
        "output": [{"type": "image_generation_call"}],
        "tools": [{"type": "image_generation", "model": "gpt-image-2"}],
        "tool_usage": {"image_gen": IMAGES},
        "usage": TOKENS,
    }
    usage = read(body).usage
    assert usage.buckets == {
        "input": 1,
        "output": 2,
        "input@gpt-image-2": 6,
        "input.image@gpt-image-2": 4,
        "output.image@gpt-image-2": 100,
    }
    assert usage.flags == ()


@pytest.mark.parametrize(
    ("tools", "told"),
    [
        ([], {"image_gen": IMAGES}),
        ([{"type": "image_generation"}], {"image_gen": IMAGES}),
        ([{"type": "image_generation", "model": "gpt-image-2"}], {}),
    ],
)
def test_images_of_no_known_model_or_size(tools: list[Any], told: dict[str, Any]) -> None:
    body = {"output": [{"type": "image_generation_call"}], "tools": tools, "tool_usage": told}
    assert read({**body, "usage": TOKENS}).usage.flags == ("not_all_counted",)


@pytest.mark.parametrize(
    ("asked", "unit"),
    [
        ({"quality": "hd", "size": "1024x1792"}, ".hd.1024x1792"),
        ({"size": "1024x1024"}, ".1024x1024"),
        ({"resolution": "2k"}, ".2k"),
        ({"quality": "auto", "size": "auto"}, ""),
        ({"quality": 3}, ""),
        (None, ""),
    ],
)
def test_what_images_were_asked_for(asked: Any, unit: str) -> None:
    assert unit_of_images(asked) == unit


@pytest.mark.parametrize(
    ("video", "buckets"),
    [
        ({"status": "completed", "seconds": "8", "size": "720x1280"}, {"video.ms.720p": 8_000}),
        ({"status": "completed", "seconds": 4, "size": "1792x1024"}, {"video.ms.1024p": 4_000}),
        ({"status": "completed", "seconds": "4"}, {"video.ms": 4_000}),
        ({"status": "queued", "seconds": "4", "size": "720x1280"}, {}),
        ({"status": "failed", "seconds": "4", "size": "720x1280"}, {}),
        ({"status": "completed", "seconds": "long"}, {}),
    ],
)
def test_a_video_is_billed_by_its_length_once_it_is_done(
    video: dict[str, Any], buckets: dict[str, int]
) -> None:
    reading = read({"object": "video", "id": "v", "model": "sora-2", **video}, "video_generation", "videos")
    assert reading.usage.buckets == buckets
    # One that failed is billed by no sight of it, as one that is still being made.
    assert (reading.background, reading.pending) == (True, video["status"] in ("queued", "failed"))
