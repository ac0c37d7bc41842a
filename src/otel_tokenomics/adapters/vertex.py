"""The `google-cloud-aiplatform` client library: contents that Vertex generates, over gRPC or REST.

`vertexai.generative_models` calls it, which Google has deprecated and a version may lack. Messages are
proto-plus's and are read by name: https://cloud.google.com/vertex-ai/docs/reference/rpc. A stream repeats its
usage, cumulative, so that the last holds.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from otel_tokenomics.adapters.google_usage import read_google
from otel_tokenomics.adapters.hosts import Hosts
from otel_tokenomics.adapters.routes import Endpoint, Route, facts_of
from otel_tokenomics.adapters.vertex_messages import object_of, plain
from otel_tokenomics.flow.contracts import Draft
from otel_tokenomics.model.call import Facts, Reading, Responded
from otel_tokenomics.model.text import clean
from otel_tokenomics.model.usage import MISSING

_STREAM = "stream_generate_content"
_MOST_KEPT = 256 << 10
_COUNTS = ("prompt_token_count", "candidates_token_count")
_FLATTENED = ("model", "contents")
"""The fields of a request that may be given as arguments of their own."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a client is asked to do: `request` is a message, an object like it, or nothing."""

    method: str
    request: Any
    options: Mapping[str, Any]
    """Its other arguments, by name."""

    @property
    def model(self) -> str | None:
        """The model's resource, or an endpoint's."""
        told = self.request.get("model") if isinstance(self.request, dict) else None
        told = told or getattr(self.request, "model", None) or self.options.get("model")
        return clean(told)


class VertexAI:
    """The adapter."""

    flavor = "google_cloud_aiplatform"
    routes: Mapping[str, Route] = {
        name: Route("POST", name, "chat") for name in ("generate_content", _STREAM)
    }

    def __init__(self, hosts: Hosts | None = None) -> None:
        self._hosts = hosts or Hosts()

    def facts(self, client: Any, options: Asked, stream: bool) -> Facts | None:
        """What the request says, or `None` if it calls no model."""
        route = self.routes.get(options.method)
        if route is None:
            return None
        host, _, port = str(getattr(client.transport, "host", "") or "").partition(":")
        known = self._hosts.find(host) if host else None
        endpoint = Endpoint(
            "gcp.vertex_ai" if known is None else known.provider,
            assumed=known is None,
            host=host or None,
            port=int(port) if port.isdecimal() else 443,
        )
        model = options.model
        asked = {"model": None if model is None else model.rpartition("/")[2]}
        return facts_of(self.flavor, route, endpoint, asked, options.method == _STREAM)

    def meter(self, client: Any, options: Asked, facts: Facts) -> VertexMeter:
        """A meter for the response to this request."""
        return VertexMeter(options)


class VertexMeter:
    """Reads one message, or the messages of a stream, which it is fed in place of bytes."""

    veils = False
    keeps = False

    __slots__ = ("_asked", "_grounds", "_kept", "_last", "_size", "_used")

    def __init__(self, asked: Asked) -> None:
        self._asked = asked
        self._last: Any = None
        self._used: Any = None
        self._grounds: list[dict[str, Any]] = []
        self._kept: list[str] = []
        self._size = 0

    def prepare(self) -> Asked:
        """The request as it is."""
        return self._asked

    def request_body(self) -> Mapping[str, Any]:
        """The request as an object of JSON."""
        given = self._asked.request
        told = given if isinstance(given, dict) else {} if given is None else object_of(given)
        flat = {name: self._asked.options[name] for name in _FLATTENED if self._asked.options.get(name)}
        contents = flat.get("contents")
        if isinstance(contents, list | tuple):
            flat["contents"] = [one if isinstance(one, dict) else object_of(one) for one in contents]
        return {**told, **flat}

    def capped(self, request: Asked, tokens: int) -> Asked:
        """A copy of the request with this output cap."""
        given, options = request.request, dict(request.options)
        if given is None or isinstance(given, dict):
            body = {**(given or {}), **{name: options.pop(name) for name in _FLATTENED if name in options}}
            return replace(request, request=_with_cap(body, tokens), options=options)
        message = type(given)(given)
        message.generation_config.max_output_tokens = tokens
        return replace(request, request=message)

    def respond(self, word: Responded) -> None:
        """Take note of a message. Those of a stream are fed."""
        if word.response.message is not None:
            self.feed(word.response.message)

    def skim(self, data: Any) -> bool:
        """Each message may be the last that says what was used."""
        return False

    def feed(self, data: Any) -> None:
        """Take note of a message of a stream."""
        self._last = told = type(data).pb(data)
        if told.HasField("usage_metadata"):
            self._used = told
        for candidate in told.candidates:
            if candidate.HasField("grounding_metadata"):
                self._grounds.append({"grounding_metadata": plain(candidate.grounding_metadata, camel=False)})
            for part in candidate.content.parts:
                if part.text and self._size < _MOST_KEPT:
                    self._kept.append(part.text)
                    self._size += len(part.text)

    @property
    def complete(self) -> bool:
        """Whether the final usage has been read."""
        return self._used is not None and self._used is self._last and _ended(self._last)

    def reading(self) -> Reading:
        """What the messages said."""
        if self._last is None:
            return Reading()
        body: dict[str, Any] = {"candidates": self._grounds}
        for name in ("model_version", "response_id"):
            body[name] = getattr(self._last, name, None)
        ended = _ended(self._last)
        if self._used is not None:
            # A count of zero is not in a message; in the last it is what is not there.
            body["usage_metadata"] = {
                **(dict.fromkeys(_COUNTS, 0) if ended else {}),
                **plain(self._used.usage_metadata, camel=False),
            }
        reading = read_google(body)
        reading.response_id = clean(body["response_id"])
        if reading.usage is not MISSING and not ended:
            reading.usage.source = "stream_partial"
        return reading

    def draft(self) -> Draft | None:
        """What is left to count: a stream that was left before its usage, or an answer without any."""
        if self.complete:
            return None
        sent = json.dumps(self.request_body()).encode()
        return Draft(
            self.reading().usage,
            sent,
            self._kept,
            lambda: self._last is not None and _ended(self._last),
        )


def _with_cap(body: dict[str, Any], tokens: int) -> dict[str, Any]:
    held = body.get("generation_config") or {}
    if isinstance(held, dict):
        return {**body, "generation_config": {**held, "max_output_tokens": tokens}}
    settings = type(held)(held)
    settings.max_output_tokens = tokens
    return {**body, "generation_config": settings}


def _ended(message: Any) -> bool:
    """Whether the model finished, or would not begin."""
    return message.HasField("prompt_feedback") or any(
        candidate.finish_reason for candidate in message.candidates
    )
