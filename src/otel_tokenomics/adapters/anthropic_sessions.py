"""Anthropic's managed agents: each request to a model that a session's events tell of is one billed response.

After the types of anthropic 2.14, where they are a beta: `span.model_request_end` carries that request's own
usage, in a stream and in the list of events alike, with one id; what a session and its `session.usage` events
say is cumulative and is not added up. No event names the model: it is that of the agent, as the session or
its thread said when this process saw it. A session's running time and the tools of the server are told only
as totals, as is what the grader of an outcome used: they are not counted.
"""

from __future__ import annotations

import json
import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any

from otel_tokenomics.adapters.batches import LinesMeter, WorkMeter, instant
from otel_tokenomics.adapters.routes import Route
from otel_tokenomics.adapters.sse import UsageLines
from otel_tokenomics.flow.contracts import Part
from otel_tokenomics.flow.guard import attempt
from otel_tokenomics.model.call import Facts, Reading
from otel_tokenomics.model.text import clean
from otel_tokenomics.model.usage import Usage

ROUTES = tuple(
    Route(method, tail, "fetch_response", "several")
    for method, tail in (
        ("POST", "sessions"),
        ("GET", "sessions/*"),
        ("GET", "sessions/*/threads/*"),
        ("GET", "sessions/*/events"),
        ("GET", "sessions/*/events/stream"),
        ("GET", "sessions/*/threads/*/events"),
        ("GET", "sessions/*/threads/*/stream"),
    )
)
_NEEDLE = re.compile(rb'"model_usage"\s*:\s*\{')
_MOST_MODELS = 10_000

ReadUsage = Callable[[Mapping[str, Any]], Usage]


class Sessions:
    """The models of sessions and threads, as far as this process was told. Bounded."""

    def __init__(self, read_usage: ReadUsage) -> None:
        self._read_usage = read_usage
        self._lock = threading.Lock()
        self._models: OrderedDict[str, str] = OrderedDict()

    def meter(self, options: Any, facts: Facts) -> LinesMeter | WorkMeter:
        """A meter of events, or of what says which model a session has."""
        if facts.route.endswith(("events", "stream")):
            path = options.url.partition("?")[0].strip("/").split("/")
            session = path[path.index("sessions") + 1]
            thread = path[path.index("threads") + 1] if "threads" in path else session
            return EventsMeter(partial(self._part, facts, session, thread), options, session)
        return WorkMeter(options, facts, facts.route == "sessions", self._learn)

    def _learn(self, body: Mapping[str, Any]) -> None:
        id, agent = clean(body.get("id")), body.get("agent")
        model = agent.get("model") if isinstance(agent, dict) else None
        name = clean(model.get("id") if isinstance(model, dict) else model)
        if id is None or name is None:
            return
        with self._lock:
            self._models[id] = name
            while len(self._models) > _MOST_MODELS:
                self._models.popitem(last=False)

    def _part(self, asked: Facts, session: str, thread: str, event: Mapping[str, Any]) -> Part | None:
        id, raw = clean(event.get("id")), event.get("model_usage")
        if event.get("type") != "span.model_request_end" or id is None or not isinstance(raw, dict):
            return None
        usage = self._read_usage(raw)
        if event.get("is_error") is True and not any(usage.buckets.values()):
            return None
        model = self._models.get(thread) or self._models.get(session)
        facts = replace(asked, operation="chat", route="sessions", billing="metered", stream=False)
        reading = Reading(usage, id, model, speed=clean(raw.get("speed")))
        return Part(id, reading, facts, instant(_seconds(event.get("processed_at"))))


class EventsMeter(LinesMeter):
    """Reads a session's events: streamed, or a page of their list."""

    def __init__(self, read: Callable[[Mapping[str, Any]], Part | None], options: Any, session: str) -> None:
        super().__init__(read, options, session, session)
        self._lines = UsageLines(_NEEDLE)
        self._begun = True

    def parts(self) -> Iterator[Part]:
        """What was found since; of a page, every event."""
        content, self._content = self._content, None
        yield from super().parts()
        if content is None:
            return
        page = attempt("sessions.page", partial(json.loads, content), None)
        events = page.get("data") if isinstance(page, dict) else None
        for event in events if isinstance(events, list) else ():
            part = self._read(event) if isinstance(event, dict) else None
            if part is not None:
                self._any = True
                yield part


def _seconds(instant: Any) -> float | None:
    try:
        return datetime.fromisoformat(instant).timestamp()
    except (TypeError, ValueError):
        return None
