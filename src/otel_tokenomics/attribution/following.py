"""Runs follow the threads, thread pools and child processes that are started inside one.

Python gives a new thread an empty context. Nothing is touched before the first run of a process.
What fails here fails silently: a thread, a job or a process is started all the same, outside the run.
"""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import wraps
from typing import Any

from otel_tokenomics.attribution import ambient, processes, runs

_INTERPRETERS = "InterpreterPoolExecutor"
"""A pool of threads whose jobs are pickled, as a closure cannot be."""


class _Followed:
    done = False


def follow() -> None:
    """Let runs follow threads, thread pools and child processes that are started inside one. Done once."""
    if _Followed.done:
        return
    _Followed.done = True
    threading.Thread.start = _starting(threading.Thread.start)  # type: ignore[method-assign]
    ThreadPoolExecutor.submit = _submitting(ThreadPoolExecutor.submit)  # type: ignore[method-assign]
    subprocess.Popen.__init__ = _opening(subprocess.Popen.__init__)  # type: ignore[method-assign]
    processes.follow()


def _carried(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, in the run and with the owners of whoever hands it over."""
    work, owners = runs.current(), ambient.current()
    if work is None:
        return function

    @wraps(function)
    def carried(*args: Any, **kwargs: Any) -> Any:
        with runs.part_of(work, owners):
            return function(*args, **kwargs)

    return carried


def _starting(original: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(original)
    def start(thread: threading.Thread, *args: Any, **kwargs: Any) -> Any:
        with suppress(Exception):
            if runs.current() is not None and not _is_worker(thread):
                thread.run = _carried(thread.run)  # type: ignore[method-assign]
        return original(thread, *args, **kwargs)

    return start


def _is_worker(thread: threading.Thread) -> bool:
    """Whether it serves a pool: it outlives the run that it is started in, and its jobs tell their own."""
    target = getattr(thread, "_target", None)
    return getattr(target, "__module__", None) == ThreadPoolExecutor.__module__


def _submitting(original: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(original)
    def submit(pool: Any, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        carried = function
        with suppress(Exception):
            if not any(kind.__name__ == _INTERPRETERS for kind in type(pool).__mro__):
                carried = _carried(function)
        return original(pool, carried, *args, **kwargs)

    return submit


def _opening(original: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(original)
    def __init__(process: Any, *args: Any, **kwargs: Any) -> None:
        with suppress(Exception):
            work = runs.current()
            if work is not None and len(args) < 11:
                given: Mapping[str, str] | None = kwargs.get("env")
                # An empty environment is one that the application asked for.
                kwargs["env"] = {**(os.environ if given is None else given), **work.environment()}
        original(process, *args, **kwargs)

    return __init__
