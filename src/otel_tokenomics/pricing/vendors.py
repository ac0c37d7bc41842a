"""What vendors bill beyond their price lists: names, tiers, geography, and what one rate covers.

Each rule names its source. Where no rule says that one rate stands for another, nothing does.

A page named beside a rule is where the rule can be checked. The rules were taken on 2026-11-24 from price
catalogues and secondary notes that cite those pages; the pages themselves were not opened.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

from otel_tokenomics.model.usage import TOKEN_COMPONENTS, component_of
from otel_tokenomics.pricing.cards import Card, Period, Rate, Rates

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
    "ultrafast": ("service_tier", "ultrafast"),
    "batch": ("processing", "batch"),
}
# Vertex's own words, in `usage_metadata.traffic_type`.
_TRAFFIC: Mapping[str, str | None] = {
    "ON_DEMAND": None,
    "ON_DEMAND_PRIORITY": "priority",
    "ON_DEMAND_FLEX": "flex",
}
_SPEEDS = frozenset({None, "", "standard"})
_ANYWHERE = frozenset({None, "", "not_available", "global"})
# https://platform.claude.com/docs/en/about-claude/pricing: inference in the US costs 1.1 times all token
# prices for Claude Opus 4.6 and every later model; earlier models keep their prices.
_US = (11, 10)
_CLAUDE = re.compile(r"^claude-[a-z]+-(\d+)(?:-(\d+))?$")
_FIRST_WITH_GEOGRAPHY = (4, 6)

# Hosts that serve from one region, where that is another price: OpenAI's data residency and Vertex's regional
# endpoints for the models whose card says so, xAI's for all (https://docs.x.ai/docs/models).
_REGIONAL_HOSTS: Mapping[str, re.Pattern[str]] = {
    "openai": re.compile(r"^(us|eu)\.api\.openai\.com$"),
    "google": re.compile(r"^(?:(.+)-aiplatform|aiplatform\.(.+)\.rep)\.googleapis\.com$"),
    "x-ai": re.compile(r"^(.+)\.api\.x\.ai$"),
    "aws": re.compile(r"^bedrock(?:-[a-z]+)*\.([a-z0-9-]+)\.(?:amazonaws\.com|api\.aws)$"),
}
_XAI_REGIONAL = (11, 10)

# OpenAI bills a container by the minute and at least five, 0.03 for 20 minutes of one gigabyte and 0.12, 0.48
# and 1.92 for 4, 16 and 64: https://developers.openai.com/api/docs/changelog, 2026-06-02, as quoted at
# https://modeldex.dev/news/openai-switches-container-sessions-to-per-minute-billing-with-a-5-minute-minimum.
# No response tells the minutes, so that here is the least; before that day each began session cost the whole.
_CONTAINERS = (("", 1), (".1g", 1), (".4g", 4), (".16g", 16), (".64g", 64))

# Tools for models whose card has no price of their own, by 1,000 uses or by hour. Anthropic fetches for free.
# https://platform.openai.com/docs/pricing, https://platform.claude.com/docs/en/about-claude/pricing,
# https://docs.x.ai/docs/models, https://azure.microsoft.com/pricing/details/cognitive-services/openai-service.
# Free allotments, such as hours of code execution, belong to an account, so that here is the list price.
_SEARCH = Rate(10 * 10**15, 1000)
_HOUR_MS = 3_600_000
_TOOLS: Mapping[tuple[str, str], Rate] = {
    ("anthropic", "tool.web_search"): _SEARCH,
    ("anthropic", "tool.web_fetch"): Rate(0, 1000),
    ("anthropic", "container.ms"): Rate(5 * 10**13, _HOUR_MS),
    ("openai", "tool.web_search"): _SEARCH,
    ("openai", "tool.file_search"): Rate(25 * 10**14, 1000),
    **{
        ("openai", f"tool.container{size}"): Rate(75 * 10**11 * gigabytes, 1)
        for size, gigabytes in _CONTAINERS
    },
    ("azure", "tool.container"): Rate(33 * 10**12, 1),
    # By 1,000 text units of up to 1,000 characters, or by image, whatever the model, or without one:
    # https://aws.amazon.com/bedrock/pricing, as notes of 2026-08 quote it. What automated reasoning costs
    # depends on how many policies there are.
    ("aws", "tool.guardrail_content"): Rate(15 * 10**13, 1000),
    ("aws", "tool.guardrail_topic"): Rate(15 * 10**13, 1000),
    ("aws", "tool.guardrail_sensitive_information"): Rate(10**14, 1000),
    ("aws", "tool.guardrail_contextual_grounding"): Rate(10**14, 1000),
    ("aws", "tool.guardrail_word"): Rate(0, 1000),
    ("aws", "tool.guardrail_content_image"): Rate(75 * 10**10, 1),
    ("aws", "tool.guardrail_check_content_filter"): Rate(7 * 10**13, 1000),
    ("aws", "tool.guardrail_check_prompt_attack"): Rate(8 * 10**13, 1000),
    ("aws", "tool.guardrail_check_sensitive_information"): Rate(10**14, 1000),
    ("x-ai", "tool.web_search"): Rate(5 * 10**15, 1000),
    ("x-ai", "tool.social_search"): Rate(5 * 10**15, 1000),
    ("x-ai", "tool.code_execution"): Rate(5 * 10**15, 1000),
    ("x-ai", "tool.file_search"): Rate(25 * 10**14, 1000),
    ("x-ai", "tool.attachment_search"): _SEARCH,
}
WITHOUT_MODEL: Mapping[tuple[str, str], Card] = {
    ("aws", "moderation"): Card("guardrails", (Period({"input": Rate(0, 1)}),)),
}
"""What a provider bills apart from any model, by operation: no tokens, so that none are held for it."""
# The least that one request is billed: https://groq.com/pricing, ten seconds of audio;
# https://platform.claude.com/docs/en/agents-and-tools/tool-use/code-execution-tool, five minutes.
_LEAST: Mapping[tuple[str, str], int] = {
    ("groq", "audio.ms"): 10_000,
    ("anthropic", "container.ms"): 300_000,
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
_IMAGES = frozenset({"input.image", "cache_read.image"})
_LIKE_TEXT = frozenset({"input.audio", "cache_read.audio", "input.video", "cache_read.video"})
_OPENAI = frozenset({"openai", "azure"})
# https://community.openai.com/t/search-web-using-openai-api/1363698 quotes the price list: a search by the
# preview costs 25 for 1,000 with models that do not reason, as much as any other search with those that do.
_PREVIEW = Rate(25 * 10**15, 1000)
_NO_REASONING = re.compile(r"^gpt-4(?:o|\.1)\b")
_OPENAI_CACHE = frozenset({"cache_read", "cache_write", "cache_write.30m"})
# The convention's components of a cost, and those of what is not counted in tokens. What is in neither is a
# piece of work.
_TOLD = frozenset({*TOKEN_COMPONENTS, "tool"})
_COMPONENTS: Mapping[str, str] = {
    "audio": "input",
    "input_audio": "input",
    "output_audio": "output",
    "cache_storage": "cache_write",
    "characters": "input",
    "pages": "input",
    "pixels": "input",
    "container": "tool",
    "image": "output",
    "images": "output",
    "seconds": "output",
    "video": "output",
}


def component_billed(bucket: str) -> str:
    """The component that a bucket's charge belongs to, one of the convention's."""
    component = component_of(bucket)
    return component if component in _TOLD else _COMPONENTS.get(component, "request")


def catalogued(provider: str) -> str:
    """The catalogue's name of a provider."""
    return _CATALOGUED.get(provider, provider)


def way_served(tier: str | None, speed: str | None) -> tuple[str, str] | str | None:
    """The variant that a tier and a speed name; `None` for the ordinary service, `"unknown"` otherwise."""
    if speed not in _SPEEDS:
        return ("speed", "fast") if speed == "fast" and tier in _STANDARD else "unknown"
    tier = _TRAFFIC.get(tier or "", tier)
    if tier in _STANDARD:
        return None
    return _SERVED.get(tier or "", "unknown")


class Place(NamedTuple):
    """What token rates are multiplied by where inference ran, how a price says so, and what is assumed."""

    factor: tuple[int, int] = (1, 1)
    mark: str | None = None
    assumption: str | None = None


ANYWHERE = Place()
# Azure sells a model at one price for each kind of deployment, which no response names.
_AZURE_SKUS = ("global.", "data_zone.", "regional.")
_UNKNOWN_DEPLOYMENT = Place(assumption="Azure deployment not known: priced as global standard")


@lru_cache(maxsize=512)
def region_of(provider: str, host: str | None) -> str | None:
    """The region that a host of a provider, by its `gen_ai.provider.name`, serves from, where it has one."""
    pattern = _REGIONAL_HOSTS.get(catalogued(provider))
    found = None if pattern is None or host is None else pattern.match(host.lower())
    return None if found is None else next(filter(None, found.groups()))


def place_of(provider: str, card: Card, geo: str | None, region: str | None) -> Place | None:
    """What a geography that the response names, and the region of its host, make of a price.

    `None` when the geography is unknown.
    """
    if geo not in _ANYWHERE:
        return _geography(provider, card.id, geo)
    if provider == "azure" and not card.id.startswith(_AZURE_SKUS):
        return _UNKNOWN_DEPLOYMENT
    if region is None:
        return ANYWHERE
    if provider == "aws":
        return _bedrock_region(card.id, region)
    factor = _XAI_REGIONAL if provider == "x-ai" else card.regional
    return ANYWHERE if factor == (1, 1) else Place(factor, f"region:{region}")


def _geography(provider: str, model: str, geo: str | None) -> Place | None:
    if geo != "us" or provider != "anthropic":
        return None
    found = _CLAUDE.match(model)
    version = (int(found[1]), int(found[2] or 0)) if found else (0, 0)
    return Place(_US, "geo:us") if version >= _FIRST_WITH_GEOGRAPHY else ANYWHERE


def _bedrock_region(id: str, region: str) -> Place:
    """A profile has one price wherever it is; what other models cost is known for the US only."""
    if id.startswith(("regional.", "global.")) or region.startswith("us-"):
        return ANYWHERE
    return Place(assumption=f"no price of {region} known: priced as in the US")


def least_billed(provider: str, bucket: str) -> int:
    """The least quantity of a bucket that a request which uses it is billed."""
    return _LEAST.get((provider, bucket), 0)


def rate_for(provider: str, model: str, rates: Rates, bucket: str) -> Rate | None:
    """The rate of a bucket: its own, or the one that the vendor says covers it, or `None`."""
    return (
        rates.get(bucket)
        or rates.get(_COVERED.get(bucket, ""))
        or _openai_rate(provider, model, rates, bucket)
        or _modal_rate(provider, rates, bucket)
        or _unit_rate(provider, model, rates, bucket)
        or _TOOLS.get((provider, bucket))
    )


_FREE = Rate(0, 10**6)


def _unit_rate(provider: str, model: str, rates: Rates, bucket: str) -> Rate | None:
    """One price for images or video of every size that has none of its own, and a router's free offers.

    https://openrouter.ai/docs/faq: what ends in `:free` is served for nothing.
    """
    stem = {"images": "images", "video": "video.ms"}.get(component_of(bucket))
    if stem is not None:
        return rates.get(stem)
    free = provider == "openrouter" and model.endswith(":free")
    return _FREE if free and component_of(bucket) in TOKEN_COMPONENTS else None


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
    if bucket == "tool.web_search_preview" and provider == "openai":
        return _PREVIEW if _NO_REASONING.match(model) else _SEARCH
    if bucket in _OPENAI_CACHE:
        return rates.get("cache_write" if "cache_write" in rates and "write" in bucket else "input")
    if bucket == "cache_write.12h" and "cache_write" in rates and "input" in rates:
        return rates["input"].times(5, 2)
    return None


def _modal_rate(provider: str, rates: Rates, bucket: str) -> Rate | None:
    """Images that go in are billed as input tokens, unless the card tells them apart.

    Audio is dearer than text, and video has no price, at every vendor but Google, whose price list names them
    only where they differ: https://ai.google.dev/gemini-api/docs/pricing.
    """
    covered = bucket in _IMAGES and not _IMAGES.intersection(rates)
    covered = covered or (bucket in _LIKE_TEXT and provider == "google")
    if not covered:
        return None
    component = component_of(bucket)
    return rates.get(component) or rate_for(provider, "", rates, component)
