"""The `azure-ai-inference` library, over requests and aiohttp: what a call is, and what is seen."""

from __future__ import annotations

import asyncio
import gc
import importlib
from typing import Any

import pytest
from tests._required import require
from tests.support import replies
from tests.support.either import items, value
from tests.support.libraries import KITS, PROMPT
from tests.support.telemetry import buckets_of, instrumented
from tests.support.wire import JSON, SSE, Reply, Wire

ENDPOINT = "https://place.services.ai.azure.com/models"
KIT = KITS["openai"]
MODES = [(asynchronous, stream) for asynchronous in (False, True) for stream in (False, True)]
every_mode = pytest.mark.parametrize(("asynchronous", "stream"), MODES)
each_way = pytest.mark.parametrize("asynchronous", [False, True])


@pytest.fixture(autouse=True)
def installed() -> None:
    require("azure.ai.inference", "its calls are not tested")


def client_on(wire: Wire, asynchronous: bool, name: str = "ChatCompletionsClient") -> Any:
    """A client of the library whose transport ends on a wire. It retries nothing."""
    transports: Any = importlib.import_module("azure.core.pipeline.transport")
    credentials: Any = importlib.import_module("azure.core.credentials")
    module = "azure.ai.inference.aio" if asynchronous else "azure.ai.inference"
    kind = getattr(importlib.import_module(module), name)
    if asynchronous:
        transport = transports.AioHttpTransport(session=wire.aclient(), session_owner=False)
    else:
        transport = transports.RequestsTransport(session=wire.client(), session_owner=False)
    return kind(ENDPOINT, credentials.AzureKeyCredential("secret"), transport=transport, retry_total=0)


def wire_of(asynchronous: bool, *script: Reply) -> Wire:
    return Wire(*script, library="aiohttp" if asynchronous else "requests")


async def completed(asynchronous: bool, stream: bool, reply: Reply) -> list[str]:
    """What the application is given."""
    wire = wire_of(asynchronous, reply)
    client = client_on(wire, asynchronous)
    answer = await value(client.complete(messages=list(PROMPT), model="gpt-4o", stream=stream))
    given = [chunk async for chunk in items(answer, asynchronous)] if stream else [answer]
    assert wire.calls == 1
    told = [repr(one) for one in given]
    # A stream of the library's is not read past its `[DONE]`: it ends when it is dropped.
    del answer, client, given
    for _ in range(3):
        # The event loop closes what was left of a generator when it gets to it.
        gc.collect()
        await asyncio.sleep(0)
    return told


@every_mode
async def test_a_completion_is_one_record(asynchronous: bool, stream: bool) -> None:
    pieces = Reply(list(KIT.pieces(KIT.usage)), headers=SSE)
    reply = pieces if stream else Reply(KIT.whole(KIT.usage), headers=JSON)
    bare = await completed(asynchronous, stream, reply)
    with instrumented() as telemetry:
        assert await completed(asynchronous, stream, reply) == bare
        record = telemetry.record()
    assert buckets_of(record) == KIT.buckets
    assert record["gen_ai.operation.name"] == "chat"
    assert record["server.address"] == "place.services.ai.azure.com"
    assert len(telemetry.spans()) == 1
    assert "secret" not in str(record) + str(dict(telemetry.spans()[0].attributes or {}))


@each_way
async def test_embeddings(asynchronous: bool) -> None:
    usage = {"prompt_tokens": 2, "total_tokens": 2}
    data = [{"index": 0, "object": "embedding", "embedding": [0.5]}]
    body = {"object": "list", "id": "e1", "model": "text-embedding-3-small", "data": data, "usage": usage}
    wire = wire_of(asynchronous, Reply(replies.dumps(body), headers=JSON))
    with instrumented() as telemetry:
        client = client_on(wire, asynchronous, "EmbeddingsClient")
        await value(client.embed(input=["Dig"], model="text-embedding-3-small"))
        record = telemetry.record()
    assert record["gen_ai.operation.name"] == "embeddings"
    assert buckets_of(record) == {"input": 2}


@every_mode
async def test_a_refusal_is_no_record_and_the_same_error(asynchronous: bool, stream: bool) -> None:
    errors: Any = importlib.import_module("azure.core.exceptions")

    async def refused() -> tuple[str, Any]:
        with pytest.raises(errors.HttpResponseError) as caught:
            await completed(asynchronous, stream, Reply(b'{"error":{"message":"no"}}', 400, JSON))
        return str(caught.value), caught.value.status_code

    bare = await refused()
    with instrumented() as telemetry:
        assert await refused() == bare
        assert telemetry.records() == []


@each_way
async def test_a_stream_that_is_left_is_settled(asynchronous: bool) -> None:
    wire = wire_of(asynchronous, Reply(list(KIT.pieces(KIT.usage)), headers=SSE))
    with instrumented() as telemetry:
        client = client_on(wire, asynchronous)
        answer = await value(client.complete(messages=list(PROMPT), model="gpt-4o", stream=True))
        if asynchronous:
            await anext(aiter(answer))
            await answer.aclose()
        else:
            next(iter(answer))
            answer.close()
        record = telemetry.record()
    assert record["tokenomics.usage.source"] in ("tokenizer", "provider", "stream_partial")
