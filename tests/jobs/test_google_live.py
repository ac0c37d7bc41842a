"""Google's live sessions, with the real client library and a real server on the loopback."""

from __future__ import annotations

import gc
import json
from collections.abc import Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from google import genai
from google.genai import live as live_module
from tests.budgets._calls import governed
from tests.jobs._server import Event, provider
from tests.support.telemetry import Telemetry, buckets_of, instrumented

from otel_tokenomics import attribute
from otel_tokenomics.adapters.google import Google
from otel_tokenomics.flow import guard
from otel_tokenomics.wiring import live
from otel_tokenomics.wiring.libraries import LIBRARIES

MODEL = "gemini-3.8-live"
HELLO: list[Event] = [{"setupComplete": {"sessionId": "s1"}}]
USAGE = {
    "promptTokenCount": 522,
    "responseTokenCount": 42,
    "thoughtsTokenCount": 6,
    "totalTokenCount": 570,
    "promptTokensDetails": [
        {"modality": "TEXT", "tokenCount": 332},
        {"modality": "AUDIO", "tokenCount": 165},
    ],
    "responseTokensDetails": [{"modality": "AUDIO", "tokenCount": 42}],
}
BUCKETS = {"input": 357, "input.audio": 165, "output": 0, "output.audio": 42, "reasoning": 6}
COST = "0.00129375"
"""USD of that by gemini-3.8-live, for a million tokens: 357 x 0.75, 165 x 3, 42 x 12 and 6 x 4.50."""
AUDIO = {"inlineData": {"mimeType": "audio/pcm;rate=24000", "data": "AAAA" * 100}}
SAID: Event = {"serverContent": {"modelTurn": {"role": "model", "parts": [AUDIO]}}}
OVER = {"serverContent": {"turnComplete": True}}
CALLED = {"toolCall": {"functionCalls": [{"id": "f1", "name": "dig", "args": {}}]}}


def turn(usage: Any = USAGE) -> list[Event]:
    """The messages of one turn: the usage comes with its end."""
    return [SAID, SAID, {"serverContent": {"generationComplete": True}}, {**OVER, "usageMetadata": usage}]


def other(prompt: int) -> dict[str, Any]:
    """A usage of text alone."""
    return {"promptTokenCount": prompt, "responseTokenCount": 5, "totalTokenCount": prompt + 5}


@pytest.fixture(params=["gemini", "vertex"])
def kind(request: pytest.FixtureRequest) -> str:
    """Which API is spoken to."""
    return str(request.param)


@pytest.fixture(autouse=True)
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    """The Gemini API's sockets are always of TLS; here they are not."""
    connect: Any = vars(live_module)["ws_connect"]

    def plainly(uri: str, *, ssl: Any = None, **options: Any) -> Any:
        return connect(uri.replace("wss:", "ws:"), **options)

    monkeypatch.setattr(live_module, "ws_connect", plainly)


@pytest.fixture
def telemetry() -> Iterator[Telemetry]:
    """The library instrumented; no fault of ours may pass."""
    before = guard.faults()
    with instrumented("google-genai") as told:
        yield told
    assert guard.faults() == before


def client_of(kind: str, url: str) -> Any:
    """A client that talks to the server."""
    base = url.removesuffix("/v1")
    if kind == "gemini":
        return genai.Client(api_key="none", http_options={"base_url": base})
    path = (
        f"{base.replace('http', 'ws')}/ws/google.cloud.aiplatform.v1beta1.LlmBidiService/BidiGenerateContent"
    )
    return genai.Client(vertexai=True, http_options={"base_url": path})


@asynccontextmanager
async def session_of(kind: str, *answers: list[Event], hang_up: bool = False) -> Any:
    """A session with a server that answers so. Vertex has names of its own."""
    told = json.dumps(answers)
    script = json.loads(told.replace("responseToken", "candidatesToken") if kind == "vertex" else told)
    with provider(HELLO, [], *script, hang_up=hang_up) as (_, url):
        async with client_of(kind, url).aio.live.connect(model=MODEL) as session:
            yield session


async def ask(session: Any, count: int) -> list[Any]:
    """Say something, and read so many messages."""
    await session.send_client_content(turns={"role": "user", "parts": [{"text": "When do I dig?"}]})
    return [await session._receive() for _ in range(count)]


async def test_each_turn_is_a_record(kind: str, telemetry: Telemetry) -> None:
    async with session_of(kind, turn(), turn()) as session:
        seen = await ask(session, 4)
        assert len(telemetry.records()) == 1
        await session.send_client_content(turns={"role": "user", "parts": [{"text": "And then?"}]})
        seen += [message async for message in session.receive()]
    assert [message.server_content.turn_complete for message in seen] == [None, None, None, True] * 2
    first, second = telemetry.records()
    assert buckets_of(first) == buckets_of(second) == BUCKETS
    assert first["tokenomics.record.key"] != second["tokenomics.record.key"]
    assert "gen_ai.response.id" not in first
    assert (first["gen_ai.request.model"], first["gen_ai.response.model"]) == (MODEL, MODEL)
    assert first["tokenomics.cost.exact"] == COST
    assert first["http.response.status_code"] == 101
    assert first["gen_ai.provider.name"] == ("gcp.gemini" if kind == "gemini" else "gcp.vertex_ai")
    assert [span.name for span in telemetry.spans()] == [f"chat {MODEL}"] * 2


async def test_a_usage_in_the_midst_of_a_turn_is_its_own(kind: str, telemetry: Telemetry) -> None:
    midst: list[Event] = [SAID, {"serverContent": {}, "usageMetadata": other(100)}, SAID]
    end: list[Event] = [{**OVER, "usageMetadata": {}}]
    again: list[Event] = [{**OVER, "usageMetadata": other(100)}]
    async with session_of(kind, midst + end, midst + again) as session:
        await ask(session, 4)
        await ask(session, 4)
    assert [buckets_of(record) for record in telemetry.records()] == [{"input": 100, "output": 5}] * 2
    assert len(telemetry.spans()) == 2


async def test_a_call_for_a_tool_and_what_follows_it(kind: str, telemetry: Telemetry) -> None:
    async with session_of(kind, [{**CALLED, "usageMetadata": other(100)}], turn(other(150))) as session:
        await ask(session, 1)
        await ask(session, 4)
    assert [buckets_of(record)["input"] for record in telemetry.records()] == [100, 150]
    telemetry.clear()
    async with session_of(kind, [CALLED], turn(other(150))) as session:
        await ask(session, 1)
        await ask(session, 4)
    assert buckets_of(telemetry.record())["input"] == 150


async def test_a_turn_whose_usage_comes_after_it(kind: str, telemetry: Telemetry) -> None:
    async with session_of(kind, [SAID, OVER, {"usageMetadata": other(100)}], turn(other(150))) as session:
        await ask(session, 3)
        await ask(session, 4)
    assert [buckets_of(record)["input"] for record in telemetry.records()] == [100, 150]


async def test_a_turn_that_never_says_what_it_took(kind: str, telemetry: Telemetry) -> None:
    async with session_of(kind, [SAID, OVER], [SAID]) as session:
        await ask(session, 2)
        await ask(session, 1)
    records = telemetry.records()
    assert [record["tokenomics.usage.source"] for record in records] == ["missing"] * 2
    assert not any("gen_ai.response.id" in record for record in records)


async def test_searches_are_counted(kind: str, telemetry: Telemetry) -> None:
    grounded = {"serverContent": {"groundingMetadata": {"webSearchQueries": ["spade", "soil"]}}}
    async with session_of(kind, [SAID, grounded, grounded, *turn(other(100))[2:]]) as session:
        await ask(session, 5)
    assert buckets_of(telemetry.record()) == {"input": 100, "output": 5, "tool.web_search": 2}


async def test_a_server_that_hangs_up_gives_the_librarys_own_error(kind: str, telemetry: Telemetry) -> None:
    with provider(HELLO, [SAID], hang_up=True) as (_, url):
        with pytest.raises(genai.errors.APIError):
            async with client_of(kind, url).aio.live.connect(model=MODEL) as session:
                for _ in range(2):
                    await session._receive()
    record = telemetry.record()
    assert record["error.type"] == "APIError"
    assert record["tokenomics.usage.source"] == "missing"


async def test_an_error_of_the_applications_passes(kind: str, telemetry: Telemetry) -> None:
    with pytest.raises(ZeroDivisionError):
        async with session_of(kind, turn()) as session:
            await ask(session, 1)
            raise ZeroDivisionError
    assert telemetry.record()["tokenomics.usage.source"] == "missing"


async def test_wrong_arguments_are_refused_where_they_were(telemetry: Telemetry) -> None:
    sessions: Any = genai.Client(api_key="none").aio.live
    with pytest.raises(TypeError):
        sessions.connect(modell=MODEL)
    assert not telemetry.records()


async def test_a_session_is_whose_who_reads_it(kind: str, telemetry: Telemetry) -> None:
    with attribute(team="voice"):
        async with session_of(kind, turn()) as session:
            await ask(session, 4)
    assert telemetry.record()["tokenomics.team.id"] == "voice"


async def test_a_session_that_is_dropped_is_settled(kind: str, telemetry: Telemetry) -> None:
    with provider(HELLO, [SAID]) as (_, url):
        manager = client_of(kind, url).aio.live.connect(model=MODEL)
        session = await manager.__aenter__()
        await session._receive()
        await session.close()
        del session
        gc.collect()
        assert telemetry.record()["tokenomics.usage.source"] == "missing"
        await manager.__aexit__(None, None, None)


async def test_turns_are_charged_to_budgets_as_they_arrive() -> None:
    text = '[[budget]]\nname = "life"\nwindow = "lifetime"\nlimit = "2 USD"\nowner = "voice"\n'
    seam = live.Seam(LIBRARIES["google-genai"])
    with governed(text, "memory:") as house:
        seam.open(Google(), house.desk)
        seam.patch(genai)
        try:
            async with session_of("gemini", turn()) as session:
                await ask(session, 4)
            assert house.balance() == (1_293_750, 0)
        finally:
            seam.close()
