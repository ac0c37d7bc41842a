"""Usage objects of vendors that no client library is covered for yet: Google, Bedrock's Converse, Cohere.

Google: https://ai.google.dev/api/generate-content#UsageMetadata, in the spelling of the wire and in that of
its SDK. Prompt counts include what a cache served; output counts exclude thoughts. Converse:
https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_TokenUsage.html, three disjoint counters.
Cohere: https://docs.cohere.com/reference/chat, where `billed_units` is the bill and `tokens` is not.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from otel_tokenomics.adapters.counts import Counts
from otel_tokenomics.adapters.stainless import usage_or_missing
from otel_tokenomics.model.call import Reading
from otel_tokenomics.model.text import clean
from otel_tokenomics.model.usage import MISSING, Usage

_TRAFFIC = {"on_demand_priority": "priority", "on_demand_flex": "flex"}
"""Vertex's words for what the Gemini API calls a service tier. Any other is told as it is."""
_MODALITIES = {"AUDIO": ".audio", "IMAGE": ".image", "VIDEO": ".video"}
"""Text has no suffix; documents are billed as text."""
_PER_REQUEST = ("gemini-1", "gemini-2")
"""Models whose grounding is billed once a request, not once a query."""


def read_google(body: Mapping[str, Any]) -> Reading:
    """What a `generateContent` response says. A body without usage metadata is `MISSING`."""
    raw = body.get("usageMetadata") or body.get("usage_metadata")
    model = clean(body.get("modelVersion")) or clean(body.get("model_version"))
    if not isinstance(raw, dict):
        return Reading(MISSING, response_model=model)
    usage = _google_usage(raw)
    if searches := _groundings(body, model or ""):
        usage = Usage({**usage.buckets, "tool.web_search": searches}, flags=usage.flags)
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
        counts, "input", prompt, "promptTokensDetails", "prompt_tokens_details"
    ).items():
        twin = part.replace("input", "cache_read")
        buckets[part] = counts.rest(quantity, held.get(twin))
    _add(buckets, held)
    _add(
        buckets,
        _by_modality(counts, "input", tools, "toolUsePromptTokensDetails", "tool_use_prompt_tokens_details"),
    )
    _add(
        buckets,
        _by_modality(counts, "output", output, "candidatesTokensDetails", "candidates_tokens_details"),
    )
    if thoughts is not None:
        buckets["reasoning"] = thoughts
    _check_total(counts, buckets)
    return usage_or_missing(Usage(buckets, flags=tuple(sorted(counts.flags))))


def _by_modality(counts: Counts, component: str, total: int | None, name: str, other: str) -> dict[str, int]:
    """`total` by modality; what the details do not divide is text."""
    if total is None:
        return {}
    found = {component: total}
    details = counts.raw.get(name) or counts.raw.get(other)
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


def _groundings(body: Mapping[str, Any], model: str) -> int:
    """Searches that ground the answer, as the model's generation bills them."""
    candidates = body.get("candidates")
    queries = 0
    for candidate in candidates if isinstance(candidates, list) else ():
        grounding = candidate.get("groundingMetadata") if isinstance(candidate, dict) else None
        asked = grounding.get("webSearchQueries") if isinstance(grounding, dict) else None
        queries += len(asked) if isinstance(asked, list) else 0
    return min(queries, 1) if model.rpartition("/")[2].startswith(_PER_REQUEST) else queries


def read_converse(body: Mapping[str, Any]) -> Reading:
    """What a Converse response says. It names no model: the request's id sets the price."""
    raw = body.get("usage")
    if not isinstance(raw, dict):
        return Reading(MISSING)
    counts = Counts(raw)
    buckets: dict[str, int] = {}
    for bucket, name in (("input", "inputTokens"), ("cache_read", "cacheReadInputTokens")):
        _put(buckets, bucket, counts.get(raw, name))
    written = counts.get(raw, "cacheWriteInputTokens")
    if written is not None:
        details = raw.get("cacheDetails")
        split = _writes(counts, details if isinstance(details, list) else [])
        _add(buckets, split)
        rest = counts.rest(written, *split.values())
        _put(buckets, "cache_write", rest if rest or not split else None)
    _put(buckets, "output", counts.get(raw, "outputTokens"))
    tier = body.get("serviceTier")
    usage = usage_or_missing(Usage(buckets, flags=tuple(sorted(counts.flags))))
    return Reading(usage, service_tier=clean(tier.get("type")) if isinstance(tier, dict) else None)


def _writes(counts: Counts, details: list[Any]) -> dict[str, int]:
    found: dict[str, int] = {}
    for item in details:
        if isinstance(item, dict) and (ttl := clean(item.get("ttl"))):
            bucket = f"cache_write.{ttl}"
            found[bucket] = found.get(bucket, 0) + (counts.get(item, "inputTokens") or 0)
    return {bucket: quantity for bucket, quantity in found.items() if quantity}


def read_cohere(body: Mapping[str, Any]) -> Reading:
    """What a response of chat, embed or rerank says that it bills."""
    holder = body.get("usage") or body.get("meta")
    billed = holder.get("billed_units") if isinstance(holder, dict) else None
    model, response_id = clean(body.get("model")), clean(body.get("id"))
    if not isinstance(billed, dict):
        return Reading(MISSING, response_id, model)
    counts = Counts(billed)
    buckets: dict[str, int] = {}
    for bucket in ("input", "output"):
        _put(buckets, bucket, counts.get(billed, f"{bucket}_tokens"))
    for unit in ("search_units", "classifications", "images"):
        if quantity := counts.get(billed, unit):
            buckets[unit] = quantity
    usage = usage_or_missing(Usage(buckets, flags=tuple(sorted(counts.flags))))
    return Reading(usage, response_id, model)


def _add(buckets: dict[str, int], more: Mapping[str, int]) -> None:
    for bucket, quantity in more.items():
        buckets[bucket] = buckets.get(bucket, 0) + quantity


def _put(buckets: dict[str, int], bucket: str, quantity: int | None) -> None:
    if quantity is not None:
        buckets[bucket] = quantity
