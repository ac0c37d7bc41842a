"""The `cohere` client library.

Usage: https://docs.cohere.com/reference/chat; `billed_units` are the bill. The first version's streams are
lines of JSON whose last one holds the whole response; the second's end with `message-end`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from otel_tokenomics.adapters.counts import Counts, put, usage_or_missing
from otel_tokenomics.adapters.dialect import ShapeDialect
from otel_tokenomics.adapters.http import HttpAdapter
from otel_tokenomics.adapters.routes import Route, Routes
from otel_tokenomics.model.call import Reading
from otel_tokenomics.model.text import clean
from otel_tokenomics.model.usage import MISSING, Usage


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
        put(buckets, bucket, counts.get(billed, f"{bucket}_tokens"))
    for unit in ("search_units", "classifications", "images"):
        if quantity := counts.get(billed, unit):
            buckets[unit] = quantity
    usage = usage_or_missing(Usage(buckets, flags=tuple(sorted(counts.flags))))
    return Reading(usage, response_id, model)


def _part(event: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The response of an old stream's last line; of a new one its id, then its usage."""
    whole = event.get("response")
    if isinstance(whole, dict):
        return {**whole, "id": whole.get("response_id")}
    delta = event.get("delta")
    usage = delta.get("usage") if isinstance(delta, dict) else None
    if isinstance(usage, dict) or event.get("type") == "message-start":
        return {"id": event.get("id"), "usage": usage}
    return None


def _texts(event: Mapping[str, Any]) -> Iterator[str]:
    if isinstance(text := event.get("text"), str):
        yield text
    delta = event.get("delta")
    message = delta.get("message") if isinstance(delta, dict) else event.get("message")
    content = message.get("content") if isinstance(message, dict) else None
    for block in content if isinstance(content, list) else [content]:
        if isinstance(block, dict) and isinstance(text := block.get("text"), str):
            yield text


def _ended(event: Mapping[str, Any]) -> bool:
    return event.get("type") == "message-end" or event.get("is_finished") is True


class Cohere(HttpAdapter):
    """The adapter."""

    flavor = provider = "cohere"
    sign = "cohere/"
    routes = Routes(
        Route("POST", "chat", "chat"),
        Route("POST", "generate", "text_completion"),
        Route("POST", "embed", "embeddings"),
        Route("POST", "rerank", "rerank"),
        Route("POST", "classify", "classification"),
        Route("POST", "summarize", "chat"),
    )
    dialect = ShapeDialect(read_cohere, _part, _texts, _ended)
    needle = re.compile(rb'"billed_units"\s*:\s*\{')
