"""Every step of ours fails once in a call over gRPC, as in `test_injector`, and nobody but us notices."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from types import FrameType
from typing import Any

import grpc  # type: ignore[import-untyped]
import pytest
from tests._required import require
from tests.faults import test_injector
from tests.faults.test_injector import here_and_now
from tests.support import rpc_xai as xai
from tests.support.either import items, value
from tests.support.rpc_calls import Act, asked, is_asynchronous, sample, stream, told
from tests.support.rpc_xai import Provider, Refusal
from tests.support.telemetry import instrumented

__all__ = ["here_and_now"]

pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

OUTERMOST = {
    # In place of a stub's own attribute, and of what it holds.
    *("__get__", "__set__", "__call__", "made", "make_channel"),
    # Around the one place where the original runs.
    *("_asked", "_aasked", "_aunary", "_opened", "_open", "_aopened"),
    # On the one stream: they pass on what it gives.
    *("__iter__", "__next__", "_astream"),
}
"""Frames of the seam that stand between the application and gRPC; whatever they call of ours may fail."""
GUARDS = {"_hear"}
"""Its frames that are one `try`."""


class Injector(test_injector.Injector):
    """Knows which frames of this seam are not to fail."""

    def __call__(self, frame: FrameType, event: str, argument: Any) -> None:
        code = frame.f_code
        if code.co_filename.endswith("wiring/rpc.py") and code.co_name in OUTERMOST | GUARDS:
            return
        super().__call__(frame, event, argument)


async def left(client: Any) -> Any:
    """A stream that is left after its first message."""
    made = asked(client).stream()
    async for _, chunk in items(made, is_asynchronous(client)):
        seen = chunk.content
        break
    await value(made.aclose() if is_asynchronous(client) else made.close())
    return seen


SCENARIOS: dict[str, tuple[Act, Any]] = {
    "answer": (sample, xai.completion),
    "no usage": (sample, lambda: xai.completion(usage=None)),
    "refused": (sample, lambda: Refusal(grpc.StatusCode.INVALID_ARGUMENT)),
    "lost": (sample, lambda: Refusal(grpc.StatusCode.DEADLINE_EXCEEDED)),
    "stream": (stream, xai.chunks),
    "broken": (stream, lambda: [*xai.chunks()[:2], Refusal(grpc.StatusCode.INTERNAL)]),
    "left": (left, xai.chunks),
}


@pytest.fixture(scope="module")
def server() -> Iterator[Provider]:
    """One server for all tests of this file."""
    require("xai_sdk", "its calls are not tested")
    made = Provider()
    yield made
    made.close()


@pytest.mark.parametrize("asynchronous", [False, True])
@pytest.mark.parametrize("name", SCENARIOS)
def test_every_entry_into_our_code_may_fail(server: Provider, name: str, asynchronous: bool) -> None:
    act, script = SCENARIOS[name]

    async def called(client: Any, injector: Injector) -> Any:
        with injector:
            try:
                seen = await act(client)
            except Exception as error:
                seen = told(error)
        return seen, server.calls

    async def each() -> None:
        client = server.client(asynchronous)

        async def run(injector: Injector) -> Any:
            server.play(script())
            return await called(client, injector)

        bare = await run(Injector())
        with instrumented("xai-sdk") as telemetry:
            for _ in range(2):
                counter = Injector()
                assert await run(counter) == bare
            assert counter.entries > 30
            telemetry.clear()
            records = 0
            # What is awaited runs through the same core: of its entries every second one.
            for at in range(1, counter.entries + 1, 1 + asynchronous):
                injector = Injector(at)
                assert await run(injector) == bare, injector.where
                records += len(telemetry.records())
                telemetry.clear()
        await value(client.close())
        assert records <= counter.entries, "a call was recorded twice"

    asyncio.run(each())
