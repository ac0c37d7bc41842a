"""Anthropic's message batches, with the real client library: each result that succeeded is billed once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from tests.support import replies
from tests.support.either import items, value
from tests.support.libraries import KITS
from tests.support.telemetry import Telemetry, buckets_of, instrumented
from tests.support.wire import Reply, Wire, http_library

from otel_tokenomics import attribute
from otel_tokenomics.flow import guard

URL = "https://api.anthropic.com"
COST = "0.00032475"
"""USD of `replies.ANTHROPIC_USAGE` by claude-sonnet-4-5 in a batch, at half of the ordinary prices: for a
million tokens 60 x 1.50, 40 x 0.15, 10 x 1.875, 20 x 3 and 20 x 7.50."""
BATCH = {
    "id": "msgbatch_1",
    "type": "message_batch",
    "processing_status": "ended",
    "request_counts": {"processing": 0, "succeeded": 2, "errored": 1, "canceled": 0, "expired": 1},
    "created_at": "2026-11-20T18:37:24Z",
    "expires_at": "2026-11-21T18:37:24Z",
    "ended_at": "2026-11-20T19:37:24Z",
    "archived_at": None,
    "cancel_initiated_at": None,
    "results_url": f"{URL}/v1/messages/batches/msgbatch_1/results",
}
RUNNING = {**BATCH, "processing_status": "in_progress", "ended_at": None, "results_url": None}


def succeeded(number: int) -> dict[str, Any]:
    """A result that is billed. The usage of a batch names its tier."""
    message = {**replies.message(), "id": f"msg_{number}"}
    message["usage"] = {**replies.ANTHROPIC_USAGE, "service_tier": "batch"}
    return {"custom_id": f"question-{number}", "result": {"type": "succeeded", "message": message}}


FAILED = (
    {"custom_id": "bad", "result": {"type": "errored", "error": {"type": "invalid_request"}}},
    {"custom_id": "late", "result": {"type": "expired"}},
)


def results(*told: dict[str, Any]) -> Reply:
    """The results, a line each, in pieces of no particular size."""
    body = b"".join(replies.dumps(one) + b"\n" for one in told)
    pieces = [body[start : start + 700] for start in range(0, len(body), 700)]
    return Reply(pieces, headers={"content-type": "application/binary"})


def status(batch: dict[str, Any] = BATCH) -> Reply:
    """The batch as it stands."""
    return Reply(replies.dumps(batch))


@pytest.fixture(params=[False, True], ids=["sync", "async"])
def wired(request: pytest.FixtureRequest) -> tuple[Any, Wire]:
    """A client of either kind, and its wire."""
    kit, wire = KITS["anthropic"], Wire(library=http_library("anthropic"))
    return kit.client(wire, request.param, {"base_url": URL}), wire


@pytest.fixture
def telemetry() -> Iterator[Telemetry]:
    """The library instrumented; no fault of ours may pass."""
    before = guard.faults()
    with instrumented("anthropic") as told:
        yield told
    assert guard.faults() == before


@pytest.fixture(params=[False, True], ids=["stable", "beta"])
def beta(request: pytest.FixtureRequest) -> bool:
    """Whether the methods of `beta` are used."""
    return bool(request.param)


def batches(client: Any, beta: bool) -> Any:
    """Where the methods are."""
    return (client.beta if beta else client).messages.batches


async def test_each_result_that_succeeded_is_a_record(
    wired: tuple[Any, Wire], telemetry: Telemetry, beta: bool
) -> None:
    client, wire = wired
    wire.play(status(), results(succeeded(1), *FAILED, succeeded(2)))
    read = [one async for one in items(await value(batches(client, beta).results("msgbatch_1")))]
    assert [one.custom_id for one in read] == ["question-1", "bad", "late", "question-2"]
    first, second = telemetry.records()
    assert [one["gen_ai.response.id"] for one in (first, second)] == ["msg_1", "msg_2"]
    assert buckets_of(first) == replies.ANTHROPIC_BUCKETS
    assert first["tokenomics.cost.exact"] == COST
    assert first["tokenomics.response.service_tier"] == "batch"
    assert first["gen_ai.operation.name"] == "chat"
    (span,) = [one for one in telemetry.spans() if one.name == "fetch_response"]
    assert span.attributes is not None
    assert span.attributes["gen_ai.usage.output_tokens"] == 40
    assert span.attributes["gen_ai.usage.cost.amount"] == pytest.approx(2 * float(COST), rel=1e-12)


async def test_results_are_billed_once_and_to_who_created_the_batch(
    wired: tuple[Any, Wire], telemetry: Telemetry, beta: bool
) -> None:
    client, wire = wired
    wire.play(status(RUNNING), *[status(), results(succeeded(1), succeeded(2))] * 3)
    request = {"model": replies.CLAUDE, "max_tokens": 5, "messages": [{"role": "user", "content": "Dig?"}]}
    with attribute(team="search"):
        await value(batches(client, beta).create(requests=[{"custom_id": "a", "params": request}]))
    for _ in range(3):
        with attribute(team="platform"):
            async for _ in items(await value(batches(client, beta).results("msgbatch_1"))):
                pass
    assert [one["tokenomics.team.id"] for one in telemetry.records()] == ["search", "search"]


async def test_what_a_broken_download_left_out_is_told_by_the_next(
    wired: tuple[Any, Wire], telemetry: Telemetry, beta: bool
) -> None:
    client, wire = wired
    told = [succeeded(number) for number in range(6)]
    wire.play(status(), results(*told), status(), results(*told))
    stream = await value(batches(client, beta).results("msgbatch_1"))
    async for _ in items(stream):
        break
    await value(stream.close())
    assert 1 <= len(telemetry.records()) < 6
    async for _ in items(await value(batches(client, beta).results("msgbatch_1"))):
        pass
    ids = [record["gen_ai.response.id"] for record in telemetry.records()]
    assert sorted(ids) == [f"msg_{number}" for number in range(6)]


async def test_a_batch_that_is_created_and_polled_tells_nothing(
    wired: tuple[Any, Wire], telemetry: Telemetry, beta: bool
) -> None:
    client, wire = wired
    wire.play(status(RUNNING))
    request = {"model": replies.CLAUDE, "max_tokens": 5, "messages": [{"role": "user", "content": "Dig?"}]}
    await value(batches(client, beta).create(requests=[{"custom_id": "a", "params": request}]))
    await value(batches(client, beta).retrieve("msgbatch_1"))
    assert not telemetry.records()
    assert not telemetry.spans()
    assert telemetry.metrics() == {}
