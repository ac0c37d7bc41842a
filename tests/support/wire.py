"""A wire that ends here and plays a script: below an HTTP library, botocore, gRPC, or an agent's SDK.

A `Reply` is what the provider sends: its body is one piece or a list of parts. A part is a piece of bytes,
an exception to raise there, or something to call there (awaited on an async wire), so that a test can
break, hang or look around at an exact byte.
"""

from __future__ import annotations

import importlib
import inspect
import threading
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from tests.support import wire_aws, wire_claude, wire_grpc, wire_others

Part = bytes | BaseException | Callable[[], Any]
JSON = {"content-type": "application/json"}
SSE = {"content-type": "text/event-stream"}


@dataclass
class Reply:
    """One answer. `error` is raised instead of answering; a callable makes it from the request."""

    body: bytes | Sequence[Part] = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=lambda: JSON)
    error: Callable[[Any], BaseException] | None = None
    before: Callable[[], Any] | None = None


Script = Sequence[Reply] | Callable[[Any], Reply]


class Wire:
    """Plays replies in order, the last one for ever. Counts what was sent, and remembers it."""

    def __init__(self, *script: Reply, library: str = "httpx2") -> None:
        self.http: Any = importlib.import_module(library)
        self.script: list[Reply] = list(script)
        self.requests: list[Any] = []
        self._lock = threading.Lock()

    @property
    def calls(self) -> int:
        """How many requests arrived, retries included."""
        return len(self.requests)

    def play(self, *script: Reply) -> None:
        """Replace the script, and forget what was sent."""
        with self._lock:
            self.script = list(script)
            self.requests.clear()

    def client(self, **kwargs: Any) -> Any:
        """A synchronous HTTP client, or a channel of gRPC, that ends here."""
        if self.http.__name__ == "grpc":
            return wire_grpc.Channel(self._next, _begun)
        if self.http.__name__ == "requests":
            return wire_others.session(self._reply)
        if self.http.__name__ == "botocore":
            return wire_aws.Ending(self._reply)
        return self.http.Client(transport=self.http.MockTransport(self._answer), **kwargs)

    def aclient(self, **kwargs: Any) -> Any:
        """An asynchronous HTTP client, a channel of gRPC, or what makes transports, that ends here."""
        if self.http.__name__ == "claude_agent_sdk":
            return partial(wire_claude.transport, self._areply)
        if self.http.__name__ == "grpc.aio":
            return wire_grpc.AChannel(self._next, _abegun)
        if self.http.__name__ == "aiohttp":
            return wire_others.client_session(self._areply)
        return self.http.AsyncClient(transport=self.http.MockTransport(self._aanswer), **kwargs)

    def _next(self, request: Any) -> Reply:
        with self._lock:
            reply = self.script[min(len(self.requests), len(self.script) - 1)]
            self.requests.append(request)
        return reply

    def _reply(self, request: Any) -> Reply:
        return _begun(self._next(request), request)

    async def _areply(self, request: Any) -> Reply:
        return await _abegun(self._next(request), request)

    def _answer(self, request: Any) -> Any:
        return self._respond(self._reply(request))

    async def _aanswer(self, request: Any) -> Any:
        return self._respond(await self._areply(request))

    def _respond(self, reply: Reply) -> Any:
        if isinstance(reply.body, bytes):
            return self.http.Response(reply.status, headers=dict(reply.headers), content=reply.body)
        stream = _stream_of(self.http)(reply.body)
        return self.http.Response(reply.status, headers=dict(reply.headers), stream=stream)


def _begun(reply: Reply, request: Any) -> Reply:
    if reply.before is not None:
        reply.before()
    return _raised(reply, request)


async def _abegun(reply: Reply, request: Any) -> Reply:
    if reply.before is not None:
        waited = reply.before()
        if inspect.isawaitable(waited):
            await waited
    return _raised(reply, request)


def _raised(reply: Reply, request: Any) -> Reply:
    if reply.error is not None:
        raise reply.error(request)
    return reply


def _stream_of(http: Any) -> Any:
    class Body(http.SyncByteStream, http.AsyncByteStream):  # type: ignore[misc]
        def __init__(self, parts: Iterable[Part]) -> None:
            self.parts = parts

        def __iter__(self) -> Iterator[bytes]:
            for part in self.parts:
                if isinstance(played := _play(part), bytes):
                    yield played

        async def __aiter__(self) -> AsyncIterator[bytes]:
            for part in self.parts:
                played = _play(part)
                if inspect.isawaitable(played):
                    await played
                elif isinstance(played, bytes):
                    yield played

    return Body


def _play(part: Part) -> Any:
    if isinstance(part, BaseException):
        raise part
    return part if isinstance(part, bytes) else part()


def http_library(sdk: str) -> str:
    """`httpx` or `httpx2`: whichever the installed client library is built on."""
    base = importlib.import_module(f"{sdk}._base_client")
    return next(
        str(kind.__module__).partition(".")[0]
        for kind in base.SyncHttpxClientWrapper.__mro__
        if kind.__module__.startswith("httpx")
    )
