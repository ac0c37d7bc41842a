"""The four ways to call a library of the fault matrix, on whatever version of it is installed.

What it is asked and answers, and what must be counted, are the matrix's own rows in `tests.support`.
"""

from __future__ import annotations

import asyncio
import gc
import importlib
import importlib.util
from collections.abc import Callable
from typing import Any

from tests.support.either import items, value
from tests.support.libraries import KITS, Kit
from tests.support.telemetry import buckets_of, instrumented
from tests.support.wire import JSON, Reply, Wire

Mode = tuple[bool, bool]


class Absent(Exception):
    """This version has no such call."""


def http_of(kit: Kit, asynchronous: bool) -> str:
    """The HTTP library that this version is built on: that of the newest, or one before it, that is there."""
    wanted = kit.http_of(asynchronous)
    found = [name for name in (wanted, "httpx", "requests", "aiohttp") if importlib.util.find_spec(name)]
    if wanted not in found and (wanted == "aiohttp" or kit.library != kit.distribution):
        raise Absent(wanted)
    if found[0] == "requests" and asynchronous:
        return "aiohttp"
    return found[0]


def wire_of(kit: Kit, asynchronous: bool, stream: bool) -> Wire:
    """A wire of that HTTP library, with a good answer."""
    http = http_of(kit, asynchronous)
    if stream:
        return Wire(Reply(list(kit.pieces(kit.usage)), headers=kit.stream_headers), library=http)
    return Wire(Reply(kit.whole(kit.usage), headers=JSON), library=http)


def method(client: Any, path: str) -> Callable[..., Any]:
    """The method of a client; a version may not have it."""
    for name in path.split("."):
        client = getattr(client, name, None)
        if client is None:
            raise Absent(path)
    found: Callable[..., Any] = client
    return found


def client_on(kit: Kit, wire: Wire, asynchronous: bool) -> Any:
    """A client. An older version may not know the other HTTP library that a kit is for."""
    try:
        return kit.client(wire, asynchronous, {})
    except (TypeError, ValueError, ImportError, RuntimeError):
        if kit.library == kit.distribution:
            raise
        raise Absent(kit.library) from None


async def called(kit: Kit, asynchronous: bool, stream: bool) -> list[str]:
    """What the application is given."""
    wire = wire_of(kit, asynchronous, stream)
    client = client_on(kit, wire, asynchronous)
    answer = await value(method(client, kit.path(asynchronous, stream))(**kit.arguments(stream)))
    if stream and kit.stream_of is not None:
        answer = kit.stream_of(answer)
    given = [item async for item in items(answer, asynchronous)] if stream else [answer]
    assert wire.calls == 1, f"{wire.calls} requests"
    return [type(one).__name__ for one in given]


def check(kit: Kit, asynchronous: bool, stream: bool) -> None:
    """Bare and instrumented it is the same, and it is one record with the right counts."""
    bare = asyncio.run(called(kit, asynchronous, stream))
    with instrumented() as telemetry:
        assert asyncio.run(called(kit, asynchronous, stream)) == bare
        gc.collect()
        records = telemetry.records()
    assert len(records) == 1, f"{len(records)} records"
    assert buckets_of(records[0]) == kit.buckets, buckets_of(records[0])


def shapes(library: str) -> list[tuple[str, Callable[[], None]]]:
    """Every way to call a library: its title, and what plays it."""

    def play(kit: Kit, mode: Mode) -> Callable[[], None]:
        return lambda: check(kit, *mode)

    return [
        (
            f"{kit.library} {'async' if mode[0] else 'sync'} {'stream' if mode[1] else 'plain'}",
            play(kit, mode),
        )
        for kit in KITS.values()
        if kit.distribution == library
        for mode in kit.modes
    ]
