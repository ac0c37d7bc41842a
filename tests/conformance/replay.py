"""Replays a recorded exchange through the real client library: the method that its URL says."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.conformance.exchanges import Exchange
from tests.support.either import items, opened, value
from tests.support.libraries import PLAYERS
from tests.support.wire import Wire

SHAPES = ("typed", "raw", "streaming_response", "post")
"""A typed result or stream; `with_raw_response`; `with_streaming_response`; the client's bare `post`."""


@dataclass(frozen=True)
class Method:
    """A method of a client library and its arguments."""

    resource: Any
    name: str
    arguments: dict[str, Any]


@dataclass(frozen=True)
class Vendor:
    """A provider of the recordings, and the client library that its exchanges are played through.

    `base` is what precedes the paths that the library's methods have, below the host; `methods` finds the
    method that makes an exchange's request.
    """

    library: str
    base: str
    methods: Callable[[Any, Exchange], Method]
    shapes: tuple[str, ...] = SHAPES
    options: Callable[[Exchange], dict[str, Any]] | None = None
    """What a client is made with, where that is not a base URL."""


class Player:
    """The clients of one vendor in one mode, made once for each host."""

    def __init__(self, vendor: Vendor, asynchronous: bool) -> None:
        self.vendor = vendor
        self._kit = PLAYERS[vendor.library]
        self.wire = Wire(library=self._kit.http_of(asynchronous))
        self._asynchronous = asynchronous
        self._clients: dict[Any, Any] = {}

    async def play(self, exchange: Exchange, shape: str) -> Any:
        """What the application gets of the exchange, or what it is told went wrong."""
        self.wire.play(exchange.reply())
        client = self._client(exchange)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                return await self._play(client, exchange, shape)
            except Exception as error:
                # The client's own error, or a request that the installed version cannot make: the same bare.
                return type(error), str(error), getattr(error, "status_code", None)

    async def _play(self, client: Any, exchange: Exchange, shape: str) -> Any:
        if shape == "post":
            return await self._post(client, exchange)
        method = self.vendor.methods(client, exchange)
        if shape == "typed":
            return await _drained(getattr(method.resource, method.name)(**method.arguments))
        if shape == "raw":
            raw = await value(getattr(method.resource.with_raw_response, method.name)(**method.arguments))
            return raw.status_code, dict(raw.headers), await _drained(raw.parse())
        bound = getattr(method.resource.with_streaming_response, method.name)
        async with opened(bound(**method.arguments)) as response:
            if exchange.streamed:
                return [line async for line in items(response.iter_lines())]
            return await value(response.read())

    async def _post(self, client: Any, exchange: Exchange) -> Any:
        options: dict[str, Any] = {}
        if exchange.streamed:
            module = importlib.import_module(self._kit.module)
            kind = module.AsyncStream if self._asynchronous else module.Stream
            options = {"stream": True, "stream_cls": kind[Any]}
        path = self._path(exchange)
        if exchange.method == "GET":
            return await _whole(await value(client.get(path, cast_to=object, **options)))
        posted = client.post(path, body=dict(exchange.request), cast_to=object, **options)
        return await _whole(await value(posted))

    def _path(self, exchange: Exchange) -> str:
        """The path below the base, or below an Azure deployment, which its client puts back."""
        path = exchange.path
        if "deployments" in path:
            path = path[path.index("deployments") + 2 :]
        return ("/" + "/".join(path)).removeprefix(self.vendor.base)

    def _client(self, exchange: Exchange) -> Any:
        key = exchange.host, exchange.path[:6]
        if key not in self._clients:
            options: dict[str, Any] = {"base_url": f"https://{exchange.host}{self.vendor.base}"}
            if self.vendor.options is not None:
                options = self.vendor.options(exchange)
            self._clients[key] = self._kit.client(self.wire, self._asynchronous, options)
        return self._clients[key]


def _plain(chunk: Any) -> Any:
    return chunk.model_dump(warnings=False) if hasattr(chunk, "model_dump") else repr(chunk)


async def _drained(result: Any) -> Any:
    """A result as plain data: a model's fields, a stream's chunks."""
    result = await value(result)
    if hasattr(result, "model_dump"):
        return result.model_dump(warnings=False)
    if hasattr(result, "response") or hasattr(result, "__anext__") or hasattr(result, "__next__"):
        return [_plain(chunk) async for chunk in items(result)]
    # Of a class without equality what it holds is compared.
    compares = any("__eq__" in vars(kind) for kind in type(result).__mro__[:-1])
    return result if compares else vars(result)


async def _whole(result: Any) -> Any:
    return [chunk async for chunk in items(result)] if hasattr(result, "response") else result


def deployment_of(exchange: Exchange) -> str | None:
    """Azure's name of a model, where there is one."""
    if "deployments" not in exchange.path:
        return None
    return exchange.path[exchange.path.index("deployments") + 1]
