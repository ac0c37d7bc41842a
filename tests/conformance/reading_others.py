"""What recorded responses of Google, Cohere and Ollama consumed, from their documentation alone.

Google (ai.google.dev/api/generate-content#UsageMetadata): the prompt count includes what a cache served, the
candidates' count excludes thoughts, tool-use prompts are input beside the prompt; each may be divided by
modality; a stream repeats the object, and its last one holds. Grounding is billed by query, and for models
before the third generation by request (ai.google.dev/gemini-api/docs/pricing). Cohere
(docs.cohere.com/reference/chat): `billed_units`. Ollama (docs/api.md): `prompt_eval_count`, `eval_count`, on
the line that says `done`. Voyage (docs.voyageai.com/reference): `total_tokens`, all of them input. Replicate
(replicate.com/docs/reference/http#predictions.get): `predict_time`, in seconds, of a prediction that ended.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from tests.conformance.exchanges import Exchange

SUFFIX = {"AUDIO": ".audio", "IMAGE": ".image", "VIDEO": ".video"}


def google(exchange: Exchange) -> dict[str, int] | None:
    """Buckets of a content or of embeddings."""
    bodies = exchange.events() if exchange.streamed else [exchange.json()]
    raw: dict[str, Any] = {}
    for body in bodies:
        raw = body.get("usageMetadata") or raw
    counts = {"promptTokenCount", "candidatesTokenCount", "totalTokenCount"}
    if not counts.intersection(raw):
        return None
    buckets: Counter[str] = Counter()
    cached = _divided(raw, "cachedContentTokenCount", "cacheTokensDetails")
    for suffix, count in _divided(raw, "promptTokenCount", "promptTokensDetails").items():
        buckets["input" + suffix] += count - cached.get(suffix, 0)
    for suffix, count in cached.items():
        buckets["cache_read" + suffix] += count
    for suffix, count in _divided(raw, "toolUsePromptTokenCount", "toolUsePromptTokensDetails").items():
        buckets["input" + suffix] += count
    for suffix, count in _divided(raw, "candidatesTokenCount", "candidatesTokensDetails").items():
        buckets["output" + suffix] += count
    if "thoughtsTokenCount" in raw:
        buckets["reasoning"] += raw["thoughtsTokenCount"]
    if searches := _searches(bodies):
        buckets["tool.web_search"] = searches
    return dict(buckets)


def _searches(bodies: list[dict[str, Any]]) -> int:
    """Queries of the last grounding that lists some; once for older models."""
    count = 0
    for body in bodies:
        grounds = [one.get("groundingMetadata") or {} for one in body.get("candidates") or ()]
        count = sum(len(ground.get("webSearchQueries") or ()) for ground in grounds) or count
    older = str(bodies[-1].get("modelVersion")).startswith(("gemini-1", "gemini-2"))
    return min(count, 1) if older else count


def _divided(raw: Mapping[str, Any], name: str, details: str) -> dict[str, int]:
    if name not in raw:
        return {}
    found: Counter[str] = Counter({"": raw[name]})
    for part in raw.get(details) or ():
        suffix = SUFFIX.get(part["modality"])
        if suffix:
            found[suffix] += part.get("tokenCount", 0)
            found[""] -= part.get("tokenCount", 0)
    return dict(found)


def cohere(exchange: Exchange) -> dict[str, int] | None:
    """Buckets of what is billed."""
    bodies = exchange.events() if exchange.streamed else [exchange.json()]
    billed: dict[str, Any] = {}
    for body in bodies:
        for holder in (body, body.get("delta") or {}, body.get("response") or {}):
            if isinstance(holder, dict):
                billed = ((holder.get("usage") or holder.get("meta") or {}).get("billed_units")) or billed
    names = {"input_tokens": "input", "output_tokens": "output", "search_units": "search_units"}
    return {ours: int(billed[name]) for name, ours in names.items() if name in billed} or None


def ollama(exchange: Exchange) -> dict[str, int] | None:
    """Buckets of the last line."""
    last = exchange.events()[-1] if exchange.streamed else exchange.json()
    names = {"prompt_eval_count": "input", "eval_count": "output"}
    return {ours: last[name] for name, ours in names.items() if name in last} or None


def voyage(exchange: Exchange) -> dict[str, int] | None:
    """Buckets of embeddings, or of a rerank."""
    usage = exchange.json().get("usage") or {}
    return {"input": usage["total_tokens"]} if "total_tokens" in usage else None


def replicate(exchange: Exchange) -> dict[str, int] | None:
    """How long a prediction ran."""
    metrics = exchange.json().get("metrics") or {}
    return {"compute.ms": round(metrics["predict_time"] * 1000)} if "predict_time" in metrics else None
