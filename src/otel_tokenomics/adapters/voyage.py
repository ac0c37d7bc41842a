"""The `voyageai` client library: requests when it waits, aiohttp when it is awaited.

Usage: https://docs.voyageai.com/reference/embeddings-api, `total_tokens`, all of them input; of images and
videos the multimodal endpoint tells the text apart, and bills the rest by pixels, which no bucket holds.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from otel_tokenomics.adapters.counts import Counts, usage_or_missing
from otel_tokenomics.adapters.dialect import ShapeDialect
from otel_tokenomics.adapters.http import HttpAdapter
from otel_tokenomics.adapters.routes import Route, Routes
from otel_tokenomics.model.call import Reading
from otel_tokenomics.model.text import clean
from otel_tokenomics.model.usage import MISSING, Usage


def read(body: Mapping[str, Any]) -> Reading:
    """What a response of any of the endpoints says. None has an id."""
    raw, model = body.get("usage"), clean(body.get("model"))
    if not isinstance(raw, dict):
        return Reading(MISSING, response_model=model)
    counts = Counts(raw)
    total = counts.get(raw, "total_tokens")
    pixels = any(counts.get(raw, name) for name in ("image_pixels", "video_pixels"))
    text = counts.get(raw, "text_tokens") if pixels else None
    buckets: dict[str, int] = {}
    if total is not None:
        buckets["input"] = total if text is None else text
    if total is not None and text is not None:
        buckets["input.image"] = counts.rest(total, text)
        counts.flags.add("not_all_counted")
    return Reading(usage_or_missing(Usage(buckets, flags=tuple(sorted(counts.flags)))), response_model=model)


class Voyage(HttpAdapter):
    """The adapter. The library sends no `User-Agent` of its own: its own method says what is its."""

    flavor = "voyageai"
    provider = "voyage_ai"
    sign = None
    routes = Routes(
        Route("POST", "embeddings", "embeddings"),
        Route("POST", "contextualizedembeddings", "embeddings"),
        Route("POST", "multimodalembeddings", "embeddings"),
        Route("POST", "rerank", "rerank"),
    )
    dialect = ShapeDialect(read, lambda event: None, lambda body: (), lambda event: True)
