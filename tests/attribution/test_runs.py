"""A run nests, follows threads, tasks and processes, and its budget is held with all around it."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.budgets._calls import COST, LIFE, create, governed

from otel_tokenomics import BudgetExceededError, Run, attribute, run, usd
from otel_tokenomics.attribution import ambient, runs


def test_a_run_knows_what_its_calls_cost() -> None:
    with governed(f'{LIFE}limit = "9 USD"\nowner = "runs"\n', "memory:") as house, run("triage") as work:
        create(house.client())
        with run("inner") as inner:
            create(house.client())
        assert (work.calls, inner.calls, work.tokens, work.attempts) == (2, 1, 240, 2)
        assert work.cost_femto == 2 * COST * 10**6
        assert str(work.cost) == "0.0008"
        assert work.amplification == 2
        assert (
            work.tree() == "triage: 0.0008 USD, 2 calls, 240 tokens\n  inner: 0.0004 USD, 1 calls, 120 tokens"
        )


def test_a_runs_budget_holds_for_all_within() -> None:
    with governed(f'{LIFE}limit = "9 USD"\nowner = "runs2"\n', "memory:") as house:
        with run("outer", budget=usd("0.0018")), run("inner", budget=usd("0.5")) as inner:
            with pytest.raises(BudgetExceededError, match="budget 'run outer"):
                for _ in range(9):
                    create(house.client())
            assert house.balance(f"run inner|run:{inner.id}") == (inner.calls * COST, 0)
            assert 1 < inner.calls < 5
        create(house.client())


def test_a_runs_calls_carry_its_id() -> None:
    with run("outer") as outer, run("inner") as inner:
        assert ambient.current().tags == {"run.id": inner.id, "run.name": "inner", "run.parent": outer.id}
    assert ambient.current().tags == {}


def test_threads_and_pools_follow() -> None:
    seen: list[Run | None] = []
    with ThreadPoolExecutor(1) as pool:
        pool.submit(int).result()
        with attribute(team="search"), run("work") as work:
            thread = threading.Thread(target=lambda: seen.append(runs.current()))
            thread.start()
            thread.join()
            seen.append(pool.submit(runs.current).result())
            team = pool.submit(ambient.current).result().team
        seen.append(pool.submit(runs.current).result())
    assert seen == [work, work, None]
    assert team == "search"


def test_a_pools_worker_does_not_keep_the_run_that_it_was_started_in() -> None:
    with ThreadPoolExecutor(1) as pool:
        with attribute(team="search"), run("first") as first:
            assert pool.submit(runs.current).result() is first
        assert pool.submit(runs.current).result() is None
        assert pool.submit(ambient.current).result().team is None
        with run("second") as second:
            assert pool.submit(runs.current).result() is second


def test_a_child_process_follows() -> None:
    program = (
        "import json\nfrom otel_tokenomics.attribution import runs\n"
        "chain = runs.current().chain()\n"
        "print(json.dumps([[run.name, run.id, run.limit and run.limit.quantity] for run in chain]))"
    )
    with run("outer", budget=usd("0.5")) as outer, run("inner") as inner:
        told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert json.loads(told.stdout) == [["inner", inner.id, None], ["outer", outer.id, 500_000_000]]


def test_a_child_process_has_the_environment_that_it_was_given() -> None:
    program = "import os; print(sorted(name for name in os.environ if name != 'LC_CTYPE'))"
    with run("work"):
        for given in ({}, {"OF": "ours"}):
            told = subprocess.run(
                [sys.executable, "-c", program], env=given, capture_output=True, text=True, check=True
            )
            assert told.stdout.strip() == repr(sorted([*given, runs.ENVIRONMENT]))


async def test_tasks_follow() -> None:
    async def task() -> Run | None:
        await asyncio.sleep(0)
        return runs.current()

    with run("work") as work:
        found = await asyncio.gather(task(), task())
    assert list(found) == [work, work]


def test_a_decorated_function_is_a_run_each_time() -> None:
    @run("work")
    def work() -> Run | None:
        return runs.current()

    first, second = work(), work()
    assert first is not None and second is not None
    assert first.id != second.id
    assert runs.current() is None


def test_a_generator_is_in_its_run_at_each_step() -> None:
    @run("work")
    def steps() -> Iterator[Run | None]:
        yield runs.current()
        yield runs.current()

    made = steps()
    first = next(made)
    assert runs.current() is None
    assert first is not None and next(made) is first
    assert list(made) == []


async def test_an_async_generator_is_in_its_block_at_each_step() -> None:
    @attribute(team="search")
    async def steps() -> AsyncIterator[str | None]:
        yield ambient.current().team
        yield ambient.current().team

    seen = []
    async for team in steps():
        seen.append((team, ambient.current().team))
    assert seen == [("search", None)] * 2


@pytest.mark.parametrize("text", ["", "x", "[]", "[[1]]", "{}"])
def test_a_broken_environment_is_no_run(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(runs.ENVIRONMENT, text)
    runs._inherited.cache_clear()
    assert runs.current() is None
    monkeypatch.undo()
    runs._inherited.cache_clear()
