"""Clients of requests and aiohttp that end in this process, by the hooks that these libraries have for it."""

from __future__ import annotations

import importlib
import inspect
import warnings
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

from tests.support import wire_aws, wire_grpc

ERRORS = {
    "requests": {
        "ConnectError": "ConnectionError",
        "ReadError": "ConnectionError",
        "RemoteProtocolError": "ReadTimeout",
    },
    "aiohttp": {
        "ConnectError": "ClientConnectionError",
        "ConnectTimeout": "ConnectionTimeoutError",
        "ReadError": "ClientPayloadError",
        "ReadTimeout": "SocketTimeoutError",
        "RemoteProtocolError": "ServerTimeoutError",
    },
    "claude_agent_sdk": dict.fromkeys(
        ("ConnectError", "ConnectTimeout", "ReadError", "ReadTimeout", "RemoteProtocolError"), "ProcessError"
    ),
}
"""What these libraries call httpx's errors; one of aiohttp's that google-genai repeats is left out."""
Part = Any
Play = Callable[[Any], Any]


def error(library: str, name: str, *told: Any, **options: Any) -> BaseException:
    """An exception of an HTTP library or of gRPC, by the name that httpx has for it."""
    if library == "botocore":
        return wire_aws.error(name, *told, **options)
    if library.startswith("grpc"):
        return wire_grpc.error(library, name, *told)
    kind = getattr(importlib.import_module(library), ERRORS.get(library, {}).get(name, name))
    if library in ("aiohttp", "claude_agent_sdk"):
        options.pop("request", None)
    made: BaseException = kind(*told, **options)
    return made


def session(answer: Play) -> Any:
    """A session of requests whose every request is answered by `answer`."""
    requests: Any = importlib.import_module("requests")

    class Ending(requests.adapters.BaseAdapter):  # type: ignore[misc]
        def send(self, request: Any, **kwargs: Any) -> Any:
            request.content = request.body if isinstance(request.body, bytes) else b""
            reply = answer(request)
            response = requests.Response()
            response.status_code, response.url, response.request = reply.status, request.url, request
            response.headers.update(reply.headers)
            response.encoding = requests.utils.get_encoding_from_headers(response.headers)
            response.raw = _Raw(iter([reply.body] if isinstance(reply.body, bytes) else reply.body))
            return response

        def close(self) -> None:
            pass

    made = requests.Session()
    for scheme in ("https://", "http://"):
        made.mount(scheme, Ending())
    return made


class _Raw:
    """What is below a response of requests: each read is the next part, however much was asked for."""

    def __init__(self, parts: Iterator[Part]) -> None:
        self._parts = parts

    def read(self, size: int | None = None) -> bytes:
        for part in self._parts:
            if isinstance(part, BaseException):
                raise part
            if isinstance(part, bytes):
                return part
            part()
        return b""

    def close(self) -> None:
        self._parts = iter(())


def client_session(answer: Play, **options: Any) -> Any:
    """A session of aiohttp whose every request is answered by `answer`, which may be awaited."""
    aiohttp: Any = importlib.import_module("aiohttp")

    async def ending(request: Any, handler: Any) -> Any:
        kept = SimpleNamespace(
            method=request.method, url=request.url, headers=request.headers, content=_content(request)
        )
        return _response(aiohttp, request, await answer(kept))

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)

        class Session(aiohttp.ClientSession):  # type: ignore[misc]
            def __del__(self) -> None:
                """No connection was ever made, so that none is left open."""

    return Session(middlewares=(ending,), **options)


def _content(request: Any) -> bytes:
    value = getattr(request.body, "_value", b"")
    return value if isinstance(value, bytes) else b""


def _response(aiohttp: Any, request: Any, reply: Any) -> Any:
    proxies: Any = importlib.import_module("multidict")
    response = aiohttp.ClientResponse(
        request.method,
        request.url,
        writer=None,
        continue100=None,
        timer=None,
        request_info=request.request_info,
        traces=[],
        loop=request.loop,
        session=request._session,
        stream_writer=SimpleNamespace(output_size=0),
    )
    parts = iter([reply.body] if isinstance(reply.body, bytes) else reply.body)
    response.status, response.reason, response._closed = reply.status, "", False
    response._headers = proxies.CIMultiDictProxy(proxies.CIMultiDict(reply.headers))
    response._raw_headers = tuple((name.encode(), told.encode()) for name, told in reply.headers.items())
    response.content = _paced(aiohttp.StreamReader, request.loop, parts)
    response.content.on_eof(response._response_eof)
    return response


def _paced(kind: Any, loop: Any, parts: Iterator[Part]) -> Any:
    """A reader to which the next part comes when somebody waits for it."""
    protocol: Any = importlib.import_module("aiohttp.base_protocol").BaseProtocol(loop)

    class StreamReader(kind):  # type: ignore[misc]
        async def _wait(self, name: str) -> None:
            for part in parts:
                if isinstance(part, Exception):
                    self.set_exception(part)
                if isinstance(part, BaseException):
                    raise part
                if isinstance(part, bytes):
                    self.feed_data(part)
                    return
                waited = part()
                if inspect.isawaitable(waited):
                    await waited
            self.feed_eof()

    return StreamReader(protocol, 2**16, loop=loop)
