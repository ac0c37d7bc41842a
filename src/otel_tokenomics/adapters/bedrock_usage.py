"""The usage object of Bedrock's Converse: three disjoint counters, and what a cache was written for.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_TokenUsage.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from otel_tokenomics.adapters.counts import Counts, add, put, usage_or_missing
from otel_tokenomics.model.call import Reading
from otel_tokenomics.model.text import clean
from otel_tokenomics.model.usage import MISSING, Usage


def read_converse(body: Mapping[str, Any]) -> Reading:
    """What a Converse response says. It names no model: the request's id sets the price."""
    raw = body.get("usage")
    if not isinstance(raw, dict):
        return Reading(MISSING)
    counts = Counts(raw)
    buckets: dict[str, int] = {}
    for bucket, name in (("input", "inputTokens"), ("cache_read", "cacheReadInputTokens")):
        put(buckets, bucket, counts.get(raw, name))
    written = counts.get(raw, "cacheWriteInputTokens")
    if written is not None:
        details = raw.get("cacheDetails")
        split = _writes(counts, details if isinstance(details, list) else [])
        add(buckets, split)
        rest = counts.rest(written, *split.values())
        put(buckets, "cache_write", rest if rest or not split else None)
    put(buckets, "output", counts.get(raw, "outputTokens"))
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
