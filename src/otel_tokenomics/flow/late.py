"""Work that must not happen on the caller's path: one daemon thread and its queue.

Two kinds of call end here: streams that the garbage collector ended, because a settlement takes locks
that the interrupted code may hold; and calls whose tokens must be counted, because loading a
tokenizer takes longer than a caller may wait. `SimpleQueue.put` may be called from a finalizer.
"""

from __future__ import annotations

import atexit
import gc
import os
import threading
from collections.abc import Callable
from queue import SimpleQueue

from otel_tokenomics.flow.guard import guarded

_EXIT_SECONDS = 5.0

Job = Callable[[], None]


class _Worker:
    def __init__(self) -> None:
        self.jobs: SimpleQueue[Job] = SimpleQueue()
        self.lock = threading.Lock()
        self.thread: threading.Thread | None = None
        self.farewells: list[Job] = []

    def run(self) -> None:
        while True:
            job = self.jobs.get()
            with guarded("late.job"):
                job()


_worker = _Worker()


def start() -> None:
    """Start the thread. Called where a late job becomes possible, never from a finalizer."""
    if _worker.thread is not None:
        return
    with _worker.lock:
        if _worker.thread is None:
            # Registered this late so that it runs before the shutdown of OpenTelemetry's providers.
            atexit.register(_leave, _worker)
            if _watch not in gc.callbacks:
                gc.callbacks.append(_watch)
            _worker.thread = threading.Thread(target=_worker.run, name="tokenomics-late", daemon=True)
            _worker.thread.start()


_collecting: set[int] = set()


def collecting() -> bool:
    """Whether this thread is inside a run of the garbage collector, where no lock may be taken."""
    return bool(_collecting) and threading.get_ident() in _collecting


def _watch(phase: str, info: dict[str, int]) -> None:
    if phase == "start":
        _collecting.add(threading.get_ident())
    else:
        _collecting.discard(threading.get_ident())


def submit(job: Job) -> None:
    """Do `job` later, in order. Safe in a finalizer."""
    _worker.jobs.put(job)


def soon(job: Job) -> None:
    """Do `job` later, or now if this is already the late thread."""
    if threading.current_thread() is _worker.thread:
        job()
    else:
        start()
        submit(job)


def at_exit(job: Job) -> None:
    """Do `job` once when the interpreter exits, before the queue is drained for the last time."""
    _worker.farewells.append(job)


def drain(timeout: float = _EXIT_SECONDS) -> bool:
    """Wait until everything submitted so far is done; false if that took longer than `timeout` seconds."""
    start()
    done = threading.Event()
    submit(done.set)
    return done.wait(timeout)


def _leave(worker: _Worker) -> None:
    if worker is not _worker:
        return
    for farewell in worker.farewells:
        with guarded("late.farewell"):
            farewell()
    drain()


def _forget_parent() -> None:
    global _worker
    _collecting.clear()
    farewells = _worker.farewells
    _worker = _Worker()
    _worker.farewells = farewells


os.register_at_fork(after_in_child=_forget_parent)
