"""A body read in pieces of a size: the HTTP library closes the response before it gives out the last."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import pytest
from tests.support import replies
from tests.support.either import items, opened
from tests.support.libraries import KITS
from tests.support.telemetry import buckets_of, instrumented
from tests.support.wire import SSE, Reply, Wire, http_library


@pytest.mark.parametrize("size", [1, 64, 1 << 20])
@pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])
async def test_the_last_piece_is_read(asynchronous: bool, size: int) -> None:
    chunks = replies.sse(replies.chat_chunks(usage=replies.OPENAI_USAGE), done=False)
    kit, wire = KITS["openai"], Wire(Reply(chunks, headers=SSE), library=http_library("openai"))
    asked = {**kit.arguments(True), "stream_options": {"include_usage": True}}
    client: Any = kit.client(wire, asynchronous, {})
    with instrumented("openai") as telemetry:
        async with opened(client.chat.completions.with_streaming_response.create(**asked)) as response:
            seen = b"".join([piece async for piece in items(response.iter_bytes(size))])
        record = telemetry.record()
    assert seen == b"".join(chunks)
    assert buckets_of(record) == replies.OPENAI_BUCKETS
    assert record["tokenomics.usage.source"] == "provider"


def test_a_reader_that_is_dropped_is_gone_at_once() -> None:
    chunks = replies.sse(replies.chat_chunks(usage=replies.OPENAI_USAGE), done=False)
    kit, wire = KITS["openai"], Wire(Reply(chunks, headers=SSE), library=http_library("openai"))
    client: Any = kit.client(wire, False, {})
    with (
        instrumented("openai"),
        client.chat.completions.with_streaming_response.create(**kit.arguments(True)) as response,
    ):
        reader = response.http_response.iter_bytes()
        assert next(reader)
        gone = weakref.ref(reader)
        gc.disable()
        try:
            del reader
            assert gone() is None, "something of ours holds the reader"
        finally:
            gc.enable()
