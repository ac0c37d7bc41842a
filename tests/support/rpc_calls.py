"""Calls of xAI's library, bare and instrumented: what the application sees, and what the server saw."""

from __future__ import annotations

import asyncio
import gc
import importlib
from collections.abc import Awaitable, Callable
from typing import Any

import grpc  # type: ignore[import-untyped]
from tests.support.either import items, value
from tests.support.rpc_xai import MODEL, Provider
from tests.support.telemetry import Telemetry, instrumented

from otel_tokenomics.flow import guard

Act = Callable[[Any], Awaitable[Any]]


def asked(client: Any, **more: Any) -> Any:
    """A chat with a question in it."""
    chat = client.chat.create(model=MODEL, **more)
    return chat.append(importlib.import_module("xai_sdk.chat").user("When do I dig?"))


async def sample(client: Any) -> Any:
    return (await value(asked(client).sample())).proto


async def stream(client: Any) -> Any:
    return [chunk.proto async for _, chunk in items(asked(client).stream(), is_asynchronous(client))]


def is_asynchronous(client: Any) -> bool:
    return type(client).__module__.startswith("xai_sdk.aio")


async def transcript(server: Provider, asynchronous: bool, act: Act, **options: Any) -> Any:
    """What the application sees, and what the server saw."""
    client = server.client(asynchronous, **options)
    try:
        seen = await act(client)
    except (grpc.RpcError, RuntimeError) as error:
        seen = told(error)
    await settled(client)
    return seen, [request.SerializeToString(deterministic=True) for request in server.requests]


def told(error: Any) -> Any:
    """An error as the application can tell it."""
    known = (error.code(), error.details()) if isinstance(error, grpc.RpcError) else str(error)
    return type(error).__name__, known


async def settled(client: Any) -> None:
    """The end of a client, and of what it left behind."""
    await value(client.close())
    for _ in range(3):
        gc.collect()
        await asyncio.sleep(0)


async def differential(
    server: Provider, asynchronous: bool, act: Act, *script: Any, **options: Any
) -> Telemetry:
    """Run the same script bare and instrumented; what the application sees and sends must be equal."""
    bare = await transcript(server.play(*script), asynchronous, act, **options)
    with instrumented("xai-sdk") as telemetry:
        guard.set_strict(True)
        try:
            assert await transcript(server.play(*script), asynchronous, act, **options) == bare
        finally:
            guard.set_strict(False)
        telemetry.records()
    return telemetry
