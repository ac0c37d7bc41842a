"""Sessions of Anthropic's managed agents, with the real client library: a record for each model request."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from tests.support import replies
from tests.support.either import items, value
from tests.support.libraries import KITS
from tests.support.telemetry import Telemetry, buckets_of, instrumented
from tests.support.wire import SSE, Reply, Wire, http_library

from otel_tokenomics import attribute
from otel_tokenomics.flow import guard

NOW = datetime.now(UTC).replace(microsecond=0)
SESSION = {
    "id": "sesn_1",
    "type": "session",
    "agent": {"id": "agent_1", "type": "agent", "name": "gardener", "model": {"id": replies.CLAUDE}},
    "usage": {"input_tokens": 900, "output_tokens": 90},
    "status": "running",
}
THREAD = {
    "id": "sthr_1",
    "type": "session_thread",
    "session_id": "sesn_1",
    "agent": {"type": "agent", "name": "helper", "model": {"id": "claude-haiku-4-5-20251001"}},
}
SNAPSHOT = {
    "type": "session.usage",
    "id": "sevt_u",
    "processed_at": NOW.isoformat(),
    "usage": {"input_tokens": 900, "output_tokens": 90},
}


def request(number: int, **more: Any) -> dict[str, Any]:
    """The end of one request to a model."""
    usage = {
        "input_tokens": 10,
        "cache_creation_input_tokens": 4,
        "cache_read_input_tokens": 6,
        "output_tokens": 5,
    }
    return {
        "type": "span.model_request_end",
        "id": f"sevt_{number}",
        "model_request_start_id": f"sevt_s{number}",
        "processed_at": NOW.isoformat(),
        "model_usage": usage,
        **more,
    }


BUCKETS = {"input": 10, "cache_write": 4, "cache_read": 6, "output": 5}


@pytest.fixture(params=[False, True], ids=["sync", "async"])
def wired(request: pytest.FixtureRequest) -> tuple[Any, Wire]:
    """Where the methods of sessions are, of a client of either kind, and its wire."""
    kit, wire = KITS["anthropic"], Wire(library=http_library("anthropic"))
    client = kit.client(wire, request.param, {"base_url": "https://api.anthropic.com"})
    if not hasattr(client.beta, "sessions"):
        pytest.skip("this version has no managed agents")
    return client.beta.sessions, wire


@pytest.fixture
def telemetry() -> Iterator[Telemetry]:
    """The library instrumented; no fault of ours may pass."""
    before = guard.faults()
    with instrumented("anthropic") as told:
        yield told
    assert guard.faults() == before


def whole(body: Any) -> Reply:
    """An answer that is not streamed."""
    return Reply(replies.dumps(body))


def stream(*events: dict[str, Any]) -> Reply:
    """A stream of events."""
    return Reply(replies.sse(events, done=False, named=True), headers=SSE)


async def test_each_request_to_a_model_is_a_record_at_the_sessions_model(
    wired: tuple[Any, Wire], telemetry: Telemetry
) -> None:
    sessions, wire = wired
    failed = request(3, is_error=True, model_usage={"input_tokens": 0, "output_tokens": 0})
    wire.play(whole(SESSION), stream(request(1), SNAPSHOT, request(2), failed, SNAPSHOT))
    with attribute(team="garden"):
        await value(sessions.create(agent="agent_1", environment_id="env_1"))
    seen = [event.type async for event in items(await value(sessions.events.stream("sesn_1")))]
    assert seen.count("span.model_request_end") == 3
    first, second = telemetry.records()
    assert [one["gen_ai.response.id"] for one in (first, second)] == ["sevt_1", "sevt_2"]
    assert buckets_of(first) == BUCKETS
    assert first["gen_ai.response.model"] == replies.CLAUDE
    assert first["tokenomics.team.id"] == "garden"
    assert first["tokenomics.cost.status"] == "complete"
    logs = telemetry.log_exporter.get_finished_logs()
    assert logs[0].log_record.timestamp == int(NOW.timestamp()) * 10**9


async def test_what_a_stream_said_is_not_counted_again_in_a_list(
    wired: tuple[Any, Wire], telemetry: Telemetry
) -> None:
    sessions, wire = wired
    page = {"data": [request(1), SNAPSHOT, request(2)], "next_page": None}
    wire.play(whole(SESSION), stream(request(1)), whole(page), whole(page))
    await value(sessions.retrieve("sesn_1"))
    async for _ in items(await value(sessions.events.stream("sesn_1"))):
        pass
    for _ in range(2):
        listed = sessions.events.list("sesn_1")
        assert [event.id async for event in items(listed)] == ["sevt_1", "sevt_u", "sevt_2"]
    assert [one["gen_ai.response.id"] for one in telemetry.records()] == ["sevt_1", "sevt_2"]


async def test_a_thread_has_a_model_of_its_own(wired: tuple[Any, Wire], telemetry: Telemetry) -> None:
    sessions, wire = wired
    wire.play(whole(SESSION), whole(THREAD), stream(request(1)))
    await value(sessions.retrieve("sesn_1"))
    await value(sessions.threads.retrieve("sthr_1", session_id="sesn_1"))
    async for _ in items(await value(sessions.threads.events.stream("sthr_1", session_id="sesn_1"))):
        pass
    assert telemetry.record()["gen_ai.response.model"] == "claude-haiku-4-5-20251001"


async def test_a_session_that_nobody_asked_about_has_no_model_and_no_price(
    wired: tuple[Any, Wire], telemetry: Telemetry
) -> None:
    sessions, wire = wired
    wire.play(stream(request(1)))
    async for _ in items(await value(sessions.events.stream("sesn_1"))):
        pass
    record = telemetry.record()
    assert buckets_of(record) == BUCKETS
    assert record["tokenomics.cost.unpriced_reason"] == "unknown_model"


async def test_a_session_alone_tells_nothing(wired: tuple[Any, Wire], telemetry: Telemetry) -> None:
    sessions, wire = wired
    wire.play(whole(SESSION))
    await value(sessions.create(agent="agent_1", environment_id="env_1"))
    await value(sessions.retrieve("sesn_1"))
    assert not telemetry.records()
    assert not telemetry.spans()
