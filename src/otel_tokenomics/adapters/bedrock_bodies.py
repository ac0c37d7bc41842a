"""What the models on Amazon Bedrock say that they consumed, each family in its own words.

`InvokeModel` hands a model's own body through:
https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters.html. What it counts is read in
`bedrock_families`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from otel_tokenomics.adapters.bedrock_families import METRICS, counted, dicts
from otel_tokenomics.adapters.bedrock_guardrails import with_guardrails
from otel_tokenomics.adapters.bedrock_usage import read_converse
from otel_tokenomics.model.call import Reading
from otel_tokenomics.model.text import clean
from otel_tokenomics.model.usage import MISSING, Usage

TRACE = "amazon-bedrock-trace"
ACTION = "amazon-bedrock-guardrailAction"
_STOPS = ("stopReason", "stop_reason", "completionReason", "finish_reason", "finishReason")


def read_invoked(body: Mapping[str, Any], headers: Mapping[str, str], operation: str) -> Reading:
    """What an `InvokeModel` response says: its body, or a stream's events laid over one another."""
    usage = MISSING if blocked(body) else counted(body, headers)
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
        for item in dicts(event.get(key)):
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
        for item in dicts(body.get(key)):
            return next((reason for name in _STOPS if (reason := clean(item.get(name)))), None)
    return None


def _tier_of(body: Mapping[str, Any]) -> str | None:
    usage = body.get("usage")
    named = usage.get("service_tier") if isinstance(usage, dict) else None
    return clean(named) or clean(body.get("service_tier"))


def _strings(held: Mapping[str, Any], keys: tuple[str, ...]) -> Iterator[str]:
    for key in keys:
        if isinstance(text := held.get(key), str):
            yield text
