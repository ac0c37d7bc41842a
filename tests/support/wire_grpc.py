"""Channels of gRPC that end in this process: what a stub is given in place of one to a server.

What is asked and answered are messages as they are serialised, a piece of a body each. Errors are gRPC's own.
"""

from __future__ import annotations

import asyncio
import importlib
import inspect
import threading
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from types import SimpleNamespace
from typing import Any

import grpc  # type: ignore[import-untyped]
import grpc.aio  # type: ignore[import-untyped]

CODES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ABORTED",
    429: "RESOURCE_EXHAUSTED",
    499: "CANCELLED",
    500: "INTERNAL",
    501: "UNIMPLEMENTED",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
"""https://github.com/googleapis/googleapis/blob/master/google/rpc/code.proto; any other status is UNKNOWN."""
ERRORS = {
    "ConnectError": "UNAVAILABLE",
    "ConnectTimeout": "UNAVAILABLE",
    "ReadError": "UNAVAILABLE",
    "ReadTimeout": "DEADLINE_EXCEEDED",
    "RemoteProtocolError": "CANCELLED",
}
"""The status that gRPC has for what httpx has an error for."""
Next = Callable[[Any], Any]
"""The next answer to a request."""
Begin = Callable[[Any, Any], Any]
"""What comes before an answer to a request; awaited, where that is to be awaited."""


def error(library: str, name: str, details: str) -> BaseException:
    """An error of `grpc` or `grpc.aio`, by the name that httpx has for it."""
    made: BaseException = _failed(library == "grpc.aio", ERRORS[name], details)
    return made


def _failed(asynchronous: bool, code: str, details: str) -> Any:
    status = grpc.StatusCode[code]
    if asynchronous:
        return grpc.aio.AioRpcError(status, grpc.aio.Metadata(), grpc.aio.Metadata(), details)
    channels: Any = importlib.import_module("grpc._channel")
    return channels._InactiveRpcError(channels._RPCState((), (), (), status, details))


class _Exchange:
    """One request, which is sent when this is made, and what is read of its answer."""

    def __init__(self, method: Method, request: Any) -> None:
        self._method = method
        self._request = SimpleNamespace(method=method.name, content=method.write(request))
        self._reply = method.next(self._request)

    @property
    def parts(self) -> list[Any]:
        """What the answer is made of."""
        reply = self._reply
        if reply.status != 200:
            return [self.failed(CODES.get(reply.status, "UNKNOWN"), "no")]
        return [reply.body] if isinstance(reply.body, bytes) else list(reply.body)

    def begin(self) -> Any:
        """Raise what is raised in place of an answer, or what is to be awaited for that."""
        return self._method.begin(self._reply, self._request)

    def failed(self, code: str, details: str) -> Any:
        """An error of gRPC's."""
        return _failed(self._method.asynchronous, code, details)

    def message(self, part: bytes) -> Any:
        """A message; what cannot be read as one is an error inside the client."""
        try:
            return self._method.read(part)
        except Exception:
            raise self.failed("INTERNAL", "Exception deserializing response!") from None


class _Call(grpc.Call):  # type: ignore[misc]
    """What an application may ask of a call. Its messages come one by one; two threads take turns."""

    def __init__(self, exchange: _Exchange) -> None:
        self._exchange = exchange
        self._lock = threading.Lock()
        self._over: BaseException | None = None
        self._messages = self._read()

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        with self._lock:
            if self._over is not None:
                raise self._over
            try:
                return next(self._messages)
            except BaseException as error:
                self._over = error
                raise

    def _read(self) -> Iterator[Any]:
        self._exchange.begin()
        for part in self._exchange.parts:
            if isinstance(part, BaseException):
                raise part
            if isinstance(part, bytes):
                yield self._exchange.message(part)
            else:
                part()

    def cancel(self) -> bool:
        with self._lock:
            if self._over is None:
                self._over = self._exchange.failed("CANCELLED", "Locally cancelled by application!")
        return True

    def is_active(self) -> bool:
        return self._over is None

    def code(self) -> Any:
        return self._over.code() if isinstance(self._over, grpc.RpcError) else grpc.StatusCode.OK

    def details(self) -> str:
        return ""

    def time_remaining(self) -> None:
        return None

    def add_callback(self, callback: Any) -> bool:
        return False

    def initial_metadata(self) -> tuple[()]:
        return ()

    trailing_metadata = initial_metadata


class Method:
    """A method of a service."""

    asynchronous = False

    def __init__(
        self,
        next_: Next,
        begin: Begin,
        name: str,
        request_serializer: Any,
        response_deserializer: Any,
        _registered_method: bool = False,
    ) -> None:
        self.next, self.begin, self.name = next_, begin, name
        self.write, self.read = request_serializer, response_deserializer


class _Unary(Method, grpc.UnaryUnaryMultiCallable):  # type: ignore[misc]
    def __call__(self, request: Any, *args: Any, **kwargs: Any) -> Any:
        return self.with_call(request)[0]

    def with_call(self, request: Any, *args: Any, **kwargs: Any) -> Any:
        call = _Call(_Exchange(self, request))
        return next(call), call

    def future(self, request: Any, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError


class _Streaming(Method, grpc.UnaryStreamMultiCallable):  # type: ignore[misc]
    def __call__(self, request: Any, *args: Any, **kwargs: Any) -> Any:
        return _Call(_Exchange(self, request))


def _uncalled(*args: Any, **kwargs: Any) -> None:
    """A method that nothing here calls."""


class Channel(grpc.Channel):  # type: ignore[misc]
    """A channel on which `next_` answers. What sends a stream is never called."""

    def __init__(self, next_: Next, begin: Begin) -> None:
        self._played = next_, begin

    def unary_unary(self, name: str, *args: Any, **kwargs: Any) -> Any:
        return _Unary(*self._played, name, *args, **kwargs)

    def unary_stream(self, name: str, *args: Any, **kwargs: Any) -> Any:
        return _Streaming(*self._played, name, *args, **kwargs)

    def stream_unary(self, *args: Any, **kwargs: Any) -> Any:
        return _uncalled

    stream_stream = subscribe = unsubscribe = close = stream_unary

    def __enter__(self) -> Channel:
        return self

    def __exit__(self, *error: object) -> None:
        """Nothing is open."""


class _ACall:
    """What an application may ask of a call that is awaited."""

    def __init__(self, exchange: _Exchange) -> None:
        self._exchange = exchange
        self._cancelled = self._done = False
        self._parts: list[Any] | None = None
        self._messages = self._read()

    async def _begin(self) -> list[Any]:
        if self._parts is None:
            await self._exchange.begin()
            self._parts = self._exchange.parts
        return self._parts

    async def _read(self) -> AsyncIterator[Any]:
        try:
            for part in await self._begin():
                if self._cancelled:
                    raise asyncio.CancelledError
                if isinstance(part, BaseException):
                    raise part
                if isinstance(part, bytes):
                    yield self._exchange.message(part)
                elif inspect.isawaitable(waited := part()):
                    await waited
        finally:
            self._done = True

    def cancel(self) -> bool:
        self._cancelled, first = True, not (self._cancelled or self._done)
        return first

    def cancelled(self) -> bool:
        return self._cancelled

    def done(self) -> bool:
        return self._done or self._cancelled

    def time_remaining(self) -> None:
        return None

    def add_done_callback(self, callback: Any) -> None:
        """Nobody is told."""

    async def initial_metadata(self) -> Any:
        return grpc.aio.Metadata()

    trailing_metadata = initial_metadata

    async def code(self) -> Any:
        return grpc.StatusCode.OK

    async def details(self) -> str:
        return ""

    async def wait_for_connection(self) -> None:
        """It is there with the first message, or fails."""
        parts = await self._begin()
        if parts and isinstance(parts[0], grpc.RpcError):
            raise parts[0]


class _AUnaryCall(_ACall, grpc.aio.UnaryUnaryCall):  # type: ignore[misc]
    def __await__(self) -> Generator[Any, None, Any]:
        return anext(self._messages).__await__()


class _AStreamCall(_ACall, grpc.aio.UnaryStreamCall):  # type: ignore[misc]
    def __aiter__(self) -> AsyncIterator[Any]:
        return self._messages

    async def read(self) -> Any:
        return await anext(self._messages, grpc.aio.EOF)


class _AUnary(Method, grpc.aio.UnaryUnaryMultiCallable):  # type: ignore[misc]
    asynchronous = True

    def __call__(self, request: Any, **kwargs: Any) -> Any:
        return _AUnaryCall(_Exchange(self, request))


class _AStreaming(Method, grpc.aio.UnaryStreamMultiCallable):  # type: ignore[misc]
    asynchronous = True

    def __call__(self, request: Any, **kwargs: Any) -> Any:
        return _AStreamCall(_Exchange(self, request))


class AChannel(grpc.aio.Channel):  # type: ignore[misc]
    """The same, for what is awaited."""

    def __init__(self, next_: Next, begin: Begin) -> None:
        self._played = next_, begin
        self._unary_unary_interceptors: list[Any] = []
        """Where generated clients put one of their own."""

    def unary_unary(self, name: str, *args: Any, **kwargs: Any) -> Any:
        return _AUnary(*self._played, name, *args, **kwargs)

    def unary_stream(self, name: str, *args: Any, **kwargs: Any) -> Any:
        return _AStreaming(*self._played, name, *args, **kwargs)

    def stream_unary(self, *args: Any, **kwargs: Any) -> Any:
        return _uncalled

    stream_stream = get_state = stream_unary

    async def close(self, grace: float | None = None) -> None:
        """Nothing is open."""

    async def __aenter__(self) -> AChannel:
        return self

    async def __aexit__(self, *error: object) -> None:
        """Nothing is open."""

    async def channel_ready(self) -> None:
        """It is."""

    async def wait_for_state_change(self, state: Any) -> None:
        """It never changes."""
