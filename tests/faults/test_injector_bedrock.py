"""Every step of ours fails once within calls to Bedrock, and nobody but us notices."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from opentelemetry.instrumentation.utils import suppress_instrumentation
from tests.faults.cases import told
from tests.faults.test_botocore import ASKED, CLAUDE, COUNTED, MODEL, STREAM, conversed, refused, streamed
from tests.faults.test_injector import Injector, here_and_now
from tests.support import aioaws, aws
from tests.support.either import items, value
from tests.support.telemetry import instrumented
from tests.support.wire import JSON, Reply

from otel_tokenomics.flow import late

__all__ = ["here_and_now"]
# An exception thrown at a generator that is being finalised can only be printed, by the interpreter.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

BODY = Reply([json.dumps(CLAUDE).encode()], headers={**JSON, **COUNTED})
Act = Callable[[Any], Awaitable[Any]]


async def plain(client: Any) -> Any:
    return await value(client.converse(**ASKED))


async def stream(client: Any) -> Any:
    events = (await value(client.converse_stream(**ASKED)))["stream"]
    return [event async for event in items(events, hasattr(events, "__aiter__"))]


async def left(client: Any) -> Any:
    events = (await value(client.converse_stream(**ASKED)))["stream"]
    async for event in items(events, hasattr(events, "__aiter__")):
        return event, events.close()
    return None


async def body(client: Any) -> Any:
    asked = {"modelId": MODEL, "body": b'{"messages": []}'}
    return await value((await value(client.invoke_model(**asked)))["body"].read())


async def agent(client: Any) -> Any:
    asked = {"agentId": "AGENT", "agentAliasId": "ALIAS", "sessionId": "session", "inputText": "x"}
    events = (await value(client.invoke_agent(**asked)))["completion"]
    return [event async for event in items(events, hasattr(events, "__aiter__"))]


USED = {"traceId": "t-0", "metadata": {"usage": {"inputTokens": 60, "outputTokens": 7}}}
TRACES = aws.frames(
    ("trace", {"trace": {"orchestrationTrace": {"modelInvocationOutput": USED}}}),
    ("chunk", {"bytes": "eA=="}),
)
SCENARIOS: dict[str, tuple[Act, tuple[Reply, ...]]] = {
    "plain": (plain, (conversed(),)),
    "retried": (plain, (refused("ThrottlingException", 429), conversed())),
    "stream": (stream, (streamed(),)),
    "broken": (stream, (streamed(*STREAM[:3], ConnectionResetError("gone")),)),
    "left": (left, (streamed(),)),
    "body": (body, (BODY,)),
    "agent": (agent, (Reply(TRACES, headers=aws.EVENTS),)),
}


# Both go through one core, so that they share the scenarios.
SHARES = {
    "botocore": ("plain", "body", "left", "agent"),
    "aiobotocore": ("retried", "stream", "broken", "body"),
}


@pytest.mark.parametrize(
    ("library", "name"), [(one, name) for one, names in SHARES.items() for name in names]
)
def test_every_entry_within_a_call_to_bedrock_may_fail(
    library: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def at_once(endpoint: Any, seconds: float) -> None:
        pass

    monkeypatch.setattr("time.sleep", lambda seconds: None)
    monkeypatch.setattr("aiobotocore.endpoint.AioEndpoint._sleep", at_once)
    act, script = SCENARIOS[name]
    service = "bedrock-agent-runtime" if name == "agent" else "bedrock-runtime"

    async def one(injector: Injector) -> Any:
        player.play(*script)
        with injector:
            try:
                return await act(client), player.calls
            except Exception as error:
                return told(error), player.calls

    def run(injector: Injector) -> Any:
        return runner.run(one(injector))

    # One client for all: to make one takes longer than a call.
    with asyncio.Runner() as runner, instrumented(library) as telemetry:
        client, player = runner.run(aioaws.opened(library, service_name=service, attempts=2))
        with suppress_instrumentation():
            bare = run(Injector())
        for _ in range(2):
            counter = Injector()
            assert run(counter) == bare
        assert counter.entries > 25
        late.drain()
        telemetry.clear()
        wrong = []
        for at in range(1, counter.entries + 1):
            if (seen := run(injector := Injector(at))) != bare:
                wrong.append(f"{injector.where}: {seen}")
        records = len(telemetry.records())
    assert not wrong, "\n".join(["the application noticed", *wrong])
    assert records <= counter.entries, "a call was recorded twice"
