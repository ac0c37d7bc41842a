"""One way to write a test for the synchronous and the asynchronous client: await what can be awaited."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any


async def value(result: Any) -> Any:
    """The result, awaited if it must be."""
    return await result if inspect.isawaitable(result) else result


async def items(stream: Any, asynchronous: bool | None = None) -> AsyncIterator[Any]:
    """The items of an iterator of either kind. Somebody's wrapper may look like both: then say which."""
    if hasattr(stream, "__aiter__") if asynchronous is None else asynchronous:
        async for item in stream:
            yield item
    else:
        for item in stream:
            yield item


@asynccontextmanager
async def opened(manager: Any) -> AsyncIterator[Any]:
    """The block of a context manager of either kind, or of what is only closed."""
    if hasattr(manager, "__aenter__"):
        async with manager as entered:
            yield entered
    elif hasattr(manager, "__enter__"):
        with manager as entered:
            yield entered
    else:
        try:
            yield manager
        finally:
            await close(manager)


async def close(stream: Any) -> Any:
    """Close a stream, or the iterator of one, of either kind; one of gRPC's is cancelled."""
    ways = (getattr(stream, name, None) for name in ("aclose", "close", "cancel"))
    return await value(next(filter(None, ways))())


async def step(stream: Any) -> Any:
    """The next item of a stream, by its own step if it has one."""
    stream = iterator_of(stream)
    if hasattr(stream, "__anext__"):
        found = stream.__anext__()
        return await (anext(found) if inspect.isasyncgen(found) else found)
    return next(stream)


def iterator_of(stream: Any) -> Any:
    """A stream of either kind, as what has a step."""
    if hasattr(stream, "__next__") or hasattr(stream, "__anext__"):
        return stream
    return aiter(stream) if hasattr(stream, "__aiter__") else iter(stream)
