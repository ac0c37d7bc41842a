"""Replays a recorded exchange through the real client library: the method that its URL says."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import anthropic
import openai
from tests.conformance.exchanges import Exchange
from tests.support.either import items, opened, value
from tests.support.wire import Wire

SHAPES = ("typed", "raw", "streaming_response", "post")
"""A typed result or stream; `with_raw_response`; `with_streaming_response`; the client's bare `post`."""


@dataclass(frozen=True)
class Method:
    """A method of a client library and its arguments."""

    resource: Any
    name: str
    arguments: dict[str, Any]


class Player:
    """The clients of one mode, made once for each host."""

    def __init__(self, asynchronous: bool) -> None:
        self.wire = Wire()
        self._asynchronous = asynchronous
        self._client = lru_cache(maxsize=None)(self._make)

    async def play(self, exchange: Exchange, shape: str) -> Any:
        """What the application gets of the exchange, or what it is told went wrong."""
        self.wire.play(exchange.reply())
        client = self._client(exchange.provider, exchange.host, _deployment(exchange))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                return await self._play(client, exchange, shape)
            except (openai.APIStatusError, anthropic.APIStatusError) as error:
                return type(error), error.status_code, error.body

    async def _play(self, client: Any, exchange: Exchange, shape: str) -> Any:
        if shape == "post":
            return await _post(client, exchange)
        method = method_of(client, exchange)
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

    def _make(self, provider: str, host: str, deployment: str | None) -> Any:
        http = self.wire.aclient() if self._asynchronous else self.wire.client()
        common: dict[str, Any] = {"api_key": "none", "http_client": http, "max_retries": 0}
        if provider == "anthropic":
            kind: Any = anthropic.AsyncAnthropic if self._asynchronous else anthropic.Anthropic
            return kind(base_url=f"https://{host}", **common)
        if deployment is not None:
            kind = openai.AsyncAzureOpenAI if self._asynchronous else openai.AzureOpenAI
            endpoint = f"https://{host}"
            return kind(
                azure_endpoint=endpoint, azure_deployment=deployment, api_version="2024-10-21", **common
            )
        kind = openai.AsyncOpenAI if self._asynchronous else openai.OpenAI
        return kind(base_url=f"https://{host}/v1", **common)


async def _drained(result: Any) -> Any:
    """A result as plain data: a model's fields, a stream's chunks."""
    result = await value(result)
    if hasattr(result, "model_dump"):
        return result.model_dump(warnings=False)
    if hasattr(result, "response"):
        return [chunk.model_dump(warnings=False) async for chunk in items(result)]
    return result


async def _post(client: Any, exchange: Exchange) -> Any:
    path = "/" + "/".join(
        exchange.path[exchange.path.index("v1") + 1 :] if "v1" in exchange.path else _tail(exchange)
    )
    kind = (
        (openai.Stream, openai.AsyncStream)
        if exchange.provider != "anthropic"
        else (anthropic.Stream, anthropic.AsyncStream)
    )
    options: dict[str, Any] = {}
    if exchange.streamed:
        options = {
            "stream": True,
            "stream_cls": kind[isinstance(client, openai.AsyncOpenAI | anthropic.AsyncAnthropic)][Any],
        }
    if exchange.method == "GET":
        return await _whole(await value(client.get(path, cast_to=object, **options)))
    return await _whole(
        await value(client.post(path, body=dict(exchange.request), cast_to=object, **options))
    )


async def _whole(result: Any) -> Any:
    return [chunk async for chunk in items(result)] if hasattr(result, "response") else result


def _tail(exchange: Exchange) -> tuple[str, ...]:
    """An Azure path below the deployment, which its client puts back."""
    return exchange.path[exchange.path.index("deployments") + 2 :]


def _deployment(exchange: Exchange) -> str | None:
    if "deployments" not in exchange.path:
        return None
    return exchange.path[exchange.path.index("deployments") + 1]


def method_of(client: Any, exchange: Exchange) -> Method:
    """The method of `client` that makes the request of `exchange`."""
    tail = exchange.path[-2:]
    request = dict(exchange.request)
    if exchange.provider == "anthropic":
        place = client.beta.messages if exchange.query.get("beta") == "true" else client.messages
        return _method(place, "create", {"timeout": 600, **request})
    if exchange.path[-3:-2] == ("runs",) or tail[0] == "runs":
        return _run(client, exchange, request)
    if exchange.method == "GET":
        streamed = {"stream": True} if exchange.streamed else {}
        return _method(client.responses, "retrieve", {"response_id": tail[1], **streamed})
    places: Mapping[str, tuple[Any, str]] = {
        "chat/completions": (client.chat.completions, "create"),
        "responses/compact": (client.responses, "compact"),
        "completions": (client.completions, "create"),
        "responses": (client.responses, "create"),
        "embeddings": (client.embeddings, "create"),
        "generations": (client.images, "generate"),
        "runs": (client.beta.threads.runs, "create"),
    }
    place, name = places.get("/".join(tail)) or places[tail[1]]
    if tail[1] == "runs":
        request["thread_id"] = tail[0]
    return _method(place, name, request)


def _run(client: Any, exchange: Exchange, request: dict[str, Any]) -> Method:
    return _method(
        client.beta.threads.runs,
        "retrieve",
        {"thread_id": exchange.path[-3], "run_id": exchange.path[-1], **request},
    )


def _method(resource: Any, name: str, arguments: dict[str, Any]) -> Method:
    """Arguments that the installed version does not name go into the body as they are."""
    named = inspect.signature(getattr(resource, name)).parameters
    known = {key: argument for key, argument in arguments.items() if key in named}
    extra = {key: argument for key, argument in arguments.items() if key not in named}
    return Method(resource, name, {**known, **({"extra_body": extra} if extra else {})})
