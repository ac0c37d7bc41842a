"""The guard: a fault of ours, or of OpenTelemetry below us, never reaches the application.

In production a fault is counted, logged once for each cause, and swallowed. A log line carries the
place and the class of the exception, never its message: messages carry prompts, keys and URLs.
With `strict` the fault is raised again, so that a test cannot pass over it.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import TypeVar, TypeVarTuple

log = logging.getLogger("otel_tokenomics")

_Value = TypeVar("_Value")
_Asked = TypeVarTuple("_Asked")
_lock = threading.Lock()
_faults: dict[str, int] = {}
_MOST_CAUSES = 256
_OTHERS = "other causes"


class _Mode:
    strict = False


def set_strict(strict: bool) -> None:
    """Raise faults again instead of swallowing them: for tests and staging."""
    _Mode.strict = strict


def faults() -> dict[str, int]:
    """Faults swallowed in this process, by `place:exception class`."""
    with _lock:
        return dict(_faults)


def fault(place: str, error: BaseException) -> None:
    """Count one fault, and log it if it is the first of its cause."""
    cause = f"{place}:{type(error).__name__}"
    with _lock:
        known = cause in _faults
        if not known and len(_faults) >= _MOST_CAUSES - 1:
            known, cause = _OTHERS in _faults, _OTHERS
        _faults[cause] = _faults.get(cause, 0) + 1
    if not known:
        # The application's own logging handlers and filters may raise.
        with suppress(Exception):
            log.warning(
                "%s failed with %s; the application's call is not affected, but its usage may be "
                "incomplete. Logged once for this cause.",
                place,
                type(error).__name__,
            )
    if _Mode.strict:
        raise error


class guarded:
    """Swallow, count and log an `Exception` raised in the block. `KeyboardInterrupt` and the like pass.

    So do exceptions of the classes `passing`, which are no faults. It holds nothing of a block, and may be
    entered again, and by several threads.
    """

    __slots__ = ("_passing", "_place")

    def __init__(self, place: str, *passing: type[Exception]) -> None:
        self._place, self._passing = place, passing

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if not isinstance(error, Exception) or isinstance(error, self._passing):
            return False
        fault(self._place, error)
        return True


def attempt(place: str, act: Callable[[*_Asked], _Value], otherwise: _Value, *asked: *_Asked) -> _Value:
    """The value of `act` with what is `asked` of it, or `otherwise` if it fails."""
    try:
        return act(*asked)
    except Exception as error:
        fault(place, error)
        return otherwise
