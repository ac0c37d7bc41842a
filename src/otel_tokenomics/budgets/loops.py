"""The loop guard: the same call, sent again and again by the same agent, is refused."""

from __future__ import annotations

import json
import threading
import time
from collections import OrderedDict
from collections.abc import Callable

from otel_tokenomics.budgets.budget import LoopGuard
from otel_tokenomics.budgets.worst import Asked

_MOST = 4096


class Loops:
    """Remembers, within bounds, when calls were sent, by a hash that leaves the process nowhere."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._sent: OrderedDict[tuple[str, int], list[float]] = OrderedDict()

    def repeats(self, account: str, asked: Asked, guard: LoopGuard) -> bool:
        """Whether this call has been let through as often as the guard allows. Takes note of it if not."""
        key, now = (account, _fingerprint(asked)), self._clock()
        with self._lock:
            times = [at for at in self._sent.get(key, ()) if now - at < guard.seconds]
            repeats = len(times) >= guard.calls
            self._sent[key] = times if repeats else [*times, now]
            self._sent.move_to_end(key)
            while len(self._sent) > _MOST:
                self._sent.popitem(last=False)
        return repeats


def _fingerprint(asked: Asked) -> int:
    """Equal for equal requests. What is not plain data is taken by its class, and not called."""
    body = json.dumps(asked.body, sort_keys=True, default=lambda value: type(value).__name__)
    return hash((asked.facts.provider, asked.facts.route, body))
