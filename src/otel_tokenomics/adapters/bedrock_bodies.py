"""What the models on Amazon Bedrock say that they consumed, each family in its own words.

`InvokeModel` hands a model's own body through:
https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters.html. Beside it stand the counts of
Bedrock itself: headers `x-amzn-bedrock-*-token-count` on a whole response, and
`amazon-bedrock-invocationMetrics` in the last chunk of a stream. The body wins where it has counts, for only
it tells reasoning and the time to live of what was cached.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from otel_tokenomics.adapters import anthropic, openai_usage
from otel_tokenomics.adapters.counts import Counts
from otel_tokenomics.adapters.shapes import read_converse
from otel_tokenomics.adapters.stainless import usage_or_missing
from otel_tokenomics.model.call import Reading
from otel_tokenomics.model.text import clean
from otel_tokenomics.model.usage import INPUT_COMPONENTS, MISSING, OUTPUT_COMPONENTS, Usage, component_of

METRICS = "amazon-bedrock-invocationMetrics"
TRACE = "amazon-bedrock-trace"
ACTION = "amazon-bedrock-guardrailAction"
_HEADER = "x-amzn-bedrock-{}-token-count"
_CACHES = {
    "cacheReadInputTokenCount": "cacheReadInputTokens",
    "cacheWriteInputTokenCount": "cacheWriteInputTokens",
}
_STOPS = ("stopReason", "stop_reason", "completionReason", "finish_reason", "finishReason")
_GUARDED = "PolicyUnits"
_FREE_GUARDED = "FreeUnits"


def read_invoked(body: Mapping[str, Any], headers: Mapping[str, str], operation: str) -> Reading:
    """What an `InvokeModel` response says: its body, or a stream's events laid over one another."""
    usage = MISSING if blocked(body) else _first_that_counts(body, headers)
    images = body.get("images") or body.get("artifacts")
    if operation == "image_generation" and isinstance(images, list) and images:
        usage = Usage({**usage.buckets, "images": len(images)})
    return Reading(
        usage=with_guardrails(usage, body.get(TRACE)),
        response_id=clean(body.get("id")),
        service_tier=clean(headers.get("x-amzn-bedrock-service-tier")) or _tier_of(body),
        finish_reason=stop_reason(body),
    )


def blocked(body: Mapping[str, Any]) -> bool:
    """Whether a guardrail kept the request from the model, so that no token of it is billed.

    Such a body counts the guardrail's own text. Only its trace says that it stopped the input.
    """
    trace = body.get(TRACE)
    guard = trace.get("guardrail") if isinstance(trace, dict) else None
    stopped = isinstance(guard, dict) and "input" in guard and not guard.get("outputs")
    return stopped and body.get(ACTION) == "INTERVENED" and "usage" not in body and METRICS not in body


def read_conversed(body: Mapping[str, Any]) -> Reading:
    """What a Converse response says, or a stream's events laid over one another.

    A prompt router names the model that it chose, which is the one billed.
    """
    reading = read_converse(body)
    trace = body.get("trace")
    trace = trace if isinstance(trace, dict) else {}
    reading.usage = with_guardrails(reading.usage, trace)
    router = trace.get("promptRouter")
    reading.response_model = clean(router.get("invokedModelId")) if isinstance(router, dict) else None
    reading.finish_reason = clean(body.get("stopReason"))
    performance = body.get("performanceConfig")
    latency = clean(performance.get("latency")) if isinstance(performance, dict) else None
    reading.speed = None if latency == "standard" else latency
    return reading


def merge(told: dict[str, Any], event: Mapping[str, Any]) -> None:
    """Lay an event of a stream over what was told before: counts are cumulative, and a null says nothing."""
    message, meta = event.get("message"), event.get("metadata")
    for part in (message, meta, event.get("messageStop"), event.get("delta"), event):
        if isinstance(part, dict):
            for key, value in part.items():
                if value is not None and key not in ("message", "metadata", "messageStop", "delta"):
                    told[key] = _over(told.get(key), value) if key == "usage" else value


def _over(before: Any, now: Any) -> Any:
    if isinstance(before, dict) and isinstance(now, dict):
        return {**before, **{key: value for key, value in now.items() if value is not None}}
    return now


def texts(event: Mapping[str, Any]) -> Iterable[str]:
    """Generated text in a body or an event of any family."""
    for key in ("outputText", "generation", "completion", "text"):
        if isinstance(text := event.get(key), str):
            yield text
    yield from _spoken(event.get("delta"))
    inner = event.get("contentBlockDelta")
    if isinstance(inner, dict):
        yield from _spoken(inner.get("delta"))
    output = event.get("output")
    held = output.get("message") if isinstance(output, dict) else event
    if isinstance(held, dict) and isinstance(held.get("content"), list):
        for block in held["content"]:
            yield from _spoken(block)
    for key in ("results", "outputs", "generations", "completions", "choices"):
        for item in _dicts(event.get(key)):
            yield from texts(item)
            for inner in (item.get("data"), item.get("message")):
                if isinstance(inner, dict):
                    yield from _strings(inner, ("text", "content"))


def _spoken(block: Any) -> Iterator[str]:
    """The text of one block or delta: said, thought, or handed to a tool."""
    if not isinstance(block, dict):
        return
    yield from _strings(block, ("text", "thinking", "partial_json", "content"))
    tool, thought = block.get("toolUse"), block.get("reasoningContent")
    if isinstance(tool, dict):
        yield from _strings(tool, ("input",))
    if isinstance(thought, dict):
        yield from _strings(thought, ("text",))
        if isinstance(thought.get("reasoningText"), dict):
            yield from _strings(thought["reasoningText"], ("text",))


def stop_reason(body: Mapping[str, Any]) -> str | None:
    """Why the model stopped, wherever its family says so."""
    for key in _STOPS:
        if reason := clean(body.get(key)):
            return reason
    for key in ("results", "outputs", "choices", "generations"):
        for item in _dicts(body.get(key)):
            return next((reason for name in _STOPS if (reason := clean(item.get(name)))), None)
    return None


def with_guardrails(usage: Usage, trace: Any) -> Usage:
    """The usage with the text units that a guardrail billed, where the trace was asked for and tells them."""
    guard = trace.get("guardrail") if isinstance(trace, dict) else None
    units: dict[str, int] = {}
    for metrics in _metrics(guard):
        counts = Counts(metrics)
        for name in metrics:
            if name.endswith(_GUARDED) and (quantity := counts.get(metrics, name)):
                bucket = f"tool.guardrail_{_snake(name.removesuffix(_GUARDED))}"
                units[bucket] = units.get(bucket, 0) + quantity
    if not units:
        return usage
    return Usage({**usage.buckets, **units}, flags=usage.flags, details=usage.details)


def _metrics(node: Any) -> Iterator[Mapping[str, Any]]:
    """The usage of every assessment below a guardrail's trace, of the input and of each output."""
    if isinstance(node, dict):
        metrics = node.get("invocationMetrics")
        if isinstance(metrics, dict) and isinstance(metrics.get("usage"), dict):
            yield metrics["usage"]
        for value in node.values():
            yield from _metrics(value)
    elif isinstance(node, list):
        for item in node:
            yield from _metrics(item)


def _snake(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)


def _tier_of(body: Mapping[str, Any]) -> str | None:
    usage = body.get("usage")
    named = usage.get("service_tier") if isinstance(usage, dict) else None
    return clean(named) or clean(body.get("service_tier"))


def _first_that_counts(body: Mapping[str, Any], headers: Mapping[str, str]) -> Usage:
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
    return anthropic.read_usage(raw)


def _of_metrics(body: Mapping[str, Any], headers: Mapping[str, str]) -> Usage:
    """Bedrock's own counts at the end of a stream."""
    raw = body.get(METRICS)
    if not isinstance(raw, dict):
        return MISSING
    return _plain(
        raw,
        *("inputTokenCount", "outputTokenCount", "cacheReadInputTokenCount", "cacheWriteInputTokenCount"),
    )


def _of_family(body: Mapping[str, Any], headers: Mapping[str, str]) -> Usage:
    """The counts of the families that have no `usage` object: Titan, Llama, Jurassic."""
    raw = dict(body)
    results = _dicts(body.get("results"))
    if results:
        raw["totalOutputTextTokenCount"] = _sum(item.get("tokenCount") for item in results)
    if completions := _dicts(body.get("completions")):
        prompt = body.get("prompt")
        raw["prompt_token_count"] = _length(prompt)
        raw["generation_token_count"] = _sum(_length(item.get("data")) for item in completions)
    if "inputTextTokenCount" in raw or "totalOutputTextTokenCount" in raw:
        return _plain(raw, "inputTextTokenCount", "totalOutputTextTokenCount")
    return _plain(raw, "prompt_token_count", "generation_token_count")


def _of_headers(body: Mapping[str, Any], headers: Mapping[str, str]) -> Usage:
    """Bedrock's own counts beside a whole response, as decimal digits."""
    names = ("input", "output", "cache-read-input", "cache-write-input")
    texts = {name: headers.get(_HEADER.format(name)) for name in names}
    raw = {name: int(text) for name, text in texts.items() if text and text.isdecimal()}
    return _plain(raw, *names)


_SOURCES: tuple[Callable[[Mapping[str, Any], Mapping[str, str]], Usage], ...] = (
    _of_usage,
    _of_metrics,
    _of_family,
    _of_headers,
)


def _plain(raw: Mapping[str, Any], *names: str) -> Usage:
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


def _dicts(value: Any) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _strings(held: Mapping[str, Any], keys: tuple[str, ...]) -> Iterator[str]:
    for key in keys:
        if isinstance(text := held.get(key), str):
            yield text
