"""`attribute`: in blocks, in functions, in tasks, and not in threads that were not asked."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import threading
from collections.abc import AsyncGenerator, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

import pytest

from otel_tokenomics.attribution.ambient import attribute, current
from otel_tokenomics.model.attribution import OWNERS, UNATTRIBUTED, Attribution


@pytest.fixture(autouse=True)
def nothing_leaks() -> Iterator[None]:
    assert current() is UNATTRIBUTED
    yield
    assert current() is UNATTRIBUTED


def test_outside_of_a_block_nobody_is_named() -> None:
    assert current().owners() == {}


@pytest.mark.parametrize("owner", OWNERS)
def test_each_owner_can_be_named(owner: str) -> None:
    with attribute(**{owner: "x"}) as named:  # type: ignore[arg-type]
        assert current() is named
        assert named.owners() == {owner: "x"}


def test_blocks_nest_and_the_inner_one_overrides() -> None:
    with attribute(team="search", tags={"a": "1"}):
        with attribute(team="core", user="u1", tags={"b": "2"}):
            assert current() == Attribution(team="core", user="u1", tags={"a": "1", "b": "2"})
        assert current() == Attribution(team="search", tags={"a": "1"})


def test_an_error_leaves_the_block_as_any_end_does() -> None:
    with pytest.raises(ZeroDivisionError), attribute(team="search"):
        raise ZeroDivisionError
    assert current() is UNATTRIBUTED


def test_one_block_can_be_entered_again_inside_itself() -> None:
    block = attribute(team="search")
    with block, attribute(user="u1"), block:
        assert current().owners() == {"team": "search", "user": "u1"}


@attribute(feature="recursion")
def countdown(n: int) -> list[Attribution]:
    return [current(), *(countdown(n - 1) if n else [])]


def test_a_decorated_function_is_attributed_and_may_recurse() -> None:
    assert countdown(3) == [Attribution(feature="recursion")] * 4


def test_a_decorated_function_is_attributed_over_its_caller() -> None:
    with attribute(team="search", feature="other"):
        assert countdown(0) == [Attribution(team="search", feature="recursion")]


async def test_a_decorated_coroutine_function_is_attributed() -> None:
    @attribute(team="search")
    async def work() -> Attribution:
        return current()

    assert await work() == Attribution(team="search")


async def test_tasks_started_inside_inherit_and_do_not_mix() -> None:
    gate = asyncio.Event()

    async def work() -> str | None:
        await gate.wait()
        return current().team

    with attribute(team="a"):
        first = asyncio.create_task(work())
    with attribute(team="b"):
        second = asyncio.create_task(work())
    gate.set()
    assert tuple(await asyncio.gather(first, second)) == ("a", "b")


def test_a_thread_inherits_only_a_copied_context() -> None:
    with ThreadPoolExecutor(1) as pool, attribute(team="search"):
        assert pool.submit(current).result() is UNATTRIBUTED
        copied = contextvars.copy_context()
        assert pool.submit(copied.run, current).result().team == "search"


def test_threads_that_share_a_decorated_function_do_not_share_its_block() -> None:
    meet = threading.Barrier(4, timeout=10)

    @attribute(feature="shared")
    def work(_: int) -> Attribution:
        meet.wait()
        return current()

    with ThreadPoolExecutor(4) as pool:
        assert set(map(repr, pool.map(work, range(4)))) == {repr(Attribution(feature="shared"))}


def test_claims_are_cleaned() -> None:
    tags = {"": "x", "ok": "a\nb", "n": 7, "none": None}
    with attribute(team="", user="a\nb", tags=tags) as named:  # type: ignore[arg-type]
        assert named == Attribution(user="a\ufffdb", tags={"ok": "a\ufffdb", "n": "7"})


def test_an_id_that_is_a_number_is_an_id() -> None:
    tenant = UUID(int=5)
    with attribute(user=0, tenant=tenant, team=True, project=1.5) as named:  # type: ignore[arg-type]
        assert named == Attribution(user="0", tenant=str(tenant))


Step = tuple[str | None, object]


@attribute(team="search")
def conversation() -> Generator[Step, object, str]:
    heard: object = None
    while heard != "end":
        try:
            heard = yield current().team, heard
        except ZeroDivisionError as error:
            heard = repr(error)
    return "done"


def test_a_decorated_generator_hears_what_is_sent_and_thrown_and_returns() -> None:
    talk = conversation()
    assert inspect.isgeneratorfunction(conversation)
    assert next(talk) == ("search", None)
    assert talk.send("more") == ("search", "more")
    assert talk.throw(ZeroDivisionError("x")) == ("search", "ZeroDivisionError('x')")
    with pytest.raises(StopIteration) as ended:
        talk.send("end")
    assert ended.value.value == "done"
    left = conversation()
    next(left)
    left.close()


async def test_a_decorated_async_generator_hears_them_too() -> None:
    closed: list[str | None] = []

    @attribute(team="search")
    async def talk() -> AsyncGenerator[Step, object]:
        heard: object = None
        try:
            while True:
                try:
                    heard = yield current().team, heard
                except asyncio.CancelledError:
                    heard = "cancelled"
        finally:
            closed.append(current().team)

    steps = talk()
    assert inspect.isasyncgenfunction(talk)
    assert await anext(steps) == ("search", None)
    assert await steps.asend("more") == ("search", "more")
    assert await steps.athrow(asyncio.CancelledError()) == ("search", "cancelled")
    assert current() is UNATTRIBUTED
    await steps.aclose()
    assert closed == ["search"]


def test_a_block_that_ends_in_another_context_ends_nothing_there() -> None:
    block = attribute(team="search")
    contextvars.copy_context().run(block.__enter__)
    with attribute(user="u1"):
        block.__exit__(None, None, None)
        assert current().owners() == {"user": "u1"}


def test_blocks_may_end_in_any_order() -> None:
    outer, inner = attribute(team="search", user="u1"), attribute(user="u2")
    outer.__enter__()
    inner.__enter__()
    outer.__exit__(None, None, None)
    assert current().owners() == {"user": "u2"}
    inner.__exit__(None, None, None)


def test_threads_that_share_a_block_do_not_end_each_others() -> None:
    meet, block = threading.Barrier(4, timeout=10), attribute(team="shared")

    def work(number: int) -> list[dict[str, str]]:
        with attribute(user=str(number)), block:
            meet.wait()
            inside = current().owners()
            meet.wait()
        return [inside, current().owners()]

    with ThreadPoolExecutor(4) as pool:
        for number, seen in enumerate(pool.map(work, range(4))):
            assert seen == [{"team": "shared", "user": str(number)}, {}]
