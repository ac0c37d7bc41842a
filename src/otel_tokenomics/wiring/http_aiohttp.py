"""`ClientSession._request` of aiohttp, which every method of a session goes through.

A body is always read after the response has come, from its `content`. So `content` becomes a reader that
passes everything on to the real one, and tells what was read.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from otel_tokenomics.adapters.http_request import HttpAnswer, HttpRequest, Url, url_of
from otel_tokenomics.flow import tap
from otel_tokenomics.flow.call import Call
from otel_tokenomics.flow.guard import fault
from otel_tokenomics.wiring.following import drop, end, see_lines
from otel_tokenomics.wiring.http_calls import Arguments, call_of, line_of

_AWAITED = ("read", "readany", "readline", "readuntil", "readexactly", "readchunk")
_ITERATED = ("iter_any", "iter_chunked", "iter_chunks")
"""They ask the reader that they belong to for each piece."""


@dataclass(slots=True)
class Given(HttpRequest):
    """The arguments of a request: the body is that of `json`, or of `data` where it is in memory."""

    def with_body(self, body: Mapping[str, Any]) -> HttpRequest:
        """A copy that sends this object, in the way in which the application gave its own."""
        args, kwargs = self.sent
        if kwargs.get("json") is not None:
            return replace(self, body=dict(body), sent=(args, {**kwargs, "json": dict(body)}))
        content = json.dumps(body).encode()
        headers = [pair for pair in _pairs(kwargs.get("headers")) if pair[0].lower() != "content-length"]
        return replace(self, body=content, sent=(args, {**kwargs, "headers": headers, "data": content}))


class Aiohttp:
    """A session's default headers and base URL are part of a request."""

    def begin(self, client: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Call | None:
        """The call that a request makes, or `None`."""
        named = [value for name, value in _pairs(kwargs.get("headers")) if name.lower() == "user-agent"]
        method, url = (*args, *(kwargs[name] for name in ("method", "str_or_url")[len(args) :]))

        def where() -> Url:
            build = getattr(client, "_build_url", None)
            return url_of(str(url if build is None else build(url)))

        agent = named[-1] if named else client.headers.get("user-agent")
        line = line_of(str(agent or ""), lambda: where().host)
        if line is None:
            return None
        body = kwargs.get("data") if kwargs.get("json") is None else kwargs["json"]
        return call_of(client, Given(str(method).upper(), where(), body, (args, kwargs)), line, False)

    def arguments(self, request: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Arguments:
        """The arguments of this request."""
        sent: Arguments = request.sent
        return sent

    def hear(self, call: Call, request: Any, response: Any) -> None:
        """Tell the call of its response, whose body is then read through a reader of ours."""
        answer = HttpAnswer(response.status, response.headers, b"", request)
        follows = response.status < 400 and not response.content.at_eof()
        call.responded(answer, follows, 0, functools.partial(cover, response))


def _pairs(headers: Any) -> list[tuple[str, Any]]:
    return list(headers.items() if hasattr(headers, "items") else headers or ())


class _Ear:
    """What the reader and the response's ends tell: each is one `try`, for the application reads on."""

    __slots__ = ("_call", "_error", "source")

    def __init__(self, call: Call, source: Any) -> None:
        self._call = call
        self._error: BaseException | None = None
        self.source = source

    def data(self, data: Any) -> None:
        """What a read gave. `readchunk` says with it whether a chunk of the transfer ends there."""
        try:
            self._error = None
            see_lines(self._call, data[0] if isinstance(data, tuple) else data)
            if self.source.at_eof():
                end(self._call)
        except Exception as trouble:
            fault("tap.chunk", trouble)

    def failed(self, error: BaseException) -> None:
        """A read that is cancelled or finds no line leaves the body readable; a broken body does not."""
        try:
            self._error = error
            if self.source.exception() is not None:
                end(self._call, error)
        except Exception as trouble:
            fault("tap.broken", trouble)

    def dropped(self) -> None:
        """Nobody has the response any more."""
        drop(self._call)

    def closed(self) -> None:
        """The response was closed or released: with the error, perhaps, that the last read was left with."""
        end(self._call, self._error, early=True)


_EAR = "_tokenomics_ear"


def cover(response: Any, answer: Any, call: Call) -> None:
    """Have what is read of a response, and its end, told to `call`.

    It becomes one of a subclass: methods on itself would hold it, and a response that is dropped must be
    collected as soon as it is bare.
    """
    source = response.content
    kind: Any = type(response)
    of: Any = type(source)
    ear = _Ear(call, source)
    reader, followed = _reader(of)(ear), _followed(kind)
    tap.watch(call)
    vars(response)[_EAR] = ear
    response.__class__ = followed
    response.content = reader


@functools.lru_cache(maxsize=8)
def _followed(kind: Any) -> type:
    class Response(kind):  # type: ignore[misc]
        __slots__ = ()

        def close(self) -> Any:
            try:
                return kind.close(self)
            finally:
                vars(self)[_EAR].closed()

        def release(self) -> Any:
            try:
                return kind.release(self)
            finally:
                vars(self)[_EAR].closed()

        def __del__(self) -> None:
            # What is left of a timer may keep the call until its time.
            try:
                vars(self)[_EAR].dropped()
            finally:
                kind.__del__(self)

    Response.__name__, Response.__qualname__, Response.__module__ = (
        kind.__name__,
        kind.__qualname__,
        kind.__module__,
    )
    return Response


@functools.lru_cache(maxsize=8)
def _reader(kind: Any) -> Callable[[_Ear], Any]:
    """A subclass of a reader's class: all that it does not do itself is the real one's."""
    ours = frozenset((*_AWAITED, *_ITERATED, "read_nowait"))

    class Reader(kind):  # type: ignore[misc]
        __slots__ = ("_ear",)

        def __init__(self, ear: _Ear) -> None:
            object.__setattr__(self, "_ear", ear)

        def __getattribute__(self, name: str) -> Any:
            if name in ours:
                return object.__getattribute__(self, name)
            return getattr(object.__getattribute__(self, "_ear").source, name)

        def __setattr__(self, name: str, value: Any) -> None:
            setattr(object.__getattribute__(self, "_ear").source, name, value)

        def read_nowait(self, *args: Any, **kwargs: Any) -> Any:
            ear: _Ear = object.__getattribute__(self, "_ear")
            data = ear.source.read_nowait(*args, **kwargs)
            ear.data(data)
            return data

    for name in _AWAITED:
        if hasattr(kind, name):
            setattr(Reader, name, _awaited(name, getattr(kind, name)))
    Reader.__name__, Reader.__qualname__ = kind.__name__, kind.__qualname__
    return Reader


def _awaited(name: str, original: Any) -> Any:
    @functools.wraps(original)
    async def read(reader: Any, *args: Any, **kwargs: Any) -> Any:
        ear: _Ear = object.__getattribute__(reader, "_ear")
        try:
            data = await getattr(ear.source, name)(*args, **kwargs)
        except BaseException as error:
            ear.failed(error)
            raise
        ear.data(data)
        return data

    return read
