"""The `google-genai` client library, for the Gemini API and for Vertex.

Usage: https://ai.google.dev/api/generate-content#UsageMetadata. A stream repeats it, cumulative, so that the
last holds. The model is in the path. Live sessions are read in `google_live`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from otel_tokenomics.adapters import google_batch
from otel_tokenomics.adapters.dialect import ShapeDialect
from otel_tokenomics.adapters.google_usage import read_interaction
from otel_tokenomics.adapters.google_work import (
    CACHES,
    UPSCALED,
    InteractionDialect,
    VideoDialect,
    Videos,
    asked_video,
    read_predictions,
)
from otel_tokenomics.adapters.hosts import Hosts
from otel_tokenomics.adapters.http import HttpAdapter, HttpMeter
from otel_tokenomics.adapters.http_body import body_of
from otel_tokenomics.adapters.routes import Endpoint, Route, Routes, facts_of, port_of
from otel_tokenomics.flow.contracts import Meter
from otel_tokenomics.model.call import Facts

if TYPE_CHECKING:
    from otel_tokenomics.adapters.google_live import LiveListener

_VERBS = {
    "generateContent": Route("POST", "generateContent", "chat"),
    "streamGenerateContent": Route("POST", "streamGenerateContent", "chat"),
    "embedContent": Route("POST", "embedContent", "embeddings"),
    "batchEmbedContents": Route("POST", "batchEmbedContents", "embeddings"),
    "countTokens": Route("POST", "countTokens", "count_tokens", "free"),
    "computeTokens": Route("POST", "computeTokens", "count_tokens", "free"),
    "predict": Route("POST", "predict", "image_generation"),
    "predictLongRunning": Route("POST", "predictLongRunning", "video_generation"),
    "fetchPredictOperation": Route("POST", "fetchPredictOperation", "video_generation", "polled"),
    **google_batch.CREATES,
}
_EMBEDS = Route("POST", "predict", "embeddings")
_VIDEO = Route("GET", "models/*/operations/*", "video_generation", "polled")
_MODEL = re.compile(r"/models/([^/:]+)(?::(\w+)|/operations/[^/]+)$")
_EMBEDDER = re.compile(r"embedding|gecko")
_FILE = re.compile(r"/(files/[^/:]+):download$")
_UPSCALE = re.compile(rb'"mode"\s*:\s*"upscale"')
_TAIL = 4096
_KEPT = ("usageMetadata", "modelVersion", "responseId")


class Google(HttpAdapter):
    """The adapter."""

    flavor = "google_genai"
    provider = "gcp.gemini"
    sign = "google-genai-sdk/"
    routes = Routes(
        Route("POST", "interactions", "chat"),
        Route("GET", "interactions/*", "chat", "polled"),
        Route("POST", "interactions/*/cancel", "chat", "polled"),
        Route("POST", "cachedContents", "create_cache"),
        *google_batch.ROUTES,
    )
    needle = re.compile(rb'"usageMetadata"\s*:\s*\{|"usage"\s*:\s*\{')

    def __init__(self, hosts: Hosts | None = None) -> None:
        super().__init__(hosts)
        self._batches = google_batch.Batches()
        self._videos = Videos()

    def facts(self, client: Any, options: Any, stream: bool) -> Facts | None:
        """What the request says, or `None` if it calls no model."""
        url = options.url
        found = _MODEL.search(url.path)
        route = _route(options.method, found) if found else None
        if found is None or route is None:
            file = _FILE.search(url.path) if options.method == "GET" else None
            return self._told(google_batch.FILE, url) if file else super().facts(client, options, stream)
        return self._told(route, url, {"model": found[1]}, "stream" in (found[2] or ""))

    def _told(self, route: Route, url: Any, asked: Any = None, stream: bool = False) -> Facts:
        endpoint = self.endpoint(url)._replace(host=url.host or None, port=port_of(url))
        return facts_of(self.flavor, route, endpoint, asked, stream)

    def endpoint(self, url: Any) -> Endpoint:
        """Who is behind a URL; elsewhere than at Google, Vertex is known by its path."""
        known = super().endpoint(url)
        if known.assumed and ("/publishers/" in url.path or "/locations/" in url.path):
            return Endpoint("gcp.vertex_ai", assumed=True)
        return known

    def meter(self, client: Any, options: Any, facts: Facts) -> Meter:
        """A meter of contents, or of what is billed by something else than tokens, or later."""
        if facts.billing == "several":
            file = _FILE.search(options.url.path)
            return self._batches.meter(options, facts, file and file[1])
        return HttpMeter(self._dialect(options, facts), options, facts, self.needle, self.prefix)

    def listener(self, path: str, host: str | None, model: Any = None) -> LiveListener:
        """Reads what a live session receives, of that path at that host with that model."""
        from otel_tokenomics.adapters.google_live import LiveListener

        return LiveListener(self._hosts, path, host, model)

    def _dialect(self, options: Any, facts: Facts) -> ShapeDialect:
        if facts.operation == "video_generation":
            orders = facts.billing == "metered"
            return VideoDialect(self._videos, asked_video(body_of(options, whole=True)) if orders else None)
        if facts.route == "cachedContents":
            return CACHES
        if facts.route == "predict" and _UPSCALE.search((options.content or b"")[-_TAIL:]):
            return UPSCALED
        return _INTERACTIONS if facts.route.startswith("interactions") else _CONTENTS


def _route(method: str, found: re.Match[str]) -> Route | None:
    """The route of a path that ends with a model and a verb, or with an operation of a model's."""
    if found[2] is None:
        return _VIDEO if method == _VIDEO.method else None
    if found[2] == "predict" and _EMBEDDER.search(found[1]):
        return _EMBEDS
    return _VERBS.get(found[2])


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


_CONTENTS = ShapeDialect(read_predictions, _part, _texts, _ended)
_INTERACTIONS = InteractionDialect(
    read_interaction, _interaction, _delta, lambda event: "complete" in str(event.get("event_type"))
)
