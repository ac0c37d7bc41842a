"""What the loopback provider's two dialects share: a request, a reply, and tokens by a fixed rule."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]

_WORDS = ("the ", "replies ", "here ", "are ", "canned, ", "only ", "the ", "prices ", "are ", "real. ")
_DEFAULT_WORDS = 12


@dataclass(frozen=True, slots=True)
class Request:
    """One request as it came in. `number` counts the server's requests from 1; `headers` are lower-case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: Json
    number: int
    run: str

    def identity(self, prefix: str) -> str:
        """An id no other response has, in this run of the provider or another."""
        return f"{prefix}{self.run}{self.number:06d}"

    def words(self, limit: int | None) -> list[str]:
        """The words of the reply: `x-loopback-words` or 12, but at most `limit`."""
        wanted = int(self.headers.get("x-loopback-words", _DEFAULT_WORDS))
        count = wanted if limit is None else min(wanted, limit)
        return [_WORDS[index % len(_WORDS)] for index in range(count)]


@dataclass(frozen=True, slots=True)
class Event:
    """One server-sent event. A text is sent as it is, anything else as JSON."""

    data: Json | str
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole body, or the events of a stream. `endless` names the event that may be repeated for ever."""

    body: Json = field(default_factory=dict)
    events: tuple[Event, ...] | None = None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


def tokens(node: Any) -> int:
    """Tokens of every text in `node`: a quarter of its UTF-8 bytes, rounded up. One fixed rule, no model."""
    return -(-sum(len(text.encode()) for text in _texts(node)) // 4)


def example(schema: Json) -> Json:
    """Arguments that a tool with this JSON schema could be called with."""
    values: Json = {"string": "example", "number": 1.5, "integer": 1, "boolean": True, "array": []}
    return {name: values.get(spec.get("type")) for name, spec in schema.get("properties", {}).items()}


def _texts(node: Any) -> Iterator[str]:
    if isinstance(node, str):
        yield node
    elif isinstance(node, dict):
        for value in node.values():
            yield from _texts(value)
    elif isinstance(node, list):
        for value in node:
            yield from _texts(value)
