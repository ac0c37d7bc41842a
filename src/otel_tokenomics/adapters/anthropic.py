"""The `anthropic` client library: first party, Bedrock, Vertex.

After https://docs.anthropic.com/en/api/messages and the types of anthropic 2.12. In a stream, `message_start`
carries the cache split, the tier and the geography, and each `message_delta` carries counts that are
cumulative: the last one holds. What they count is read in `anthropic_usage`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from otel_tokenomics.adapters import anthropic_batch, anthropic_sessions
from otel_tokenomics.adapters.anthropic_usage import read_usage
from otel_tokenomics.adapters.batches import LinesMeter
from otel_tokenomics.adapters.dialect import Told
from otel_tokenomics.adapters.hosts import Hosts
from otel_tokenomics.adapters.routes import Endpoint, Endpoints, Route, Routes, facts_of
from otel_tokenomics.adapters.stainless import StainlessMeter
from otel_tokenomics.adapters.stainless_body import body_of
from otel_tokenomics.model.call import Facts, Reading
from otel_tokenomics.model.text import clean
from otel_tokenomics.model.usage import MISSING

_ROUTES = Routes(
    Route("POST", "messages", "chat"),
    Route("POST", "messages/count_tokens", "count_tokens", "free"),
    Route("POST", "complete", "text_completion"),
    *anthropic_batch.ROUTES,
    *anthropic_sessions.ROUTES,
)
_CLIENTS = {"Bedrock": "aws.bedrock", "Vertex": "gcp.vertex_ai", "Foundry": "azure.ai.inference"}


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
