"""The seam at the HTTP library: `send` of httpx and httpx2, for client libraries without a better one.

It is patched once for all of them, when the first is imported. A request is a call if its `User-Agent` is
that of a library that is instrumented; what is sent inside another call is none, for that call hears of it.
Each attempt is a call of its own, since what retries is above; one that was refused is never billed.
"""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable
from typing import Any

from opentelemetry.instrumentation.utils import is_instrumentation_enabled

from otel_tokenomics.flow.call import CURRENT, Call
from otel_tokenomics.flow.contracts import Adapter
from otel_tokenomics.flow.desk import Desk
from otel_tokenomics.flow.drivers import adrive, drive
from otel_tokenomics.flow.guard import fault

HTTP = ("httpx", "httpx2")
CLASSES = ("Client", "AsyncClient")
_open: dict[str, tuple[str, Adapter, Desk]] = {}
"""The libraries that are recorded: their sign, who reads them, where their calls go."""
_points: list[tuple[type, Any, Any]] = []


class Seam:
    """One library's part in the seam that all of its kind share."""

    def __init__(self, library: str) -> None:
        self.library = library

    @property
    def active(self) -> bool:
        """Whether calls are recorded."""
        return self.library in _open

    def open(self, adapter: Adapter, desk: Desk) -> None:
        """Record calls from now on."""
        sign: str = adapter.sign  # type: ignore[attr-defined]
        _open[self.library] = sign, adapter, desk

    def close(self) -> None:
        """Record no more calls; the last library to go restores what is still ours to restore."""
        _open.pop(self.library, None)
        if not _open:
            _points[:] = [point for point in reversed(_points) if not _restored(*point)]

    def patch(self, module: Any) -> None:
        """Wrap `send` in the HTTP libraries that are there, now that the client library is imported."""
        if not self.active:
            return
        for library in HTTP:
            for name in CLASSES:
                owner = getattr(sys.modules.get(library), name, None)
                if owner is not None and not any(point[0] is owner for point in _points):
                    _wrap(owner)


def _wrap(owner: Any) -> None:
    original = vars(owner)["send"]
    wrapper = _send(original)
    owner.send = wrapper
    _points.append((owner, original, wrapper))


def _restored(owner: Any, original: Any, wrapper: Any) -> bool:
    if vars(owner).get("send") is not wrapper:
        return False
    owner.send = original
    return True


def _send(original: Any) -> Callable[..., Any]:
    if inspect.iscoroutinefunction(inspect.unwrap(original)):

        @functools.wraps(original)
        async def asend(client: Any, request: Any, *args: Any, **kwargs: Any) -> Any:
            bound, call = original.__get__(client, type(client)), _begin(client, request, kwargs)
            if call is None:
                return await bound(request, *args, **kwargs)
            return await adrive(_aheard(bound, call), call, None, args, kwargs)

        return asend

    @functools.wraps(original)
    def send(client: Any, request: Any, *args: Any, **kwargs: Any) -> Any:
        bound, call = original.__get__(client, type(client)), _begin(client, request, kwargs)
        if call is None:
            return bound(request, *args, **kwargs)
        return drive(_heard(bound, call), call, None, args, kwargs)

    return send


def _heard(bound: Callable[..., Any], call: Call) -> Callable[..., Any]:
    """`send` as a driver wants it, with the call told of the response."""

    def send(_: None, request: Any, *args: Any, **kwargs: Any) -> Any:
        response = bound(request, *args, **kwargs)
        _hear(call, response)
        return response

    return send


def _aheard(bound: Callable[..., Any], call: Call) -> Callable[..., Any]:
    """`_heard`, awaiting."""

    async def send(_: None, request: Any, *args: Any, **kwargs: Any) -> Any:
        response = await bound(request, *args, **kwargs)
        _hear(call, response)
        return response

    return send


def _begin(client: Any, request: Any, kwargs: dict[str, Any]) -> Call | None:
    try:
        if CURRENT.get() is not None:
            return None
        agent = request.headers.get("user-agent") or ""
        for sign, adapter, desk in tuple(_open.values()):
            if sign in agent:
                return _call(client, request, adapter, desk, bool(kwargs.get("stream")))
    except Exception as error:
        fault("seam.request", error)
    return None


def _call(client: Any, request: Any, adapter: Adapter, desk: Desk, stream: bool) -> Call | None:
    facts = adapter.facts(client, request, stream)
    if facts is None or not is_instrumentation_enabled():
        return None
    return Call(desk, desk.admit(facts), adapter.meter(client, request, facts), request, client)


def _hear(call: Call, response: Any) -> None:
    try:
        follows = response.status_code < 400 and not response.is_closed
        call.responded(response, follows, 0)
    except Exception as error:
        fault("seam.response", error)
