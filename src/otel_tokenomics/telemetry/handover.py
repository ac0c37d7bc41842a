"""When a usage record is handed to the logs SDK: before the call returns, or a moment later.

Handing it over takes some 40 us within a call, which a batch processor then leaves lying for a second. So
it may wait, if nobody can tell the difference: every processor of the logger provider is the SDK's batch
processor, and one of ours stands before them, which has everything handed over before they flush or shut
down. The SDK has no public place for that: processors are asked in the order in which they were added. Where
its tuple of processors is not found, or holds any other processor, records are handed over at once, unless
that processor says `records_may_wait = True`.
"""

from __future__ import annotations

from typing import Any

from opentelemetry._logs import Logger, NoOpLogger

from otel_tokenomics.flow import late


class BeforeFlush:
    """A log record processor: what waits is handed over before those behind it flush or shut down."""

    records_may_wait = True

    def on_emit(self, log_record: Any) -> None:
        """Nothing of a record is looked at."""

    def enabled(self, **about: Any) -> bool:
        """It wants no record for itself."""
        return False

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        """Hand over what waits."""
        late.catch_up()
        return True

    def shutdown(self) -> None:
        """Hand over what waits."""
        late.catch_up()


class Handover:
    """Knows whether the records of one logger may wait. Processors may be added at any time."""

    def __init__(self, logger: Logger) -> None:
        self._logger = logger
        self._seen: Any = None
        self._may_wait = False

    @property
    def reaches_nobody(self) -> bool:
        """Whether there is no logger provider, or one that does nothing."""
        return type(_actual(self._logger)) is NoOpLogger

    def may_wait(self) -> bool:
        """Whether a record that is handed over a moment later is where it would be otherwise."""
        logger = _actual(self._logger)
        all_of_them: Any = getattr(logger, "_multi_log_record_processor", None)
        processors = getattr(all_of_them, "_log_record_processors", None)
        if processors is None:
            return type(logger) is NoOpLogger
        if processors is not self._seen:
            self._may_wait = _all_patient(processors)
            if self._may_wait:
                _stand_before(all_of_them)
            self._seen = all_of_them._log_record_processors
        return self._may_wait


def _actual(logger: Any) -> Any:
    """The logger behind a proxy, once there is a provider."""
    return getattr(logger, "_logger", logger)


def _all_patient(processors: Any) -> bool:
    from opentelemetry.sdk._logs.export import BatchLogRecordProcessor

    return (
        isinstance(processors, tuple)
        and bool(processors)
        and all(
            type(each) is BatchLogRecordProcessor or getattr(each, "records_may_wait", False)
            for each in processors
        )
    )


def _stand_before(all_of_them: Any) -> None:
    with all_of_them._lock:
        processors = all_of_them._log_record_processors
        if type(processors[0]) is not BeforeFlush:
            all_of_them._log_record_processors = (BeforeFlush(), *processors)
