"""What a recorded response consumed, read from the providers' documentation and from nothing of ours.

OpenAI (platform.openai.com/docs/api-reference, chat, completions, responses, embeddings, runs): the input
count includes cached, cache-written, audio and image tokens; the output count includes reasoning and audio
tokens; a stream's usage is in its last chunk, or in the response object of its terminal event.

Anthropic (docs.anthropic.com/en/api/messages): input, cache reads and cache writes are separate counters;
the output count includes thinking; `message_start` opens a stream's counts and each `message_delta` gives
cumulative ones; where `iterations` are listed, the bill is the sum of all of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.conformance import reading_others as others
from tests.conformance.exchanges import Exchange

CORE = ("input", "cache_read", "output", "reasoning")
"""Buckets in which a reported zero must stay a zero; elsewhere a zero may be left out."""


@dataclass(frozen=True)
class Expected:
    """The disjoint buckets, and the totals that `gen_ai.usage.*` must show."""

    buckets: Mapping[str, int]
    input_tokens: int | None
    output_tokens: int | None


def expected(exchange: Exchange) -> Expected | None:
    """The usage of a successful exchange, or `None` if its body carries none."""
    if exchange.status != 200 or exchange.path[-1] in ("input_tokens", "count_tokens"):
        return None
    if exchange.provider == "anthropic":
        return _anthropic(exchange)
    if exchange.provider in _OTHERS:
        return _of_buckets(_OTHERS[exchange.provider](exchange))
    return _openai(exchange)


_OTHERS = {
    "gemini": others.google,
    "vertex": others.google,
    "cohere": others.cohere,
    "ollama": others.ollama,
    "voyage": others.voyage,
    "replicate": others.replicate,
}


def _of_buckets(buckets: Mapping[str, int] | None) -> Expected | None:
    """The totals that disjoint buckets make."""
    if buckets is None:
        return None
    sides: dict[bool, list[int]] = {True: [], False: []}
    for bucket, count in buckets.items():
        if bucket.startswith(("input", "cache", "output", "reasoning")):
            sides[bucket.startswith(("input", "cache"))].append(count)
    into, out = (sum(sides[side]) if sides[side] else None for side in (True, False))
    return Expected(buckets, into, out)


def comparable(buckets: Mapping[str, int]) -> dict[str, int]:
    """Buckets without the zeros that may be left out."""
    return {bucket: count for bucket, count in buckets.items() if count or bucket in CORE}


def _openai(exchange: Exchange) -> Expected | None:
    final = _final_object(exchange)
    usage = final.get("usage")
    if not isinstance(usage, dict):
        return None
    given = usage.get("prompt_tokens", usage.get("input_tokens"))
    made = usage.get("completion_tokens", usage.get("output_tokens"))
    into = _details(usage, "prompt_token", "input_token")
    out = _details(usage, "completion_token", "output_token")
    buckets: dict[str, int] = {}
    if given is not None:
        sides = {
            "cache_read": into.get("cached_tokens", _beside(usage)),
            "cache_write": into.get("cache_write_tokens"),
            "input.audio": into.get("audio_tokens"),
            "input.image": into.get("image_tokens"),
        }
        _divide(buckets, "input", given, sides)
    if made is not None:
        sides = {"reasoning": out.get("reasoning_tokens"), "output.audio": out.get("audio_tokens")}
        _divide(buckets, "output", made, sides)
    searches = sum(map(_is_search, final.get("output") or ()))
    if searches:
        buckets["tool.web_search"] = searches
    return Expected(buckets, given, made)


def _beside(usage: Mapping[str, Any]) -> int | None:
    """Together and Mistral write what was cached beside the details, if at all."""
    beside: int | None = usage.get("cached_tokens", usage.get("num_cached_tokens"))
    return beside


def _details(usage: Mapping[str, Any], *prefixes: str) -> Mapping[str, Any]:
    """The object that divides a count; its name is not spelt the same everywhere."""
    found = (value for key, value in usage.items() if key.startswith(prefixes) and isinstance(value, dict))
    return next(found, {})


def _divide(buckets: dict[str, int], rest: str, total: int, sides: Mapping[str, int | None]) -> None:
    buckets.update({side: count for side, count in sides.items() if count is not None})
    buckets[rest] = total - sum(count for count in sides.values() if count)


def _final_object(exchange: Exchange) -> Mapping[str, Any]:
    """The object that carries the usage: the body, the last chunk with one, or the finished response."""
    if not exchange.streamed:
        return exchange.json()
    found: Mapping[str, Any] = {}
    for event in exchange.events():
        whole = event.get("response") or event
        if "usage" in (event.get("x_groq") or {}):
            whole = event["x_groq"]
        if whole.get("object") != "thread.run.step" and isinstance(whole.get("usage"), dict):
            found = whole
    return found


def _is_search(item: Mapping[str, Any]) -> bool:
    return item.get("type") == "web_search_call" and (item.get("action") or {}).get("type") == "search"


def _anthropic(exchange: Exchange) -> Expected | None:
    usage = _message_usage(exchange)
    if not usage:
        return None
    total: Counter[str] = Counter()
    known: set[str] = set()
    for counters in usage.get("iterations") or (usage,):
        one = _counters(counters)
        known.update(one)
        total.update(one)
    thinking = (usage.get("output_tokens_details") or {}).get("thinking_tokens")
    if thinking is not None:
        total["output"] -= thinking
        total["reasoning"] += thinking
        known.add("reasoning")
    for requests, count in (usage.get("server_tool_use") or {}).items():
        tool = f"tool.{requests.removesuffix('_requests')}"
        total[tool] = count
        known.add(tool)
    buckets = {bucket: total[bucket] for bucket in known}
    given = sum(count for bucket, count in buckets.items() if bucket.startswith(("input", "cache")))
    return Expected(buckets, given, buckets["output"] + buckets.get("reasoning", 0))


def _message_usage(exchange: Exchange) -> Mapping[str, Any]:
    if not exchange.streamed:
        return exchange.json().get("usage") or {}
    usage: dict[str, Any] = {}
    for event in exchange.events():
        if event["type"] == "message_start":
            usage = dict(event["message"]["usage"])
        elif event["type"] == "message_delta":
            usage.update(event.get("usage") or {})
    return usage


def _counters(counters: Mapping[str, Any]) -> dict[str, int]:
    names = {"input": "input_tokens", "cache_read": "cache_read_input_tokens", "output": "output_tokens"}
    found = {ours: counters[name] for ours, name in names.items() if counters.get(name) is not None}
    written = counters.get("cache_creation_input_tokens")
    split = counters.get("cache_creation") or {}
    for ttl in ("5m", "1h"):
        if count := split.get(f"ephemeral_{ttl}_input_tokens"):
            found[f"cache_write.{ttl}"] = count
            written = (written or 0) - count
    if written is not None:
        found["cache_write"] = written
    return found
