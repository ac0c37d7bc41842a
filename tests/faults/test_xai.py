"""xAI's library over gRPC: however a call ends it is one record, and the application sees what it would see.

Each script runs bare and instrumented on the real clients, over a real channel to a server on the loopback
interface; the answers, messages and errors must be equal.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from pydantic import BaseModel
from tests._required import require
from tests.support import rpc_xai as xai
from tests.support.either import items, value
from tests.support.rpc_calls import asked, differential, is_asynchronous, sample, stream
from tests.support.rpc_xai import BUCKETS, MODEL, TICKS, Provider
from tests.support.telemetry import buckets_of

COST = TICKS * 10**5
"""In femto-USD: a tick is 1e-10 USD."""
each_way = pytest.mark.parametrize("asynchronous", [False, True])
SOON = timedelta(milliseconds=1)


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


def billed(record: dict[str, Any]) -> int:
    """Its cost in femto-USD."""
    amount = record.get("tokenomics.cost.exact") or repr(record["gen_ai.usage.cost.amount"])
    whole, _, part = f"{float(amount):.15f}".partition(".")
    return int(whole + part)


@each_way
async def test_a_completion_is_one_record(server: Provider, asynchronous: bool) -> None:
    telemetry = await differential(server, asynchronous, sample, xai.completion())
    record = telemetry.record()
    assert buckets_of(record) == BUCKETS
    assert record["gen_ai.provider.name"] == "x_ai"
    assert record["gen_ai.operation.name"] == "chat"
    assert record["gen_ai.request.model"] == record["gen_ai.response.model"] == MODEL
    assert record["gen_ai.response.id"] == "r1"
    assert record["tokenomics.cost.method"] == "vendor_reported"
    assert billed(record) == COST
    assert f"{record['server.address']}:{record['server.port']}" == server.host
    (span,) = telemetry.spans()
    assert span.name == f"chat {MODEL}"
    assert "secret" not in str(record) + str(dict(span.attributes or {}))
    assert server.metadata[-1]["authorization"] == "Bearer secret"


@each_way
async def test_a_cost_that_is_not_told_is_reckoned(server: Provider, asynchronous: bool) -> None:
    counted = xai.usage()
    counted.ClearField("cost_in_usd_ticks")
    record = (await differential(server, asynchronous, sample, xai.completion(usage=counted))).record()
    assert record["tokenomics.cost.method"] == "catalog"
    # grok-4: 3, 0.75 and 15 USD for a million tokens, of which 5 reasoned.
    assert billed(record) == (60 * 3_000 + 40 * 750 + 25 * 15_000) * 10**6


@each_way
@pytest.mark.parametrize("running", [False, True])
async def test_a_stream_is_one_record(server: Provider, asynchronous: bool, running: bool) -> None:
    record = (await differential(server, asynchronous, stream, xai.chunks(running=running))).record()
    assert buckets_of(record) == BUCKETS
    assert record["tokenomics.usage.source"] == "provider"
    assert record["gen_ai.request.stream"] is True
    assert record["gen_ai.response.id"] == "r1"
    assert billed(record) == COST


@each_way
async def test_several_answers_to_one_request_are_one_record(server: Provider, asynchronous: bool) -> None:
    async def batch(client: Any) -> Any:
        return [one.content for one in await value(asked(client).sample_batch(2))]

    async def streamed(client: Any) -> Any:
        return [len(two) async for _, two in items(asked(client).stream_batch(2), is_asynchronous(client))]

    record = (await differential(server, asynchronous, batch, xai.completion(n=2))).record()
    assert buckets_of(record) == BUCKETS
    assert server.requests[0].n == 2
    record = (await differential(server, asynchronous, streamed, xai.chunks())).record()
    assert buckets_of(record) == BUCKETS


class Month(BaseModel):
    """What a parsed answer holds."""

    month: str


@each_way
async def test_a_parsed_answer_is_one_record(server: Provider, asynchronous: bool) -> None:
    async def parse(client: Any) -> Any:
        return (await value(asked(client).parse(Month)))[1]

    answer = xai.completion('{"month": "May"}')
    assert buckets_of((await differential(server, asynchronous, parse, answer)).record()) == BUCKETS


@each_way
async def test_what_is_deferred_is_billed_once_when_it_is_done(server: Provider, asynchronous: bool) -> None:
    async def defer(client: Any) -> Any:
        return (await value(asked(client).defer(interval=SOON))).proto

    waiting = xai.deferred("PENDING")
    script = (xai.started(), waiting, waiting, xai.deferred("DONE", xai.completion()))
    record = (await differential(server, asynchronous, defer, *script)).record()
    assert buckets_of(record) == BUCKETS
    assert record["gen_ai.response.id"] == "d1"
    assert record["gen_ai.response.model"] == MODEL
    assert billed(record) == COST


@each_way
async def test_what_expires_is_not_billed(server: Provider, asynchronous: bool) -> None:
    async def defer(client: Any) -> Any:
        return await value(asked(client).defer(interval=SOON))

    telemetry = await differential(server, asynchronous, defer, xai.started("d2"), xai.deferred("EXPIRED"))
    assert telemetry.records() == []


@each_way
async def test_pictures(server: Provider, asynchronous: bool) -> None:
    async def draw(client: Any) -> Any:
        made = await value(client.image.sample("a spade", model="grok-2-image", image_format="url"))
        return made.url

    pb2 = xai.messages("image_pb2")
    picture = pb2.GeneratedImage(url="https://example.com/1.png", respect_moderation=True)
    used = xai.messages("usage_pb2").SamplingUsage(cost_in_usd_ticks=700_000_000)
    answer = pb2.ImageResponse(images=[picture], model="grok-2-image", usage=used)
    record = (await differential(server, asynchronous, draw, answer)).record()
    assert record["gen_ai.operation.name"] == "image_generation"
    assert buckets_of(record) == {"images": 1}
    assert record["gen_ai.usage.cost.amount"] == 0.07


@each_way
async def test_a_video_is_billed_once_when_it_is_done(server: Provider, asynchronous: bool) -> None:
    async def film(client: Any) -> Any:
        return (await value(client.video.generate("a spade", model="grok-imagine-video", interval=SOON))).url

    pb2 = xai.messages("video_pb2")
    made = pb2.GeneratedVideo(url="https://example.com/1.mp4", duration=6, respect_moderation=True)
    used = xai.messages("usage_pb2").SamplingUsage(cost_in_usd_ticks=3_000_000_000)
    done = xai.video("DONE", video=made, usage=used)
    work = f"v-{asynchronous}"
    record = (
        await differential(server, asynchronous, film, xai.started(work), xai.video("PENDING"), done)
    ).record()
    assert record["gen_ai.response.id"] == work
    assert buckets_of(record) == {"video.ms": 6000}
    assert record["gen_ai.usage.cost.amount"] == 0.3


@each_way
async def test_what_counts_tokens_is_free(server: Provider, asynchronous: bool) -> None:
    async def count(client: Any) -> Any:
        return len(await value(client.tokenize.tokenize_text("Dig", model=MODEL)))

    answer = xai.messages("tokenize_pb2").TokenizeTextResponse(model=MODEL)
    record = (await differential(server, asynchronous, count, answer)).record()
    assert record["gen_ai.operation.name"] == "count_tokens"
    assert record["gen_ai.usage.cost.amount"] == 0


async def test_tools_of_the_server_are_counted_by_use(server: Provider) -> None:
    tools = xai.messages("usage_pb2").ServerSideTool
    names = ("WEB_SEARCH", "WEB_SEARCH", "X_SEARCH", "CODE_EXECUTION", "COLLECTIONS_SEARCH", "VIEW_IMAGE")
    used = xai.usage(server_side_tools_used=[tools.Value(f"SERVER_SIDE_TOOL_{name}") for name in names])
    record = (await differential(server, False, sample, xai.completion(usage=used))).record()
    counted = {"tool.web_search": 2, "tool.social_search": 1, "tool.code_execution": 1, "tool.file_search": 1}
    assert buckets_of(record) == {**BUCKETS, **counted}
    assert billed(record) == COST


async def test_a_tier_that_is_served_is_told(server: Provider) -> None:
    tier = xai.messages("usage_pb2").SERVICE_TIER_PRIORITY
    record = (await differential(server, False, sample, xai.completion(service_tier=tier))).record()
    assert record["tokenomics.response.service_tier"] == "priority"


async def test_an_answer_without_usage_is_counted_here(server: Provider) -> None:
    record = (await differential(server, False, sample, xai.completion(usage=None))).record()
    assert record["tokenomics.usage.source"] == "tokenizer"
    assert buckets_of(record)["output"] > 0


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
