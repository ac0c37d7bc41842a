"""Streams under any sequence of operations: the application sees what it sees bare, and each settles once.

The same machine for every case that streams. Each operation is awaited if it is asynchronous, all of them on
the machine's one event loop; what a library's streams do not have is an operation that raises the same for
both. A generator sends its request when it is first asked, the bare one too, so that what was sent while the
library was instrumented is what must be recorded. `make soak` plays more sequences.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from tests.faults.cases import ALL, Case, dumped, told
from tests.support.either import close, iterator_of, opened, step, value
from tests.support.telemetry import Telemetry, instrumented

EXAMPLES, STEPS = 5, 8
each = pytest.mark.parametrize("case", [c for c in ALL if c.stream], ids=str)
there = precondition(lambda machine: machine.ours is not None)


class Streams(RuleBasedStateMachine):
    """A bare stream and an instrumented one, led through the same operations."""

    case: Case

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.wires: list[tuple[Any, int]] = []
        self.bare: Any = None
        self.ours: Any = None

    def _on_the_loop(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.runner.run(work)

    async def _stream(self) -> tuple[Any, Any]:
        """A stream, and its client, which some libraries close with it."""
        wire = self.case.wire(self.case.reply())
        client = self.case.client(wire)
        stream = await value(self.case.create(client))
        self.wires.append((wire, wire.calls))
        return stream, client

    @property
    def calls(self) -> int:
        """How many requests were sent since the library was instrumented."""
        return sum(wire.calls - before for wire, before in self.wires)

    @initialize()
    def start(self) -> None:
        """Open both streams, each of its own client. The bare one is made while nothing is instrumented."""
        self.wires.clear()
        self.bare = self._on_the_loop(self._stream())
        self.context = instrumented(self.case.kit.distribution)
        self.telemetry: Telemetry = self.context.__enter__()
        self.ours = self._on_the_loop(self._stream())
        self.wires[-1] = (self.wires[-1][0], 0)

    def _both(self, act: Callable[[Any], Awaitable[Any]]) -> None:
        seen = []
        for stream, _ in (self.bare, self.ours):
            try:
                seen.append(self._on_the_loop(self._shielded(act, stream)))
            except BaseException as error:
                seen.append(told(error))
        assert seen[0] == seen[1]

    def _iterator(self, stream: Any) -> Any:
        return iterator_of(getattr(stream, self.case.kit.iterator, stream))

    async def _shielded(self, act: Callable[[Any], Awaitable[Any]], stream: Any) -> Any:
        # What would end a task's loop is told, not raised through it.
        try:
            return await act(stream)
        except BaseException as error:
            return told(error)

    @there
    @rule()
    def step(self) -> None:
        """One chunk, or the end."""
        self._both(_next)

    @there
    @rule()
    def hop(self) -> None:
        """One chunk, in another thread or another task."""
        self._both(_elsewhere if not self.case.asynchronous else _in_a_task)

    @there
    @rule()
    def close(self) -> None:
        """Close, as often as the machine likes."""
        self._both(close)

    @there
    @rule()
    def block(self) -> None:
        """Enter and leave its block."""
        self._both(_block)

    @there
    @rule(kind=st.sampled_from([ValueError, KeyboardInterrupt, GeneratorExit]))
    def throw(self, kind: type[BaseException]) -> None:
        """Throw into the iterator that the client made, or the generator that it is."""
        self._both(lambda stream: _throw(self._iterator(stream), kind))

    @there
    @rule()
    def close_iterator(self) -> None:
        """Close the iterator alone."""
        self._both(lambda stream: close(self._iterator(stream)))

    @there
    @rule()
    def drop(self) -> None:
        """Forget both streams."""
        self.ours = None
        self.bare = None

    @precondition(lambda machine: machine.ours is None and machine.wires)
    @rule()
    def reopen(self) -> None:
        """Two more streams."""
        self._settled()
        self.context.__exit__(None, None, None)
        self.start()

    @invariant()
    def never_more_records_than_calls(self) -> None:
        """One record for each call at most, at any time."""
        if self.wires:
            assert len(self.telemetry.records()) <= self.calls

    def _settled(self) -> None:
        self.ours = self.bare = None
        for _ in range(4):
            gc.collect()
            # What was dropped is closed by the event loop, when it gets to it.
            self._on_the_loop(_turns())
        recorded = len(self.telemetry.records())
        # A call of which nothing but its result is seen is none where that was not read.
        assert recorded == self.calls or (self.case.has("results") and recorded < self.calls)
        assert len(self.telemetry.spans()) == recorded

    def teardown(self) -> None:
        """Every call has been settled, and its span ended."""
        try:
            if self.wires:
                self._settled()
        finally:
            if hasattr(self, "context"):
                self.context.__exit__(None, None, None)
            self.runner.close()


async def _next(stream: Any) -> Any:
    return dumped(await step(stream))


async def _in_a_task(stream: Any) -> Any:
    return await asyncio.get_running_loop().create_task(_next(stream))


async def _elsewhere(stream: Any) -> Any:
    with ThreadPoolExecutor(1) as pool:
        return dumped(pool.submit(next, iterator_of(stream), None).result(30))


async def _block(stream: Any) -> Any:
    async with opened(stream):
        return type(stream).__name__


async def _throw(iterator: Any, kind: type[BaseException]) -> Any:
    return await value((getattr(iterator, "athrow", None) or iterator.throw)(kind("thrown")))


async def _turns() -> None:
    for _ in range(3):
        await asyncio.sleep(0)


@each
def test_a_stream_under_any_sequence_of_operations(case: Case) -> None:
    kind = type(f"Streams of {case}", (Streams,), {"case": case})
    run_state_machine_as_test(
        kind,
        settings=settings(
            max_examples=EXAMPLES, stateful_step_count=STEPS, deadline=None, derandomize=True, database=None
        ),
    )


@pytest.mark.soak
@each
def test_many_sequences_of_operations(case: Case) -> None:
    kind = type(f"Streams of {case}", (Streams,), {"case": case})
    run_state_machine_as_test(
        kind, settings=settings(max_examples=200, stateful_step_count=30, deadline=None)
    )
