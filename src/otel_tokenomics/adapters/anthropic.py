"""The `anthropic` client library: first party, Bedrock, Vertex.

Usage: https://docs.anthropic.com/en/api/messages and the types of anthropic 2.12. Input, cache read and
cache write are disjoint; `output_tokens` includes thinking. In a stream, `message_start` carries the
cache split, the tier and the geography, and each `message_delta` carries counts that are cumulative: the
last one holds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from otel_tokenomics.adapters import anthropic_batch, anthropic_sessions
from otel_tokenomics.adapters.batches import LinesMeter
from otel_tokenomics.adapters.counts import Counts
from otel_tokenomics.adapters.hosts import Hosts
from otel_tokenomics.adapters.stainless import (
    Endpoint,
    Endpoints,
    Route,
    Routes,
    StainlessMeter,
    Told,
    facts_of,
    usage_or_missing,
)
from otel_tokenomics.adapters.stainless_body import body_of
from otel_tokenomics.model.call import Facts, Reading
from otel_tokenomics.model.text import clean
from otel_tokenomics.model.usage import MISSING, Usage, of_model

_ROUTES = Routes(
    Route("POST", "messages", "chat"),
    Route("POST", "messages/count_tokens", "count_tokens", "free"),
    Route("POST", "complete", "text_completion"),
    *anthropic_batch.ROUTES,
    *anthropic_sessions.ROUTES,
)
_CLIENTS = {"Bedrock": "aws.bedrock", "Vertex": "gcp.vertex_ai", "Foundry": "azure.ai.inference"}
_TOOLS = {
    "web_search_requests": "web_search",
    "web_fetch_requests": "web_fetch",
    "code_execution_requests": "code_execution",
}


class Anthropic:
    """The adapter. `hosts` says who is behind a base URL."""

    def __init__(self, hosts: Hosts | None = None) -> None:
        self._hosts = hosts or Hosts()
        self._endpoints = Endpoints(self._endpoint)
        self._sessions = anthropic_sessions.Sessions(read_usage)

    def facts(self, client: Any, options: Any, stream: bool) -> Facts | None:
        """What the request says, or `None` if it calls no model."""
        route = _ROUTES.find(options.method, options.url)
        if route is None:
            return None
        facts = facts_of("anthropic", route, self._endpoints.of(client), body_of(options), stream)
        facts.self_traced = _traces_itself(client, options)
        return facts

    def meter(self, client: Any, options: Any, facts: Facts) -> StainlessMeter | LinesMeter:
        """A meter of messages. Their streams always carry usage."""
        if facts.billing == "several":
            return self._several(options, facts)
        return StainlessMeter(DIALECT, options, facts)

    def _several(self, options: Any, facts: Facts) -> LinesMeter | StainlessMeter:
        if facts.route.startswith("sessions"):
            return self._sessions.meter(options, facts)
        return anthropic_batch.meter(DIALECT, options, facts)

    def _endpoint(self, client: Any, host: str | None) -> Endpoint:
        name = type(client).__name__
        for part, provider in _CLIENTS.items():
            if part in name:
                return Endpoint(provider)
        known = self._hosts.find(host) if host else None
        return Endpoint(known.provider) if known is not None else Endpoint("anthropic", assumed=True)


def _traces_itself(client: Any, options: Any) -> bool:
    """From 1.14 on the library makes a span of its own for each call that one of its methods makes.

    Its tracer is a proxy until a tracer provider is set, and stays mute if none ever is.
    """
    tracer = getattr(client, "_tracer", None)
    if tracer is None or not getattr(options, "span_name", None):
        return False
    return "NoOp" not in type(getattr(tracer, "_tracer", tracer)).__name__


class _AnthropicDialect:
    """Messages, and the text completions that came before them."""

    def body(self, told: Told, body: Mapping[str, Any], facts: Facts) -> None:
        """A whole message."""
        self._message(told, body)
        told.final = told.usage is not None

    def event(self, told: Told, event: Mapping[str, Any]) -> None:
        """One event of a stream."""
        told.heard = True
        kind = event.get("type")
        if kind == "message_start" and isinstance(message := event.get("message"), dict):
            self._message(told, message)
        elif kind == "message_delta":
            self._delta(told, event)

    def reading(self, told: Told, facts: Facts) -> Reading:
        """What all that was told comes to."""
        raw = told.usage or {}
        return Reading(
            usage=read_usage(raw, told.uncounted) if told.usage is not None else MISSING,
            response_id=told.response_id,
            # Bedrock bills the model id of the request; the body only names the model behind it.
            response_model=None if facts.provider == "aws.bedrock" else told.model,
            service_tier=clean(raw.get("service_tier")),
            speed=clean(raw.get("speed")),
            inference_geo=clean(raw.get("inference_geo")),
            finish_reason=told.finish_reason,
        )

    def texts(self, event: Mapping[str, Any]) -> Iterable[str]:
        """Generated text, of a message or of an event."""
        delta = event.get("delta")
        blocks = [delta] if isinstance(delta, dict) else event.get("content")
        for block in blocks if isinstance(blocks, list) else ():
            if isinstance(block, dict):
                for key in ("text", "thinking", "partial_json"):
                    if isinstance(text := block.get(key), str):
                        yield text
        if isinstance(text := event.get("completion"), str):
            yield text

    def ended(self, event: Mapping[str, Any]) -> bool:
        """Whether this event ends a stream."""
        return event.get("type") == "message_stop" or bool(event.get("stop_reason"))

    def _message(self, told: Told, message: Mapping[str, Any]) -> None:
        told.response_id = clean(message.get("id"))
        told.model = clean(message.get("model"))
        told.finish_reason = clean(message.get("stop_reason"))
        usage = message.get("usage")
        if isinstance(usage, dict):
            told.usage = usage
        told.uncounted = isinstance(message.get("container"), dict)

    def _delta(self, told: Told, event: Mapping[str, Any]) -> None:
        usage, delta = event.get("usage"), event.get("delta")
        if isinstance(usage, dict):
            given = {key: value for key, value in usage.items() if value is not None}
            told.usage = {**(told.usage or {}), **given}
        if isinstance(delta, dict) and isinstance(delta.get("container"), dict):
            told.uncounted = True
        if isinstance(delta, dict) and (reason := clean(delta.get("stop_reason"))):
            told.finish_reason = reason
            told.final = told.usage is not None


DIALECT = _AnthropicDialect()


def read_usage(raw: Mapping[str, Any], ran_code: bool = False) -> Usage:
    """Disjoint buckets from a message's usage.

    `ran_code`: the message had a container, which is billed by a time that no message tells, unless the
    container only served a search or a fetch.

    A `compaction` iteration is billed and not in the top-level counts, which hold every `message`. An
    advisor's tokens are in none of them either; they are billed at its own model's price.
    """
    counts = Counts(raw)
    buckets: dict[str, int] = {}
    _add(counts, raw, buckets)
    iterations = raw.get("iterations")
    for iteration in iterations if isinstance(iterations, list) else ():
        kind = iteration.get("type") if isinstance(iteration, dict) else None
        if kind == "compaction":
            _add(counts, iteration, buckets)
        elif kind == "advisor_message":
            _add_advice(counts, iteration, buckets)
    for name, tool in _TOOLS.items():
        if requests := counts.get(counts.object("server_tool_use"), name):
            buckets[f"tool.{tool}"] = requests
    if ran_code and buckets and not buckets.keys() & {"tool.web_search", "tool.web_fetch"}:
        counts.flags.add("not_all_counted")
    return usage_or_missing(Usage(buckets, flags=tuple(sorted(counts.flags))))


def _add_advice(counts: Counts, iteration: Mapping[str, Any], buckets: dict[str, int]) -> None:
    """Add another model's counters; without its name they have no price, and the usage is not all."""
    model = clean(iteration.get("model"))
    if model is None:
        counts.flags.add("not_all_counted")
        return
    advice: dict[str, int] = {}
    _add(counts, iteration, advice)
    for bucket, quantity in advice.items():
        if quantity:
            _put(buckets, of_model(bucket, model), quantity)


def _add(counts: Counts, raw: Mapping[str, Any], buckets: dict[str, int]) -> None:
    """Add one set of counters."""
    _put(buckets, "input", counts.get(raw, "input_tokens"))
    _put(buckets, "cache_read", counts.get(raw, "cache_read_input_tokens"))
    _add_writes(counts, raw, buckets)
    total = counts.get(raw, "output_tokens")
    details = raw.get("output_tokens_details")
    thinking = counts.get(details, "thinking_tokens") if isinstance(details, dict) else None
    if total is not None:
        _put(buckets, "output", counts.rest(total, thinking))
        _put(buckets, "reasoning", None if thinking is None else min(thinking, total))


def _add_writes(counts: Counts, raw: Mapping[str, Any], buckets: dict[str, int]) -> None:
    written = counts.get(raw, "cache_creation_input_tokens")
    split = raw.get("cache_creation")
    split = split if isinstance(split, dict) else {}
    short = counts.get(split, "ephemeral_5m_input_tokens")
    long = counts.get(split, "ephemeral_1h_input_tokens")
    if short:
        _put(buckets, "cache_write.5m", short)
    if long:
        _put(buckets, "cache_write.1h", long)
    if written is not None:
        rest = counts.rest(written, short, long)
        if rest or not (short or long):
            _put(buckets, "cache_write", rest)


def _put(buckets: dict[str, int], bucket: str, quantity: int | None) -> None:
    if quantity is not None:
        buckets[bucket] = buckets.get(bucket, 0) + quantity
