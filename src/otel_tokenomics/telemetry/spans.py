"""Spans: our own inference span, or our attributes on somebody else's."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Literal, Protocol

from opentelemetry import context as contexts
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, TracerProvider

from otel_tokenomics.flow.guard import fault, guarded
from otel_tokenomics.model.call import Facts
from otel_tokenomics.model.record import UsageRecord
from otel_tokenomics.telemetry import names
from otel_tokenomics.telemetry.compat import aliases
from otel_tokenomics.telemetry.handover import Handover
from otel_tokenomics.telemetry.labels import Labels, operation_of, record_labels, request_labels
from otel_tokenomics.version import __version__

SpanMode = Literal["auto", "own", "annotate", "off"]
SCOPE = "otel_tokenomics"

_INFERENCE = frozenset({"chat", "text_completion", "generate_content", "embeddings"})
_OPENINFERENCE = frozenset({"LLM", "EMBEDDING"})
_OPENLLMETRY = frozenset({"chat", "completion", "embedding", "rerank"})


class Held(Protocol):
    """What of a context is not for everybody."""

    def without(self, context: Context | None, facts: Facts) -> Context | None:
        """The context in which a call is sent, if it must be another than this one, or the current one."""


class Page:
    """The span of one call. `foreign`: it is somebody else's, and ends when they say."""

    __slots__ = ("awaited", "context", "facts", "foreign", "span", "started_ns", "written")

    def __init__(self, facts: Facts, started_ns: int) -> None:
        self.facts = facts
        self.started_ns = started_ns
        self.span: Span | None = None
        self.context: Context | None = None
        self.foreign = False
        self.awaited = False
        self.written = False


class Spans:
    """Opens and closes the spans of calls, in one of the four modes."""

    def __init__(
        self,
        provider: TracerProvider | None = None,
        mode: SpanMode = "auto",
        compat: Collection[str] = ("cache_creation",),
        held: Held | None = None,
    ) -> None:
        self._held = held
        self._tracer = trace.get_tracer(SCOPE, __version__, provider, names.SCHEMA_URL)
        self._handover = Handover(self._tracer)
        self._mode = mode
        self._hidden = () if "cache_creation" in compat else (names.CACHE_CREATION_TOKENS,)
        self._aliases = aliases(compat)

    def open(self, facts: Facts, started_ns: int) -> Page:
        """A page with our own span, with the foreign one around the call, or awaiting the client's own."""
        page = Page(facts, started_ns)
        page.context = contexts.get_current()
        if self._mode == "off":
            return page
        if self._mode != "own":
            # The client's own span is nearer the wire than any around the call, and is yet to come.
            if facts.self_traced:
                page.awaited = True
                return page
            around = trace.get_current_span(page.context)
            if is_inference(around):
                _adopt(page, around)
                return page
        if self._mode != "annotate":
            self._start(page)
        return page

    def enter(self, page: Page) -> Any:
        """Make our own span current, so that spans of the HTTP library are its children."""
        context = None if page.span is None or page.foreign else page.context
        if self._held is not None:
            context = self._held.without(context, page.facts)
        return None if context is None else contexts.attach(context)

    def responded(self, page: Page) -> None:
        """The client's own span, if it makes one, is current now."""
        if not page.awaited:
            return
        page.awaited = False
        current = trace.get_current_span()
        if is_inference(current):
            _adopt(page, current)
        elif self._mode != "annotate":
            self._start(page)

    def may_wait(self, page: Page) -> bool:
        """Whether nobody could tell if our own span were ended a moment later: it is not sampled, or nothing
        is done with it at once."""
        span = page.span
        if span is None:
            # One that is awaited may yet be made, in the context that the call is in.
            return not page.awaited
        if page.foreign:
            return not span.is_recording()
        return self._handover.may_wait() or not span.is_recording()

    def annotate(self, page: Page, record: UsageRecord) -> None:
        """Add what the foreign span does not say itself, while it records."""
        span = page.span
        if span is None or not span.is_recording():
            return
        known = getattr(span, "attributes", None) or {}
        labels = self._labels(record)
        _set(span, {key: labels[key] for key in labels if key not in known and key not in self._hidden})
        page.written = True

    def close(self, page: Page, record: UsageRecord, ended_ns: int) -> None:
        """End our own span, or write on the foreign one if that was not possible earlier."""
        # A call that failed before any response has the client's own span, which says so.
        if page.awaited and self._mode != "annotate" and record.error_type is None:
            self._start(page)
        span = page.span
        if span is None:
            return
        if page.foreign:
            if not page.written or record.error_type is not None:
                self.annotate(page, record)
            return
        try:
            if span.is_recording():
                _write(span, record, self._labels(record), self._hidden)
        finally:
            span.end(ended_ns)

    def _labels(self, record: UsageRecord) -> Labels:
        labels = record_labels(record)
        if self._aliases:
            whole = {**request_labels(record.facts), **labels}
            for alias in self._aliases:
                labels |= alias(whole)
        return labels

    def _start(self, page: Page) -> None:
        facts = page.facts
        name = f"{operation_of(facts)} {facts.request_model}" if facts.request_model else operation_of(facts)
        # Its context is named, since the SDK and its sampler would each look it up again.
        page.span = self._tracer.start_span(
            name, page.context, SpanKind.CLIENT, request_labels(facts), start_time=page.started_ns
        )
        page.context = trace.set_span_in_context(page.span, page.context)


def _adopt(page: Page, span: Span) -> None:
    page.span, page.foreign = span, True
    page.context = trace.set_span_in_context(span)


def _write(span: Span, record: UsageRecord, labels: Labels, hidden: tuple[str, ...]) -> None:
    for name in hidden:
        labels.pop(name, None)
    if record.error_type is not None:
        labels[names.ERROR_TYPE] = record.error_type
        # No description: an exception's message may carry a prompt, a key or a URL.
        span.set_status(Status(StatusCode.ERROR))
    _set(span, labels)


def _set(span: Span, labels: Labels) -> None:
    """All attributes at once; if that fails, each alone, so that one bad one costs no other."""
    try:
        span.set_attributes(labels)
    except Exception as error:
        fault("span.attributes", error)
        for key, value in labels.items():
            with guarded("span.attribute"):
                span.set_attribute(key, value)


def is_inference(span: Span) -> bool:
    """Whether a span that still records is an inference span of some instrumentation, and not yet taken."""
    if not span.is_recording():
        return False
    labels = getattr(span, "attributes", None)
    if not labels or names.USAGE_SOURCE in labels:
        return False
    if getattr(getattr(span, "instrumentation_scope", None), "name", None) == SCOPE:
        return False
    return (
        labels.get(names.OPERATION) in _INFERENCE
        or labels.get("openinference.span.kind") in _OPENINFERENCE
        or labels.get("llm.request.type") in _OPENLLMETRY
    )
