"""The seam at the HTTP library, for client libraries without a better one.

It is patched once for all of them: when the first is imported, or with the HTTP library if that comes later.
Each attempt is a call of its own, since what retries is above; one that was refused is never billed.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

import wrapt

from otel_tokenomics.flow.contracts import Adapter
from otel_tokenomics.flow.desk import Desk
from otel_tokenomics.flow.guard import guarded, log
from otel_tokenomics.flow.several import Several
from otel_tokenomics.wiring.http_aiohttp import Aiohttp
from otel_tokenomics.wiring.http_calls import Line, Transport, async_wrapper, open_lines, sync_wrapper
from otel_tokenomics.wiring.http_httpx import Httpx
from otel_tokenomics.wiring.http_requests import Requests
from otel_tokenomics.wiring.stainless import holds


class Method(NamedTuple):
    """A method of a class that sends, and how it is wrapped."""

    owner: str
    name: str
    wrapper: Callable[[Any, Transport], Callable[..., Any]]
    transport: Transport


_HTTPX = (
    Method("Client", "send", sync_wrapper, Httpx()),
    Method("AsyncClient", "send", async_wrapper, Httpx()),
)
METHODS: Final[Mapping[str, tuple[Method, ...]]] = {
    "httpx": _HTTPX,
    "httpx2": _HTTPX,
    "requests": (Method("Session", "send", sync_wrapper, Requests()),),
    "aiohttp": (Method("ClientSession", "_request", async_wrapper, Aiohttp()),),
}
"""What is wrapped in each HTTP library."""
_hooked: set[str] = set()
_points: list[tuple[type, str, Any, Any]] = []


class Seam:
    """One library's part in the seam that all of its kind share."""

    def __init__(self, library: str) -> None:
        self.library = library

    @property
    def active(self) -> bool:
        """Whether calls are recorded."""
        return self.library in open_lines

    def open(self, adapter: Adapter, desk: Desk) -> None:
        """Record calls from now on."""
        sign: str | None = adapter.sign  # type: ignore[attr-defined]
        # A product's name begins a word: `mycohere/1.0` is somebody else's. Without a sign nothing is.
        pattern = "(?!)" if sign is None else rf"(?<![^\s;,(]){re.escape(sign)}"
        open_lines[self.library] = Line(re.compile(pattern), adapter, desk, Several(desk))

    def close(self) -> None:
        """Record no more calls; the last library to go restores what is still ours to restore."""
        open_lines.pop(self.library, None)
        if not open_lines:
            _points[:] = [point for point in reversed(_points) if not _restored(*point)]

    def patch(self, module: Any) -> None:
        """Wrap what sends in the HTTP libraries: now, or once the application imports one."""
        if not self.active:
            return
        for library in METHODS:
            if library in _hooked:
                _imported(sys.modules.get(library))
            else:
                # The hook runs at once if the library is there already.
                _hooked.add(library)
                wrapt.register_post_import_hook(_imported, library)


def _imported(module: Any) -> None:
    with guarded("patch.http"):
        for method in METHODS.get(getattr(module, "__name__", ""), ()):
            owner = getattr(module, method.owner, None)
            if owner is not None and open_lines:
                _wrap(owner, method)


def _wrap(owner: Any, method: Method) -> None:
    name, current = method.name, vars(owner).get(method.name)
    if current is None:
        log.warning(
            "%s.%s has no `%s`: calls through it are not recorded", owner.__module__, owner.__name__, name
        )
        return
    if any(point[:2] == (owner, name) and holds(current, point[3]) for point in _points):
        return
    wrapper = method.wrapper(current, method.transport)
    setattr(owner, name, wrapper)
    _points.append((owner, name, current, wrapper))


def _restored(owner: Any, name: str, original: Any, wrapper: Any) -> bool:
    if vars(owner).get(name) is not wrapper:
        return False
    setattr(owner, name, original)
    return True
