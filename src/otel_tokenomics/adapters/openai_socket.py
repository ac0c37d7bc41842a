"""OpenAI's websockets: realtime, responses over a websocket, and live sessions.

https://platform.openai.com/docs/api-reference/realtime-server-events: `response.done` carries the usage of
that response and of no other, by text, audio and images and what of each was cached; the transcription of
what was said is another model's, with a usage of its own. Over `/responses` the events are those of a
streamed response. A live session repeats its billed seconds, cumulative: what `session.closed` says holds.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

from otel_tokenomics.adapters.dialect import Told
from otel_tokenomics.adapters.hosts import Hosts
from otel_tokenomics.adapters.openai_dialect import DIALECT
from otel_tokenomics.adapters.openai_usage import read_usage
from otel_tokenomics.flow.socket import Begun, Done
from otel_tokenomics.model.call import Facts, Reading
from otel_tokenomics.model.text import clean

_DONE = frozenset({"response.done", "response.completed", "response.incomplete", "response.failed"})
_SESSIONS = (b'"session.created"', b'"session.updated"', b'"transcription_session.')
_TRANSCRIBED = "conversation.item.input_audio_transcription.completed"
_HEAD = 512
"""Where in a message its type is: deltas are long and say nothing else, and searching one takes 30 us."""


class SocketListener:
    """Reads what one connection receives. `path` and `host` are those that it was opened with."""

    def __init__(self, hosts: Hosts, path: str, host: str | None) -> None:
        url, place = urlsplit(path), urlsplit(f"//{host or ''}")
        known = hosts.find(place.hostname) if place.hostname else None
        self._facts = {
            "provider": "openai" if known is None else known.provider,
            "flavor": "openai",
            "route": "responses" if url.path.rstrip("/").endswith("responses") else "realtime",
            "provider_assumed": known is None,
            "server_address": place.hostname,
            "server_port": place.port or (443 if place.hostname else None),
            "stream": True,
        }
        self._asked = clean(next(iter(parse_qs(url.query).get("model", ())), None))
        self._served: str | None = None
        self._transcriber: str | None = None

    def hear(self, message: bytes) -> Iterator[Begun | Done]:
        """What a message says of responses. All but a few are passed over unparsed."""
        if message.find(b'.delta"', 0, _HEAD) >= 0:
            return
        if message.find(b'"usage"') < 0 and not self._of_session(message):
            return
        try:
            event = json.loads(message)
        except ValueError:
            return
        if isinstance(event, dict):
            inner = event.get("event")
            yield from self._read(inner if isinstance(inner, dict) else event)

    def _of_session(self, message: bytes) -> bool:
        return any(message.find(name, 0, _HEAD) >= 0 for name in _SESSIONS)

    def _read(self, event: Mapping[str, Any]) -> Iterator[Begun | Done]:
        kind = event.get("type")
        whole, session = event.get("response"), event.get("session")
        if isinstance(session, dict):
            self._learn(session)
        if isinstance(whole, dict) and (id := clean(whole.get("id"))) is not None:
            if kind == "response.created":
                yield Begun(id, self._of("chat"))
            elif kind in _DONE:
                yield Done(id, self._of("chat"), self._response(event), whole.get("status") == "failed")
        elif kind == _TRANSCRIBED:
            yield from self._transcription(event)
        elif kind == "session.closed" and isinstance(session, dict):
            yield from self._closed(event, session)

    def _learn(self, session: Mapping[str, Any]) -> None:
        """The models of a session: of the one that answers, and of the one that transcribes."""
        self._served = clean(session.get("model")) or self._served
        audio = session.get("audio")
        given = audio.get("input") if isinstance(audio, dict) else None
        place = given.get("transcription") if isinstance(given, dict) else None
        place = place or session.get("input_audio_transcription")
        if isinstance(place, dict):
            self._transcriber = clean(place.get("model")) or self._transcriber

    def _response(self, event: Mapping[str, Any]) -> Reading:
        told = Told()
        DIALECT.event(told, event)
        reading = DIALECT.reading(told, self._of("chat"))
        reading.response_model = reading.response_model or self._served
        reading.pending = False
        return reading

    def _transcription(self, event: Mapping[str, Any]) -> Iterator[Done]:
        item, usage, index = clean(event.get("item_id")), event.get("usage"), event.get("content_index")
        if item is not None and isinstance(usage, dict):
            id = f"{item}.{index}" if isinstance(index, int) and index else item
            reading = Reading(read_usage(usage), id, self._transcriber)
            yield Done(id, self._of("transcription", self._transcriber), reading)

    def _closed(self, event: Mapping[str, Any], session: Mapping[str, Any]) -> Iterator[Done]:
        id, usage = clean(session.get("id")), event.get("usage")
        if id is not None and isinstance(usage, dict):
            reading = Reading(read_usage({**usage, "type": "duration"}), id, self._served)
            yield Done(id, self._of("chat"), reading)

    def _of(self, operation: str, asked: str | None = None) -> Facts:
        return Facts(operation=operation, request_model=asked or self._asked, **self._facts)  # type: ignore[arg-type]
