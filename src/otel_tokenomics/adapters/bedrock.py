"""The `botocore` client library, below `boto3` and LangChain: models on Amazon Bedrock.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_Operations_Amazon_Bedrock_Runtime.html. A request
is an operation and its parameters. `Converse` and its stream have one shape for every model; `InvokeModel`
and its stream hand the model's own body through, which `bedrock_bodies` reads. Neither names the model that
answered: Bedrock bills the id, profile or ARN that was asked for.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from otel_tokenomics.adapters import bedrock_bodies as bodies
from otel_tokenomics.adapters.aws import Answer, Request
from otel_tokenomics.adapters.hosts import Hosts
from otel_tokenomics.flow.contracts import Draft
from otel_tokenomics.model.call import Billing, Facts, Reading, Responded
from otel_tokenomics.model.text import clean
from otel_tokenomics.model.usage import MISSING, Usage

_OPERATIONS: Mapping[str, Billing] = {
    "Converse": "metered",
    "ConverseStream": "metered",
    "InvokeModel": "metered",
    "InvokeModelWithResponseStream": "metered",
    "CountTokens": "free",
}
_KINDS = (
    ("embed", "embeddings"),
    ("rerank", "rerank"),
    ("canvas", "image_generation"),
    ("image", "image_generation"),
    ("stability.", "image_generation"),
)
_TELLS = re.compile(rb'usage"|oken_?[cC]ount"|amazon-bedrock-|(?:top|ompletion|inish)_?[rR]eason"\s*:\s*"')
_MOST_BODY = 32 << 20
_MOST_KEPT = 256 << 10
_CAPS = (
    ("nova", ("inferenceConfig", "maxTokens")),
    ("titan", ("textGenerationConfig", "maxTokenCount")),
    ("llama", ("max_gen_len",)),
    ("ai21.j2", ("maxTokens",)),
)
_NAMES = dict.fromkeys(("inputText", "texts", "value", "message", "query"), "text")
"""What families call the text that is sent, for the estimate to find it."""


class Bedrock:
    """The adapter. `hosts` says who is behind an endpoint."""

    operations = ("chat", "text_completion", "count_tokens", *{operation for _, operation in _KINDS})

    def __init__(self, hosts: Hosts | None = None) -> None:
        self._hosts = hosts or Hosts()

    def facts(self, client: Any, options: Request, stream: bool) -> Facts | None:
        """What the request says, or `None` if it calls no model."""
        billing = _OPERATIONS.get(options.operation)
        if billing is None:
            return None
        url = urlsplit(client.meta.endpoint_url)
        known = self._hosts.find(url.hostname) if url.hostname else None
        model = clean(options.params.get("modelId"))
        tier = options.params.get("serviceTier")
        return Facts(
            provider="aws.bedrock" if known is None else known.provider,
            operation=_operation(options, model or ""),
            flavor="botocore",
            route=options.operation,
            request_model=model,
            stream=options.operation.endswith("Stream"),
            billing=billing,
            provider_assumed=known is None,
            service_tier=clean(tier.get("type") if isinstance(tier, dict) else tier),
            server_address=url.hostname,
            server_port=url.port or (443 if url.scheme == "https" else 80),
        )

    def meter(self, client: Any, options: Request, facts: Facts) -> BedrockMeter:
        """A meter for the response to this request."""
        return BedrockMeter(options, facts)


def _operation(request: Request, model: str) -> str:
    if request.operation == "CountTokens":
        return "count_tokens"
    if request.operation.startswith("Converse"):
        return "chat"
    for part, operation in _KINDS:
        if part in model:
            return operation
    body = request.params.get("body")
    if isinstance(body, str):
        return "chat" if '"messages"' in body else "text_completion"
    return "chat" if isinstance(body, bytes) and b'"messages"' in body else "text_completion"


class BedrockMeter:
    """Reads one response: what botocore parsed, a body that the application reads, or a stream's events."""

    keeps = False

    __slots__ = ("_answer", "_converses", "_facts", "_kept", "_pieces", "_request", "_size", "_told", "veils")

    def __init__(self, request: Request, facts: Facts) -> None:
        self.veils = False
        self._request = _held(request)
        self._facts = facts
        self._converses = facts.route.startswith("Converse")
        self._answer: Answer | None = None
        self._told: dict[str, Any] = {}
        self._kept: list[bytes] = []
        self._pieces: list[bytes] | None = None
        self._size = 0

    def prepare(self) -> Request:
        """The request as it is."""
        return self._request

    def request_body(self) -> Mapping[str, Any] | None:
        """The parameters, or the body that is handed to the model."""
        if self._converses:
            return {key: _plain(value) for key, value in self._request.params.items()}
        return _object(self._request.params.get("body"))

    def capped(self, request: Request, tokens: int) -> Request:
        """A copy of the request with this output cap, where the model's family has it."""
        if self._converses:
            config = {**(request.params.get("inferenceConfig") or {}), "maxTokens": tokens}
            return request._replace(params={**request.params, "inferenceConfig": config})
        body = _object(request.params.get("body"))
        if body is None:
            return request
        model = self._facts.request_model or ""
        *outer, name = next((path for part, path in _CAPS if part in model), ("max_tokens",))
        if outer:
            body = {**body, outer[0]: {**(body.get(outer[0]) or {}), name: tokens}}
        else:
            body = {**body, name: tokens}
        return request._replace(params={**request.params, "body": json.dumps(body).encode()})

    def respond(self, word: Responded) -> None:
        """Take note of what was parsed, or make ready for a body that is read whole."""
        self._answer = word.response
        if not word.body_follows:
            self._told = dict(word.response.body)
        elif not self._facts.stream:
            self._pieces = []

    def skim(self, data: bytes) -> bool:
        """Keep an event that says nothing but text."""
        if self._pieces is not None or not self._kept:
            return False
        event = self._event(data)
        if _TELLS.search(event):
            return False
        self._keep(event)
        return True

    def feed(self, data: bytes) -> None:
        """Bytes of a body, or the payload of one event."""
        if self._pieces is not None:
            self._size += len(data)
            if self._size <= _MOST_BODY:
                self._pieces.append(data)
            return
        event = self._event(data)
        self._keep(event)
        if _TELLS.search(event) and (told := _object(event)) is not None:
            bodies.merge(self._told, told)

    @property
    def complete(self) -> bool:
        """Whether the final usage has been read: the last event of a stream, which Bedrock adds itself."""
        last = "metrics" if self._converses else bodies.METRICS
        if not self._facts.stream or bodies.blocked(self._told):
            return True
        return last in self._told and self._usage() is not MISSING

    def reading(self) -> Reading:
        """What the response says."""
        self._conclude()
        answer = self._answer or Answer(None)
        if self._facts.billing == "free":
            reading = Reading()
        elif self._converses:
            reading = bodies.read_conversed(self._told)
        else:
            reading = bodies.read_invoked(self._told, answer.headers, self._facts.operation)
        reading.response_id = reading.response_id or answer.request_id
        reading.speed = reading.speed or self._asked_speed()
        if self._facts.stream and not self.complete and reading.usage is not MISSING:
            reading.usage = _partial(reading.usage)
        return reading

    def draft(self) -> Draft | None:
        """What is left to count: a stream cut before its usage, or a body without any."""
        if self._facts.billing == "free" or self._facts.operation in ("rerank", "image_generation"):
            return None
        usage = self._usage()
        whole = usage.input_tokens is not None and usage.output_tokens is not None
        counted = self.complete and (whole or self._facts.operation == "embeddings")
        if self._answer is None or self._size > _MOST_BODY or bodies.blocked(self._told):
            return None
        if counted and usage is not MISSING:
            return None
        return Draft(usage, self._sent(), self._received(), lambda: self.complete or self._ended())

    def _usage(self) -> Usage:
        if self._converses:
            return bodies.read_conversed(self._told).usage
        headers = {} if self._answer is None else self._answer.headers
        return bodies.read_invoked(self._told, headers, self._facts.operation).usage

    def _ended(self) -> bool:
        return bodies.stop_reason(self._told) is not None

    def _conclude(self) -> None:
        """A body that the application has read, as far as it has."""
        pieces, self._pieces = self._pieces, None
        if pieces:
            body = _object(b"".join(pieces))
            self._told = body or {}

    def _keep(self, event: bytes) -> None:
        if self._size < _MOST_KEPT:
            self._kept.append(event)
            self._size += len(event)

    def _event(self, payload: bytes) -> bytes:
        """An event's own JSON. A model's own events come in base64."""
        if self._converses:
            return payload
        try:
            return base64.b64decode(json.loads(payload)["bytes"])
        except (ValueError, KeyError, TypeError, binascii.Error):
            return payload

    def _asked_speed(self) -> str | None:
        asked = self._request.params.get("performanceConfig")
        named = asked.get("latency") if isinstance(asked, dict) else None
        latency = clean(named or self._request.params.get("performanceConfigLatency"))
        return None if latency == "standard" else latency

    def _sent(self) -> bytes | None:
        """The request's text under names that the estimate knows."""
        asked = self.request_body()
        return None if asked is None else json.dumps(_renamed(asked), default=lambda other: "").encode()

    def _received(self) -> Iterator[str]:
        if not self._facts.stream:
            yield from bodies.texts(self._told)
        for kept in self._kept:
            if (event := _object(kept)) is not None:
                yield from bodies.texts(event)


def _held(request: Request) -> Request:
    """The request, with a list of messages of its own: the application may go on with the conversation."""
    messages = request.params.get("messages")
    if not isinstance(messages, list):
        return request
    return request._replace(params={**request.params, "messages": list(messages)})


def _plain(node: Any) -> Any:
    """Converse's images and cache points in the words that others have for them, for the worst case."""
    if isinstance(node, dict):
        if isinstance(node.get("image"), dict):
            return {"type": "image"}
        if isinstance(point := node.get("cachePoint"), dict):
            return {"cache_control": point}
        return {key: _plain(value) for key, value in node.items()}
    return [_plain(item) for item in node] if isinstance(node, list) else node


def _partial(usage: Usage) -> Usage:
    return Usage(usage.buckets, "stream_partial", usage.estimator, usage.flags, usage.details)


def _renamed(node: Any) -> Any:
    if isinstance(node, dict):
        return {_NAMES.get(key, key): _renamed(value) for key, value in node.items()}
    return [_renamed(item) for item in node] if isinstance(node, list) else node


def _object(text: Any) -> dict[str, Any] | None:
    """A JSON object from bytes or text; nothing of a file that only the client may read."""
    if not isinstance(text, bytes | bytearray | str):
        return None
    try:
        value = json.loads(text)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None
