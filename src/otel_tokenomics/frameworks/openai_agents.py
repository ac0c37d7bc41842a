"""The OpenAI Agents SDK: its own traces and spans, as they become current and end.

A trace processor would see them only while tracing is on, and `set_trace_processors` would remove it; the
spans are started and finished all the same when nobody listens.
"""

from __future__ import annotations

import sys
import weakref
from collections.abc import Callable, Mapping
from typing import Any

from otel_tokenomics.attribution import places
from otel_tokenomics.frameworks.hooks import Patches, quiet

_KINDS: Mapping[str, str] = {
    "agent": "agent",
    "task": "workflow",
    "function": "tool",
    "guardrail": "step",
}
"""The types of span that are frames, and what their name is."""


class OpenAIAgents:
    """The hook: `start` and `finish` of spans and traces, those that record nothing included."""

    def __init__(self) -> None:
        self._patches = Patches()
        self._open: weakref.WeakKeyDictionary[Any, places.Frame] = weakref.WeakKeyDictionary()

    def open(self, module: Any) -> None:
        """Open frames from now on. `module` is `agents.tracing.provider`."""
        self._patches.active = True
        traces = sys.modules.get("agents.tracing.traces")
        for owner, names in (
            (getattr(module, "SpanImpl", None), _span),
            (getattr(module, "NoOpSpan", None), _span),
            (getattr(traces, "TraceImpl", None), _trace),
            (getattr(traces, "ReattachedTrace", None), _trace),
        ):
            self._patches.replace(owner, "start", self._starting(names))
            self._patches.replace(owner, "finish", self._finishing)

    def close(self) -> None:
        """Open no more."""
        self._patches.restore()
        self._open.clear()

    def _starting(self, names: Callable[[Any], Mapping[str, Any]]) -> Callable[[Any], Any]:
        def make(original: Any) -> Any:
            def start(span: Any, mark_as_current: bool = False, *args: Any, **kwargs: Any) -> Any:
                result = original(span, mark_as_current, *args, **kwargs)
                if mark_as_current:
                    self._begin(span, names)
                return result

            return start

        return make

    def _finishing(self, original: Any) -> Any:
        def finish(span: Any, *args: Any, **kwargs: Any) -> Any:
            self._end(span)
            return original(span, *args, **kwargs)

        return finish

    @quiet
    def _begin(self, span: Any, names: Callable[[Any], Mapping[str, Any]]) -> None:
        if self._patches.active and span not in self._open:
            told = names(span)
            if any(told.values()):
                # A task repeats the name of the trace around it.
                work = getattr(getattr(span, "span_data", None), "type", None) != "task"
                self._open[span] = places.begin(work=work, **told)

    @quiet
    def _end(self, span: Any) -> None:
        frame = self._open.pop(span, None)
        if frame is not None:
            places.end(frame)


def _span(span: Any) -> Mapping[str, Any]:
    data = span.span_data
    kind = _KINDS.get(data.type)
    return {} if kind is None else {kind: data.name}


def _trace(trace: Any) -> Mapping[str, Any]:
    return {"workflow": trace.name, "conversation": getattr(trace, "group_id", None)}
