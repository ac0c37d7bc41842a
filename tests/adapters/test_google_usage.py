"""Google's shapes: what grounds an answer, the Interactions API, a cache that is kept."""

from __future__ import annotations

from typing import Any

import pytest

from otel_tokenomics.adapters.google_usage import read_cached_content, read_google, read_interaction

MAPS = {"groundingChunks": [{"maps": {"uri": "x"}}, {"maps": {"uri": "y"}}]}
SEARCHES = {"webSearchQueries": ["a", "b"], "groundingChunks": [{"web": {"uri": "x"}}]}


@pytest.mark.parametrize(
    ("model", "grounding", "found", "flags"),
    [
        ("gemini-2.5-pro", SEARCHES, {"tool.web_search": 1}, ()),
        ("gemini-3.7-flash", SEARCHES, {"tool.web_search": 2}, ()),
        ("gemini-2.5-pro", MAPS, {"tool.maps": 1}, ()),
        ("gemini-3.7-flash", MAPS, {"tool.maps": 1}, ("not_all_counted",)),
        ("gemini-2.5-pro", {**SEARCHES, **MAPS}, {"tool.web_search": 1, "tool.maps": 1}, ()),
        ("gemini-2.5-pro", {"webSearchQueries": 3, "groundingChunks": [None]}, {}, ()),
        ("gemini-2.5-pro", {"grounding_chunks": MAPS["groundingChunks"]}, {"tool.maps": 1}, ()),
    ],
)
def test_what_grounds_an_answer(
    model: str, grounding: dict[str, Any], found: dict[str, int], flags: tuple[str, ...]
) -> None:
    body = {
        "modelVersion": model,
        "candidates": [{"groundingMetadata": grounding}, None],
        "usageMetadata": {"promptTokenCount": 3, "totalTokenCount": 3},
    }
    usage = read_google(body).usage
    assert (usage.buckets, usage.flags) == ({"input": 3, **found}, flags)


def test_the_sdks_spelling_of_grounding() -> None:
    body = {
        "model_version": "gemini-3.7-flash",
        "candidates": [{"grounding_metadata": {"web_search_queries": ["a", "b"]}}],
        "usage_metadata": {"prompt_token_count": 3},
    }
    assert read_google(body).usage.buckets == {"input": 3, "tool.web_search": 2}


def test_an_embeddings_details_have_a_name_of_their_own() -> None:
    details = [{"modality": "IMAGE", "tokenCount": 5}]
    body = {"usageMetadata": {"promptTokenCount": 7, "promptTokenDetails": details}}
    assert read_google(body).usage.buckets == {"input": 2, "input.image": 5}


def test_an_interaction() -> None:
    reading = read_interaction(
        {
            "id": "v1_x",
            "model": "gemini-3.7-flash",
            "service_tier": "flex",
            "usage": {
                "total_tokens": 250,
                "total_input_tokens": 30,
                "total_cached_tokens": 20,
                "total_output_tokens": 13,
                "total_thought_tokens": 207,
                "total_tool_use_tokens": 0,
                "input_tokens_by_modality": [
                    {"modality": "text", "tokens": 25},
                    {"modality": "audio", "tokens": 5},
                ],
            },
        }
    )
    assert reading.usage.buckets == {
        "input": 5,
        "input.audio": 5,
        "cache_read": 20,
        "output": 13,
        "reasoning": 207,
    }
    assert reading.usage.flags == ()
    assert (reading.response_id, reading.service_tier) == ("v1_x", "flex")
    assert read_interaction({}).usage.source == "missing"


CACHE = {
    "name": "cachedContents/abc",
    "model": "models/gemini-3.7-flash",
    "createTime": "2026-11-24T12:00:00.000001Z",
    "expireTime": "2026-11-24T13:00:00Z",
    "usageMetadata": {"totalTokenCount": 1_000_000},
}


def test_a_cache_that_is_kept() -> None:
    reading = read_cached_content(CACHE)
    assert reading.usage.buckets == {"cache_storage": 1_000_000 * 3_600}
    assert reading.response_model == "models/gemini-3.7-flash"


@pytest.mark.parametrize(
    "change",
    [
        {"expireTime": None},
        {"createTime": "yesterday"},
        {"usageMetadata": 3},
        {"expireTime": "2026-11-24T11:00:00Z"},
    ],
)
def test_a_cache_whose_end_is_not_known(change: dict[str, Any]) -> None:
    assert read_cached_content({**CACHE, **change}).usage.source == "missing"
