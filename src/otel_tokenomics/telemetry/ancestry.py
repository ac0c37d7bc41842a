"""Ancestry: what the spans around a call say of agents, workflows, tools and conversations.

A span knows only the identity of its parent. This processor remembers the spans that are open, so that the
names which a framework or an instrumentation put on those around a call can be read when the call is made.
It changes no span, and tells nobody anything.
"""

from __future__ import annotations

import weakref
from collections.abc import Mapping
from typing import Any, Final

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor

from otel_tokenomics.attribution import places
from otel_tokenomics.flow.guard import fault
from otel_tokenomics.model.place import Place
from otel_tokenomics.telemetry import names
from otel_tokenomics.telemetry.spans import SCOPE

_MOST_OPEN: Final = 10_000
_MEANING: Final = {
    names.AGENT: "agent",
    "agent.name": "agent",
    names.WORKFLOW: "workflow",
    "traceloop.workflow.name": "workflow",
    "graph.node.id": "step",
    names.TOOL_NAME: "tool",
    "tool.name": "tool",
    names.CONVERSATION: "conversation",
    "session.id": "conversation",
}
"""Attributes of OpenTelemetry, OpenInference and OpenLLMetry, and what they are here."""
_WORK: Final = {
    names.OPERATION: ("invoke_agent", "invoke_workflow"),
    "openinference.span.kind": ("AGENT",),
    "traceloop.span.kind": ("agent", "workflow"),
}
"""What a span says that is an agent's or a workflow's whole run. Others only repeat whose they are."""

_open: dict[int, places.Frame] = {}


class Ancestry(SpanProcessor):
    """Remembers the open spans of every provider that it is added to."""

    spans_may_wait = True

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """A span begins, in the context of whoever starts it."""
        try:
            parent = span.parent
            around = None if parent is None else _open.get(parent.span_id)
            if not _is_ours(span):
                around = SpanFrame(span, places.innermost(around))
            if around is not None:
                _remember(span.get_span_context().span_id, around)
        except Exception as error:
            fault("ancestry.start", error)

    def on_end(self, span: ReadableSpan) -> None:
        """A span ended."""
        try:
            frame = _open.pop(span.get_span_context().span_id, None)  # type: ignore[union-attr]
            if frame is not None and not _is_ours(span):
                frame.over = True
        except Exception as error:
            fault("ancestry.end", error)


def _is_ours(span: ReadableSpan) -> bool:
    """Whether a span is that of a call: it says nothing of what is around it, so that it stands for that."""
    scope = span.instrumentation_scope
    return scope is not None and scope.name == SCOPE


def _remember(span_id: int, frame: places.Frame) -> None:
    if len(_open) >= _MOST_OPEN:
        _open.pop(next(iter(_open)), None)
    _open[span_id] = frame


class SpanFrame(places.Frame):
    """A span as a frame. Its attributes are read when a call asks: many are set after the start."""

    __slots__ = ("_span",)

    def __init__(self, span: Span, around: places.Frame | None) -> None:
        super().__init__(self._told, around, spanned=True, work=False)
        self._span = weakref.ref(span)

    def _told(self) -> Mapping[str, Any]:
        span = self._span()
        labels = None if span is None else span.attributes
        if not labels:
            return {}
        # The SDK's mapping takes a lock for each key; its copy is a plain dict.
        known = labels.copy() if hasattr(labels, "copy") else dict(labels)
        self.work = any(known.get(key) in values for key, values in _WORK.items())
        found: dict[str, Any] = {}
        for key, name in _MEANING.items():
            if key in known:
                found.setdefault(name, known[key])
        return found


def spanned() -> places.Frame | None:
    """The frame of the current span, or of the nearest one around it that is known."""
    return _open.get(trace.get_current_span().get_span_context().span_id)


_watched: weakref.WeakSet[Any] = weakref.WeakSet()


def here() -> Place:
    """`places.here`, where the global provider may be set after the client libraries were instrumented."""
    watch(trace.get_tracer_provider())
    return places.here()


def watch(provider: Any) -> None:
    """Remember the spans of a provider from now on, once. One that takes no processor is left alone."""
    if provider in _watched or not hasattr(provider, "add_span_processor"):
        return
    _watched.add(provider)
    provider.add_span_processor(Ancestry())
    if spanned not in places.spans:
        places.spans.append(spanned)
