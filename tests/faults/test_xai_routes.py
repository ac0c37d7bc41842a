"""The calls of xAI's library that are made more seldom: a context that is compacted, a video that goes on."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from tests._required import require
from tests.support import rpc_xai as xai
from tests.support.either import value
from tests.support.rpc_calls import asked, differential
from tests.support.rpc_xai import BUCKETS, MODEL, Provider
from tests.support.telemetry import buckets_of

each_way = pytest.mark.parametrize("asynchronous", [False, True])
SOON = timedelta(milliseconds=1)


@pytest.fixture(scope="module")
def server() -> Iterator[Provider]:
    """One server for all tests of this file."""
    require("xai_sdk", "its calls are not tested")
    made = Provider()
    yield made
    made.close()


@each_way
async def test_a_context_that_is_compacted_is_a_call(server: Provider, asynchronous: bool) -> None:
    async def compact(client: Any) -> Any:
        return (await value(asked(client).compact())).proto

    answer = xai.messages("chat_pb2").CompactContextResponse(id="c1", usage=xai.usage())
    record = (await differential(server, asynchronous, compact, answer)).record()
    assert record["gen_ai.operation.name"] == "chat"
    assert record["gen_ai.response.id"] == "c1"
    assert record["gen_ai.request.model"] == MODEL
    assert buckets_of(record) == BUCKETS


@each_way
async def test_a_video_that_goes_on_is_billed_once_when_it_is_done(
    server: Provider, asynchronous: bool
) -> None:
    async def extend(client: Any) -> Any:
        about = {"model": "grok-imagine-video", "video_url": "https://example.com/1.mp4", "interval": SOON}
        return (await value(client.video.extend("and on", **about))).url

    pb2 = xai.messages("video_pb2")
    made = pb2.GeneratedVideo(url="https://example.com/2.mp4", duration=4, respect_moderation=True)
    used = xai.messages("usage_pb2").SamplingUsage(cost_in_usd_ticks=2_000_000_000)
    done = xai.video("DONE", video=made, usage=used)
    work = f"e-{asynchronous}"
    script = xai.started(work), xai.video("PENDING"), done
    record = (await differential(server, asynchronous, extend, *script)).record()
    assert record["gen_ai.response.id"] == work
    assert buckets_of(record) == {"video.ms": 4000}
    assert record["gen_ai.usage.cost.amount"] == 0.2
