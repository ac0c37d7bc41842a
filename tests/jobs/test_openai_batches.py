"""OpenAI's batches, with the real client library: every result is billed once, at the prices of a batch."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from tests.support import replies
from tests.support.either import items, opened, value
from tests.support.libraries import KITS
from tests.support.telemetry import Telemetry, buckets_of, instrumented
from tests.support.wire import JSON, Reply, Wire, http_library

from otel_tokenomics import attribute
from otel_tokenomics.flow import guard
from otel_tokenomics.telemetry import names

MINI = "gpt-4o-mini-2024-07-18"
NOW = int(time.time()) - 3_600
OCTETS = {"content-type": "application/octet-stream"}
COST = "0.0000135"
"""USD of `replies.OPENAI_USAGE` by gpt-4o-mini in a batch, which has no price for what was cached:
100 x 0.075 and 20 x 0.30 for a million tokens."""


def result(number: int, body: Any = None, status: int = 200) -> dict[str, Any]:
    """One line of an output file."""
    answer = body or {**replies.chat(), "id": f"chatcmpl-{number}", "model": MINI, "created": NOW}
    answered = {"status_code": status, "request_id": f"req_{number}", "body": answer}
    return {
        "id": f"batch_req_{number}",
        "custom_id": f"question-{number}",
        "response": answered,
        "error": None,
    }


def lines(*results: dict[str, Any]) -> bytes:
    """A file: Python writes a space after each comma and colon, and so does OpenAI."""
    return b"".join(json.dumps(one).encode() + b"\n" for one in results)


def batch(status: str, output: str | None = None) -> dict[str, Any]:
    """A batch."""
    return {
        "id": "batch_1",
        "object": "batch",
        "endpoint": "/v1/chat/completions",
        "input_file_id": "file-in",
        "completion_window": "24h",
        "status": status,
        "created_at": NOW,
        "output_file_id": output,
        "usage": {"input_tokens": 200, "output_tokens": 40, "total_tokens": 240},
    }


def file(*results: dict[str, Any]) -> Reply:
    """A download of those results."""
    return Reply(lines(*results), headers=OCTETS)


@pytest.fixture(params=[False, True], ids=["sync", "async"])
def wired(request: pytest.FixtureRequest) -> tuple[Any, Wire]:
    """A client of either kind, and its wire."""
    kit, wire = KITS["openai"], Wire(library=http_library("openai"))
    return kit.client(wire, request.param, {"base_url": "https://api.openai.com/v1"}), wire


@pytest.fixture
def telemetry() -> Iterator[Telemetry]:
    """The library instrumented; no fault of ours may pass."""
    before = guard.faults()
    with instrumented("openai") as told:
        yield told
    assert guard.faults() == before


async def test_each_result_is_a_record_at_batch_prices(wired: tuple[Any, Wire], telemetry: Telemetry) -> None:
    client, wire = wired
    wire.play(file(result(1), result(2)))
    content = await value(client.files.content("file-out"))
    assert content.content == wire.script[0].body
    first, second = telemetry.records()
    assert [one["gen_ai.response.id"] for one in (first, second)] == ["chatcmpl-1", "chatcmpl-2"]
    assert buckets_of(first) == replies.OPENAI_BUCKETS
    assert first["tokenomics.cost.exact"] == COST
    assert first["gen_ai.operation.name"] == "chat"
    assert first["gen_ai.response.model"] == MINI
    assert first["tokenomics.response.service_tier"] == "batch"
    assert first["tokenomics.record.key"] == "openai:chatcmpl-1"
    assert "tokenomics.record.duration" not in first


async def test_a_record_is_of_when_the_result_was_made(wired: tuple[Any, Wire], telemetry: Telemetry) -> None:
    client, wire = wired
    wire.play(file(result(1), result(2, {**replies.chat(), "id": "chatcmpl-2", "created": 5})))
    started = time.time_ns()
    await value(client.files.content("file-out"))
    telemetry.records()
    made = [log.log_record.timestamp for log in telemetry.log_exporter.get_finished_logs()]
    assert made[0] == NOW * 10**9
    assert made[1] >= started


async def test_a_second_download_bills_nothing(wired: tuple[Any, Wire], telemetry: Telemetry) -> None:
    client, wire = wired
    wire.play(file(result(1), result(2)))
    for _ in range(3):
        await value(client.files.content("file-out"))
    assert len(telemetry.records()) == 2
    spans = telemetry.spans()
    assert [span.name for span in spans] == ["fetch_response"]


async def test_one_span_tells_what_all_come_to(wired: tuple[Any, Wire], telemetry: Telemetry) -> None:
    client, wire = wired
    wire.play(file(*[result(number) for number in range(10)]))
    await value(client.files.content("file-out"))
    records = telemetry.records()
    (span,) = telemetry.spans()
    assert span.attributes is not None
    assert span.attributes["gen_ai.usage.input_tokens"] == 1_000
    assert span.attributes["gen_ai.usage.output_tokens"] == 200
    assert span.attributes["gen_ai.usage.cost.amount"] == pytest.approx(float(COST) * 10, rel=1e-12)
    assert span.attributes["tokenomics.cost.status"] == "complete"
    assert span.attributes["gen_ai.response.model"] == MINI
    assert span.attributes["tokenomics.service_tier"] == "batch"
    assert span.attributes["gen_ai.operation.name"] == "fetch_response"
    logs = telemetry.log_exporter.get_finished_logs()
    assert {log.log_record.span_id for log in logs} == {span.context.span_id}
    metrics = telemetry.metrics()
    assert sum(metrics[names.METRIC_COST].values()) == pytest.approx(float(COST) * 10, rel=1e-12)
    assert len(records) == 10


async def test_who_created_the_batch_is_charged(wired: tuple[Any, Wire], telemetry: Telemetry) -> None:
    client, wire = wired
    wire.play(
        Reply(json.dumps(batch("validating")).encode()),
        Reply(json.dumps(batch("in_progress")).encode()),
        Reply(json.dumps(batch("completed", "file-out")).encode()),
        file(result(1)),
    )
    with attribute(team="search"):
        asked = {"input_file_id": "file-in", "endpoint": "/v1/chat/completions", "completion_window": "24h"}
        await value(client.batches.create(**asked))
    with attribute(team="platform"):
        await value(client.batches.retrieve("batch_1"))
        done = await value(client.batches.retrieve("batch_1"))
        await value(client.files.content(done.output_file_id))
    assert telemetry.record()["tokenomics.team.id"] == "search"


async def test_a_batch_of_another_process_is_whose_who_asks_for_it(
    wired: tuple[Any, Wire], telemetry: Telemetry
) -> None:
    client, wire = wired
    wire.play(Reply(json.dumps(batch("completed", "file-out")).encode()), file(result(1)))
    with attribute(team="platform"):
        await value(client.batches.retrieve("batch_1"))
        await value(client.files.content("file-out"))
    assert telemetry.record()["tokenomics.team.id"] == "platform"


async def test_a_batch_that_is_polled_tells_nothing(wired: tuple[Any, Wire], telemetry: Telemetry) -> None:
    client, wire = wired
    wire.play(Reply(json.dumps(batch("completed", "file-out")).encode()))
    await value(client.batches.retrieve("batch_1"))
    await value(client.batches.cancel("batch_1"))
    await value(client.batches.list())
    assert telemetry.records() == []
    assert telemetry.spans() == []
    assert telemetry.metrics() == {}


OTHER_BODIES = {
    "responses": (
        {**replies.response(replies.RESPONSES_USAGE), "id": "resp_7", "model": MINI},
        "openai:resp_7",
        "chat",
        replies.OPENAI_BUCKETS,
    ),
    "embeddings": (
        {
            "object": "list",
            "model": "text-embedding-3-small",
            "data": [{"object": "embedding", "index": 0, "embedding": [0.5] * 8}],
            "usage": {"prompt_tokens": 8, "total_tokens": 8},
        },
        "openai:batch_req_1",
        "embeddings",
        {"input": 8},
    ),
    "images": (
        {
            "created": NOW,
            "data": [{"b64_json": "aGk="}],
            "usage": {"input_tokens": 10, "output_tokens": 50, "total_tokens": 60},
        },
        "openai:batch_req_1",
        "image_generation",
        {"input": 10, "output.image": 50},
    ),
}


@pytest.mark.parametrize("body", OTHER_BODIES.values(), ids=OTHER_BODIES)
async def test_every_endpoint_that_a_batch_may_have(
    body: tuple[dict[str, Any], str, str, dict[str, int]], wired: tuple[Any, Wire], telemetry: Telemetry
) -> None:
    client, wire = wired
    answer, key, operation, buckets = body
    wire.play(file(result(1, answer)))
    await value(client.files.content("file-out"))
    record = telemetry.record()
    assert (record["tokenomics.record.key"], record["gen_ai.operation.name"]) == (key, operation)
    assert buckets_of(record) == buckets


async def test_what_failed_or_is_no_line_bills_nothing(wired: tuple[Any, Wire], telemetry: Telemetry) -> None:
    client, wire = wired
    broken = b'{"id": "batch_req_9", "usage": {\n[1]\n{"usage": {"a": 1}}\n'
    failed = result(2, {"error": {"message": "no"}, "usage": {"prompt_tokens": 5}}, status=400)
    wire.play(Reply(lines(failed) + broken + lines(result(1)).rstrip(), headers=OCTETS))
    await value(client.files.content("file-out"))
    assert telemetry.record()["gen_ai.response.id"] == "chatcmpl-1"


@pytest.mark.parametrize(
    "content",
    [b"", b"\x89PNG\r\n", b'{"custom_id": "a", "method": "POST", "body": {"usage": {"x": 1}}}\n'],
    ids=["empty", "image", "input"],
)
async def test_a_file_of_another_kind_leaves_no_trace(
    content: bytes, wired: tuple[Any, Wire], telemetry: Telemetry
) -> None:
    client, wire = wired
    wire.play(Reply(content, headers=OCTETS))
    assert (await value(client.files.content("file-1"))).content == content
    assert not telemetry.records()
    assert not telemetry.spans()
    assert telemetry.metrics() == {}


@pytest.mark.parametrize("size", [1, 7, 4096])
async def test_a_streamed_download_is_read_as_it_passes(
    size: int, wired: tuple[Any, Wire], telemetry: Telemetry
) -> None:
    client, wire = wired
    body = lines(*[result(number) for number in range(3)]).rstrip()
    pieces = [body[start : start + size] for start in range(0, len(body), size)]
    wire.play(Reply(pieces, headers=OCTETS))
    async with opened(client.files.with_streaming_response.content("file-out")) as response:
        seen = b"".join([piece async for piece in items(response.iter_bytes())])
    assert seen == body
    assert len(telemetry.records()) == 3


async def test_what_a_broken_download_left_out_is_told_by_the_next(
    wired: tuple[Any, Wire], telemetry: Telemetry
) -> None:
    client, wire = wired
    body = [lines(result(number)) for number in range(4)]
    wire.play(Reply(body, headers=OCTETS))
    async with opened(client.files.with_streaming_response.content("file-out")) as response:
        async for _ in items(response.iter_bytes()):
            break
    assert 1 <= len(telemetry.records()) < 4
    await value(client.files.content("file-out"))
    ids = [record["gen_ai.response.id"] for record in telemetry.records()]
    assert sorted(ids) == [f"chatcmpl-{number}" for number in range(4)]


async def test_a_refused_download_is_nothing(wired: tuple[Any, Wire], telemetry: Telemetry) -> None:
    client, wire = wired
    wire.play(Reply(b'{"error": {"message": "no such file"}}', 404, JSON))
    with pytest.raises(Exception, match="no such file"):
        await value(client.files.content("file-out"))
    assert not telemetry.records()
    assert not telemetry.spans()
