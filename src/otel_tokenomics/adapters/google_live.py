"""Google's live sessions: each turn of a model is billed, with all that the session holds as its input.

https://ai.google.dev/api/live: a message may carry `usageMetadata`, whatever else it carries. It is of one
turn, and what was said before is input again in each, as
https://ai.google.dev/gemini-api/docs/live-api/best-practices says. So all are summed, but for one that only
repeats that of its own turn. A response has no id. Some models count thoughts beside the total.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from otel_tokenomics.adapters.google_usage import read_google
from otel_tokenomics.adapters.hosts import Hosts
from otel_tokenomics.flow.socket import Begun, Done
from otel_tokenomics.model.call import Facts, Reading
from otel_tokenomics.model.text import clean


class LiveListener:
    """Reads what one session receives, as the client library has parsed it.

    `path` and `host` are those that it was opened with, `model` is the one that was asked for.
    """

    def __init__(self, hosts: Hosts, path: str, host: str | None, model: Any = None) -> None:
        place = urlsplit(f"//{host or ''}")
        known = hosts.find(place.hostname) if place.hostname else None
        vertex = "aiplatform" in path
        provider = "gcp.vertex_ai" if vertex else "gcp.gemini"
        asked = clean(model)
        self._facts = Facts(
            provider=provider if known is None else known.provider,
            operation="chat",
            flavor="google_genai",
            route="live",
            request_model=None if asked is None else asked.rpartition("/")[2],
            stream=True,
            provider_assumed=known is None,
            server_address=place.hostname,
            server_port=place.port or (443 if place.hostname else None),
        )
        self._turn = _Turn(0)

    def hear(self, message: Any) -> Iterator[Begun | Done]:
        """What a message says of turns; of most nothing."""
        content, calls = getattr(message, "server_content", None), getattr(message, "tool_call", None)
        usage = getattr(message, "usage_metadata", None)
        if calls is not None or getattr(content, "model_turn", None) is not None:
            yield from self._work()
        turn = self._turn
        turn.grounds = getattr(content, "grounding_metadata", None) or turn.grounds
        if usage is not None:
            yield from self._count(usage)
        turn.called = turn.called or calls is not None
        turn.over = turn.over or bool(getattr(content, "turn_complete", None))

    def _work(self) -> Iterator[Begun | Done]:
        """The model puts out something: a turn begins, unless one goes on."""
        turn = self._turn
        if turn.begun and not turn.ended:
            return
        if turn.begun and not turn.billed:
            yield Done(turn.id, self._own(), Reading(response_model=self._facts.request_model))
        if turn.begun or turn.billed:
            self._turn = turn = _Turn(turn.number + 1)
        turn.begun = True
        yield Begun(turn.id, self._own(), named=False)

    def _count(self, usage: Any) -> Iterator[Done]:
        """What a turn took. A turn that was complete may be told of later, and one may have no output."""
        raw = usage.model_dump(mode="json", exclude_none=True)
        turn = self._turn
        if not raw or raw == turn.billed:
            return
        grounds, turn.grounds = turn.grounds, None
        body: dict[str, Any] = {"usage_metadata": raw, "model_version": self._facts.request_model}
        if grounds is not None:
            body["candidates"] = [{"grounding_metadata": grounds.model_dump(mode="json", exclude_none=True)}]
        turn.billed = raw
        yield Done(turn.id, self._own(), read_google(body))

    def _own(self) -> Facts:
        return replace(self._facts)


class _Turn:
    """What is known of one turn. `billed` is the usage that it was told with last."""

    __slots__ = ("begun", "billed", "called", "grounds", "number", "over")

    def __init__(self, number: int) -> None:
        self.number = number
        self.begun = self.called = self.over = False
        self.billed: dict[str, Any] | None = None
        self.grounds: Any = None

    @property
    def id(self) -> str:
        """By what the turn is known to whoever settles it."""
        return f"turn {self.number}"

    @property
    def ended(self) -> bool:
        """Whether what the model puts out next is of another turn: also after it called for a tool."""
        return self.over or (self.called and self.billed is not None)
