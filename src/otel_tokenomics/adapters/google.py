"""The `google-genai` client library, for the Gemini API and for Vertex.

Usage: https://ai.google.dev/api/generate-content#UsageMetadata. A stream repeats it, cumulative, so that the
last holds. The model is in the path. A live session speaks over a websocket, which is not seen here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from otel_tokenomics.adapters.http import HttpAdapter, HttpMeter, ShapeDialect
from otel_tokenomics.adapters.shapes import read_google, read_interaction
from otel_tokenomics.adapters.stainless import Endpoint, Route, Routes, facts_of, port_of
from otel_tokenomics.model.call import Facts, Reading
from otel_tokenomics.model.usage import MISSING, Usage

_VERBS = {
    "generateContent": Route("POST", "generateContent", "chat"),
    "streamGenerateContent": Route("POST", "streamGenerateContent", "chat"),
    "embedContent": Route("POST", "embedContent", "embeddings"),
    "batchEmbedContents": Route("POST", "batchEmbedContents", "embeddings"),
    "countTokens": Route("POST", "countTokens", "count_tokens", "free"),
    "computeTokens": Route("POST", "computeTokens", "count_tokens", "free"),
    "predict": Route("POST", "predict", "image_generation"),
}
_MODEL = re.compile(r"/models/([^/:]+):(\w+)$")
_KEPT = ("usageMetadata", "modelVersion", "responseId")


class Google(HttpAdapter):
    """The adapter."""

    flavor = "google_genai"
    provider = "gcp.gemini"
    sign = "google-genai-sdk/"
    routes = Routes(Route("POST", "interactions", "chat"))
    needle = re.compile(rb'"usageMetadata"\s*:\s*\{|"usage"\s*:\s*\{')

    def facts(self, client: Any, options: Any, stream: bool) -> Facts | None:
        """What the request says, or `None` if it calls no model."""
        url = options.url
        found = _MODEL.search(url.path)
        route = _VERBS.get(found[2]) if found else None
        if found is None or route is None:
            return super().facts(client, options, stream)
        endpoint = self.endpoint(url)._replace(host=url.host or None, port=port_of(url))
        return facts_of(self.flavor, route, endpoint, {"model": found[1]}, "stream" in found[2])

    def endpoint(self, url: Any) -> Endpoint:
        """Who is behind a URL; elsewhere than at Google, Vertex is known by its path."""
        known = super().endpoint(url)
        if known.assumed and "/publishers/" in url.path:
            return Endpoint("gcp.vertex_ai", assumed=True)
        return known

    def meter(self, client: Any, options: Any, facts: Facts) -> HttpMeter:
        """A meter of contents, of embeddings and images, or of interactions."""
        dialect = _INTERACTIONS if facts.route == "interactions" else _CONTENTS
        return HttpMeter(dialect, options, facts, self.needle, self.prefix)


def _read(body: Mapping[str, Any]) -> Reading:
    """A content, or what Vertex says of embeddings and images, each in a place of its own."""
    reading = read_google(body)
    predictions = body.get("predictions")
    if reading.usage is MISSING and isinstance(predictions, list):
        tokens = [_tokens(prediction) for prediction in predictions]
        counted = [count for count in tokens if count is not None]
        if counted:
            reading.usage = Usage({"input": sum(counted)})
        elif any(isinstance(one, dict) and "bytesBase64Encoded" in one for one in predictions):
            reading.usage = Usage({"images": len(predictions)})
    return reading


def _tokens(prediction: Any) -> int | None:
    embeddings = prediction.get("embeddings") if isinstance(prediction, dict) else None
    statistics = embeddings.get("statistics") if isinstance(embeddings, dict) else None
    count = statistics.get("token_count") if isinstance(statistics, dict) else None
    return int(count) if isinstance(count, int | float) and 0 <= count < 2**53 else None


def _part(event: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """What of a chunk says how much was used. Searches are told where they were made, so they are kept."""
    kept = {name: event[name] for name in _KEPT if name in event}
    if _candidates(event, "groundingMetadata"):
        kept["candidates"] = event["candidates"]
    return kept or None


def _texts(body: Mapping[str, Any]) -> Iterator[str]:
    for candidate in _candidates(body, "content"):
        parts = candidate["content"].get("parts") if isinstance(candidate["content"], dict) else None
        for part in parts if isinstance(parts, list) else ():
            if isinstance(part, dict) and isinstance(text := part.get("text"), str):
                yield text


def _ended(body: Mapping[str, Any]) -> bool:
    return bool(_candidates(body, "finishReason")) or "promptFeedback" in body


def _candidates(body: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    """The candidates that have a field."""
    candidates = body.get("candidates")
    listed = candidates if isinstance(candidates, list) else []
    return [one for one in listed if isinstance(one, dict) and one.get(name)]


def _interaction(event: Mapping[str, Any]) -> Mapping[str, Any] | None:
    whole = event.get("interaction")
    return whole if isinstance(whole, dict) else None


def _delta(event: Mapping[str, Any]) -> Iterator[str]:
    delta = event.get("delta")
    if isinstance(delta, dict) and isinstance(text := delta.get("text"), str):
        yield text


_CONTENTS = ShapeDialect(_read, _part, _texts, _ended)
_INTERACTIONS = ShapeDialect(
    read_interaction, _interaction, _delta, lambda event: "complete" in str(event.get("event_type"))
)
