"""A vendor's usage object, or the response that carries it, as what the price engine asks for."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from otel_tokenomics.adapters.anthropic import Anthropic
from otel_tokenomics.adapters.bedrock_usage import read_converse
from otel_tokenomics.adapters.cohere import read_cohere
from otel_tokenomics.adapters.google_usage import read_cached_content, read_google, read_interaction
from otel_tokenomics.adapters.openai import OpenAI
from otel_tokenomics.adapters.reported import reported_femto
from otel_tokenomics.model.call import Billing, Facts, Reading, Responded
from otel_tokenomics.pricing import vendors

_ANTHROPIC = frozenset(
    {"cache_creation", "cache_creation_input_tokens", "cache_read_input_tokens", "server_tool_use"}
)
_GOOGLE = frozenset({"promptTokenCount", "prompt_token_count", "totalTokenCount", "total_token_count"})
_CONVERSE = frozenset({"inputTokens", "outputTokens"})
_HOLDERS = ("usage", "usageMetadata", "usage_metadata", "meta")
_FREE = frozenset({"moderation", "count_tokens"})
_ROUTES = {
    "embeddings": "embeddings",
    "image_generation": "images/generations",
    "transcription": "audio/transcriptions",
    "translation": "audio/translations",
    "video_generation": "videos",
}
_REGIONAL_HOSTS = {
    "openai": "{}.api.openai.com",
    "google": "{}-aiplatform.googleapis.com",
    "x-ai": "{}.api.x.ai",
    "aws": "bedrock-runtime.{}.amazonaws.com",
}
"""Where the region is not in the response, it is in the name of the host."""
_IMAGE_DETAILS = {"image_tokens", "text_tokens"}


@dataclass(frozen=True, slots=True)
class Served:
    """How a response was served, as far as the caller says so: it wins over what the body says."""

    provider: str
    model: str | None = None
    operation: str | None = None
    tier: str | None = None
    region: str | None = None
    speed: str | None = None


@dataclass(frozen=True, slots=True)
class _Response:
    content: bytes
    request: None = None


def read(raw: Mapping[str, Any], served: Served) -> tuple[Facts, Reading]:
    """The facts and the reading of a usage object, or of a whole response."""
    body = _whole(raw)
    facts = _facts(body, served)
    reading = _reading(body, facts)
    reading.response_model = served.model or reading.response_model
    reading.service_tier = served.tier or reading.service_tier
    if served.region and facts.server_address is None:
        reading.inference_geo = served.region
    reading.speed = served.speed or reading.speed
    if isinstance(usage := body.get("usage"), dict):
        reading.reported_cost_femto = reported_femto(facts.provider, usage)
    return facts, reading


def _whole(raw: Mapping[str, Any]) -> dict[str, Any]:
    """The response; a usage object alone is given the one that it would stand in."""
    if any(isinstance(raw.get(name), dict) for name in _HOLDERS) or not _is_usage(raw):
        return dict(raw)
    if _GOOGLE.intersection(raw):
        return {"usageMetadata": dict(raw)}
    tier = {"service_tier": raw["service_tier"]} if isinstance(raw.get("service_tier"), str) else {}
    return {**tier, "usage": dict(raw)}


def _is_usage(raw: Mapping[str, Any]) -> bool:
    """A response whose usage is absent or null says what it is; a usage object does not."""
    return not {"choices", "object", "output", "content", "candidates", "data", "text", "type"}.intersection(
        raw
    ) or raw.get("type") in ("duration", "tokens")


def _facts(body: Mapping[str, Any], served: Served) -> Facts:
    operation = served.operation or _operation(body)
    billing: Billing = "free" if operation in _FREE else "metered"
    route = _ROUTES.get(
        operation, "responses" if isinstance(body.get("output"), list) else "chat/completions"
    )
    return Facts(
        provider=served.provider,
        operation=operation,
        flavor=served.provider,
        route=route,
        request_model=served.model,
        billing=billing,
        server_address=_host(served),
    )


def _host(served: Served) -> str | None:
    """The host that serves the region, if the vendor has one for it."""
    template = _REGIONAL_HOSTS.get(vendors.catalogued(served.provider), "")
    host = template.format(served.region) if served.region else ""
    return host if host and vendors.region_of(served.provider, host) == served.region else None


def _operation(body: Mapping[str, Any]) -> str:
    """The operation that a body can only belong to, else `chat`."""
    usage, data = body.get("usage"), body.get("data")
    usage = usage if isinstance(usage, dict) else {}
    details = usage.get("input_tokens_details")
    if body.get("object") == "video":
        return "video_generation"
    if usage.get("type") == "duration" or ("text" in body and "choices" not in body and "duration" in body):
        return "transcription"
    if isinstance(details, dict) and set(details) == _IMAGE_DETAILS:
        return "image_generation"
    first = data[0] if isinstance(data, list) and data and isinstance(data[0], dict) else {}
    if "embedding" in first:
        return "embeddings"
    return "image_generation" if {"b64_json", "url"}.intersection(first) else "chat"


def _reading(body: Mapping[str, Any], facts: Facts) -> Reading:
    usage = body.get("usage")
    usage = usage if isinstance(usage, dict) else {}
    if str(body.get("name")).startswith(("cachedContents/", "projects/")) and "expireTime" in body:
        return read_cached_content(body)
    if "total_input_tokens" in usage:
        return read_interaction(body)
    if "usageMetadata" in body or "usage_metadata" in body:
        return read_google(body)
    if _CONVERSE.intersection(usage):
        return read_converse(body)
    if "billed_units" in usage or isinstance(body.get("meta"), dict):
        return read_cohere(body)
    anthropic = facts.provider == "anthropic" and "prompt_tokens" not in usage
    anthropic = anthropic or body.get("type") == "message" or not _ANTHROPIC.isdisjoint(usage)
    meter = (Anthropic() if anthropic else OpenAI()).meter(None, None, facts)
    meter.respond(Responded(_Response(json.dumps(body).encode())))
    return meter.reading()
