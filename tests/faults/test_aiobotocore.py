"""Bedrock through aiobotocore: what `test_botocore` says of botocore, awaited, over both its HTTP libraries.

Each script runs bare and instrumented on the real client; the results, events and exceptions must be equal.
"""

from __future__ import annotations

import asyncio
import gc
import json
from collections.abc import Awaitable, Callable
from typing import Any

import aiobotocore.client  # type: ignore[import-untyped]
import aiobotocore.endpoint  # type: ignore[import-untyped]
import pytest
from tests.faults.cases import told
from tests.faults.test_botocore import (
    ASKED,
    BUCKETS,
    CLAUDE,
    COUNTED,
    MODEL,
    STREAM,
    conversed,
    refused,
    streamed,
)
from tests.support import aioaws, aws
from tests.support.telemetry import INSTRUMENTORS, Telemetry, buckets_of, instrumented
from tests.support.wire import JSON, Reply, Wire
from tests.support.wire_others import error

Act = Callable[[Any], Awaitable[Any]]
BODY = json.dumps(CLAUDE).encode()
ANSWER = Reply([BODY], headers={**JSON, **COUNTED})
both = pytest.mark.parametrize("http", aioaws.LIBRARIES)
# On httpx aiobotocore has no event streams yet.
streams = pytest.mark.parametrize("http", ["aiohttp"])


async def converse(client: Any) -> Any:
    return await client.converse(**ASKED)


async def converse_stream(client: Any) -> Any:
    return [event async for event in (await client.converse_stream(**ASKED))["stream"]]


async def invoke(client: Any) -> Any:
    body = json.dumps({"messages": [{"role": "user", "content": "When do I dig?"}], "max_tokens": 9})
    return (await client.invoke_model(modelId=MODEL, body=body))["body"]


async def transcript(client: Any, act: Act) -> Any:
    try:
        return await act(client)
    except BaseException as trouble:
        return told(trouble)


async def _played(http: str, act: Act, script: tuple[Reply, ...], attempts: int) -> tuple[Any, int]:
    wire = Wire(*script, library=http)
    seen = await transcript(await aioaws.client(wire, attempts), act)
    gc.collect()
    # What was broken off is closed by the event loop, when it gets to it.
    for _ in range(3):
        await asyncio.sleep(0)
    return seen, wire.calls


def differential(http: str, act: Act, *script: Reply, attempts: int = 1, also: str = "") -> Telemetry:
    """Run the same script bare and instrumented; what the application sees and sends must be equal."""
    bare = asyncio.run(_played(http, act, script, attempts))
    with instrumented("aiobotocore", *filter(None, [also])) as telemetry:
        seen = asyncio.run(_played(http, act, script, attempts))
        gc.collect()
        telemetry.records()
    assert seen == bare
    return telemetry


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    async def at_once(endpoint: Any, seconds: float) -> None:
        pass

    for name in ("AioEndpoint", "AnyioEndpoint"):
        if owner := getattr(aiobotocore.endpoint, name, None):
            monkeypatch.setattr(owner, "_sleep", at_once, raising=False)


@both
def test_a_conversation_is_one_record(http: str) -> None:
    telemetry = differential(http, converse, conversed())
    record = telemetry.record()
    assert buckets_of(record) == BUCKETS
    assert record["gen_ai.response.id"] == "r-1"
    assert record["gen_ai.request.model"] == MODEL
    assert record["tokenomics.price.id"].startswith("aws/regional.anthropic.claude-sonnet-4-5")
    (span,) = telemetry.spans()
    assert span.name == f"chat {MODEL}"


@streams
def test_a_stream_is_one_record(http: str) -> None:
    record = differential(http, converse_stream, streamed()).record()
    assert buckets_of(record) == BUCKETS
    assert record["tokenomics.usage.source"] == "provider"
    assert record["gen_ai.request.stream"] is True


async def _lines(body: Any) -> Any:
    return [line async for line in body.iter_lines(7)]


async def _pieces(body: Any) -> Any:
    return b"".join([piece async for piece in body.iter_chunks(5)])


async def _into(body: Any) -> Any:
    seen, held = b"", bytearray(16)
    while count := await body.readinto(held):
        seen += bytes(held[:count])
    return seen


async def _in_block(body: Any) -> Any:
    async with body as opened:
        return await opened.read()


async def _in_parts(body: Any) -> Any:
    return [await body.read(20), await body.read()]


@both
@pytest.mark.parametrize("read", [lambda body: body.read(), _lines, _pieces, _into, _in_block, _in_parts])
def test_a_models_own_body_is_one_record_however_it_is_read(http: str, read: Act) -> None:
    async def act(client: Any) -> Any:
        return await read(await invoke(client))

    record = differential(http, act, ANSWER).record()
    assert buckets_of(record) == BUCKETS
    assert record["gen_ai.response.id"] == "msg_bdrk_1"


@both
def test_a_body_that_is_never_read_is_counted_by_its_headers(http: str) -> None:
    async def act(client: Any) -> None:
        await invoke(client)

    assert buckets_of(differential(http, act, ANSWER).record()) == {"input": 11, "output": 7}


@both
def test_a_body_that_is_closed_is_settled(http: str) -> None:
    async def act(client: Any) -> None:
        await (await invoke(client)).aclose()

    assert buckets_of(differential(http, act, ANSWER).record()) == {"input": 11, "output": 7}


@both
@pytest.mark.parametrize("library", ["cohere", "google-genai"])
def test_what_the_http_librarys_own_seam_sees_below_is_not_counted_again(http: str, library: str) -> None:
    async def act(client: Any) -> Any:
        return await converse(client), await (await invoke(client)).read()

    assert len(differential(http, act, conversed(), ANSWER, also=library).records()) == 2


@both
@pytest.mark.parametrize(
    ("kind", "status"),
    [("ValidationException", 400), ("ThrottlingException", 429), ("InternalServerException", 500)],
)
@pytest.mark.parametrize("act", [converse, converse_stream, invoke])
def test_a_refusal_is_the_clients_own_error_and_no_usage(http: str, act: Act, kind: str, status: int) -> None:
    telemetry = differential(http, act, refused(kind, status))
    assert telemetry.records() == []
    (span,) = telemetry.spans()
    assert (span.attributes or {})["error.type"]
    assert not span.events, "an exception's message may carry a prompt"


@both
def test_a_retry_of_its_own_is_one_call_with_two_attempts(http: str) -> None:
    telemetry = differential(http, converse, refused("ThrottlingException", 429), conversed(), attempts=3)
    record = telemetry.record()
    assert record["tokenomics.attempt.count"] == 2
    assert "tokenomics.attempt.possibly_billed" not in record


def _late(http: str) -> Reply:
    name = "ReadTimeout"
    return Reply(error=lambda request: error(http, name, "late"))


@both
def test_a_timeout_that_is_retried_may_be_billed_twice(http: str) -> None:
    record = differential(http, converse, _late(http), conversed(), attempts=3).record()
    assert record["tokenomics.attempt.count"] == 2
    assert record["tokenomics.attempt.possibly_billed"] == 1
    assert buckets_of(record) == BUCKETS


@both
def test_a_timeout_after_sending_is_possibly_billed(http: str) -> None:
    record = differential(http, converse, _late(http)).record()
    assert record["tokenomics.attempt.possibly_billed"] == 1
    assert record["tokenomics.usage.source"] == "missing"


@both
def test_what_was_never_sent_is_no_usage(http: str) -> None:
    reply = Reply(error=lambda request: error(http, "ConnectError", "no such host"))
    assert differential(http, converse, reply).records() == []


def test_a_connection_that_broke_after_sending_is_possibly_billed() -> None:
    import aiohttp

    # aiobotocore says of it that there was no connection to the endpoint.
    reply = Reply(error=lambda request: aiohttp.ClientOSError(104, "reset by peer"))
    record = differential("aiohttp", converse, reply).record()
    assert record["tokenomics.attempt.possibly_billed"] == 1


async def _break(client: Any) -> Any:
    async for event in (await client.converse_stream(**ASKED))["stream"]:
        if "contentBlockDelta" in event:
            return event
    return None


async def _close(client: Any) -> Any:
    stream = (await client.converse_stream(**ASKED))["stream"]
    seen = await anext(aiter(stream))
    stream.close()
    stream.close()
    return seen


async def _never(client: Any) -> None:
    await client.converse_stream(**ASKED)


async def _twice(client: Any) -> Any:
    """An iteration that is left, and gone on with by another."""
    stream = (await client.converse_stream(**ASKED))["stream"]
    first = await anext(aiter(stream))
    return [first, *[event async for event in stream]]


@pytest.mark.parametrize("act", [_break, _close, _never])
def test_a_stream_that_is_left_is_settled_once_with_what_was_seen(act: Act) -> None:
    record = differential("aiohttp", act, streamed()).record()
    assert record["tokenomics.usage.source"] == "stream_partial"
    assert record["gen_ai.usage.input_tokens"] > 0


def test_a_stream_that_is_gone_on_with_is_whole() -> None:
    assert buckets_of(differential("aiohttp", _twice, streamed()).record()) == BUCKETS


def test_a_stream_that_breaks_off_raises_the_transports_error() -> None:
    reset = error("aiohttp", "ReadError", "gone")
    record = differential("aiohttp", converse_stream, streamed(*STREAM[:3], reset)).record()
    assert record["tokenomics.usage.source"] == "stream_partial"
    assert record["tokenomics.attempt.outcome"] == "error"


def test_an_error_event_ends_a_stream() -> None:
    said = aws.frame("modelStreamErrorException", b'{"message": "broke"}', "exception")
    record = differential("aiohttp", converse_stream, streamed(*STREAM[:3], said)).record()
    assert record["tokenomics.usage.source"] == "stream_partial"


@pytest.mark.parametrize("reading", ["call", "stream", "body"])
def test_a_task_that_is_cancelled_is_settled_once(reading: str) -> None:
    async def act(client: Any) -> Any:
        there, never = asyncio.Event(), asyncio.Event()

        async def hang() -> None:
            there.set()
            await never.wait()

        wire = Wire(library="aiohttp")
        client = await aioaws.client(wire)
        if reading == "call":
            wire.play(Reply(b"{}", before=hang))
            job = converse(client)
        elif reading == "stream":
            wire.play(streamed(*STREAM[:3], hang))
            job = converse_stream(client)
        else:
            wire.play(Reply([BODY[:20], hang], headers=ANSWER.headers))
            job = (await invoke(client)).read()
        task = asyncio.ensure_future(job)
        await there.wait()
        task.cancel()
        return await task

    telemetry = differential("aiohttp", act)
    record = telemetry.record()
    if reading == "stream":
        assert record["tokenomics.usage.source"] == "stream_partial"
        assert record["tokenomics.attempt.outcome"] == "cancelled"
    elif reading == "call":
        assert record["tokenomics.attempt.possibly_billed"] == 1
    else:
        assert buckets_of(record) == {"input": 11, "output": 7}


def test_other_services_pass_by() -> None:
    async def act(client: Any) -> Any:
        wire = Wire(Reply(b'{"modelSummaries": []}'), library="aiohttp")
        return await (await aioaws.client(wire, service_name="bedrock")).list_foundation_models()

    telemetry = differential("aiohttp", act)
    assert telemetry.records() == []
    assert telemetry.spans() == []


def test_uninstrumenting_restores_both_methods() -> None:
    owners = (
        (aiobotocore.client.AioBaseClient, "_make_api_call"),
        (
            aiobotocore.endpoint.AioEndpoint,
            "_needs_retry",
        ),
    )
    before = [vars(owner)[name] for owner, name in owners]
    instrumentor = INSTRUMENTORS["aiobotocore"]()
    instrumentor.instrument(**Telemetry().providers)
    assert vars(owners[0][0])["_make_api_call"] is not before[0]
    instrumentor.uninstrument()
    assert [vars(owner)[name] for owner, name in owners] == before
