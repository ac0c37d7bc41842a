"""Reads one response of a model on Amazon Bedrock: whole, as a body that is read later, or as events."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from otel_tokenomics.adapters import bedrock_bodies as bodies
from otel_tokenomics.adapters import bedrock_requests as requests
from otel_tokenomics.adapters.aws import Answer, Request
from otel_tokenomics.adapters.bedrock_families import METRICS
from otel_tokenomics.flow.contracts import Draft
from otel_tokenomics.model.call import Facts, Reading, Responded
from otel_tokenomics.model.usage import MISSING, Usage

_TELLS = re.compile(rb'usage"|oken_?[cC]ount"|amazon-bedrock-|(?:top|ompletion|inish)_?[rR]eason"\s*:\s*"')
_MOST_BODY = 32 << 20
_MOST_KEPT = 256 << 10


class BedrockMeter:
    """Reads one response: what botocore parsed, a body that the application reads, or a stream's events."""

    keeps = False

    __slots__ = ("_answer", "_converses", "_facts", "_kept", "_pieces", "_request", "_size", "_told", "veils")

    def __init__(self, request: Request, facts: Facts) -> None:
        self.veils = False
        self._request = requests.held(request)
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
        return requests.asked(self._request)

    def capped(self, request: Request, tokens: int) -> Request:
        """A copy of the request with this output cap, where the model's family has it."""
        return requests.capped(request, tokens)

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
        if _TELLS.search(event) and (told := requests.object_of(event)) is not None:
            bodies.merge(self._told, told)

    @property
    def complete(self) -> bool:
        """Whether the final usage has been read: the last event of a stream, which Bedrock adds itself."""
        last = "metrics" if self._converses else METRICS
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
        reading.speed = reading.speed or requests.asked_speed(self._request)
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
        return Draft(
            usage, requests.sent(self._request), self._received(), lambda: self.complete or self._ended()
        )

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
            body = requests.object_of(b"".join(pieces))
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

    def _received(self) -> Iterator[str]:
        if not self._facts.stream:
            yield from bodies.texts(self._told)
        for kept in self._kept:
            if (event := requests.object_of(kept)) is not None:
                yield from bodies.texts(event)


def _partial(usage: Usage) -> Usage:
    return Usage(usage.buckets, "stream_partial", usage.estimator, usage.flags, usage.details)
