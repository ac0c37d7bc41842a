"""Which requests of an HTTP library are calls to a model, and how one is made: the same for each library.

A request is a call if its `User-Agent` is that of a library that is instrumented, or a method of such a
library sends it, or, where raw HTTP is asked for, if its host is a known one. What is sent inside another
call is none, for that call hears of it.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, NamedTuple, Protocol

from otel_tokenomics.adapters import keys
from otel_tokenomics.flow.call import CURRENT, Call
from otel_tokenomics.flow.contracts import Adapter
from otel_tokenomics.flow.desk import Desk
from otel_tokenomics.flow.drivers import adrive, drive
from otel_tokenomics.flow.guard import fault
from otel_tokenomics.flow.several import Several
from otel_tokenomics.wiring.stainless import several_of
from otel_tokenomics.wiring.suppression import suppressed

Arguments = tuple[tuple[Any, ...], dict[str, Any]]


class Line(NamedTuple):
    """A library that is recorded: its sign, who reads it, where its calls go, and those that hold several."""

    sign: re.Pattern[str]
    adapter: Adapter
    desk: Desk
    several: Several


RAW = "raw http"
"""Stands for a library where there is none."""
MARK: ContextVar[str | None] = ContextVar("otel_tokenomics_library", default=None)
"""The library whose request is being made in this context, where the request does not say it."""
open_lines: dict[str, Line] = {}
"""The client libraries that are recorded, by the names of their distributions."""


class Transport(Protocol):
    """How one HTTP library is called and what it answers."""

    def begin(self, client: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Call | None:
        """The call that is made by these arguments, or `None`."""

    def arguments(self, request: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Arguments:
        """The arguments with the request that the call wants sent."""

    def hear(self, call: Call, request: Any, response: Any) -> None:
        """Tell the call of its response."""


def line_of(agent: str, host: Callable[[], str | None]) -> Line | None:
    """Whose request this is: by its `User-Agent`, or else by its `host`, which is asked only for raw HTTP."""
    outer = CURRENT.get()
    if outer is not None and not outer.over:
        return None
    marked = open_lines.get(MARK.get() or "")
    if marked is not None:
        return marked
    for line in tuple(open_lines.values()):
        if line.sign.search(agent):
            return line
    raw = open_lines.get(RAW)
    known = raw is not None and raw.adapter.knows(host())  # type: ignore[attr-defined]
    return raw if known else None


def call_of(client: Any, request: Any, line: Line, stream: bool) -> Call | None:
    """The call that a request of a library makes, if it makes one."""
    facts = line.adapter.facts(client, request, stream)
    if facts is None or suppressed():
        return None
    credential = functools.partial(keys.of_request, client, request)
    if facts.billing == "several":
        return several_of(line.several, line.adapter, client, request, facts, credential)
    entry = line.desk.admit(facts, credential)
    return Call(line.desk, entry, line.adapter.meter(client, request, facts), request, client)


# The wrappers below bind the original as the client would find it, and call nothing of ours outside a `try`.


def sync_wrapper(original: Any, transport: Transport) -> Callable[..., Any]:
    """In place of a method that sends."""

    @functools.wraps(original)
    def send(client: Any, *args: Any, **kwargs: Any) -> Any:
        call = None
        try:
            call = transport.begin(client, args, kwargs)
        except Exception as error:
            fault("seam.request", error)
        bound = original.__get__(client, type(client))
        if call is None:
            return bound(*args, **kwargs)
        return drive(functools.partial(heard, bound, transport, call, (args, kwargs)), call, None, (), {})

    return send


def async_wrapper(original: Any, transport: Transport) -> Callable[..., Any]:
    """`sync_wrapper`, awaiting."""

    @functools.wraps(original)
    async def asend(client: Any, *args: Any, **kwargs: Any) -> Any:
        call = None
        try:
            call = transport.begin(client, args, kwargs)
        except Exception as error:
            fault("seam.request", error)
        bound = original.__get__(client, type(client))
        if call is None:
            return await bound(*args, **kwargs)
        told = functools.partial(aheard, bound, transport, call, (args, kwargs))
        return await adrive(told, call, None, (), {})

    return asend


def heard(
    bound: Callable[..., Any], transport: Transport, call: Call, given: Arguments, _: None, request: Any
) -> Any:
    """The original as a driver wants it, with the call told of the response."""
    args, kwargs = _altered(transport, request, given)
    response = bound(*args, **kwargs)
    try:
        transport.hear(call, request, response)
    except Exception as error:
        fault("seam.response", error)
    return response


async def aheard(
    bound: Callable[..., Any], transport: Transport, call: Call, given: Arguments, _: None, request: Any
) -> Any:
    """`heard`, awaiting."""
    args, kwargs = _altered(transport, request, given)
    response = await bound(*args, **kwargs)
    try:
        transport.hear(call, request, response)
    except Exception as error:
        fault("seam.response", error)
    return response


def _altered(transport: Transport, request: Any, given: Arguments) -> Arguments:
    try:
        return transport.arguments(request, *given)
    except Exception as error:
        fault("seam.altered", error)
        return given
