"""xAI's library over a channel of its own: what only gRPC does, what only xAI says, and the seam itself."""

from __future__ import annotations

import asyncio
import importlib
import threading
import warnings
from collections.abc import Iterator
from typing import Any

import grpc  # type: ignore[import-untyped]
import pytest
from tests._required import require
from tests.support import rpc_xai as xai
from tests.support.either import items, value
from tests.support.rpc_calls import (
    Act,
    asked,
    differential,
    is_asynchronous,
    sample,
    settled,
    stream,
)
from tests.support.rpc_xai import BUCKETS, MODEL, TICKS, Provider, Refusal
from tests.support.telemetry import buckets_of, instrumented

from otel_tokenomics.adapters.rpc import Peer, peer_of
from otel_tokenomics.wiring import rpc

each_way = pytest.mark.parametrize("asynchronous", [False, True])


@pytest.fixture(scope="module")
def server() -> Iterator[Provider]:
    """One server for all tests of this file."""
    require("xai_sdk", "its calls are not tested")
    made = Provider()
    yield made
    made.close()


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """The library itself warns of methods that will go."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PendingDeprecationWarning)
        yield


@each_way
async def test_attempts_below_are_one_call(server: Provider, asynchronous: bool) -> None:
    script = (Refusal(grpc.StatusCode.UNAVAILABLE), xai.completion())
    record = (await differential(server, asynchronous, sample, *script)).record()
    assert server.calls == 2
    assert buckets_of(record) == BUCKETS


@each_way
async def test_a_stream_that_breaks_has_what_it_said_so_far(server: Provider, asynchronous: bool) -> None:
    broken = [*xai.chunks(running=True)[:2], Refusal(grpc.StatusCode.INTERNAL, "broken")]
    telemetry = await differential(server, asynchronous, stream, broken)
    record = telemetry.record()
    assert record["tokenomics.usage.source"] == "stream_partial"
    assert record["error.type"]
    assert buckets_of(record)["output"] > 0
    assert buckets_of(record)["input"] == 60


async def left(client: Any) -> Any:
    """A stream that is left after its first message."""
    made = asked(client).stream()
    async for _, chunk in items(made, is_asynchronous(client)):
        seen = chunk.content
        break
    await value(made.aclose() if is_asynchronous(client) else made.close())
    return seen


@each_way
async def test_a_stream_that_is_left_is_settled_at_once(server: Provider, asynchronous: bool) -> None:
    hold = threading.Event()
    script = [xai.chunks()[0], lambda: hold.wait(20) and None, *xai.chunks()[1:]]
    server.play(script)
    with instrumented("xai-sdk") as telemetry:
        client = server.client(asynchronous)
        try:
            assert await left(client) == "Dig "
            for _ in range(3):
                await asyncio.sleep(0)
            record = telemetry.record()
        finally:
            hold.set()
            await settled(client)
    assert record["tokenomics.usage.source"] == "stream_partial"


async def test_a_cancelled_stream_is_settled_and_cancelled(server: Provider) -> None:
    hold = threading.Event()
    server.play([xai.chunks()[0], lambda: hold.wait(20) and None])
    arrived = asyncio.Event()

    async def read(client: Any) -> None:
        async for _ in asked(client).stream():
            arrived.set()

    with instrumented("xai-sdk") as telemetry:
        client = server.client(True)
        task = asyncio.ensure_future(read(client))
        await arrived.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        hold.set()
        record = telemetry.record()
        await settled(client)
    assert record["tokenomics.attempt.outcome"] == "cancelled"
    assert record["tokenomics.usage.source"] == "stream_partial"


@each_way
@pytest.mark.parametrize("act", [sample, stream])
async def test_a_client_made_before_is_recorded_and_one_made_under_us_goes_quiet(
    server: Provider, asynchronous: bool, act: Act
) -> None:
    script = xai.chunks() if act is stream else xai.completion()
    server.play(script)
    client = server.client(asynchronous)
    stub = xai.messages("chat_pb2_grpc").ChatStub
    bare = dict(vars(stub))
    with instrumented("xai-sdk") as telemetry:
        await act(client)
        record = telemetry.record()
        under = server.client(asynchronous)
    assert "server.address" not in record
    assert dict(vars(stub)) == bare
    await act(under)
    assert len(telemetry.records()) == 1
    await settled(client)
    await settled(under)


async def test_what_is_put_before_a_call_keeps_its_other_ways(server: Provider) -> None:
    server.play(xai.completion())
    with instrumented("xai-sdk"):
        client = server.client(False)
        method = client.chat._stub.GetCompletion
        assert isinstance(method, grpc.UnaryUnaryMultiCallable)
        answer, call = method.with_call(asked(client).proto)
        assert answer.id == "r1"
        assert call.code() is grpc.StatusCode.OK
        with pytest.raises(AttributeError):
            _ = type(client.chat._stub).GetCompletion
        await settled(client)


@each_way
async def test_the_librarys_own_span_is_annotated(
    server: Provider, asynchronous: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = importlib.import_module(f"xai_sdk.{'aio' if asynchronous else 'sync'}.chat")
    with instrumented("xai-sdk") as telemetry:
        monkeypatch.setattr(module, "tracer", telemetry.tracer_provider.get_tracer("xai_sdk"))
        server.play(xai.completion())
        client = server.client(asynchronous)
        await sample(client)
        await settled(client)
        telemetry.record()
        (span,) = telemetry.spans()
    assert span.name == f"chat.sample {MODEL}"
    assert dict(span.attributes or {})["gen_ai.usage.cost.amount"] == pytest.approx(TICKS / 10**10)


@pytest.mark.parametrize(
    ("target", "peer"),
    [
        ("api.x.ai", Peer("api.x.ai", 443)),
        ("us-east-1.api.x.ai:443", Peer("us-east-1.api.x.ai", 443)),
        ("unix:///run/x.sock", Peer()),
        ("::1", Peer()),
        (None, Peer()),
    ],
)
def test_who_is_behind_a_channel(target: Any, peer: Peer) -> None:
    assert peer_of(target) == peer


def test_a_version_without_a_service_is_told_nothing(caplog: pytest.LogCaptureFixture) -> None:
    library = importlib.import_module("otel_tokenomics.wiring.libraries").LIBRARIES["xai-sdk"]
    seam = rpc.Seam(library)
    seam.patch(None)
    assert not seam.active
    assert caplog.text == ""
