"""Every shape of call of `openai` and `anthropic`, on whatever versions are installed.

Each gives one usage record, with its usage. A shape that a version does not have is told as absent.
"""

from __future__ import annotations

import asyncio
import gc
import importlib
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

from pydantic import BaseModel
from tests.support import replies
from tests.support.either import items, opened, value
from tests.support.telemetry import BUCKET, Telemetry
from tests.support.wire import SSE, Reply, Wire, http_library
from tests.versions.kits import Absent

from otel_tokenomics.flow import late

M = [{"role": "user", "content": "When do I dig?"}]
ASKED = {"stream_options": {"include_usage": True}}
RETRY = {"retry-after-ms": "1"}
EMBEDDINGS = {
    "object": "list",
    "model": "text-embedding-3-small",
    "data": [{"object": "embedding", "index": 0, "embedding": [0.1, 0.2]}],
    "usage": {"prompt_tokens": 8, "total_tokens": 8},
}
RECORDED, ESTIMATED, PARTIAL, NOTHING, FREE = "provider", "tokenizer", "stream_partial", "", "free"

Act = Callable[[Any], Awaitable[Any]]
Shape = tuple[list[Reply], Act, str]
"""What the provider answers, what the application does, and where the record's usage must come from."""


class Month(BaseModel):
    """What a parsed result holds."""

    month: str


def method(client: Any, *paths: str) -> Any:
    """The first of the paths that the client has."""
    for path in paths:
        found = client
        for name in path.split("."):
            found = getattr(found, name, None)
        if found is not None:
            return found
    raise Absent(paths[0])


async def drain(stream: Any) -> list[Any]:
    """A stream read to its end."""
    return [item async for item in items(await value(stream))]


async def some(stream: Any) -> None:
    """A stream left after one item."""
    async for _ in items(await value(stream)):
        break


def plain(path: str, *others: str, **arguments: Any) -> Act:
    """One awaited call."""

    async def act(client: Any) -> Any:
        return await value(method(client, path, *others)(**arguments))

    return act


def raw(path: str, parse: bool = True, **arguments: Any) -> Act:
    """`with_raw_response`, parsed or not."""

    async def act(client: Any) -> Any:
        place, _, name = path.rpartition(".")
        got = await value(getattr(method(client, place).with_raw_response, name)(**arguments))
        if parse:
            parsed = await value(got.parse())
            if arguments.get("stream"):
                await drain(parsed)

    return act


def lazy(path: str, how: str, **arguments: Any) -> Act:
    """`with_streaming_response`, read in one of its ways."""

    async def act(client: Any) -> Any:
        place, _, name = path.rpartition(".")
        async with opened(getattr(method(client, place).with_streaming_response, name)(**arguments)) as got:
            read = getattr(got, how)()
            await (drain(read) if how.startswith("iter") else value(read))

    return act


def stream(path: str, **arguments: Any) -> Act:
    """A stream read to its end."""

    async def act(client: Any) -> Any:
        return await drain(method(client, path)(stream=True, **arguments))

    return act


def broken(path: str, **arguments: Any) -> Act:
    """A stream broken off and dropped."""

    async def act(client: Any) -> Any:
        await some(method(client, path)(stream=True, **arguments))

    return act


def closed(path: str, **arguments: Any) -> Act:
    """A stream closed before it is read."""

    async def act(client: Any) -> Any:
        got = await value(method(client, path)(stream=True, **arguments))
        await value(got.close())

    return act


def dropped(path: str, **arguments: Any) -> Act:
    """A stream that nobody reads."""

    async def act(client: Any) -> Any:
        await value(method(client, path)(stream=True, **arguments))

    return act


def helper(*paths: str, **arguments: Any) -> Act:
    """A `.stream()` manager."""

    async def act(client: Any) -> Any:
        async with opened(method(client, *paths)(**arguments)) as got:
            await drain(got)

    return act


def post(path: str, body: dict[str, Any]) -> Act:
    """The client's own `post`."""

    async def act(client: Any) -> Any:
        await value(client.post(path, body=body, cast_to=object))

    return act


def refused(path: str, **arguments: Any) -> Act:
    """A call that raises, as it does bare."""

    async def act(client: Any) -> Any:
        try:
            await value(method(client, path)(**arguments))
        except importlib.import_module(type(client).__module__.partition(".")[0]).APIError:
            return
        raise AssertionError("nothing was raised")

    return act


def whole(body: Any) -> Reply:
    """A JSON answer."""
    return Reply(replies.dumps(body))


def events(pieces: Any, named: bool = False) -> Reply:
    """A streamed answer."""
    return Reply(replies.sse(pieces, done=not named, named=named), headers=SSE)


CHAT, CHUNKS = whole(replies.chat()), events(replies.chat_chunks(usage=replies.OPENAI_USAGE))
SILENT = events(replies.chat_chunks())
RESPONSE = whole(replies.response(replies.RESPONSES_USAGE))
QUEUED = whole(replies.response(status="queued", background=True))
EVENTS = events(replies.response_events(), named=True)
MESSAGE, DELTAS = whole(replies.message()), events(replies.message_events(), named=True)
PARSED = '{"month":"May"}'
BUSY = Reply(b'{"error":{"message":"busy"}}', 500, RETRY)
BAD = Reply(b'{"error":{"message":"no"}}', 400)

C, K = "chat.completions.create", {"model": "gpt-4o", "messages": M}
R, RK = "responses.create", {"model": "gpt-4o", "input": "When do I dig?"}
A, AK = "messages.create", {"model": "claude-sonnet-4-6", "max_tokens": 64, "messages": M}
PARSES = ("chat.completions.parse", "beta.chat.completions.parse")
HELPERS = ("chat.completions.stream", "beta.chat.completions.stream")

OPENAI: dict[str, Shape] = {
    "chat": ([CHAT], plain(C, **K), RECORDED),
    "chat raw": ([CHAT], raw(C, **K), RECORDED),
    "chat raw unparsed": ([CHAT], raw(C, parse=False, **K), RECORDED),
    "chat streaming response read": ([CHAT], lazy(C, "read", **K), RECORDED),
    "chat streaming response parse": ([CHAT], lazy(C, "parse", **K), RECORDED),
    "chat streaming response lines": ([CHUNKS], lazy(C, "iter_lines", stream=True, **ASKED, **K), RECORDED),
    "chat stream": ([CHUNKS], stream(C, **ASKED, **K), RECORDED),
    "chat stream asked by us": ([CHUNKS], stream(C, **K), RECORDED),
    "chat stream raw": ([CHUNKS], raw(C, stream=True, **ASKED, **K), RECORDED),
    "chat stream without usage": ([SILENT], stream(C, **K), ESTIMATED),
    "chat stream broken off": ([CHUNKS], broken(C, **ASKED, **K), PARTIAL),
    "chat stream closed": ([CHUNKS], closed(C, **ASKED, **K), PARTIAL),
    "chat stream never read": ([CHUNKS], dropped(C, **ASKED, **K), PARTIAL),
    "chat parse": ([whole(replies.chat(text=PARSED))], plain(*PARSES, response_format=Month, **K), RECORDED),
    "chat stream helper": ([CHUNKS], helper(*HELPERS, **ASKED, **K), RECORDED),
    "chat retried": ([BUSY, CHAT], plain(C, **K), RECORDED),
    "chat refused": ([BAD], refused(C, **K), NOTHING),
    "chat post": ([CHAT], post("/chat/completions", dict(K)), RECORDED),
    "responses": ([RESPONSE], plain(R, **RK), RECORDED),
    "responses raw": ([RESPONSE], raw(R, **RK), RECORDED),
    "responses stream": ([EVENTS], stream(R, **RK), RECORDED),
    "responses stream broken off": ([EVENTS], broken(R, **RK), PARTIAL),
    "responses stream helper": ([EVENTS], helper("responses.stream", **RK), RECORDED),
    "responses background": (
        [whole(replies.response(status="queued", background=True))],
        plain(R, **RK),
        NOTHING,
    ),
    "embeddings": ([whole(EMBEDDINGS)], plain("embeddings.create", model="e", input="dig"), RECORDED),
    "moderations": (
        [whole({"id": "modr-1", "model": "omni-moderation-latest", "results": []})],
        plain("moderations.create", input="dig"),
        FREE,
    ),
}
ANTHROPIC: dict[str, Shape] = {
    "messages": ([MESSAGE], plain(A, **AK), RECORDED),
    "messages raw": ([MESSAGE], raw(A, **AK), RECORDED),
    "messages streaming response": ([MESSAGE], lazy(A, "parse", **AK), RECORDED),
    "messages stream": ([DELTAS], stream(A, **AK), RECORDED),
    "messages stream raw": ([DELTAS], raw(A, stream=True, **AK), RECORDED),
    "messages stream helper": ([DELTAS], helper("messages.stream", **AK), RECORDED),
    "messages stream broken off": ([DELTAS], broken(A, **AK), PARTIAL),
    "messages stream closed": ([DELTAS], closed(A, **AK), PARTIAL),
    "messages stream never read": ([DELTAS], dropped(A, **AK), PARTIAL),
    "messages retried": ([BUSY, MESSAGE], plain(A, **AK), RECORDED),
    "messages refused": ([BAD], refused(A, **AK), NOTHING),
    "messages post": ([MESSAGE], post("/v1/messages", dict(AK)), RECORDED),
    "beta messages": ([MESSAGE], plain("beta.messages.create", **AK), RECORDED),
    "messages parse": (
        [whole(replies.message(text=PARSED))],
        plain("messages.parse", output_format=Month, **AK),
        RECORDED,
    ),
    "count tokens": (
        [whole({"input_tokens": 9})],
        plain("messages.count_tokens", model="claude-sonnet-4-6", messages=M),
        FREE,
    ),
}
TABLES = {"openai": OPENAI, "anthropic": ANTHROPIC}


def client(library: str, asynchronous: bool, script: list[Reply]) -> tuple[Any, Wire]:
    """A client of a library on a wire that plays the script."""
    wire = Wire(*script, library=http_library(library))
    http = wire.aclient() if asynchronous else wire.client()
    module: Any = importlib.import_module(library)
    name = ("Async" if asynchronous else "") + ("OpenAI" if library == "openai" else "Anthropic")
    return getattr(module, name)(api_key="none", http_client=http, max_retries=2), wire


def check(library: str, asynchronous: bool, shape: Shape, telemetry: Telemetry) -> None:
    """Play one shape; raise if its record is not what it should be."""
    script, act, source = shape

    async def play() -> Wire:
        made, wire = client(library, asynchronous, script)
        await act(made)
        return wire

    # The event loop's end closes what an asynchronous stream left open; the collector finds the rest.
    wire = asyncio.run(play())
    for _ in range(2):
        gc.collect()
        late.drain(10)
    records = telemetry.records()
    assert wire.calls == len(script), f"{wire.calls} requests"
    assert len(records) == (0 if source == NOTHING else 1), f"{len(records)} records"
    if source == NOTHING:
        return
    (record,) = records
    if source == FREE:
        assert record["gen_ai.usage.cost.amount"] == 0, record
        return
    assert record["tokenomics.usage.source"] == source, record["tokenomics.usage.source"]
    if source == RECORDED:
        assert record["tokenomics.attempt.count"] == len(script)
        buckets = {key.removeprefix(BUCKET): count for key, count in record.items() if key.startswith(BUCKET)}
        expected = replies.OPENAI_BUCKETS if library == "openai" else replies.ANTHROPIC_BUCKETS
        assert buckets in (expected, {"input": 8}), buckets


def shapes() -> Iterator[tuple[str, str, bool, Shape]]:
    """Every shape of both libraries, synchronous and asynchronous."""
    for library, table in TABLES.items():
        for asynchronous in (False, True):
            for name, shape in table.items():
                title = f"{library} {'async ' if asynchronous else ''}{name}"
                yield title, library, asynchronous, shape
