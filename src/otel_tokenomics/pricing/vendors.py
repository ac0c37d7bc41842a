"""What vendors bill beyond their price lists: names, tiers, geography, and what one rate covers.

Each rule names its source. Where no rule says that one rate stands for another, nothing does.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from otel_tokenomics.model.usage import component_of
from otel_tokenomics.pricing.cards import Rate, Rates

# `gen_ai.provider.name` -> the catalogue's provider, where the two differ.
_CATALOGUED: Mapping[str, str] = {
    "azure.ai.openai": "azure",
    "azure.ai.inference": "azure",
    "aws.bedrock": "aws",
    "gcp.vertex_ai": "google",
    "gcp.gemini": "google",
    "gcp.gen_ai": "google",
    "x_ai": "x-ai",
    "mistral_ai": "mistral",
    "moonshot_ai": "moonshotai",
    "together_ai": "together",
    "fireworks_ai": "fireworks",
    "voyage_ai": "voyageai",
    "z_ai": "zai",
    "github_copilot": "github-copilot",
}

BILLED_AS_REQUESTED = frozenset({"aws.bedrock"})
"""Bedrock bills the model id or the inference profile of the request, which sets region and price."""

# What providers call their ordinary service. https://platform.openai.com/docs/api-reference/chat/object:
# a response says `default`, never `auto`, for it; Groq says `on_demand`; Anthropic and Google `standard`.
_STANDARD = frozenset({None, "", "auto", "default", "standard", "on_demand"})
# OpenAI reports `priority` for what was asked for as `fast` or `priority`: the two are one price.
_SERVED: Mapping[str, tuple[str, str]] = {
    "flex": ("service_tier", "flex"),
    "priority": ("service_tier", "priority"),
    "fast": ("service_tier", "priority"),
    "batch": ("processing", "batch"),
}
_SPEEDS = frozenset({None, "", "standard"})
_ANYWHERE = frozenset({None, "", "not_available", "global"})
# https://platform.claude.com/docs/en/about-claude/pricing: inference in the US costs 1.1 times all token
# prices for Claude Opus 4.6 and every later model; earlier models keep their prices. Read 2026-11-24.
_US = (11, 10)
_CLAUDE = re.compile(r"^claude-[a-z]+-(\d+)(?:-(\d+))?$")
_FIRST_WITH_GEOGRAPHY = (4, 6)

# 10 USD per 1,000 searches, for models whose card has no such price: the same pages of both vendors,
# https://platform.openai.com/docs/pricing and as above. Read 2026-11-24. Fetching is free at Anthropic.
_SEARCH = Rate(10 * 10**15, 1000)
_TOOLS: Mapping[tuple[str, str], Rate] = {
    ("anthropic", "tool.web_search"): _SEARCH,
    ("openai", "tool.web_search"): _SEARCH,
    ("anthropic", "tool.web_fetch"): Rate(0, 1000),
}
# A price list's base rate is for text; reasoning is output unless it has a rate of its own; a cache write
# without one for its time to live is the shortest one, which is OpenAI's 30 and Anthropic's 5 minutes.
_COVERED: Mapping[str, str] = {
    "input.text": "input",
    "output.text": "output",
    "cache_read.text": "cache_read",
    "cache_write.text": "cache_write",
    "reasoning": "output",
    "cache_write.5m": "cache_write",
    "cache_write": "cache_write.5m",
}
_VISUAL = frozenset({"input.image", "input.video", "cache_read.image", "cache_read.video"})
_LIKE_TEXT = frozenset({"input.audio", "cache_read.audio"})
_OPENAI = frozenset({"openai", "azure"})
_OPENAI_CACHE = frozenset({"cache_read", "cache_write", "cache_write.30m"})
# Components of what is not counted in tokens, as cost is told by component.
_COMPONENTS: Mapping[str, str] = {
    "audio.ms": "input",
    "characters": "input",
    "images": "output",
    "requests": "request",
}


def component_billed(bucket: str) -> str:
    """The component that a bucket's charge belongs to."""
    return _COMPONENTS.get(bucket) or component_of(bucket)


def catalogued(provider: str) -> str:
    """The catalogue's name of a provider."""
    return _CATALOGUED.get(provider, provider)


def way_served(tier: str | None, speed: str | None) -> tuple[str, str] | str | None:
    """The variant that a tier and a speed name; `None` for the ordinary service, `"unknown"` otherwise."""
    if speed not in _SPEEDS:
        return ("speed", "fast") if speed == "fast" and tier in _STANDARD else "unknown"
    if tier in _STANDARD:
        return None
    return _SERVED.get(tier or "", "unknown")


def geography(provider: str, model: str, geo: str | None) -> tuple[int, int] | None:
    """What token rates are multiplied by where inference ran, as a fraction; `None` when it is unknown."""
    if geo in _ANYWHERE:
        return (1, 1)
    if geo != "us" or provider != "anthropic":
        return None
    found = _CLAUDE.match(model)
    version = (int(found[1]), int(found[2] or 0)) if found else (0, 0)
    return _US if version >= _FIRST_WITH_GEOGRAPHY else (1, 1)


def rate_for(provider: str, model: str, rates: Rates, bucket: str) -> Rate | None:
    """The rate of a bucket: its own, or the one that the vendor says covers it, or `None`."""
    return (
        rates.get(bucket)
        or rates.get(_COVERED.get(bucket, ""))
        or _openai_rate(provider, model, rates, bucket)
        or _modal_rate(provider, rates, bucket)
        or _TOOLS.get((provider, bucket))
    )


def _openai_rate(provider: str, model: str, rates: Rates, bucket: str) -> Rate | None:
    """What OpenAI's price lists leave out.

    https://platform.openai.com/docs/guides/prompt-caching: input that is read from the cache, or written to
    it, is plain input where the list has no other price for it. Where it has, writing for 30 minutes
    costs that, 1.25 times input, and writing for 12 hours 2.5 times input. Models that make images have
    one output price unless they tell text from images.
    """
    if provider not in _OPENAI:
        return None
    if bucket == "output.image" and "image" in model:
        return rates.get("output")
    if bucket in _OPENAI_CACHE:
        return rates.get("cache_write" if "cache_write" in rates and "write" in bucket else "input")
    if bucket == "cache_write.12h" and "cache_write" in rates and "input" in rates:
        return rates["input"].times(5, 2)
    return None


def _modal_rate(provider: str, rates: Rates, bucket: str) -> Rate | None:
    """Images and video that go in are billed as input tokens, unless the card tells them apart.

    Audio is dearer than text at every vendor but Google, whose price list names it only where it differs:
    https://ai.google.dev/gemini-api/docs/pricing.
    """
    covered = bucket in _VISUAL and not _VISUAL.intersection(rates)
    covered = covered or (bucket in _LIKE_TEXT and provider == "google")
    if not covered:
        return None
    component = component_of(bucket)
    return rates.get(component) or rate_for(provider, "", rates, component)
