"""When a record is handed to the logs SDK, and a span is ended: before the call returns, or a moment later.

Handing a record over takes some 40 us within a call, and what a span says of usage and cost some 80, which a
batch processor then leaves lying for seconds. So both may wait, if nobody can tell the difference: every
processor of the provider is the SDK's batch processor, and one of ours stands before them, which has
everything handed over before they flush or shut down. A span that is ended later still says when it ended.
The SDK has no public place for that: processors are asked in the order in which they were added. Where its
tuple of processors is not found, or holds any other processor, all is handed over at once, unless that
processor says `records_may_wait = True` or `spans_may_wait = True`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from opentelemetry._logs import Logger, NoOpLogger
from opentelemetry.trace import NoOpTracer, Tracer

from otel_tokenomics.flow import late


class BeforeFlush:
    """A processor of spans and log records: what waits is handed over before those behind it flush."""

    records_may_wait = spans_may_wait = True

    def on_emit(self, log_record: Any) -> None:
        """Nothing of a record is looked at."""

    def enabled(self, **about: Any) -> bool:
        """It wants no record for itself."""
        return False

    def on_start(self, span: Any, parent_context: Any = None) -> None:
        """Nothing of a span is looked at."""

    def _on_ending(self, span: Any) -> None:
        """Nothing of a span is looked at."""

    def on_end(self, span: Any) -> None:
        """Nothing of a span is looked at."""

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        """Hand over what waits."""
        late.catch_up()
        return True

    def shutdown(self) -> None:
        """Hand over what waits."""
        late.catch_up()


class _Signal(NamedTuple):
    """Where the SDK has the processors of a signal. `kinds` are its chain of them and its batch processor."""

    behind: str
    chain: str
    processors: str
    says: str
    idle: type
    kinds: Callable[[], tuple[type, type]]


def _of_logs() -> tuple[type, type]:
    from opentelemetry.sdk._logs import SynchronousMultiLogRecordProcessor
    from opentelemetry.sdk._logs.export import BatchLogRecordProcessor

    return SynchronousMultiLogRecordProcessor, BatchLogRecordProcessor


def _of_traces() -> tuple[type, type]:
    from opentelemetry.sdk.trace import SynchronousMultiSpanProcessor
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    return SynchronousMultiSpanProcessor, BatchSpanProcessor


_LOGS = _Signal(
    *("_logger", "_multi_log_record_processor", "_log_record_processors", "records_may_wait"),
    NoOpLogger,
    _of_logs,
)
_TRACES = _Signal(
    *("_tracer", "span_processor", "_span_processors", "spans_may_wait"),
    NoOpTracer,
    _of_traces,
)


class Handover:
    """Knows whether what one logger or tracer is given may wait. Processors may be added at any time."""

    def __init__(self, source: Logger | Tracer) -> None:
        self._source: Any = source
        self._signal = _TRACES if isinstance(source, Tracer) else _LOGS
        self._seen: Any = None
        self._may_wait = False

    @property
    def reaches_nobody(self) -> bool:
        """Whether there is no provider, or one that does nothing."""
        return type(self._actual()) is self._signal.idle

    def may_wait(self) -> bool:
        """Whether what is handed over a moment later is where it would be otherwise."""
        signal, actual = self._signal, self._actual()
        chain: Any = getattr(actual, signal.chain, None)
        processors = getattr(chain, signal.processors, None)
        if processors is None:
            return type(actual) is signal.idle
        if processors is not self._seen:
            self._may_wait = _all_patient(signal, chain, processors)
            if self._may_wait:
                _stand_before(signal, chain)
            self._seen = getattr(chain, signal.processors)
        return self._may_wait

    def _actual(self) -> Any:
        """The logger or tracer behind a proxy, once there is a provider."""
        return getattr(self._source, self._signal.behind, self._source)


def _all_patient(signal: _Signal, chain: Any, processors: Any) -> bool:
    one_by_one, batch = signal.kinds()
    return (
        type(chain) is one_by_one
        and isinstance(processors, tuple)
        and bool(processors)
        and all(type(each) is batch or getattr(each, signal.says, False) for each in processors)
    )


def _stand_before(signal: _Signal, chain: Any) -> None:
    with chain._lock:
        processors = getattr(chain, signal.processors)
        if type(processors[0]) is not BeforeFlush:
            setattr(chain, signal.processors, (BeforeFlush(), *processors))
