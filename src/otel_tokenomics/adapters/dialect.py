"""What the bodies and events of a response say, and how a provider's are read."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from otel_tokenomics.model.call import Facts, Reading
from otel_tokenomics.model.usage import MISSING


@dataclass(slots=True)
class Told:
    """What the bodies and events of one response have said so far. A dialect writes it.

    `others` is the usage of other models that the response bills too; `uncounted` that it bills something of
    which it does not say how much.
    """

    usage: dict[str, Any] | None = None
    quantities: dict[str, int] = field(default_factory=dict)
    others: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    uncounted: bool = False
    response_id: str | None = None
    model: str | None = None
    service_tier: str | None = None
    finish_reason: str | None = None
    pending: bool = False
    background: bool = False
    final: bool = False
    heard: bool = False


class Dialect(Protocol):
    """How one provider's bodies and events are read."""

    def body(self, told: Told, body: Mapping[str, Any], facts: Facts) -> None:
        """Take note of a whole response."""

    def event(self, told: Told, event: Mapping[str, Any]) -> None:
        """Take note of one event of a stream."""

    def reading(self, told: Told, facts: Facts) -> Reading:
        """What all that was told comes to."""

    def texts(self, event: Mapping[str, Any]) -> Iterable[str]:
        """The pieces of generated text in a body or an event."""

    def ended(self, event: Mapping[str, Any]) -> bool:
        """Whether this event is the last of its stream."""


class ShapeDialect:
    """A dialect of bodies that a function reads whole: a stream's events are laid over one another."""

    def __init__(
        self,
        read: Callable[[Mapping[str, Any]], Reading],
        part: Callable[[Mapping[str, Any]], Mapping[str, Any] | None],
        texts: Callable[[Mapping[str, Any]], Iterable[str]],
        ended: Callable[[Mapping[str, Any]], bool],
    ) -> None:
        self._read = read
        self._part = part
        self.texts = texts
        self.ended = ended

    def body(self, told: Told, body: Mapping[str, Any], facts: Facts) -> None:
        """A whole response."""
        told.usage = dict(body)
        told.final = self._read(body).usage is not MISSING

    def event(self, told: Told, event: Mapping[str, Any]) -> None:
        """One event of a stream: what it says of usage and of itself is kept."""
        told.heard = True
        part = self._part(event)
        if part is not None:
            kept = told.usage or {}
            told.usage = {**kept, **{key: value for key, value in part.items() if value is not None}}
            told.final = self.ended(event) and self._read(told.usage).usage is not MISSING

    def reading(self, told: Told, facts: Facts) -> Reading:
        """What all that was told comes to."""
        return Reading() if told.usage is None else self._read(told.usage)


def object_of(text: bytes) -> dict[str, Any] | None:
    """The JSON object that a text is, if it is one."""
    try:
        value = json.loads(text)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def without_vectors(content: bytes) -> dict[str, Any] | None:
    """An embeddings body read from its two ends: parsing half a megabyte of numbers takes milliseconds."""
    start, end = content.find(b'"data"'), content.rfind(b"]")
    array = content.find(b"[", start)
    if start < 0 or array < 0 or end < array:
        return object_of(content)
    return object_of(content[:array] + b"[]" + content[end + 1 :]) or object_of(content)
