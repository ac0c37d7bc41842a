"""Work that must not happen on the caller's path: one daemon thread, its queue, and what is put off.

Two kinds of call are submitted: streams that the garbage collector ended, because a settlement takes locks
that the interrupted code may hold; and calls whose tokens must be counted, because loading a
tokenizer takes longer than a caller may wait. `SimpleQueue.put` may be called from a finalizer.

What every call leaves to be told is put off, which costs the caller an append, and done in one go: a moment
later, when many wait, or before anybody flushes, collects or exits. One after another the same work takes
less time than within a call, where the processor's caches hold the client library's code.
"""

from __future__ import annotations

import atexit
import gc
import os
import threading
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from queue import Empty, SimpleQueue

from otel_tokenomics.flow.guard import guarded

MOMENT = 0.1
"""Seconds for which a job that is put off briefly waits: well below the interval of any exporter."""

MANY = 256
"""Jobs that may wait to be asked for; with that many they are done."""

_MOST = 16 * MANY
"""Jobs beyond which the late thread is not keeping up, so that callers do them."""

_EXIT_SECONDS = 5.0

Job = Callable[[], None]


class _Worker:
    def __init__(self) -> None:
        self.jobs: SimpleQueue[Job] = SimpleQueue()
        self.lock = threading.Lock()
        self.thread: threading.Thread | None = None
        self.farewells: list[Job] = []
        self.put_off: deque[Job] = deque()
        self.once: set[Job] = set()
        self.due: float | None = None
        self.catching_up = threading.RLock()
        self.by: int | None = None
        """The thread that is catching up."""

    def run(self) -> None:
        while True:
            with guarded("late.job"):
                self._next()()

    def _next(self) -> Job:
        wait = None if self.due is None else self.due - time.monotonic()
        if wait is not None and wait <= 0:
            return catch_up
        try:
            return self.jobs.get(timeout=wait)
        except Empty:
            return catch_up


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
            thread = threading.Thread(target=_worker.run, name="tokenomics-late", daemon=True)
            thread.start()
            _worker.thread = thread


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


def put_off(job: Job, briefly: bool = False) -> None:
    """Do `job` when somebody asks for it, or when many wait; with `briefly` at the latest a moment later.

    On the caller's path: an append, and once in a moment the waking of the late thread. What a job that was
    put off puts off itself is done now: all is told in the order of the calls.
    """
    worker = _worker
    if worker.by == threading.get_ident():
        with guarded("late.put_off"):
            job()
        return
    worker.put_off.append(job)
    if briefly and worker.due is None:
        worker.due = time.monotonic() + MOMENT
        _wake(_nothing)
    waiting = len(worker.put_off)
    if waiting >= MANY and waiting % MANY == 0:
        _wake(catch_up) if waiting < _MOST else catch_up()


def put_off_once(job: Job) -> None:
    """`put_off`, unless the same job waits already: it finds what is noted for it meanwhile."""
    worker = _worker
    if job not in worker.once:
        worker.once.add(job)
        put_off(partial(_once, worker, job))


def _once(worker: _Worker, job: Job) -> None:
    worker.once.discard(job)
    job()


def catch_up() -> None:
    """Do now, and in order, what was put off.

    When it returns all of that is done, also what another thread was about to do.
    """
    worker = _worker
    worker.due = None
    while True:
        with worker.catching_up:
            try:
                job = worker.put_off.popleft()
            except IndexError:
                return
            before, worker.by = worker.by, threading.get_ident()
            try:
                with guarded("late.put_off"):
                    job()
            finally:
                worker.by = before


def _wake(job: Job) -> None:
    try:
        start()
        submit(job)
    except RuntimeError:
        # The interpreter, or the system, gives no more threads.
        catch_up()


def _nothing() -> None:
    """Wakes the thread, which then sees when what was put off is due."""


def at_exit(job: Job) -> None:
    """Do `job` once when the interpreter exits, before the queue is drained for the last time."""
    _worker.farewells.append(job)


def drain(timeout: float = _EXIT_SECONDS) -> bool:
    """Wait until everything submitted or put off so far is done; false if that took longer than `timeout`
    seconds."""
    start()
    done = threading.Event()
    submit(catch_up)
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
