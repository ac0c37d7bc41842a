"""Flushing when a container is stopped: opt-in, since a signal handler belongs to the application."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from functools import partial
from types import FrameType

from otel_tokenomics.flow.guard import attempt

_SECONDS = 8.0
"""Less than the ten seconds that container runtimes usually grant between SIGTERM and SIGKILL."""


def flush_on_sigterm(flush: Callable[[], None]) -> bool:
    """Call `flush` when SIGTERM ends this process, which by default loses what the SDK has queued.

    Installs a handler only on the main thread and only where nobody else has: whoever handles SIGTERM
    ends the process by itself, and the SDK then flushes. After `flush`, whether it failed or not, the
    default action ends the process as if there had been no handler. Whether it was installed.
    """
    if threading.current_thread() is not threading.main_thread():
        return False
    if signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        return False

    def handle(number: int, frame: FrameType | None) -> None:
        try:
            # In a thread, for a while: the interrupted code may hold a lock that the flush needs.
            guarded_flush = partial(attempt, "sigterm.flush", flush, None)
            flushing = threading.Thread(target=guarded_flush, name="tokenomics-flush", daemon=True)
            flushing.start()
            flushing.join(_SECONDS)
        finally:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)

    signal.signal(signal.SIGTERM, handle)
    return True
