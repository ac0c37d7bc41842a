"""Late work: in order, on one thread, past failures, and waited for."""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable, Iterator

import pytest

from otel_tokenomics.flow import guard, late


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    guard.set_strict(False)
    assert late.drain(10)
    yield
    assert late.drain(10)


def held() -> Callable[[], None]:
    """Hold the late thread until the result is called."""
    running, gate = threading.Event(), threading.Event()

    def hold() -> None:
        running.set()
        gate.wait(10)

    late.start()
    late.submit(hold)
    assert running.wait(10)
    return gate.set


def test_jobs_are_done_in_order_on_one_other_thread() -> None:
    done: list[tuple[int, int]] = []
    for n in range(100):
        late.soon(lambda n=n: done.append((n, threading.get_ident())))  # type: ignore[misc]
    assert late.drain(10)
    assert [n for n, _ in done] == list(range(100))
    assert {thread for _, thread in done} != {threading.get_ident()}
    assert len({thread for _, thread in done}) == 1


def test_drain_says_when_it_could_not_wait() -> None:
    release = held()
    assert not late.drain(0)
    release()
    assert late.drain(10)


def fail() -> None:
    raise IndexError


def test_a_failing_job_does_not_stop_the_thread() -> None:
    done = []
    before = guard.faults().get("late.job:IndexError", 0)
    late.soon(fail)
    late.soon(lambda: done.append(1))
    assert late.drain(10)
    assert done == [1]
    assert guard.faults()["late.job:IndexError"] == before + 1


def test_soon_from_the_late_thread_is_now() -> None:
    done = []

    def outer() -> None:
        late.soon(lambda: done.append("inner"))
        done.append("outer")

    late.soon(outer)
    assert late.drain(10)
    assert done == ["inner", "outer"]


def test_submitting_from_a_finalizer_is_safe() -> None:
    done = []

    class Dropped:
        def __init__(self) -> None:
            self.itself = self

        def __del__(self) -> None:
            late.submit(lambda: done.append(late.collecting()))

    late.start()
    Dropped()
    gc.collect()
    assert late.drain(10)
    assert done == [False]


def test_a_collection_is_noticed_on_its_own_thread() -> None:
    seen = []

    class Dropped:
        def __init__(self) -> None:
            self.itself = self

        def __del__(self) -> None:
            seen.append(late.collecting())

    late.start()
    assert not late.collecting()
    Dropped()
    gc.collect()
    assert seen == [True]
    assert not late.collecting()


def test_starting_twice_starts_one_thread() -> None:
    late.start()
    thread = late._worker.thread
    late.start()
    assert late._worker.thread is thread
    assert [each.name for each in threading.enumerate()].count("tokenomics-late") == 1


def test_what_is_put_off_is_done_in_order_when_somebody_asks() -> None:
    done: list[int] = []
    for n in range(10):
        late.put_off(lambda n=n: done.append(n))  # type: ignore[misc]
    assert done == []
    late.catch_up()
    assert done == list(range(10))


def test_a_failing_job_that_was_put_off_does_not_stop_the_others() -> None:
    done: list[int] = []
    late.put_off(fail)
    late.put_off(lambda: done.append(1))
    late.catch_up()
    assert done == [1]


def test_what_is_put_off_briefly_is_done_by_itself() -> None:
    done = threading.Event()
    late.put_off(done.set, briefly=True)
    assert done.wait(10)


def test_what_a_job_puts_off_is_done_before_the_job_after_it() -> None:
    done: list[str] = []

    def outer() -> None:
        late.put_off(lambda: done.append("inner"))
        done.append("outer")

    late.put_off(outer)
    late.put_off(lambda: done.append("next"))
    late.catch_up()
    assert done == ["inner", "outer", "next"]


def test_what_waits_already_is_not_put_off_again() -> None:
    noted, done = [1, 2], []

    def job() -> None:
        done.append(list(noted))
        noted.clear()

    release = held()
    late.put_off_once(job)
    late.put_off_once(job)
    noted.append(3)
    late.catch_up()
    assert done == [[1, 2, 3]], "it finds what was noted meanwhile"
    late.put_off_once(job)
    late.catch_up()
    assert done == [[1, 2, 3], []], "and is put off again once it was done"
    release()


def test_many_that_wait_are_done_without_being_asked_for() -> None:
    done = threading.Event()
    for _ in range(late.MANY - 1):
        late.put_off(lambda: None)
    late.put_off(done.set)
    assert done.wait(10)


def test_callers_help_when_the_late_thread_does_not_keep_up() -> None:
    release, done = held(), []
    for n in range(late._MOST):
        late.put_off(lambda n=n: done.append(n))  # type: ignore[misc]
    assert done == list(range(late._MOST))
    release()


def test_without_another_thread_it_is_done_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread at interpreter shutdown")

    done: list[int] = []
    monkeypatch.setattr(late, "_worker", late._Worker())
    monkeypatch.setattr(threading.Thread, "start", refuse)
    late.put_off(lambda: done.append(1), briefly=True)
    assert done == [1]


def test_who_asks_waits_for_what_another_thread_is_doing() -> None:
    begun, go_on, done = threading.Event(), threading.Event(), []

    def slow() -> None:
        begun.set()
        assert go_on.wait(10)
        done.append("slow")

    late.put_off(slow)
    other = threading.Thread(target=late.catch_up)
    other.start()
    assert begun.wait(10)
    timer = threading.Timer(0.05, go_on.set)
    timer.start()
    late.catch_up()
    assert done == ["slow"]
    other.join(10)


def test_a_drain_does_what_was_put_off() -> None:
    done: list[int] = []
    late.put_off(lambda: done.append(1))
    assert late.drain(10)
    assert done == [1]


def test_farewells_run_once_each_even_if_one_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    monkeypatch.setattr(late._worker, "farewells", [])
    late.at_exit(lambda: done.append("first"))
    late.at_exit(fail)
    late.at_exit(lambda: late.submit(lambda: done.append("queued by the third")))
    late._leave(late._worker)
    assert done == ["first", "queued by the third"]


def test_the_worker_of_a_parent_process_says_no_farewell(monkeypatch: pytest.MonkeyPatch) -> None:
    other = late._Worker()
    other.farewells.append(lambda: pytest.fail("a forked child left for its parent"))
    late._leave(other)
