"""OpenAI's usage objects, each kind of them, as disjoint buckets.

https://platform.openai.com/docs/api-reference/chat/object, `/responses/object`, `/realtime-server-events`,
with the types of openai 3.57. Input counts include cached and cache-written tokens, output counts include
reasoning.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from otel_tokenomics.adapters.counts import Counts, usage_or_missing
from otel_tokenomics.adapters.openai_work import milliseconds
from otel_tokenomics.model.usage import MISSING, Usage


def read_usage(raw: Mapping[str, Any], modality: str | None = None) -> Usage:
    """Disjoint buckets from any of OpenAI's usage objects.

    `modality` is that of output tokens which the object does not itself divide, as for images.
    """
    counts = Counts(raw)
    buckets: dict[str, int] = {}
    if raw.get("type") == "duration":
        return _duration(counts)
    _read_input(counts, buckets)
    details = _read_output(counts, buckets, modality)
    if length := milliseconds(raw.get("prompt_audio_seconds")):
        buckets["audio.ms"] = length
    total = counts.get(counts.raw, "total_tokens")
    usage = Usage(buckets, flags=(), details=details)
    known = (usage.input_tokens or 0) + (usage.output_tokens or 0)
    if total is not None and buckets and total != known:
        counts.flags.add("mismatch")
    usage.flags = tuple(sorted(counts.flags))
    return usage_or_missing(usage)


_CACHED_BESIDE = ("num_cached_tokens", "cached_tokens", "prompt_cache_hit_tokens")
"""Mistral's, Moonshot's and Together's, and DeepSeek's words, outside the details, for the same count."""


def _read_input(counts: Counts, buckets: dict[str, int]) -> None:
    total = counts.get(counts.raw, "prompt_tokens", "input_tokens")
    if total is None:
        return
    parts = counts.object(
        "prompt_tokens_details", "input_tokens_details", "prompt_token_details", "input_token_details"
    )
    read = counts.get(parts, "cached_tokens")
    for name in _CACHED_BESIDE if read is None else ():
        read = counts.get(counts.raw, name) if read is None else read
    written = counts.get(parts, "cache_write_tokens")
    audio = counts.get(parts, "audio_tokens")
    image = counts.get(parts, "image_tokens")
    video = counts.get(parts, "video_tokens")
    heard = seen = None
    if read and isinstance(divided := parts.get("cached_tokens_details"), dict):
        heard, seen = counts.get(divided, "audio_tokens"), counts.get(divided, "image_tokens")
        audio, image = counts.rest(audio or 0, heard), counts.rest(image or 0, seen)
    # Cached audio may be counted as both; what is cached is certain to be billed as that.
    rest, cached, fresh, sound, sight, film = counts.split(total, read, written, audio, image, video)
    buckets["input"] = rest
    if read is not None:
        buckets["cache_read"] = counts.rest(cached, heard, seen) if heard or seen else cached
    if fresh:
        _read_writes(counts, parts, fresh, buckets)
    of_modality = ("input.audio", sound), ("input.image", sight), ("input.video", film)
    for bucket, quantity in (*of_modality, ("cache_read.audio", heard), ("cache_read.image", seen)):
        if quantity:
            buckets[bucket] = quantity


def _read_writes(counts: Counts, parts: Mapping[str, Any], written: int, buckets: dict[str, int]) -> None:
    split = parts.get("cache_write_tokens_details")
    split = split if isinstance(split, dict) else {}
    short = counts.get(split, "ttl_30m_tokens")
    long = counts.get(split, "ttl_12h_tokens")
    if short:
        buckets["cache_write.30m"] = short
    if long:
        buckets["cache_write.12h"] = long
    if rest := counts.rest(written, short, long):
        buckets["cache_write"] = rest


def _read_output(counts: Counts, buckets: dict[str, int], modality: str | None) -> dict[str, int]:
    total = counts.get(counts.raw, "completion_tokens", "output_tokens")
    if total is None:
        return {}
    parts = counts.object(
        "completion_tokens_details",
        "output_tokens_details",
        "completion_token_details",
        "output_token_details",
    )
    reasoning = counts.get(parts, "reasoning_tokens")
    audio = counts.get(parts, "audio_tokens")
    image = counts.get(parts, "image_tokens")
    if reasoning and _reasons_beside(counts, total, reasoning):
        total += reasoning
    rest, thought, sound, sight = counts.split(total, reasoning, audio, image)
    if modality is not None and not parts:
        buckets[f"output.{modality}"] = rest
    else:
        buckets["output"] = rest
    if reasoning is not None:
        buckets["reasoning"] = thought
    if sound:
        buckets["output.audio"] = sound
    if sight:
        buckets["output.image"] = sight
    rejected = counts.get(parts, "rejected_prediction_tokens")
    return {"rejected_prediction": rejected} if rejected else {}


def _reasons_beside(counts: Counts, output: int, reasoning: int) -> bool:
    """Whether reasoning is not in the output count, as at xAI: the total says so."""
    total = counts.get(counts.raw, "total_tokens")
    prompt = counts.get(counts.raw, "prompt_tokens", "input_tokens")
    return total is not None and prompt is not None and total == prompt + output + reasoning


def _duration(counts: Counts) -> Usage:
    length = milliseconds(counts.raw.get("seconds"))
    return Usage({"audio.ms": length}) if length is not None else MISSING
