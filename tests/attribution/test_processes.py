"""A run follows processes that are spawned or forked by a server, and the jobs of process pools."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from typing import Any

import pytest
from tests.attribution import _work

from otel_tokenomics import attribute, run, usd
from otel_tokenomics.attribution import ambient, processes, runs
from otel_tokenomics.model.attribution import UNATTRIBUTED


@pytest.mark.parametrize("kind", ["forkserver", "spawn", "subclass"])
def test_a_process_follows(kind: str) -> None:
    context: Any = multiprocessing.get_context("spawn" if kind == "subclass" else kind)
    start: Any = _work.Worker
    if kind != "subclass":

        def start(sender: Any) -> Any:
            return context.Process(target=_work.tell, args=(sender,))

    with attribute(team="search"), run("outer", budget=usd("0.5")) as outer, run("inner") as inner:
        (here, thread, child), kept = _work.told_by(start)
    chain = [("inner", inner.id, None), ("outer", outer.id, 500_000_000)]
    assert here == thread == (chain, "search")
    assert child == inner.id
    assert processes._KEPT not in kept


def test_each_job_of_a_pool_is_in_its_own_run() -> None:
    with run("first") as first:
        # The worker is started in this run, and outlives it.
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
            with attribute(team="search"):
                assert pool.submit(_work.in_a_thread).result() == ([("first", first.id, None)], "search")
            with run("second", budget=usd(2)) as second:
                chain = [("second", second.id, 2 * 10**9), ("first", first.id, None)]
                assert pool.submit(_work.seen).result() == (chain, None)
            done = pool.submit(_work.fail)
            with pytest.raises(ZeroDivisionError, match="its own"):
                done.result()
            with pytest.raises((AttributeError, Exception), match=r"(?i)pickle"):
                pool.submit(lambda: None).result()


def test_a_forked_worker_does_not_keep_the_run_that_it_was_forked_in() -> None:
    with ProcessPoolExecutor(1, multiprocessing.get_context("fork")) as pool:
        with attribute(team="search"), run("first") as first:
            assert pool.submit(_work.seen).result() == ([("first", first.id, None)], "search")
        assert pool.submit(_work.seen).result() == ([], None)


class InterpreterPoolExecutor(ThreadPoolExecutor):
    """As Python 3.14 has one: its jobs are pickled."""


def test_a_job_that_will_be_pickled_stays_as_it_is() -> None:
    with run("work") as work:
        with ThreadPoolExecutor(1) as threads, InterpreterPoolExecutor(1) as interpreters:
            assert threads.submit(runs.current).result() is work
            assert interpreters.submit(runs.current).result() is None


def broken(*args: object) -> object:
    raise RuntimeError("of ours")


def test_a_job_leaves_its_run(monkeypatch: pytest.MonkeyPatch) -> None:
    with run("work") as work:
        told = work.environment()[runs.ENVIRONMENT]
    job = processes.Job(_work.seen, told, UNATTRIBUTED)
    assert job() == ([("work", work.id, None)], None)
    assert runs.current() is None
    with pytest.raises(ZeroDivisionError):
        processes.Job(_work.fail, told, UNATTRIBUTED)()
    monkeypatch.setattr(ambient, "enter", broken)
    assert processes.Job(_work.in_a_thread, told, UNATTRIBUTED)()[0] == [("work", work.id, None)]
    assert processes.Job(int, "no run", UNATTRIBUTED)() == 0
    assert runs.current() is None


def test_what_cannot_be_followed_is_started_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "Passport", None)
    started = processes._starting(lambda process: process)
    with run("work"):
        process = multiprocessing.Process()
        assert started(process) is process
    submitted = processes._submitting(lambda pool, job: job)
    monkeypatch.setattr(processes, "_knows_us", lambda: False)
    assert submitted(None, int) is int
