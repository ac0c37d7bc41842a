"""OpenAI's websockets, with the real client library and a real server on the loopback."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from tests.budgets._calls import governed
from tests.jobs._server import Event, provider
from tests.support import replies
from tests.support.either import items, opened, value
from tests.support.telemetry import Telemetry, buckets_of, instrumented

from otel_tokenomics import attribute
from otel_tokenomics.adapters.openai import OpenAI
from otel_tokenomics.flow import guard
from otel_tokenomics.flow.socket import Done
from otel_tokenomics.wiring import sockets
from otel_tokenomics.wiring.libraries import LIBRARIES

REALTIME = "gpt-realtime-2025-08-28"
WHISPER = "gpt-4o-mini-transcribe"
USAGE = {
    "total_tokens": 253,
    "input_tokens": 132,
    "output_tokens": 121,
    "input_token_details": {
        "text_tokens": 110,
        "audio_tokens": 22,
        "cached_tokens": 72,
        "cached_tokens_details": {"text_tokens": 64, "audio_tokens": 8},
    },
    "output_token_details": {"text_tokens": 30, "audio_tokens": 91},
}
BUCKETS = {
    "input": 46,
    "input.audio": 14,
    "cache_read": 64,
    "cache_read.audio": 8,
    "output": 30,
    "output.audio": 91,
}
COST = "0.0069648"
"""USD of that usage by gpt-realtime: 46 x 4, 14 x 32, 72 x 0.40, 30 x 16 and 91 x 64 for a million tokens."""
SESSION = {
    "id": "sess_1",
    "type": "realtime",
    "model": REALTIME,
    "audio": {"input": {"transcription": {"model": WHISPER}}},
}
HELLO: list[Event] = [{"type": "session.created", "event_id": "e1", "session": SESSION}]


def spoken(id: str, usage: Any = None, status: str = "completed") -> list[Event]:
    """The events of one response in a realtime session."""
    begun: Event = {
        "id": id,
        "object": "realtime.response",
        "status": "in_progress",
        "output": [],
        "usage": None,
    }
    place = {"response_id": id, "item_id": "item_1", "output_index": 0, "content_index": 0}
    return [
        {"type": "response.created", "event_id": f"{id}.a", "response": begun},
        {"type": "response.output_audio.delta", "event_id": f"{id}.b", **place, "delta": "AAAA" * 5_000},
        {
            "type": "response.done",
            "event_id": f"{id}.c",
            "response": {**begun, "status": status, "usage": usage},
        },
    ]


def transcribed(item: str, usage: Any) -> Event:
    """What was said, by another model."""
    return {
        "type": "conversation.item.input_audio_transcription.completed",
        "event_id": f"{item}.t",
        "item_id": item,
        "content_index": 0,
        "transcript": "Dig it.",
        "usage": usage,
    }


def written(id: str) -> list[Event]:
    """The events of one response over `/responses`."""
    told = replies.response_events()
    return [
        {**event, "response": {**event["response"], "id": id}} if "response" in event else event
        for event in told
    ]


@pytest.fixture(params=[openai.OpenAI, openai.AsyncOpenAI], ids=["sync", "async"])
def kind(request: pytest.FixtureRequest) -> Any:
    """The class of a client."""
    return request.param


@pytest.fixture
def telemetry() -> Iterator[Telemetry]:
    """The library instrumented; no fault of ours may pass."""
    before = guard.faults()
    with instrumented("openai") as told:
        yield told
    assert guard.faults() == before


async def talk(connection: Any, *counts: int) -> list[dict[str, Any]]:
    """Ask, and read so many events after each question; those of the greeting first."""
    seen = []
    for turn, count in enumerate(counts):
        if turn:
            await value(connection.response.create())
        for _ in range(count):
            seen.append((await value(connection.recv())).to_dict())
    return seen


async def test_each_response_of_a_realtime_session_is_a_record(kind: Any, telemetry: Telemetry) -> None:
    with provider(HELLO, spoken("resp_1", USAGE), spoken("resp_2", USAGE)) as (_, url):
        client = kind(api_key="none", base_url=url)
        async with opened(client.realtime.connect(model="gpt-realtime")) as connection:
            seen = await talk(connection, 1, 3, 3)
            assert len(telemetry.records()) == 2
    assert seen == [*HELLO, *spoken("resp_1", USAGE), *spoken("resp_2", USAGE)]
    first, second = telemetry.records()
    assert [one["tokenomics.record.key"] for one in (first, second)] == ["openai:resp_1", "openai:resp_2"]
    assert buckets_of(first) == buckets_of(second) == BUCKETS
    assert (first["gen_ai.request.model"], first["gen_ai.response.model"]) == ("gpt-realtime", REALTIME)
    assert first["tokenomics.cost.exact"] == COST
    assert first["http.response.status_code"] == 101
    assert [span.name for span in telemetry.spans()] == ["chat gpt-realtime"] * 2


async def test_what_is_transcribed_is_another_models(kind: Any, telemetry: Telemetry) -> None:
    tokens = {
        "type": "tokens",
        "input_tokens": 14,
        "input_token_details": {"text_tokens": 4, "audio_tokens": 10},
        "output_tokens": 45,
        "total_tokens": 59,
    }
    seconds = {"type": "duration", "seconds": 2.5}
    said = [transcribed("item_1", tokens), transcribed("item_2", seconds)]
    with provider(HELLO, [*said, *spoken("resp_1", USAGE)]) as (_, url):
        client = kind(api_key="none", base_url=url)
        async with opened(client.realtime.connect(model="gpt-realtime")) as connection:
            await talk(connection, 1, 5)
    first, second, third = telemetry.records()
    assert buckets_of(first) == {"input": 4, "input.audio": 10, "output": 45}
    assert buckets_of(second) == {"audio.ms": 2_500}
    for record in (first, second):
        assert record["gen_ai.operation.name"] == "transcription"
        assert record["gen_ai.response.model"] == WHISPER
    assert third["gen_ai.response.model"] == REALTIME


async def test_responses_over_a_websocket(kind: Any, telemetry: Telemetry) -> None:
    with provider([], written("resp_1"), written("resp_2")) as (played, url):
        client = kind(api_key="none", base_url=url)
        async with opened(client.responses.connect()) as connection:
            seen = await talk(connection, 0, 5, 5)
    assert played.paths == ["/v1/responses"]
    assert [event["type"] for event in seen[:2]] == ["response.created", "response.output_item.added"]
    records = telemetry.records()
    assert [record["gen_ai.response.id"] for record in records] == ["resp_1", "resp_2"]
    assert all(buckets_of(record) == replies.OPENAI_BUCKETS for record in records)
    assert all(record["gen_ai.response.model"] == replies.GPT for record in records)


async def test_a_response_that_is_said_twice_is_counted_once(kind: Any, telemetry: Telemetry) -> None:
    again = spoken("resp_1", USAGE)[-1]
    with provider(HELLO, [*spoken("resp_1", USAGE), again]) as (_, url):
        client = kind(api_key="none", base_url=url)
        async with opened(client.realtime.connect(model="gpt-realtime")) as connection:
            await talk(connection, 1, 4)
    assert telemetry.record()["gen_ai.response.id"] == "resp_1"


async def test_raw_messages_are_read_too(kind: Any, telemetry: Telemetry) -> None:
    with provider(HELLO, spoken("resp_1", USAGE)) as (_, url):
        client = kind(api_key="none", base_url=url)
        async with opened(client.realtime.connect(model="gpt-realtime")) as connection:
            await value(connection.recv_bytes())
            await value(connection.response.create())
            for _ in range(3):
                assert isinstance(await value(connection.recv_bytes()), bytes)
    assert buckets_of(telemetry.record()) == BUCKETS


async def test_what_is_cancelled_says_what_it_took_and_what_failed_took_nothing(
    kind: Any, telemetry: Telemetry
) -> None:
    answers = [*spoken("resp_1", USAGE, "cancelled"), *spoken("resp_2", None, "failed")]
    with provider(HELLO, answers) as (_, url):
        client = kind(api_key="none", base_url=url)
        async with opened(client.realtime.connect(model="gpt-realtime")) as connection:
            await talk(connection, 1, 6)
    assert telemetry.record()["gen_ai.response.id"] == "resp_1"
    assert [span.status.is_ok for span in telemetry.spans()] == [True, False]


async def test_a_response_under_way_when_the_connection_is_closed_is_of_unknown_cost(
    kind: Any, telemetry: Telemetry
) -> None:
    with provider(HELLO, spoken("resp_1")[:2]) as (_, url):
        client = kind(api_key="none", base_url=url)
        async with opened(client.realtime.connect(model="gpt-realtime")) as connection:
            await talk(connection, 1, 2)
    record = telemetry.record()
    assert record["gen_ai.response.id"] == "resp_1"
    assert record["tokenomics.usage.source"] == "missing"
    assert record["tokenomics.cost.status"] == "unpriced"


async def test_a_server_that_hangs_up_gives_the_librarys_own_error(kind: Any, telemetry: Telemetry) -> None:
    from websockets.exceptions import ConnectionClosedError

    with provider(HELLO, spoken("resp_1")[:1], hang_up=True) as (_, url):
        client = kind(api_key="none", base_url=url)
        connection = await value(client.realtime.connect(model="gpt-realtime").enter())
        with pytest.raises(ConnectionClosedError):
            await talk(connection, 1, 2)
        await value(connection.close())
    record = telemetry.record()
    assert record["error.type"] == "ConnectionClosedError"
    assert record["tokenomics.usage.source"] == "missing"


async def test_a_connection_is_iterated_and_is_whose_who_reads_it(kind: Any, telemetry: Telemetry) -> None:
    with provider([*HELLO, *spoken("resp_1", USAGE)]) as (_, url), attribute(team="voice"):
        client = kind(api_key="none", base_url=url)
        async with opened(client.realtime.connect(model="gpt-realtime")) as connection:
            async for event in items(connection):
                if event.type == "response.done":
                    break
    assert telemetry.record()["tokenomics.team.id"] == "voice"


async def test_the_older_path_is_read_as_well(kind: Any, telemetry: Telemetry) -> None:
    session = {"id": "sess_1", "model": REALTIME, "input_audio_transcription": {"model": WHISPER}}
    hello: list[Event] = [{"type": "session.created", "event_id": "e1", "session": session}]
    said = transcribed("item_1", {"type": "duration", "seconds": 1})
    with provider(hello, [said, *spoken("resp_1", USAGE)]) as (_, url):
        client = kind(api_key="none", base_url=url, websocket_base_url=url.replace("http", "ws"))
        async with opened(client.beta.realtime.connect(model=REALTIME)) as connection:
            await talk(connection, 1, 4)
    first, second = telemetry.records()
    assert first["gen_ai.response.model"] == WHISPER
    assert buckets_of(second) == BUCKETS


async def test_what_is_not_ours_to_read_passes(kind: Any, telemetry: Telemetry) -> None:
    odd: list[Event] = [
        {"type": "response.done", "response": {"id": 7, "usage": {"input_tokens": 1}}},
        {"type": "response.done", "response": [], "usage": "x"},
        {"type": "error", "error": {"message": "usage"}, "usage": {}},
        {"type": "conversation.item.input_audio_transcription.completed", "usage": {"seconds": "x"}},
    ]
    with provider(odd) as (_, url):
        client = kind(api_key="none", base_url=url)
        async with opened(client.realtime.connect(model="gpt-realtime")) as connection:
            for _ in odd:
                await value(connection.recv_bytes())
    assert not telemetry.records()


def test_a_connection_that_is_dropped_is_settled(telemetry: Telemetry) -> None:
    with provider(HELLO, spoken("resp_1")[:1]) as (_, url):
        client = openai.OpenAI(api_key="none", base_url=url)
        connection = client.realtime.connect(model="gpt-realtime").enter()
        connection.recv()
        connection.response.create()
        connection.recv()
        wire = connection._connection
        del connection
        gc.collect()
        record = telemetry.record()
        wire.close()
    assert record["tokenomics.usage.source"] == "missing"


def test_a_live_session_is_billed_by_its_last_word() -> None:
    listener = OpenAI().listener("/v1/live/sessions/sess_1", "api.openai.com")
    session = {"id": "sess_1", "model": "gpt-live"}
    told: list[Event] = [
        {"type": "session.created", "session": session},
        {"type": "session.usage.updated", "usage": {"seconds": 10}},
        {"type": "session.usage.updated", "usage": {"seconds": 20}},
        {"type": "response.event", "event": replies.response_events()[-1]},
        {"type": "session.closed", "session": session, "usage": {"seconds": 21}},
    ]
    words = [word for event in told for word in listener.hear(replies.dumps(event))]
    assert [type(word) for word in words] == [Done, Done]
    delegated, closed = (word.reading for word in words if isinstance(word, Done))
    assert delegated.usage.buckets == replies.OPENAI_BUCKETS
    assert closed.usage.buckets == {"audio.ms": 21_000}
    assert (closed.response_id, closed.response_model) == ("sess_1", "gpt-live")
    assert words[0].facts.provider == "openai"
    assert not words[0].facts.provider_assumed


def test_responses_are_charged_to_budgets_as_they_arrive() -> None:
    text = '[[budget]]\nname = "life"\nwindow = "lifetime"\nlimit = "1 USD"\nowner = "voice"\n'
    seam = sockets.Seam("openai", LIBRARIES["openai"].sockets)
    with governed(text, "memory:") as house, provider(HELLO, spoken("resp_1", USAGE)) as (_, url):
        seam.open(OpenAI(), house.desk)
        seam.patch(openai._base_client)
        try:
            client = openai.OpenAI(api_key="none", base_url=url)
            with client.realtime.connect(model="gpt-realtime") as connection:
                connection.recv()
                connection.response.create()
                for _ in range(3):
                    connection.recv()
            assert house.balance() == (6_964_800, 0)
        finally:
            seam.close()
