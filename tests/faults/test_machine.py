"""Streams under any sequence of operations: the application sees what it sees bare, and each settles once."""

from __future__ import annotations

import gc
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from tests.faults.cases import CASES, Case, dumped, told
from tests.support.telemetry import Telemetry, instrumented

SYNC = [case for case in CASES if case.stream and not case.asynchronous and case.has("iterator")]


class Streams(RuleBasedStateMachine):
    """A bare stream and an instrumented one, led through the same operations."""

    case: Case

    @initialize(case=st.sampled_from(SYNC))
    def start(self, case: Case) -> None:
        """Open both streams, each of its own client."""
        self.case = case
        self.calls = 0
        self.context = instrumented()
        self.bare: Any = case.create(case.client(case.wire(case.reply())))
        self.telemetry: Telemetry = self.context.__enter__()
        self._open()

    def _open(self) -> None:
        self.ours: Any = self.case.create(self.case.client(self.case.wire(self.case.reply())))
        self.calls += 1

    def _both(self, act: Callable[[Any], Any]) -> None:
        seen = []
        for stream in (self.bare, self.ours):
            try:
                seen.append(act(stream))
            except BaseException as error:
                seen.append(told(error))
        assert seen[0] == seen[1]

    @precondition(lambda self: self.ours is not None)
    @rule()
    def step(self) -> None:
        """One chunk, or the end."""
        self._both(lambda stream: dumped(next(stream)))

    @precondition(lambda self: self.ours is not None)
    @rule()
    def hop(self) -> None:
        """One chunk, in another thread."""

        def elsewhere(stream: Any) -> Any:
            with ThreadPoolExecutor(1) as pool:
                return dumped(pool.submit(next, stream, None).result(30))

        self._both(elsewhere)

    @precondition(lambda self: self.ours is not None)
    @rule()
    def close(self) -> None:
        """Close, as often as the machine likes."""
        self._both(lambda stream: stream.close())

    @precondition(lambda self: self.ours is not None)
    @rule(kind=st.sampled_from([ValueError, KeyboardInterrupt, GeneratorExit]))
    def throw(self, kind: type[BaseException]) -> None:
        """Throw into the iterator that the client made."""
        self._both(lambda stream: stream._iterator.throw(kind("thrown")))

    @precondition(lambda self: self.ours is not None)
    @rule()
    def close_iterator(self) -> None:
        """Close the iterator alone."""
        self._both(lambda stream: stream._iterator.close())

    @precondition(lambda self: self.ours is not None)
    @rule()
    def drop(self) -> None:
        """Forget both streams, and open two more."""
        self.ours = None
        self.bare = None

    @precondition(lambda self: self.ours is None)
    @rule()
    def reopen(self) -> None:
        """Two more streams. The bare one is made while nothing is instrumented."""
        self._settled()
        self.context.__exit__(None, None, None)
        self.bare = self.case.create(self.case.client(self.case.wire(self.case.reply())))
        self.context = instrumented()
        self.telemetry = self.context.__enter__()
        self.calls = 0
        self._open()

    @invariant()
    def never_more_records_than_calls(self) -> None:
        """One record for each call at most, at any time."""
        if hasattr(self, "telemetry"):
            assert len(self.telemetry.records()) <= self.calls

    def _settled(self) -> None:
        self.ours = None
        gc.collect()
        assert len(self.telemetry.records()) == self.calls

    def teardown(self) -> None:
        """Every call has been settled, and its span ended."""
        if hasattr(self, "telemetry"):
            self._settled()
            self.context.__exit__(None, None, None)
            assert len(self.telemetry.spans()) == self.calls


TestStreams = Streams.TestCase
TestStreams.settings = settings(max_examples=12, stateful_step_count=8, deadline=None)
