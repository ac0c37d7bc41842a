"""Runs follow the processes that `multiprocessing` starts inside one, and the jobs of process pools.

A forked process is where its parent was. One that is spawned, or forked by a server, is told by what is
pickled for it: the process, or each job of a `ProcessPoolExecutor`, whose workers outlive a run.
What fails here fails silently: a process or a job is started all the same, outside the run.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import wraps
from typing import Any

import wrapt

from otel_tokenomics.attribution import ambient, runs
from otel_tokenomics.model.attribution import Attribution

_KEPT = "_otel_tokenomics_run"
"""Under what name a process carries what it is told while it is started."""
_WORKER = "_process_worker"


def follow() -> None:
    """Let runs follow processes and the jobs of pools, once the application imports what starts them."""
    wrapt.register_post_import_hook(_follow_processes, "multiprocessing.process")
    wrapt.register_post_import_hook(_follow_jobs, "concurrent.futures.process")


def _follow_processes(module: Any) -> None:
    with suppress(Exception):
        module.BaseProcess.start = _starting(module.BaseProcess.start)


def _follow_jobs(module: Any) -> None:
    with suppress(Exception):
        module.ProcessPoolExecutor.submit = _submitting(module.ProcessPoolExecutor.submit)


class Passport:
    """Goes along with a process that is started: where it is unpickled, its run goes on."""

    def __init__(self, work: runs.Run) -> None:
        self._told = work.environment(), ambient.current()

    def __reduce__(self) -> tuple[Any, ...]:
        return arrive, self._told


class Job:
    """A job of a process pool, in the run and with the owners of whoever submitted it, or in none."""

    def __init__(self, function: Callable[..., Any], told: str | None, owners: Attribution) -> None:
        self._all = function, told, owners

    def __reduce__(self) -> tuple[Any, ...]:
        return Job, self._all

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        function, told, owners = self._all
        work = None
        with suppress(Exception):
            work = _of(told)
        with runs.part_of(work, owners):
            return function(*args, **kwargs)


def arrive(told: dict[str, str], owners: Attribution) -> None:
    """This process is part of a run. Called where its passport is unpickled; raises nothing."""
    with suppress(Exception):
        runs.inherit(told)
        ambient.enter(owners)
        _follow_on()


def _of(told: str | None) -> runs.Run | None:
    """The run of a job, and what is needed to be in it."""
    work = None if told is None else runs.told_of(told)
    if work is not None:
        _follow_on()
        if any(run.limit is not None for run in work.chain()):
            runs.ready()
    return work


def _follow_on() -> None:
    from otel_tokenomics.attribution.following import follow as follow_all

    follow_all()


def _starting(original: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(original)
    def start(process: Any, *args: Any, **kwargs: Any) -> Any:
        with suppress(Exception):
            work = runs.current()
            if work is not None and _knows_us() and not _is_worker(process):
                vars(process)[_KEPT] = Passport(work)
        try:
            return original(process, *args, **kwargs)
        finally:
            with suppress(Exception):
                vars(process).pop(_KEPT, None)

    return start


def _submitting(original: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(original)
    def submit(pool: Any, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        carried = function
        with suppress(Exception):
            if callable(function) and _knows_us():
                work = runs.current()
                told = None if work is None else work.environment()[runs.ENVIRONMENT]
                carried = Job(function, told, ambient.current())
        return original(pool, carried, *args, **kwargs)

    return submit


def _knows_us() -> bool:
    """Whether what is started runs the same Python, and so can import this module."""
    spawn = sys.modules.get("multiprocessing.spawn")
    return spawn is None or os.fsdecode(spawn.get_executable() or "") == sys.executable


def _is_worker(process: Any) -> bool:
    """Whether it serves a pool whose jobs say themselves what they are part of."""
    return getattr(getattr(process, "_target", None), "__name__", None) == _WORKER
