"""The teller: one record, told as a span, as metrics and as an event, each guarded from the others."""

from __future__ import annotations

from functools import partial
from typing import Any

from opentelemetry import context as contexts
from opentelemetry.context import Context

from otel_tokenomics.flow import late
from otel_tokenomics.flow.guard import attempt, fault
from otel_tokenomics.model.call import Facts
from otel_tokenomics.model.record import UsageRecord
from otel_tokenomics.telemetry.events import UsageEvents
from otel_tokenomics.telemetry.metrics import Metrics
from otel_tokenomics.telemetry.spans import Page, Spans


class OpenTelemetryTeller:
    """Implements the flow's `Teller` on OpenTelemetry."""

    def __init__(self, spans: Spans, metrics: Metrics, events: UsageEvents) -> None:
        self._spans = spans
        self._metrics = metrics
        self._events = events

    def open(self, facts: Facts, started_ns: int) -> Page:
        """Begin a span, or take note of somebody else's."""
        return self._spans.open(facts, started_ns)

    def enter(self, page: Page) -> Any:
        """Make the span current."""
        return self._spans.enter(page)

    def leave(self, token: Any) -> None:
        """Undo `enter`."""
        contexts.detach(token)

    def responded(self, page: Page) -> None:
        """The response arrived, in the context that the client library reads it in."""
        self._spans.responded(page)

    def annotate(self, page: Page, record: UsageRecord) -> None:
        """Write on a foreign span while it records."""
        self._spans.annotate(page, record)

    def waits(self, page: Page | None) -> bool:
        """Whether nobody could tell if a call were told a moment later."""
        return page is not None and self._spans.may_wait(page) and self._events.may_wait()

    def close(self, page: Page | None, record: UsageRecord, ended_ns: int) -> None:
        """Tell the whole record: the span now, the rest when it may be. The failure of one does not touch
        the others."""
        context = None
        if page is not None:
            context = page.context
            try:
                self._spans.close(page, record, ended_ns)
            except Exception as error:
                fault("span", error)
        if context is None:
            context = contexts.get_current()
        emits = record.billed or record.possibly_billed
        if emits and attempt("handover", self._events.may_wait, False):
            late.put_off(partial(self._tell, record, context), briefly=True)
            return
        late.put_off(partial(self._count, record, context))
        if emits:
            self._emit(record, context)

    def _tell(self, record: UsageRecord, context: Context) -> None:
        self._count(record, context)
        self._emit(record, context)

    def _count(self, record: UsageRecord, context: Context) -> None:
        try:
            self._metrics.record(record, context)
        except Exception as error:
            fault("metrics", error)

    def _emit(self, record: UsageRecord, context: Context) -> None:
        try:
            self._events.emit(record, context)
        except Exception as error:
            fault("event", error)
