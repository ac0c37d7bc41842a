"""Usage objects of Google: `generateContent`, the Interactions API, and what a cache that is kept costs.

https://ai.google.dev/api/generate-content#UsageMetadata, in the spelling of the wire and in that of its SDK.
Prompt counts include what a cache served; output counts exclude thoughts.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from otel_tokenomics.adapters.counts import Counts, add, usage_or_missing
from otel_tokenomics.model.call import Reading
from otel_tokenomics.model.text import clean
from otel_tokenomics.model.usage import MISSING, Usage

_TRAFFIC = {"on_demand_priority": "priority", "on_demand_flex": "flex"}
"""Vertex's words for what the Gemini API calls a service tier. Any other is told as it is."""
_MODALITIES = {"AUDIO": ".audio", "IMAGE": ".image", "VIDEO": ".video"}
"""Text has no suffix; documents are billed as text."""
_OUTPUT_DETAILS = (
    "candidatesTokensDetails",
    "candidates_tokens_details",
    "responseTokensDetails",
    "response_tokens_details",
)
"""A live session has names of its own."""
_PER_REQUEST = ("gemini-1", "gemini-2")
"""Models whose grounding is billed once a request, not once a query."""


def read_google(body: Mapping[str, Any]) -> Reading:
    """What a `generateContent` response says. A body without usage metadata is `MISSING`."""
    raw = body.get("usageMetadata") or body.get("usage_metadata")
    model = clean(body.get("modelVersion")) or clean(body.get("model_version"))
    if not isinstance(raw, dict):
        return Reading(MISSING, response_model=model)
    usage = _google_usage(raw)
    found, flags = _groundings(body, model or "")
    if found:
        usage = Usage({**usage.buckets, **found}, flags=tuple(sorted({*usage.flags, *flags})))
    named = ("trafficType", "traffic_type", "serviceTier", "service_tier")
    tier = next((text.lower() for name in named if (text := clean(raw.get(name)))), None)
    response_id = clean(body.get("responseId")) or clean(body.get("response_id"))
    return Reading(usage, response_id, model, _TRAFFIC.get(tier or "", tier))


def _google_usage(raw: Mapping[str, Any]) -> Usage:
    counts = Counts(raw)
    prompt = counts.get(raw, "promptTokenCount", "prompt_token_count")
    cached = counts.get(raw, "cachedContentTokenCount", "cached_content_token_count")
    tools = counts.get(raw, "toolUsePromptTokenCount", "tool_use_prompt_token_count")
    output = counts.get(raw, "candidatesTokenCount", "candidates_token_count")
    if output is None:
        output = counts.get(raw, "responseTokenCount", "response_token_count")
    thoughts = counts.get(raw, "thoughtsTokenCount", "thoughts_token_count")
    buckets: dict[str, int] = {}
    held = _by_modality(counts, "cache_read", cached, "cacheTokensDetails", "cache_tokens_details")
    for part, quantity in _by_modality(
        counts, "input", prompt, "promptTokensDetails", "prompt_tokens_details", "promptTokenDetails"
    ).items():
        twin = part.replace("input", "cache_read")
        buckets[part] = counts.rest(quantity, held.get(twin))
    add(buckets, held)
    add(
        buckets,
        _by_modality(counts, "input", tools, "toolUsePromptTokensDetails", "tool_use_prompt_tokens_details"),
    )
    add(
        buckets,
        _by_modality(counts, "output", output, *_OUTPUT_DETAILS),
    )
    if thoughts is not None:
        buckets["reasoning"] = thoughts
    _check_total(counts, buckets)
    return usage_or_missing(Usage(buckets, flags=tuple(sorted(counts.flags))))


def _by_modality(counts: Counts, component: str, total: int | None, *names: str) -> dict[str, int]:
    """`total` by modality; what the details do not divide is text."""
    if total is None:
        return {}
    found = {component: total}
    details = next((value for name in names if (value := counts.raw.get(name))), None)
    for item in details if isinstance(details, list) else ():
        suffix = _MODALITIES.get(str(item.get("modality"))) if isinstance(item, dict) else None
        quantity = counts.get(item, "tokenCount", "token_count") if suffix else None
        if suffix and quantity:
            found[component + suffix] = found.get(component + suffix, 0) + quantity
            found[component] = counts.rest(found[component], quantity)
    return found


def _check_total(counts: Counts, buckets: Mapping[str, int]) -> None:
    total = counts.get(counts.raw, "totalTokenCount", "total_token_count")
    if total is not None and buckets and total != sum(buckets.values()):
        counts.flags.add("mismatch")


def _groundings(body: Mapping[str, Any], model: str) -> tuple[dict[str, int], tuple[str, ...]]:
    """What grounds the answer, as the model's generation bills it, and what is wrong with these counts.

    A response lists its web searches. Of maps it only tells that it used them: where each look at one is
    billed, that is the least.
    """
    candidates = body.get("candidates")
    grounds = [
        ground
        for candidate in (candidates if isinstance(candidates, list) else ())
        if isinstance(candidate, dict)
        and isinstance(ground := _either(candidate, "groundingMetadata", "grounding_metadata"), dict)
    ]
    queries = sum(len(_list(ground, "webSearchQueries", "web_search_queries")) for ground in grounds)
    chunks = [chunk for ground in grounds for chunk in _list(ground, "groundingChunks", "grounding_chunks")]
    maps = any(isinstance(chunk, dict) and chunk.get("maps") for chunk in chunks)
    once = model.rpartition("/")[2].startswith(_PER_REQUEST)
    found = {"tool.web_search": min(queries, 1) if once else queries, "tool.maps": int(maps)}
    flags = ("not_all_counted",) if maps and not once else ()
    return {tool: count for tool, count in found.items() if count}, flags


def _either(raw: Mapping[str, Any], name: str, other: str) -> Any:
    return raw.get(name) or raw.get(other)


def _list(raw: Mapping[str, Any], name: str, other: str) -> list[Any]:
    found = _either(raw, name, other)
    return found if isinstance(found, list) else []


_INTERACTION = {
    "total_input_tokens": "promptTokenCount",
    "total_cached_tokens": "cachedContentTokenCount",
    "total_output_tokens": "candidatesTokenCount",
    "total_thought_tokens": "thoughtsTokenCount",
    "total_tool_use_tokens": "toolUsePromptTokenCount",
    "total_tokens": "totalTokenCount",
}
_INTERACTION_DETAILS = {
    "input_tokens_by_modality": "promptTokensDetails",
    "cached_tokens_by_modality": "cacheTokensDetails",
    "output_tokens_by_modality": "candidatesTokensDetails",
    "tool_use_tokens_by_modality": "toolUsePromptTokensDetails",
}


def read_interaction(body: Mapping[str, Any]) -> Reading:
    """What a response of the Interactions API says: `usageMetadata` under other names."""
    raw = body.get("usage")
    id, model = clean(body.get("id")), clean(body.get("model"))
    if not isinstance(raw, dict):
        return Reading(MISSING, id, model)
    told: dict[str, Any] = {name: raw.get(theirs) for theirs, name in _INTERACTION.items()}
    for theirs, name in _INTERACTION_DETAILS.items():
        parts = raw.get(theirs)
        told[name] = [
            {"modality": str(part.get("modality")).upper(), "tokenCount": part.get("tokens")}
            for part in (parts if isinstance(parts, list) else ())
            if isinstance(part, dict)
        ]
    return Reading(_google_usage(told), id, model, clean(body.get("service_tier")))


def read_cached_content(body: Mapping[str, Any]) -> Reading:
    """What keeping a `CachedContent` costs from its creation to its end: tokens times seconds."""
    raw, tokens = body.get("usageMetadata"), None
    if isinstance(raw, dict):
        tokens = Counts(raw).get(raw, "totalTokenCount")
    began, ends = unix_seconds(body.get("createTime")), unix_seconds(body.get("expireTime"))
    model = clean(body.get("model"))
    if tokens is None or began is None or ends is None or ends < began:
        return Reading(MISSING, response_model=model)
    return Reading(Usage({"cache_storage": tokens * (ends - began)}), clean(body.get("name")), model)


def unix_seconds(value: Any) -> int | None:
    """Unix time of an RFC 3339 timestamp, in whole seconds; `None` for what is none."""
    try:
        return int(datetime.fromisoformat(value).timestamp()) if isinstance(value, str) else None
    except ValueError:
        return None
