"""The `xai-sdk` client library, which speaks gRPC: https://docs.x.ai/docs/grpc-reference.

Each message of a stream may carry usage, cumulative. What is asked for deferred, and a video, is billed where
it is first seen to be done, and is known by the id of its request.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from otel_tokenomics.adapters import xai_messages as messages
from otel_tokenomics.adapters.hosts import Hosts
from otel_tokenomics.adapters.routes import Route
from otel_tokenomics.adapters.rpc import Answer, Rpc, enum_names, plain
from otel_tokenomics.flow.contracts import Draft
from otel_tokenomics.model.call import Billing, Facts, Reading, Responded
from otel_tokenomics.model.text import clean
from otel_tokenomics.model.usage import MISSING

_MOST_KEPT = 256 << 10
_STREAMED = "Chat/GetCompletionChunk"


def _routes(operation: str, *methods: str, billing: Billing = "metered") -> dict[str, Route]:
    return {method: Route("POST", method, operation, billing) for method in methods}


class XAI:
    """The adapter."""

    flavor = "xai"
    routes: Final = {
        **_routes(
            "chat", "Chat/GetCompletion", _STREAMED, "Chat/StartDeferredCompletion", "Chat/CompactContext"
        ),
        **_routes("image_generation", "Image/GenerateImage"),
        **_routes("video_generation", "Video/GenerateVideo", "Video/ExtendVideo"),
        **_routes("fetch_response", "Chat/GetDeferredCompletion", "Video/GetDeferredVideo", billing="polled"),
        **_routes("count_tokens", "Tokenize/TokenizeText", billing="free"),
    }

    def __init__(self, hosts: Hosts | None = None) -> None:
        self._hosts = hosts or Hosts()

    def facts(self, client: Any, options: Rpc, stream: bool) -> Facts | None:
        """What the request says, or `None` if it calls no model."""
        route = self.routes.get(options.method)
        if route is None:
            return None
        peer = options.peer
        known = self._hosts.find(peer.host) if peer.host else None
        return Facts(
            provider="x_ai" if known is None else known.provider,
            operation=route.operation,
            flavor=self.flavor,
            route=route.tail,
            request_model=clean(getattr(options.message, "model", None)),
            stream=route.tail == _STREAMED,
            billing=route.billing,
            provider_assumed=known is None,
            service_tier=messages.tier_of(options.message),
            server_address=peer.host,
            server_port=peer.port,
        )

    def meter(self, client: Any, options: Rpc, facts: Facts) -> XAIMeter:
        """A meter for the answer to this request."""
        return XAIMeter(options, facts)


class XAIMeter:
    """Reads one answer: a message, or the messages of a stream, which it is fed in place of bytes."""

    keeps = False

    __slots__ = (
        "_answer",
        "_ended",
        "_facts",
        "_kept",
        "_pending",
        "_request",
        "_size",
        "_usage",
        "_work",
        "veils",
    )

    def __init__(self, request: Rpc, facts: Facts) -> None:
        self.veils = False
        self._request = request
        self._facts = facts
        self._answer: Any = None
        self._usage: Any = None
        self._work: str | None = None
        self._pending = self._ended = False
        self._kept: list[str] = []
        self._size = 0

    def prepare(self) -> Rpc:
        """The request as it is."""
        return self._request

    def request_body(self) -> Mapping[str, Any]:
        """The request's message as an object."""
        body: Mapping[str, Any] = plain(self._request.message)
        return body

    def capped(self, request: Rpc, tokens: int) -> Rpc:
        """A copy of the request with this output cap."""
        message = type(request.message)()
        message.CopyFrom(request.message)
        message.max_tokens = tokens
        return request._replace(message=message)

    def respond(self, word: Responded) -> None:
        """Take note of the answer, or of the first message of a stream."""
        given: Answer = word.response
        self._answer = given.message
        if word.body_follows:
            return
        if self._facts.billing == "polled":
            self._work = clean(self._request.message.request_id)
            self._pending = enum_names(self._answer, "status") != ["DONE"]
            self._answer = self._answer.response
        elif (work := clean(getattr(self._answer, "request_id", None))) is not None:
            self._work, self._pending = work, True
        self._usage = None if self._pending else messages.usage_in(self._answer)
        self._ended = True

    def skim(self, data: Any) -> bool:
        """Take note of a message that the flow need not hear of: neither the first, nor one that ends it."""
        if self._answer is None or not self._kept or messages.ends(data):
            return False
        self._note(data)
        return True

    def feed(self, data: Any) -> None:
        """Take note of a message of a stream."""
        self._note(data)
        self._ended = self._ended or messages.ends(data)

    @property
    def complete(self) -> bool:
        """Whether the final usage has been read."""
        return self._ended and self._usage is not None

    def reading(self) -> Reading:
        """What the answer says."""
        if self._answer is None or self._facts.billing == "free":
            return Reading()
        usage = messages.read(self._usage)
        if not self._ended and usage is not MISSING:
            usage.source = "stream_partial"
        return Reading(
            usage if self._pending else messages.with_work(usage, self._answer),
            response_id=self._work or clean(getattr(self._answer, "id", None)),
            response_model=clean(getattr(self._answer, "model", None)),
            service_tier=messages.tier_of(self._answer),
            reported_cost_femto=messages.cost_of(self._usage, self._facts.provider),
            pending=self._pending,
            background=self._work is not None,
        )

    def draft(self) -> Draft | None:
        """What is left to count: a stream cut before its usage, or an answer without any."""
        written = self._facts.operation in ("chat", "fetch_response") and hasattr(self._answer, "outputs")
        if not written or self.complete:
            return None
        polled = self._facts.billing == "polled"
        sent = None if polled else json.dumps(self.request_body()).encode()
        return Draft(messages.read(self._usage), sent, self._received(), lambda: self._ended)

    def _note(self, message: Any) -> None:
        self._usage = messages.usage_in(message) or self._usage
        for output in message.outputs:
            for text in (output.delta.content, output.delta.reasoning_content):
                if self._size < _MOST_KEPT:
                    self._kept.append(text)
                    self._size += len(text)

    def _received(self) -> Iterator[str]:
        yield from self._kept
        for output in self._answer.outputs if not self._facts.stream else ():
            yield output.message.content
            yield output.message.reasoning_content
