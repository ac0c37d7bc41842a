"""The HTTP seam for a library whose requests do not say whose they are.

The methods that it sends them by are wrapped, and what is sent inside one of these is the library's.
"""

from __future__ import annotations

import functools
import inspect
from contextlib import suppress
from typing import Any

from otel_tokenomics.flow.guard import log
from otel_tokenomics.wiring import http
from otel_tokenomics.wiring.http_calls import MARK
from otel_tokenomics.wiring.libraries import Library
from otel_tokenomics.wiring.stainless import holds


class Seam(http.Seam):
    """The wrapped methods of one library, beside its part in the seam that all share."""

    def __init__(self, row: Library) -> None:
        super().__init__(row.distribution)
        self._row = row
        self._wrapped: list[tuple[type, str, Any, Any]] = []

    def patch(self, module: Any) -> None:
        """Wrap the methods that the row names, and the HTTP libraries."""
        super().patch(module)
        for point in self._row.points if self.active else ():
            owner: Any = getattr(module, point.owner, None)
            for name in point.names:
                if name in vars(owner or object):
                    self._wrap(owner, name)
                else:
                    log.warning("%s has no %s.%s: %s", self.library, point.owner, name, point.without)

    def close(self) -> None:
        """Record no more calls, and restore what is still ours to restore."""
        super().close()
        kept = []
        for owner, name, original, wrapper in reversed(self._wrapped):
            if vars(owner).get(name) is wrapper:
                setattr(owner, name, original)
            else:
                kept.append((owner, name, original, wrapper))
        self._wrapped = kept[::-1]

    def _wrap(self, owner: Any, name: str) -> None:
        original = vars(owner)[name]
        if any(point[:2] == (owner, name) and holds(original, point[3]) for point in self._wrapped):
            return
        wrapper = _marked(original, self.library)
        setattr(owner, name, wrapper)
        self._wrapped.append((owner, name, original, wrapper))


def _marked(original: Any, library: str) -> Any:
    if inspect.iscoroutinefunction(inspect.unwrap(original)):

        @functools.wraps(original)
        async def arequest(client: Any, *args: Any, **kwargs: Any) -> Any:
            bound = original.__get__(client, type(client))
            token = MARK.set(library)
            try:
                return await bound(*args, **kwargs)
            finally:
                _unmark(token)

        return arequest

    @functools.wraps(original)
    def request(client: Any, *args: Any, **kwargs: Any) -> Any:
        bound = original.__get__(client, type(client))
        token = MARK.set(library)
        try:
            return bound(*args, **kwargs)
        finally:
            _unmark(token)

    return request


def _unmark(token: Any) -> None:
    """A coroutine that somebody else closes ends in another context, which never had the mark."""
    with suppress(ValueError):
        MARK.reset(token)
