"""What the body of a model on Amazon Bedrock counts, each family in its own words, and Bedrock's own counts.

https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters.html. Beside a body stand the counts of
Bedrock itself: headers `x-amzn-bedrock-*-token-count` on a whole response, and
`amazon-bedrock-invocationMetrics` in the last chunk of a stream. The body wins where it has counts, for only
it tells reasoning and the time to live of what was cached.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from otel_tokenomics.adapters import anthropic_usage, openai_usage
from otel_tokenomics.adapters.bedrock_usage import read_converse
from otel_tokenomics.adapters.counts import Counts, usage_or_missing
from otel_tokenomics.model.usage import INPUT_COMPONENTS, MISSING, OUTPUT_COMPONENTS, Usage, component_of

METRICS = "amazon-bedrock-invocationMetrics"
_HEADER = "x-amzn-bedrock-{}-token-count"
_CACHES = {
    "cacheReadInputTokenCount": "cacheReadInputTokens",
    "cacheWriteInputTokenCount": "cacheWriteInputTokens",
}


def counted(body: Mapping[str, Any], headers: Mapping[str, str]) -> Usage:
    """The first source that counts anything; what it leaves out of input or output, a later one may say.

    Two that contradict each other are flagged: which of them is billed nobody says.
    """
    found = [usage for source in _SOURCES if (usage := source(body, headers)) is not MISSING]
    if not found:
        return MISSING
    known = found[0]
    for more in found[1:]:
        known = _filled(known, more)
    return known


def _filled(known: Usage, more: Usage) -> Usage:
    buckets, flags = dict(known.buckets), {*known.flags, *more.flags}
    for side in (INPUT_COMPONENTS, OUTPUT_COMPONENTS):
        ours, theirs = _of_side(known, side), _of_side(more, side)
        if not ours:
            buckets.update(theirs)
        elif theirs and sum(ours.values()) != sum(theirs.values()):
            flags.add("mismatch")
    return Usage(buckets, flags=tuple(sorted(flags)), details=known.details)


def _of_side(usage: Usage, side: tuple[str, ...]) -> dict[str, int]:
    return {bucket: count for bucket, count in usage.buckets.items() if component_of(bucket) in side}


def _of_usage(body: Mapping[str, Any], headers: Mapping[str, str]) -> Usage:
    """A `usage` object: Claude's, Nova's, or that of the models that speak OpenAI's format."""
    raw = body.get("usage")
    if not isinstance(raw, dict):
        return MISSING
    if "inputTokens" in raw or "outputTokens" in raw:
        named = {new: raw[old] for old, new in _CACHES.items() if old in raw}
        return read_converse({"usage": {**named, **raw}}).usage
    if "prompt_tokens" in raw or "completion_tokens" in raw:
        return openai_usage.read_usage(raw)
    return anthropic_usage.read_usage(raw)


def _of_metrics(body: Mapping[str, Any], headers: Mapping[str, str]) -> Usage:
    """Bedrock's own counts at the end of a stream."""
    raw = body.get(METRICS)
    if not isinstance(raw, dict):
        return MISSING
    return plain_usage(
        raw,
        *("inputTokenCount", "outputTokenCount", "cacheReadInputTokenCount", "cacheWriteInputTokenCount"),
    )


def _of_family(body: Mapping[str, Any], headers: Mapping[str, str]) -> Usage:
    """The counts of the families that have no `usage` object: Titan, Llama, Jurassic."""
    raw = dict(body)
    results = dicts(body.get("results"))
    if results:
        raw["totalOutputTextTokenCount"] = _sum(item.get("tokenCount") for item in results)
    if completions := dicts(body.get("completions")):
        prompt = body.get("prompt")
        raw["prompt_token_count"] = _length(prompt)
        raw["generation_token_count"] = _sum(_length(item.get("data")) for item in completions)
    if "inputTextTokenCount" in raw or "totalOutputTextTokenCount" in raw:
        return plain_usage(raw, "inputTextTokenCount", "totalOutputTextTokenCount")
    return plain_usage(raw, "prompt_token_count", "generation_token_count")


def _of_headers(body: Mapping[str, Any], headers: Mapping[str, str]) -> Usage:
    """Bedrock's own counts beside a whole response, as decimal digits."""
    names = ("input", "output", "cache-read-input", "cache-write-input")
    texts = {name: headers.get(_HEADER.format(name)) for name in names}
    raw = {name: int(text) for name, text in texts.items() if text and text.isdecimal()}
    return plain_usage(raw, *names)


_SOURCES: tuple[Callable[[Mapping[str, Any], Mapping[str, str]], Usage], ...] = (
    _of_usage,
    _of_metrics,
    _of_family,
    _of_headers,
)


def plain_usage(raw: Mapping[str, Any], *names: str) -> Usage:
    """Disjoint counters under four names: input, output, cache reads, cache writes."""
    counts = Counts(raw)
    found = {
        bucket: counts.get(raw, name)
        for bucket, name in zip(("input", "output", "cache_read", "cache_write"), names, strict=False)
    }
    buckets = {bucket: quantity for bucket, quantity in found.items() if quantity is not None}
    return usage_or_missing(Usage(buckets, flags=tuple(sorted(counts.flags))))


def _length(part: Any) -> int | None:
    tokens = part.get("tokens") if isinstance(part, dict) else None
    return len(tokens) if isinstance(tokens, list) else None


def _sum(numbers: Iterable[Any]) -> Any:
    """The sum of counts; what is no count is handed on, to be flagged."""
    total = 0
    for number in numbers:
        if type(number) is not int:
            return number
        total += number
    return total


def dicts(value: Any) -> list[dict[str, Any]]:
    """The objects in a list; none of what is no list."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
