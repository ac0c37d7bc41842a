"""The HTTP seam below requests and aiohttp: in whatever way a body is read, it is the same, counted once."""

from __future__ import annotations

import asyncio
import gc
import gzip
import importlib
import pickle
import threading
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import aiohttp
import pytest
import requests
from tests.support import replies
from tests.support.others import COHERE_USAGE, PLAIN, cohere, cohere_pieces
from tests.support.telemetry import Telemetry, buckets_of, instrumented
from tests.support.wire import JSON, SSE, Reply, Wire
from tests.support.wire_others import client_session

# Calls are those of an application, in the name of a library: which must be there to be instrumented.
importlib.import_module("cohere.core.http_client")
URL = "https://api.cohere.test/v2/chat?key=secret"
AGENT = {"User-Agent": "cohere/5.0"}
PLAIN_REPLY = Reply(replies.dumps(cohere(COHERE_USAGE)), headers=JSON)
STREAM_REPLY = Reply(cohere_pieces(COHERE_USAGE), headers=SSE)


def asked(stream: bool) -> dict[str, Any]:
    return {"model": "command-a-03-2025", "stream": stream, "messages": [{"role": "user", "content": "Dig?"}]}


def post(reply: Reply, stream: bool = True, **options: Any) -> requests.Response:
    session: requests.Session = Wire(reply, library="requests").client()
    return session.post(URL, json=asked(stream), headers=AGENT, stream=stream, **options)


SYNC: dict[str, Callable[[requests.Response], Any]] = {
    "content": lambda response: response.content,
    "text": lambda response: response.text,
    "lines": lambda response: list(response.iter_lines()),
    "pieces": lambda response: list(response.iter_content(None)),
    "decoded": lambda response: list(response.iter_content(64, decode_unicode=True)),
    "iterated": list,
    "twice": lambda response: [response.content, response.content, list(response.iter_content(7))],
}


@pytest.mark.parametrize("how", SYNC)
def test_requests_however_the_body_is_read(how: str) -> None:
    bare = SYNC[how](post(STREAM_REPLY))
    with instrumented() as telemetry:
        assert SYNC[how](post(STREAM_REPLY)) == bare
        whole(telemetry, stream=True)


@pytest.mark.parametrize("stream", [False, True])
def test_requests_a_body_that_is_json(stream: bool) -> None:
    with instrumented() as telemetry:
        assert post(PLAIN_REPLY, stream).json() == cohere(COHERE_USAGE)
        whole(telemetry, stream=stream)


def whole(telemetry: Telemetry, stream: bool) -> None:
    """One record with all that the response bills, and nothing of the URL's query."""
    record = telemetry.record()
    assert buckets_of(record) == PLAIN
    assert record["tokenomics.usage.source"] == "provider"
    assert record["gen_ai.request.stream"] is stream
    assert record["gen_ai.request.model"] == "command-a-03-2025"
    assert len(telemetry.spans()) == 1
    assert "secret" not in str(record) + str(dict(telemetry.spans()[0].attributes or {}))


def _left(response: requests.Response) -> None:
    next(response.iter_content(None))
    response.close()


def _block(response: requests.Response) -> None:
    with response:
        next(response.iter_lines())


@pytest.mark.parametrize("leave", [_left, _block, requests.Response.close])
def test_requests_a_stream_that_is_left(leave: Callable[[requests.Response], None]) -> None:
    with instrumented() as telemetry:
        leave(post(STREAM_REPLY))
        assert telemetry.record()["tokenomics.usage.source"] == "stream_partial"


def test_requests_a_response_that_is_dropped_is_collected_at_once() -> None:
    with instrumented() as telemetry:
        gc.disable()
        try:
            response = post(STREAM_REPLY)
            next(response.iter_content(None))
            watched = weakref.ref(response)
            del response
            assert watched() is None
        finally:
            gc.enable()
        assert telemetry.record()["tokenomics.usage.source"] == "stream_partial"


def test_requests_a_response_that_is_left_to_its_methods() -> None:
    with instrumented() as telemetry:
        assert b"".join(post(STREAM_REPLY).iter_content(None)) == b"".join(cohere_pieces(COHERE_USAGE))
        whole(telemetry, stream=True)
        telemetry.clear()
        post(STREAM_REPLY).close()
        assert telemetry.record()["tokenomics.usage.source"] == "stream_partial"


def test_requests_a_response_is_what_it_is() -> None:
    bare = post(STREAM_REPLY)
    with instrumented():
        seen = post(STREAM_REPLY)
        assert (isinstance(seen, requests.Response), repr(seen), type(seen).__name__) == (
            True,
            repr(bare),
            "Response",
        )
        again = pickle.loads(pickle.dumps(seen))
        assert (type(again), again.content) == (requests.Response, bare.content)
        assert type(seen) is requests.Response, "once it is read it is as it was"
        assert vars(seen).keys() == vars(bare).keys()


def test_requests_a_stream_that_breaks() -> None:
    broken = requests.ConnectionError("reset")
    reply = Reply([*cohere_pieces(COHERE_USAGE)[:2], broken], headers=SSE)
    with instrumented() as telemetry:
        with pytest.raises(requests.ConnectionError) as caught:
            list(post(reply).iter_content(None))
        assert caught.value is broken
        assert telemetry.record()["tokenomics.attempt.outcome"] == "error"


def test_requests_a_redirect_is_one_call() -> None:
    away = Reply(b"", 307, {"location": "https://elsewhere.test/v2/chat"})
    with instrumented() as telemetry:
        session = Wire(away, PLAIN_REPLY, library="requests").client()
        assert session.post(URL, json=asked(False), headers=AGENT).json() == cohere(COHERE_USAGE)
        whole(telemetry, stream=False)


@asynccontextmanager
async def posted(reply: Reply, **options: Any) -> AsyncIterator[aiohttp.ClientResponse]:
    options = options or {"json": asked(isinstance(reply.body, list))}
    async with (
        Wire(reply, library="aiohttp").aclient() as session,
        session.post(URL, headers=AGENT, **options) as response,
    ):
        yield response


async def _readline(response: aiohttp.ClientResponse) -> list[bytes]:
    seen = []
    while line := await response.content.readline():
        seen.append(line)
    return seen


async def _nowait(response: aiohttp.ClientResponse) -> list[bytes]:
    seen = [await response.content.readexactly(5), response.content.read_nowait()]
    return [*seen, await response.content.read(), await response.content.readany()]


async def _chunks(response: aiohttp.ClientResponse) -> list[Any]:
    return [chunk async for chunk in response.content.iter_chunks()]


async def _around(response: aiohttp.ClientResponse) -> list[Any]:
    content = response.content
    seen: list[Any] = [isinstance(content, aiohttp.StreamReader), bool(content), content.at_eof()]
    seen += [type(content).__name__, content.exception(), await response.text()]
    return [*seen, content.at_eof(), content.is_eof(), content.total_bytes]


Read = Callable[[aiohttp.ClientResponse], Awaitable[Any]]


async def _any(response: aiohttp.ClientResponse) -> list[bytes]:
    return [data async for data in response.content.iter_any()]


async def _chunked(response: aiohttp.ClientResponse) -> list[bytes]:
    return [data async for data in response.content.iter_chunked(10)]


async def _lines(response: aiohttp.ClientResponse) -> list[bytes]:
    return [line async for line in response.content]


ASYNC: dict[str, Read] = {
    "read": lambda response: response.read(),
    "text": lambda response: response.text(),
    "iter_any": _any,
    "iter_chunked": _chunked,
    "iter_chunks": _chunks,
    "lines": _lines,
    "readline": _readline,
    "nowait": _nowait,
    "looked at": _around,
}


@pytest.mark.parametrize("how", ASYNC)
async def test_aiohttp_however_the_body_is_read(how: str) -> None:
    async with posted(STREAM_REPLY) as response:
        bare = await ASYNC[how](response)
    with instrumented() as telemetry:
        async with posted(STREAM_REPLY) as response:
            assert await ASYNC[how](response) == bare
        whole(telemetry, stream=True)


@pytest.mark.parametrize("given", ["json", "data"])
async def test_aiohttp_a_body_that_is_json(given: str) -> None:
    body = asked(False) if given == "json" else replies.dumps(asked(False))
    with instrumented() as telemetry:
        async with posted(PLAIN_REPLY, **{given: body}) as response:
            assert await response.json() == cohere(COHERE_USAGE)
        whole(telemetry, stream=False)


async def test_aiohttp_a_stream_that_is_left() -> None:
    with instrumented() as telemetry:
        async with posted(STREAM_REPLY) as response:
            await response.content.readline()
        assert telemetry.record()["tokenomics.usage.source"] == "stream_partial"


async def test_aiohttp_a_read_that_is_given_up_is_no_end() -> None:
    waits = asyncio.Event()
    pieces = cohere_pieces(COHERE_USAGE)
    with instrumented() as telemetry:
        async with posted(Reply([pieces[0], waits.wait, *pieces[1:]], headers=SSE)) as response:
            seen = await response.content.readany()
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(response.content.readany(), 0)
            waits.set()
            seen += await response.content.read()
        assert seen == b"".join(pieces)
        whole(telemetry, stream=True)


async def test_aiohttp_a_response_that_is_dropped_is_collected_at_once() -> None:
    with instrumented() as telemetry:
        session = Wire(STREAM_REPLY, library="aiohttp").aclient()
        response = await session.post(URL, json=asked(True), headers=AGENT)
        await response.content.readline()
        watched = weakref.ref(response)
        response.content._eof_callbacks.clear()  # It holds the response bare, too.
        gc.disable()
        try:
            del response
            assert watched() is None
        finally:
            gc.enable()
        assert telemetry.record()["tokenomics.usage.source"] == "stream_partial"
        await session.close()


async def test_aiohttp_the_sessions_headers_and_base_are_the_requests() -> None:
    wire = Wire(PLAIN_REPLY, library="aiohttp")
    with instrumented() as telemetry:
        session = client_session(wire._areply, base_url="https://api.cohere.test/v2/", headers=AGENT)
        async with session.request("post", "chat", json=asked(False)) as response:
            await response.read()
        await session.close()
        record = telemetry.record()
    assert buckets_of(record) == PLAIN
    assert record["server.address"] == "api.cohere.test"


async def test_aiohttp_somebody_elses_requests_are_untouched() -> None:
    with instrumented() as telemetry:
        async with (
            Wire(PLAIN_REPLY, library="aiohttp").aclient() as session,
            session.post(URL, json=asked(False)) as response,
        ):
            assert type(response.content).__module__ != "otel_tokenomics.wiring.http_aiohttp"
            await response.read()
        assert (telemetry.records(), telemetry.spans()) == ([], [])


@contextmanager
def server() -> Iterator[str]:
    """A provider on the loopback interface that streams in chunks, compressed."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            self.send_response(200)
            for name, value in {**SSE, "content-encoding": "gzip", "transfer-encoding": "chunked"}.items():
                self.send_header(name, value)
            self.end_headers()
            data = gzip.compress(b"".join(cohere_pieces(COHERE_USAGE)))
            for piece in (data[:20], data[20:], b""):
                self.wfile.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")

        def log_message(self, *args: Any) -> None:
            """Nothing is printed."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as serving:
        thread = threading.Thread(target=serving.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{serving.server_port}/v2/chat"
        serving.shutdown()
        thread.join(10)


def test_requests_over_sockets_the_decoded_stream_is_seen() -> None:
    with instrumented() as telemetry, server() as url:
        with requests.post(url, json=asked(True), headers=AGENT, stream=True, timeout=30) as response:
            assert b"".join(response.iter_content(16)) == b"".join(cohere_pieces(COHERE_USAGE))
        whole(telemetry, stream=True)


async def test_aiohttp_over_sockets_the_decoded_stream_is_seen() -> None:
    with instrumented() as telemetry, server() as url:
        async with (
            aiohttp.ClientSession() as session,
            session.post(url, json=asked(True), headers=AGENT) as answer,
        ):
            lines = [line async for line in answer.content]
        assert b"".join(lines) == b"".join(cohere_pieces(COHERE_USAGE))
        whole(telemetry, stream=True)
