"""Agents and flows on Amazon Bedrock: each request to a model that a trace tells of is one billed response.

After the service model of botocore 1.43. The usage in a trace is that of one invocation of a model, and of
nothing else that has such metadata:
https://docs.aws.amazon.com/bedrock/latest/APIReference/API_agent-runtime_Metadata.html. What went in names
the model. Without `enableTrace` nothing is told: then the call is a record whose usage is missing.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from otel_tokenomics.adapters.aws import Request
from otel_tokenomics.adapters.bedrock_families import plain_usage
from otel_tokenomics.adapters.bedrock_others import AnswerMeter
from otel_tokenomics.flow.contracts import Part
from otel_tokenomics.flow.guard import attempt
from otel_tokenomics.model.call import Facts, Reading, Responded
from otel_tokenomics.model.text import clean
from otel_tokenomics.model.usage import MISSING

_TOLD = b'"modelInvocation'
_MOST_MODELS = 1_000


class AgentMeter(AnswerMeter):
    """Reads the traces among the events of one answer. What an agent of a team used is in the same stream."""

    keeps = True
    complete = False
    origin = None
    whole = False

    def __init__(self, request: Request, facts: Facts) -> None:
        super().__init__(request, facts)
        self.group = os.urandom(12).hex()
        """Each answer is read once."""
        self._asked = clean(request.params.get("foundationModel"))
        self._found: list[Part] = []
        self._models: dict[str, str] = {}
        self._ids: set[str] = set()

    def request_body(self) -> Mapping[str, Any] | None:
        """Nothing is held: what an agent asks of which model is known when it has done it."""
        return None

    def respond(self, word: Responded) -> None:
        """An answer begins."""
        super().respond(word)
        self.group = self._answer.request_id or self.group

    def skim(self, data: bytes) -> bool:
        """Pass over what tells of no model."""
        return _TOLD not in data

    def feed(self, data: bytes) -> None:
        """One event."""
        event = attempt("agent.event", partial(json.loads, data), None)
        # Who works in a team has a model of its own.
        alone = isinstance(event, dict) and event.get("collaboratorName") is None
        for trace in _traces(event):
            self._hear(trace, self._asked if alone else None)

    def parts(self) -> Iterator[Part]:
        """The invocations that were found since."""
        found, self._found = self._found, []
        yield from found

    def rest(self) -> Iterator[Part]:
        """The call itself, if no trace told what it used."""
        if not self._ids:
            id = self._answer.request_id or self.group
            facts = replace(self._facts, billing="metered", stream=False)
            yield Part(id, Reading(MISSING, self._answer.request_id), facts)

    def _hear(self, trace: Mapping[str, Any], asked: str | None) -> None:
        given, made = trace.get("modelInvocationInput"), trace.get("modelInvocationOutput")
        model = clean(given.get("foundationModel")) if isinstance(given, dict) else None
        if model is not None and isinstance(given, dict) and len(self._models) < _MOST_MODELS:
            self._models[str(given.get("traceId"))] = model
        metadata = made.get("metadata") if isinstance(made, dict) else None
        usage = metadata.get("usage") if isinstance(metadata, dict) else None
        if isinstance(made, dict) and isinstance(metadata, dict) and isinstance(usage, dict):
            trace_id = str(made.get("traceId"))
            id = clean(metadata.get("clientRequestId")) or trace_id
            self._take(id, self._models.get(trace_id, asked), usage)

    def _take(self, id: str, model: str | None, usage: Mapping[str, Any]) -> None:
        if id in self._ids:
            id = f"{id}/{len(self._ids)}"
        self._ids.add(id)
        facts = replace(self._facts, operation="chat", billing="metered", stream=False)
        reading = Reading(plain_usage(usage, "inputTokens", "outputTokens"), id, model)
        self._found.append(Part(id, reading, facts))


def _traces(node: Any) -> Iterator[Mapping[str, Any]]:
    """Whatever tells of a model, at any depth of an event, in order."""
    if isinstance(node, dict):
        if "modelInvocationInput" in node or "modelInvocationOutput" in node:
            yield node
            return
        for value in node.values():
            yield from _traces(value)
    elif isinstance(node, list):
        for item in node:
            yield from _traces(item)
