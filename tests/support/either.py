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
    """The block of a context manager of either kind."""
    if hasattr(manager, "__aenter__"):
        async with manager as entered:
            yield entered
    else:
        with manager as entered:
            yield entered


async def close(stream: Any) -> Any:
    """Close a stream, or the iterator of one, of either kind."""
    return await value((getattr(stream, "aclose", None) or stream.close)())
