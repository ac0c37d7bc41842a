"""The four ways to call each of two client libraries, and the differential run over them.

A transcript is all that an application can see of a call: the values in order, or the exception with its
class, its arguments and its chain. The same script is run bare and instrumented; the transcripts must be
equal.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import anthropic
import openai
import pytest
from tests.support import replies
from tests.support.either import items, value
from tests.support.telemetry import Telemetry, instrumented
from tests.support.wire import JSON, SSE, Part, Reply, Wire

PROMPT = [{"role": "user", "content": "When do I dig?"}]
REQUESTED = {"openai": "gpt-4o", "anthropic": "claude-sonnet-4-6"}
BUCKETS = {"openai": replies.OPENAI_BUCKETS, "anthropic": replies.ANTHROPIC_BUCKETS}
Transcript = list[Any]


@dataclass(frozen=True)
class Case:
    """One client library, synchronous or not, streamed or not."""

    library: str
    asynchronous: bool
    stream: bool

    def __str__(self) -> str:
        mode = "async" if self.asynchronous else "sync"
        return f"{self.library}-{mode}-{'stream' if self.stream else 'plain'}"

    def client(self, wire: Wire, **options: Any) -> Any:
        """A client on `wire`. It retries nothing unless told to."""
        http = wire.aclient() if self.asynchronous else wire.client()
        module: Any = openai if self.library == "openai" else anthropic
        name = "OpenAI" if self.library == "openai" else "Anthropic"
        kind = getattr(module, f"Async{name}" if self.asynchronous else name)
        return kind(**{"api_key": "none", "http_client": http, "max_retries": 0, **options})

    def create(self, client: Any, **overrides: Any) -> Any:
        """The call: a result or stream, to be awaited if asynchronous."""
        return self.method(client)(**{**self.arguments(), **overrides})

    def arguments(self) -> dict[str, Any]:
        """Fresh arguments of the call."""
        arguments: dict[str, Any] = {"model": REQUESTED[self.library], "messages": list(PROMPT)}
        if self.library == "anthropic":
            arguments["max_tokens"] = 64
        if self.stream:
            arguments["stream"] = True
            if self.library == "openai":
                arguments["stream_options"] = {"include_usage": True}
        return arguments

    def method(self, client: Any) -> Any:
        """The method that makes the call."""
        return self.resource(client).create

    def resource(self, client: Any) -> Any:
        """The resource that has the method."""
        return client.chat.completions if self.library == "openai" else client.messages

    def reply(self, usage: Any = ...) -> Reply:
        """A good answer; with `usage`, one whose usage is that."""
        if self.stream:
            return Reply(self.pieces(usage), headers=SSE)
        body = replies.chat if self.library == "openai" else replies.message
        return Reply(replies.dumps(body() if usage is ... else body(usage)), headers=JSON)

    def pieces(self, usage: Any = ...) -> list[Part]:
        """The pieces of a good stream, one for each event."""
        if self.library == "openai":
            given = replies.OPENAI_USAGE if usage is ... else usage
            return list(replies.sse(replies.chat_chunks(usage=given)))
        events = replies.message_events() if usage is ... else replies.message_events(usage=usage)
        return list(replies.sse(events, done=False, named=True))

    def broken(self, after: int, error: BaseException) -> Reply:
        """A stream that breaks with `error` after some pieces."""
        return Reply([*self.pieces()[:after], error], headers=SSE)


CASES = [
    Case(library, asynchronous, stream)
    for library in ("openai", "anthropic")
    for asynchronous in (False, True)
    for stream in (False, True)
]
every = pytest.mark.parametrize("case", CASES, ids=str)
plain = pytest.mark.parametrize("case", [case for case in CASES if not case.stream], ids=str)
streamed = pytest.mark.parametrize("case", [case for case in CASES if case.stream], ids=str)

Act = Callable[[Case, Any], Awaitable[Transcript]]


async def call(case: Case, client: Any, **overrides: Any) -> Transcript:
    """The transcript of one call read to its end."""
    seen: Transcript = []
    try:
        result = await value(case.create(client, **overrides))
        if not case.stream:
            seen.append(dumped(result))
        else:
            async for chunk in items(result, case.asynchronous):
                seen.append(dumped(chunk))
    except BaseException as error:
        seen.append(told(error))
    return seen


def dumped(model: Any) -> Any:
    """A model as data: its class, its fields, which of them were set, and what it looks like."""
    if not hasattr(model, "model_dump"):
        return type(model).__name__, repr(model)
    return type(model).__name__, model.model_dump(warnings=False), model.model_fields_set, repr(model)


def told(error: BaseException) -> Any:
    """An exception as the application can tell it: classes, arguments, chain."""
    chain: list[Any] = []
    current: BaseException | None = error
    while current is not None:
        suppressed = current.__suppress_context__
        chain.append((type(current).__name__, str(current), suppressed, current.__cause__ is not None))
        current = current.__cause__ or current.__context__
    return chain


async def differential(
    case: Case, *script: Reply, act: Act = call, telemetry: Telemetry | None = None, **options: Any
) -> Telemetry:
    """Run the same script bare and instrumented; the transcripts and the requests must be equal."""
    bare, sent = await played(case, script, act, options)
    with instrumented(telemetry=telemetry) as heard:
        seen, resent = await played(case, script, act, options)
    assert seen == bare
    assert resent == sent, "the number of requests differs"
    return heard


async def played(
    case: Case, script: tuple[Reply, ...], act: Act, options: dict[str, Any]
) -> tuple[Transcript, int]:
    """The transcript of one run, and how many requests it made."""
    wire = Wire(*script)
    client = case.client(wire, **options)
    transcript = await act(case, client)
    if case.asynchronous:
        # An asynchronous stream that was broken off is closed by the event loop, when it gets to it.
        for _ in range(3):
            await asyncio.sleep(0)
    return transcript, wire.calls
