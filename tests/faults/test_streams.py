"""Rows 24 to 36 and 43: streams that are read, broken, dropped, closed, cancelled, shared or never read."""

from __future__ import annotations

import asyncio
import gc
import logging
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import pytest
from tests.faults.cases import (
    ALL,
    CASES,
    Case,
    Transcript,
    call,
    chain,
    differential,
    dumped,
    having,
    streamed,
    told,
)
from tests.support.either import close, items, step, value
from tests.support.telemetry import Telemetry, instrumented
from tests.support.wire import Part, Reply, Wire

asynchronous = pytest.mark.parametrize(
    "case", [case for case in CASES if case.asynchronous and case.stream], ids=str
)
Turn = Callable[[Any], Awaitable[Any]]


async def collected(telemetry: Telemetry) -> dict[str, Any]:
    """The one record, once the event loop and the garbage collector have had their turn."""
    for _ in range(4):
        for _ in range(3):
            await asyncio.sleep(0)
        gc.collect()
    return telemetry.record()


async def never(arrived: asyncio.Event) -> None:
    """Say that the wire waits, and wait for ever."""
    arrived.set()
    await asyncio.Event().wait()


async def cancelled_at(arrived: asyncio.Event, case: Case, client: Any) -> Transcript:
    """A call that is cancelled once the wire waits."""
    arrived.clear()
    task = asyncio.ensure_future(call(case, client))
    await arrived.wait()
    task.cancel("enough")
    return [await task]


async def read(stream: Any, number: int) -> Transcript:
    """Some chunks of a stream, by its own iteration."""
    seen: Transcript = []
    async for chunk in items(stream):
        seen.append(dumped(chunk))
        if len(seen) == number:
            break
    return seen


async def _break(stream: Any) -> Any:
    return await read(stream, 2)


async def _close_early(stream: Any) -> Any:
    return [*await read(stream, 1), await close(stream)]


async def _close_twice(stream: Any) -> Any:
    return [*await read(stream, 1), await close(stream), await close(stream)]


async def _close_at_once(stream: Any) -> Any:
    return await close(stream)


async def _close_after_the_end(stream: Any) -> Any:
    return [*await read(stream, 99), await close(stream), await read(stream, 99)]


async def _never(stream: Any) -> Any:
    return type(stream).__name__


async def _cycle(stream: Any) -> Any:
    knot: list[Any] = [stream]
    knot.append(knot)
    return dumped(await step(stream))


async def _close_the_response(stream: Any) -> Any:
    await step(stream)
    ends = stream.response.aclose if hasattr(stream, "__anext__") else stream.response.close
    return await value(ends())


async def _look_around(stream: Any) -> Any:
    seen = [hasattr(stream, name) for name in ("_iterator", "response", "send", "throw", "asend", "nothing")]
    return [*seen, await read(stream, 99)]


ENDINGS: dict[str, tuple[Turn, str]] = {
    "26_drained": (lambda stream: read(stream, 99), "provider"),
    "27_broken_off": (_break, "stream_partial"),
    "28_closed_early": (_close_early, "stream_partial"),
    "28_closed_twice": (_close_twice, "stream_partial"),
    "28_closed_at_once": (_close_at_once, "stream_partial"),
    "28_closed_after_the_end": (_close_after_the_end, "provider"),
    "28_response_closed": (_close_the_response, "stream_partial"),
    "31_never_read": (_never, "stream_partial"),
    "32_in_a_cycle": (_cycle, "stream_partial"),
    "36_looked_at": (_look_around, "provider"),
}


NEEDS = {"28_response_closed": "response", "28_closed_at_once": "eager", "31_never_read": "eager"}
"""What a library must have for an ending."""


@pytest.mark.parametrize(
    ("case", "turn", "source"),
    [
        pytest.param(case, *ending, id=f"{name}-{case}")
        for case in ALL
        for name, ending in ENDINGS.items()
        if case.stream and (name not in NEEDS or case.has(NEEDS[name]))
    ],
)
async def test_26_to_36_however_a_stream_ends_it_is_settled_once(case: Case, turn: Turn, source: str) -> None:
    async def act(case: Case, client: Any) -> Transcript:
        stream = await value(case.create(client))
        return [await turn(stream)]

    telemetry = await differential(case, case.reply(), act=act)
    if case.has("results") and source != "provider":
        assert (telemetry.records(), telemetry.spans()) == ([], [])
        return
    record = await collected(telemetry)
    assert record["tokenomics.usage.source"] == source
    assert record["gen_ai.usage.input_tokens"] > 0
    assert len(telemetry.spans()) == 1


@pytest.mark.parametrize("case", [case for case in ALL if case.stream], ids=str)
@pytest.mark.parametrize("after", range(7))
async def test_43_a_reset_passes_and_the_part_is_settled(case: Case, after: int) -> None:
    for error in (
        case.error("ReadError", "reset"),
        case.error("ReadTimeout", "slow"),
        OSError("gone"),
        KeyboardInterrupt(),
    ):
        if after > len(case.pieces()):
            return
        if case.has("tasked") and not isinstance(error, Exception):
            continue
        telemetry = await differential(case, case.broken(after, error))
        if after == 0 and case.has("headless"):
            assert len(telemetry.records()) <= 1
            continue
        if case.has("unread"):
            # Who holds an exception holds the stream that it broke.
            error.__traceback__ = None
            gc.collect()
        heard = not case.has("results") or after == len(case.pieces())
        assert len(telemetry.records()) == heard
        assert len(telemetry.spans()) == heard


@streamed
async def test_43_the_exception_of_a_reset_is_the_same_object(case: Case) -> None:
    reset = case.error("ReadError", "reset")
    with instrumented():
        # Held, for one library closes its streams when its client is collected.
        client = case.client(case.wire(case.broken(2, reset)))
        with pytest.raises(Exception, match=r"reset|onnection") as caught:
            await read(await value(case.create(client)), 99)
    assert reset in chain(caught.value)


@streamed
async def test_43_the_record_and_the_span_say_what_broke(case: Case) -> None:
    reset = case.error("ReadError", "reset")
    chain: list[str] = []

    async def act(case: Case, client: Any) -> Transcript:
        seen = await call(case, client)
        chain[:] = [kind for kind, *_ in seen[-1]]
        return seen

    telemetry = await differential(case, case.broken(2, reset), act=act)
    record = telemetry.record()
    assert record["tokenomics.attempt.outcome"] == "error"
    # A library seen above its transport makes an error of its own of it.
    assert record["error.type"] == (chain[0] if case.has("wraps") else type(reset).__name__)
    assert (telemetry.spans()[0].attributes or {})["error.type"] == record["error.type"]


@pytest.mark.parametrize("case", [case for case in CASES if case.asynchronous], ids=str)
async def test_24_cancelled_before_the_first_byte(case: Case) -> None:
    arrived = asyncio.Event()

    async def act(case: Case, client: Any) -> Transcript:
        return await cancelled_at(arrived, case, client)

    telemetry = await differential(case, Reply(before=lambda: never(arrived)), act=act)
    assert telemetry.record()["tokenomics.attempt.possibly_billed"] == 1


@asynchronous
async def test_24_cancelled_in_the_middle(case: Case) -> None:
    arrived = asyncio.Event()
    pieces: list[Part] = [*case.pieces()[:2], lambda: never(arrived), *case.pieces()[2:]]

    async def act(case: Case, client: Any) -> Transcript:
        return await cancelled_at(arrived, case, client)

    telemetry = await differential(case, case.streaming(*pieces), act=act)
    record = await collected(telemetry)
    assert record["tokenomics.usage.source"] == "stream_partial"


@asynchronous
@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_25_a_cancel_scope_ends_a_stream(case: Case, backend: str) -> None:
    if backend == "trio" and case.has("asyncio_only"):
        pytest.skip("the client library itself runs on asyncio alone")
    scopes: list[anyio.CancelScope] = []

    async def scoped(wire: Wire) -> Transcript:
        seen: Transcript = []
        with anyio.CancelScope() as scope:
            scopes.append(scope)
            async for chunk in await value(case.create(case.client(wire))):
                seen.append(dumped(chunk))
        return [*seen, scope.cancelled_caught]

    def script() -> Wire:
        return case.wire(case.streaming(*case.pieces()[:2], waits))

    async def waits() -> None:
        scopes[-1].cancel()
        await anyio.sleep_forever()

    bare = anyio.run(scoped, script(), backend=backend)
    with instrumented() as telemetry:
        seen = anyio.run(scoped, script(), backend=backend)
        gc.collect()
        assert telemetry.record()["tokenomics.usage.source"] == "stream_partial"
    assert seen == bare


def detached(caplog: pytest.LogCaptureFixture) -> int:
    """How often a context was left elsewhere, since this was last asked. A library does so by itself."""
    seen = caplog.text.count("detach")
    caplog.clear()
    return seen


@asynchronous
async def test_30_closed_by_another_task(case: Case, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)

    async def act(case: Case, client: Any) -> Transcript:
        stream = await asyncio.create_task(value(case.create(client)))
        iterator = stream.__aiter__()
        first = await asyncio.create_task(value(iterator.__anext__()))
        await asyncio.create_task(close(stream))
        return [dumped(first), detached(caplog)]

    telemetry = await differential(case, case.reply(), act=act)
    assert (await collected(telemetry))["tokenomics.usage.source"] == "stream_partial"
    assert not detached(caplog)


@pytest.mark.parametrize("case", [case for case in CASES if not case.asynchronous and case.stream], ids=str)
async def test_30_34_read_and_closed_by_other_threads(case: Case, caplog: pytest.LogCaptureFixture) -> None:
    async def act(case: Case, client: Any) -> Transcript:
        stream = case.create(client)
        first = await asyncio.to_thread(lambda: dumped(next(iter(stream))))
        await asyncio.to_thread(lambda: asyncio.run(close(stream)))
        return [first, detached(caplog)]

    telemetry = await differential(case, case.reply(), act=act)
    assert (await collected(telemetry))["tokenomics.usage.source"] == "stream_partial"
    assert not detached(caplog)


@pytest.mark.parametrize("case", [case for case in CASES if not case.asynchronous and case.stream], ids=str)
def test_34_two_threads_read_one_stream(case: Case) -> None:
    with instrumented() as telemetry:
        for _ in range(20):
            telemetry.clear()
            stream = case.create(case.client(case.wire(case.reply())))
            gate = threading.Barrier(2)

            def take(stream: Any = stream, gate: threading.Barrier = gate) -> None:
                gate.wait(10)
                try:
                    for _ in stream:
                        pass
                except ValueError as error:
                    assert "already executing" in str(error)

            threads = [threading.Thread(target=take) for _ in range(2)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(20)
                assert not thread.is_alive()
            asyncio.run(close(stream))
            assert all(count >= 0 for key, count in telemetry.record().items() if ".bucket." in key)


@having("iterator", stream=True)
async def test_35_throw_and_send_go_through_the_iterator(case: Case) -> None:
    async def act(case: Case, client: Any) -> Transcript:
        stream = await value(case.create(client))
        iterator = getattr(stream, case.kit.iterator)
        first = await value(iterator.__anext__() if case.asynchronous else next(iterator))
        seen: Transcript = [dumped(first)]
        mine = LookupError("mine")
        try:
            await value(iterator.athrow(mine) if case.asynchronous else iterator.throw(mine))
        except LookupError as error:
            seen += [error is mine, told(error)]
        return seen

    telemetry = await differential(case, case.reply(), act=act)
    assert (await collected(telemetry))["tokenomics.usage.source"] == "stream_partial"


@pytest.mark.parametrize("case", [case for case in CASES if not case.stream or case.has("eager")], ids=str)
async def test_33_a_dropped_result_raises_no_warning(case: Case, recwarn: pytest.WarningsRecorder) -> None:
    with instrumented() as telemetry:
        wire = case.wire(case.reply())
        client = case.client(wire)
        await value(case.create(client))
        await collected(telemetry)
    ours = [str(seen.message) for seen in recwarn if "otel_tokenomics" in str(seen.filename)]
    assert ours == []
