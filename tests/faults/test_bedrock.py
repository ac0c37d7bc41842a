"""What only Amazon Bedrock has: bodies of a model's own, counts in headers, frames, routers, other services.

How a call may end, and that it is one record however it does, is the fault matrix's, as for any library.
"""

from __future__ import annotations

import asyncio
import gc
import importlib
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from tests.faults.cases import Case, Transcript, call, differential, told
from tests.support import aws
from tests.support.either import close, items, opened, value
from tests.support.telemetry import INSTRUMENTORS, Telemetry, buckets_of, instrumented
from tests.support.vendor_aws import MODEL, conversed, pieces
from tests.support.wire import JSON, Part, Reply

CLIENTS = (("botocore", False), ("aiobotocore", True), ("aiobotocore+httpx2", True))
plain = pytest.mark.parametrize("case", [Case(*client, False) for client in CLIENTS], ids=str)
streamed = pytest.mark.parametrize("case", [Case(*client, True) for client in CLIENTS[:2]], ids=str)
ONE = Case("botocore", False, False)
either = pytest.mark.parametrize("case", [ONE, Case("botocore", False, True)], ids=str)
USAGE = {
    "inputTokens": 11,
    "outputTokens": 7,
    "totalTokens": 318,
    "cacheReadInputTokens": 100,
    "cacheWriteInputTokens": 200,
    "cacheDetails": [{"ttl": "1h", "inputTokens": 150}, {"ttl": "5m", "inputTokens": 50}],
}
BUCKETS = {"input": 11, "output": 7, "cache_read": 100, "cache_write.1h": 150, "cache_write.5m": 50}
CLAUDE: dict[str, Any] = {
    "id": "msg_bdrk_1",
    "content": [{"type": "text", "text": "At dawn."}],
    "stop_reason": "end_turn",
    "usage": {
        "input_tokens": 11,
        "output_tokens": 7,
        "cache_creation_input_tokens": 200,
        "cache_read_input_tokens": 100,
        "cache_creation": {"ephemeral_1h_input_tokens": 150, "ephemeral_5m_input_tokens": 50},
    },
}
COUNTED = {
    "x-amzn-bedrock-input-token-count": "11",
    "x-amzn-bedrock-output-token-count": "7",
    "x-amzn-bedrock-service-tier": "priority",
}
BY_HEADERS = {"input": 11, "output": 7}
BODY = json.dumps(CLAUDE).encode()
ANSWER = Reply([BODY], headers={**JSON, **COUNTED})
Act = Callable[[Case, Any], Awaitable[Transcript]]


def spoken(**more: Any) -> Reply:
    """An answer of Converse that caches, with its request's id."""
    return Reply(conversed(USAGE, **more), headers={**JSON, "x-amzn-requestid": "r-1"})


def asking(**asked: Any) -> Act:
    """A call with other arguments."""
    return lambda case, client: call(case, client, **asked)


async def invoked(client: Any, model: str = MODEL, **body: Any) -> Any:
    """The body of an answer of a model's own, still to be read."""
    asked = {"messages": [{"role": "user", "content": "When do I dig?"}], "max_tokens": 9, **body}
    return (await value(client.invoke_model(modelId=model, body=json.dumps(asked))))["body"]


async def alike(case: Case, act: Act, *script: Reply) -> Telemetry:
    """`differential`, where what is dropped is dropped, and an exception told."""

    async def shielded(case: Case, client: Any) -> Transcript:
        try:
            return [await act(case, client)]
        except BaseException as error:
            return [told(error)]
        finally:
            gc.collect()

    telemetry = await differential(case, *script, act=shielded)
    for _ in range(3):
        gc.collect()
        await asyncio.sleep(0)
    return telemetry


@either
async def test_a_conversation_is_told_with_its_caches_and_its_price(case: Case) -> None:
    telemetry = await differential(case, case.streaming(*pieces(USAGE)) if case.stream else spoken())
    record = telemetry.record()
    assert buckets_of(record) == BUCKETS
    assert record["gen_ai.request.model"] == MODEL
    assert record["server.address"] == "bedrock-runtime.us-east-1.amazonaws.com"
    assert record["tokenomics.price.id"].startswith("aws/regional.anthropic.claude-sonnet-4-5")
    assert telemetry.spans()[0].name == f"chat {MODEL}"
    assert case.stream or record["gen_ai.response.id"] == "r-1"


@either
async def test_a_tier_that_is_served_is_never_priced_as_another(case: Case) -> None:
    tier = {"serviceTier": {"type": "priority"}}
    reply = case.streaming(*pieces(USAGE, **tier)) if case.stream else spoken(**tier)
    record = (await differential(case, reply)).record()
    assert record["tokenomics.cost.status"] == "unpriced"
    assert record["tokenomics.cost.unpriced_reason"] == "unknown_tier"


async def _lines(body: Any) -> Any:
    return [line async for line in items(body.iter_lines(7))]


async def _pieces(body: Any) -> Any:
    return b"".join([piece async for piece in items(body.iter_chunks(5))])


async def _into(body: Any) -> Any:
    seen, held = b"", bytearray(16)
    while count := await value(body.readinto(held)):
        seen += bytes(held[:count])
    return seen


async def _in_block(body: Any) -> Any:
    async with opened(body) as entered:
        return await value(entered.read())


async def _in_parts(body: Any) -> Any:
    return [await value(body.read(20)), await value(body.read())]


async def _whole(body: Any) -> Any:
    return await value(body.read())


@plain
@pytest.mark.parametrize("read", [_whole, _lines, _pieces, _into, _in_block, _in_parts])
async def test_a_models_own_body_is_one_record_however_it_is_read(case: Case, read: Any) -> None:
    async def act(case: Case, client: Any) -> Any:
        return await read(await invoked(client))

    record = (await alike(case, act, ANSWER)).record()
    assert buckets_of(record) == BUCKETS
    assert record["gen_ai.response.id"] == "msg_bdrk_1"
    assert record["gen_ai.usage.input_tokens"] == 311


async def test_a_body_that_is_read_as_lines_of_a_file_is_counted() -> None:
    async def act(case: Case, client: Any) -> Any:
        return (await invoked(client)).readlines()

    assert buckets_of((await alike(ONE, act, ANSWER)).record()) == BUCKETS


@plain
@pytest.mark.parametrize("leave", [type, close])
async def test_a_body_that_is_never_read_is_counted_by_its_headers(case: Case, leave: Any) -> None:
    async def act(case: Case, client: Any) -> Any:
        await value(leave(await invoked(client)))

    assert buckets_of((await alike(case, act, ANSWER)).record()) == BY_HEADERS


async def test_headers_count_where_a_body_does_not() -> None:
    answer = Reply(json.dumps({"outputs": [{"text": "At dawn."}]}).encode(), headers={**JSON, **COUNTED})

    async def act(case: Case, client: Any) -> Any:
        return (await invoked(client, "mistral.mistral-7b-instruct-v0:2", prompt="x")).read()

    record = (await alike(ONE, act, answer)).record()
    assert buckets_of(record) == BY_HEADERS
    assert record["tokenomics.usage.source"] == "provider"


async def test_a_task_that_is_cancelled_at_a_body_is_counted_by_its_headers() -> None:
    async def act(case: Case, client: Any) -> Any:
        there, never = asyncio.Event(), asyncio.Event()

        async def hang() -> None:
            there.set()
            await never.wait()

        wire = case.wire(Reply([BODY[:20], hang], headers=ANSWER.headers))
        task = asyncio.ensure_future((await invoked(case.client(wire))).read())
        await there.wait()
        task.cancel()
        return await task

    assert buckets_of((await alike(Case("aiobotocore", True, False), act)).record()) == BY_HEADERS


@streamed
async def test_a_models_own_stream_is_one_record(case: Case) -> None:
    used = {**CLAUDE["usage"], "output_tokens": 1}
    metrics = {
        "inputTokenCount": 11,
        "outputTokenCount": 7,
        "cacheReadInputTokenCount": 100,
        "cacheWriteInputTokenCount": 200,
    }
    text = {"type": "text_delta", "text": "At dawn."}
    script = aws.chunks(
        {"type": "message_start", "message": {"id": "msg_1", "usage": used}},
        {"type": "content_block_delta", "index": 0, "delta": text},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 7}},
        {"type": "message_stop", "amazon-bedrock-invocationMetrics": metrics},
    )

    async def act(case: Case, client: Any) -> Any:
        asked = {"modelId": MODEL, "body": b'{"messages": []}'}
        events = (await value(client.invoke_model_with_response_stream(**asked)))["body"]
        return [event async for event in items(events)]

    record = (await alike(case, act, case.streaming(*script))).record()
    assert buckets_of(record) == BUCKETS
    assert record["tokenomics.usage.source"] == "provider"
    assert not record.get("tokenomics.usage.flags")


@streamed
async def test_an_error_event_ends_a_stream(case: Case) -> None:
    error = aws.frame("modelStreamErrorException", b'{"message": "broke"}', "exception")
    record = (await differential(case, case.streaming(*case.pieces()[:3], error))).record()
    assert record["tokenomics.usage.source"] == "stream_partial"


@streamed
async def test_a_stream_whose_bytes_are_cut_anywhere_is_the_same(case: Case) -> None:
    whole = b"".join(pieces(USAGE))
    cut: list[Part] = [whole[at : at + 7] for at in range(0, len(whole), 7)]
    assert buckets_of((await differential(case, case.streaming(*cut))).record()) == BUCKETS


@pytest.mark.parametrize("case", [Case(*client, False) for client in CLIENTS[1:]], ids=str)
@pytest.mark.parametrize("library", ["cohere", "google-genai"])
async def test_what_the_seam_of_the_http_library_sees_is_not_counted_again(case: Case, library: str) -> None:
    with instrumented("aiobotocore", library) as telemetry:
        client = case.client(case.wire(spoken(), ANSWER))
        await call(case, client)
        await (await invoked(client)).read()
        assert len(telemetry.records()) == 2


async def test_a_connection_that_broke_after_sending_is_possibly_billed() -> None:
    # aiobotocore says of it that there was no connection to the endpoint.
    case = Case("aiobotocore", True, False)
    reply = Reply(error=lambda request: case.error("ClientOSError", 104, "reset by peer"))
    assert (await differential(case, reply)).record()["tokenomics.attempt.possibly_billed"] == 1


async def test_a_prompt_router_is_priced_as_the_model_that_it_chose() -> None:
    chosen = f"arn:aws:bedrock:us-east-1:1:inference-profile/{MODEL}"
    router = "arn:aws:bedrock:us-east-1:1:default-prompt-router/anthropic.claude:1"
    reply = spoken(trace={"promptRouter": {"invokedModelId": chosen}})
    record = (await differential(ONE, reply, act=asking(modelId=router))).record()
    assert record["gen_ai.response.model"] == chosen
    assert record["tokenomics.price.id"].startswith("aws/regional.anthropic.claude-sonnet-4-5")


@pytest.mark.parametrize(
    ("model", "status"),
    [
        (f"arn:aws:bedrock:us-east-1:1:inference-profile/{MODEL}", "complete"),
        ("arn:aws:bedrock:us-east-1:1:application-inference-profile/abc", "unpriced"),
        ("arn:aws:bedrock:us-east-1:1:provisioned-model/abc", "unpriced"),
    ],
)
async def test_an_arn_is_priced_only_as_the_model_that_it_names(model: str, status: str) -> None:
    record = (await differential(ONE, spoken(), act=asking(modelId=model))).record()
    assert record["tokenomics.cost.status"] == status


async def test_counting_tokens_is_free() -> None:
    async def act(case: Case, client: Any) -> Any:
        asked = {"converse": {"messages": case.arguments()["messages"]}}
        return [client.count_tokens(modelId=MODEL, input=asked)]

    telemetry = await differential(ONE, Reply(b'{"inputTokens": 5}'), act=act)
    assert all(record.get("gen_ai.usage.cost.amount", 0) == 0 for record in telemetry.records())


@plain
async def test_other_services_and_operations_pass_by(case: Case) -> None:
    with instrumented() as telemetry:
        client = case.client(case.wire(Reply(b'{"modelSummaries": []}')), service_name="bedrock")
        assert (await value(client.list_foundation_models()))["modelSummaries"] == []
        assert (telemetry.records(), telemetry.spans()) == ([], [])


@plain
async def test_a_client_made_before_is_recorded_and_one_made_meanwhile_no_longer(case: Case) -> None:
    early = case.client(case.wire(spoken()))
    with instrumented() as telemetry:
        late = case.client(case.wire(spoken()))
        await call(case, early)
        await call(case, late)
    await call(case, late)
    assert len(telemetry.records()) == 2


@pytest.mark.parametrize(
    ("library", "owners"),
    [
        ("botocore", (("botocore.client", "BaseClient"), ("botocore.endpoint", "Endpoint"))),
        ("aiobotocore", (("aiobotocore.client", "AioBaseClient"), ("aiobotocore.endpoint", "AioEndpoint"))),
    ],
)
def test_uninstrumenting_restores_both_methods(library: str, owners: Any) -> None:
    def found() -> list[Any]:
        kinds = [getattr(importlib.import_module(module), name) for module, name in owners]
        return [vars(kinds[0])["_make_api_call"], vars(kinds[1])["_needs_retry"]]

    before = found()
    instrumentor = INSTRUMENTORS[library]()
    instrumentor.instrument(**Telemetry().providers)
    assert all(now is not was for now, was in zip(found(), before, strict=True))
    instrumentor.uninstrument()
    assert found() == before
