"""The seam at the HTTP library: `send` of httpx and httpx2, for client libraries without a better one.

It is patched once for all of them: when the first is imported, or with the HTTP library if that comes later.
A request is a call if its `User-Agent` is that of a library that is instrumented; what is sent inside another
call is none, for that call hears of it. Each attempt is a call of its own, since what retries is above; one
that was refused is never billed.
"""

from __future__ import annotations

import functools
import re
import sys
from collections.abc import Callable
from typing import Any

import wrapt
from opentelemetry.instrumentation.utils import is_instrumentation_enabled

from otel_tokenomics.flow.call import CURRENT, Call
from otel_tokenomics.flow.contracts import Adapter
from otel_tokenomics.flow.desk import Desk
from otel_tokenomics.flow.drivers import adrive, drive
from otel_tokenomics.flow.guard import fault, guarded, log
from otel_tokenomics.wiring.stainless import holds

HTTP = ("httpx", "httpx2")
CLASSES = ("Client", "AsyncClient")
_open: dict[str, tuple[re.Pattern[str], Adapter, Desk]] = {}
"""The libraries that are recorded: their sign, who reads them, where their calls go."""
_hooked: set[str] = set()
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
        # A product's name begins a word: `mycohere/1.0` is somebody else's.
        _open[self.library] = re.compile(rf"(?<![^\s;,(]){re.escape(sign)}"), adapter, desk

    def close(self) -> None:
        """Record no more calls; the last library to go restores what is still ours to restore."""
        _open.pop(self.library, None)
        if not _open:
            _points[:] = [point for point in reversed(_points) if not _restored(*point)]

    def patch(self, module: Any) -> None:
        """Wrap `send` in the HTTP libraries: now, or once the application imports one of its own choice."""
        if not self.active:
            return
        for library in HTTP:
            if library in _hooked:
                _imported(sys.modules.get(library))
            else:
                # The hook runs at once if the library is there already.
                _hooked.add(library)
                wrapt.register_post_import_hook(_imported, library)


def _imported(module: Any) -> None:
    with guarded("patch.http"):
        for name in CLASSES:
            owner = getattr(module, name, None)
            if owner is not None and _open:
                _wrap(owner)


def _wrap(owner: Any) -> None:
    current = vars(owner).get("send")
    if current is None:
        log.warning(
            "%s.%s has no `send`: calls through it are not recorded", owner.__module__, owner.__name__
        )
        return
    if any(point[0] is owner and holds(current, point[2]) for point in _points):
        return
    wrapper = _asend(current) if owner.__name__.startswith("Async") else _send(current)
    owner.send = wrapper
    _points.append((owner, current, wrapper))


def _restored(owner: Any, original: Any, wrapper: Any) -> bool:
    if vars(owner).get("send") is not wrapper:
        return False
    owner.send = original
    return True


# The wrappers below bind the original as the client would find it, and call nothing of ours outside a `try`.


def _send(original: Any) -> Callable[..., Any]:
    @functools.wraps(original)
    def send(client: Any, request: Any, *args: Any, **kwargs: Any) -> Any:
        call = None
        try:
            call = _begin(client, request, kwargs)
        except Exception as error:
            fault("seam.request", error)
        bound = original.__get__(client, type(client))
        if call is None:
            return bound(request, *args, **kwargs)
        return drive(functools.partial(heard, bound, call), call, None, args, kwargs)

    return send


def _asend(original: Any) -> Callable[..., Any]:
    @functools.wraps(original)
    async def asend(client: Any, request: Any, *args: Any, **kwargs: Any) -> Any:
        call = None
        try:
            call = _begin(client, request, kwargs)
        except Exception as error:
            fault("seam.request", error)
        bound = original.__get__(client, type(client))
        if call is None:
            return await bound(request, *args, **kwargs)
        return await adrive(functools.partial(aheard, bound, call), call, None, args, kwargs)

    return asend


def heard(bound: Callable[..., Any], call: Call, _: None, request: Any, *args: Any, **kwargs: Any) -> Any:
    """`send` as a driver wants it, with the call told of the response."""
    response = bound(request, *args, **kwargs)
    try:
        _hear(call, response)
    except Exception as error:
        fault("seam.response", error)
    return response


async def aheard(
    bound: Callable[..., Any], call: Call, _: None, request: Any, *args: Any, **kwargs: Any
) -> Any:
    """`heard`, awaiting."""
    response = await bound(request, *args, **kwargs)
    try:
        _hear(call, response)
    except Exception as error:
        fault("seam.response", error)
    return response


def _begin(client: Any, request: Any, kwargs: dict[str, Any]) -> Call | None:
    outer = CURRENT.get()
    if outer is not None and not outer.over:
        return None
    agent = request.headers.get("user-agent") or ""
    for sign, adapter, desk in tuple(_open.values()):
        if sign.search(agent):
            return _call(client, request, adapter, desk, bool(kwargs.get("stream")))
    return None


def _call(client: Any, request: Any, adapter: Adapter, desk: Desk, stream: bool) -> Call | None:
    facts = adapter.facts(client, request, stream)
    if facts is None or not is_instrumentation_enabled():
        return None
    return Call(desk, desk.admit(facts), adapter.meter(client, request, facts), request, client)


def _hear(call: Call, response: Any) -> None:
    follows = response.status_code < 400 and not response.is_closed
    call.responded(response, follows, 0)
