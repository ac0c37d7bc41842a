"""The seam in google-genai: its requests at the HTTP library, and its live sessions, which are websockets.

A session's messages come through `AsyncSession._receive`, however they are asked for. What model it is with
is only known where it is opened.
"""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable
from typing import Any

from otel_tokenomics.flow.contracts import Adapter
from otel_tokenomics.flow.desk import Desk
from otel_tokenomics.flow.guard import fault
from otel_tokenomics.wiring import http, sockets
from otel_tokenomics.wiring.libraries import Library, Point

_OPENS = "connect"


class Seam(http.Seam):
    """A library's part in the seam that all share, and its connections that stay open."""

    def __init__(self, row: Library) -> None:
        super().__init__(row.distribution)
        self._sessions = Sessions(row.distribution, row.sockets)

    def open(self, adapter: Adapter, desk: Desk) -> None:
        """Record calls and sessions from now on."""
        super().open(adapter, desk)
        self._sessions.open(adapter, desk)

    def close(self) -> None:
        """Record no more of either, and restore what is still ours to restore."""
        super().close()
        self._sessions.close()

    def patch(self, module: Any) -> None:
        """Cover what sends in the HTTP libraries, and sessions once their module is imported."""
        super().patch(module)
        self._sessions.patch(module)


class Sessions(sockets.Seam):
    """The sessions, and where they are opened. There are none that do not await."""

    def _cover(self, owner: Any, point: Point) -> None:
        if _OPENS in point.names:
            self._wrap(owner, _OPENS, self._connect)
        else:
            super()._cover(owner, point)

    def _connect(self, original: Any) -> Callable[..., Any]:
        @functools.wraps(original)
        def connect(live: Any, *args: Any, **kwargs: Any) -> Any:
            manager = original.__get__(live, type(live))(*args, **kwargs)
            try:
                if self.active:
                    setattr(manager, _MODEL, kwargs.get("model"))
                    manager.__class__ = _entered(type(manager), self)
            except Exception as error:
                fault("socket.connect", error)
            return manager

        return connect

    def opened(self, manager: Any, session: Any) -> None:
        """A session was opened, with the model that its manager was told of."""
        try:
            self.asked[session] = (vars(manager)[_MODEL],)
            setattr(manager, _SESSION, weakref.ref(session))
        except Exception as trouble:
            fault("socket.opened", trouble)

    def ended(self, manager: Any, error: BaseException | None) -> None:
        """The block that a session was opened for is over."""
        try:
            session = vars(manager).get(_SESSION, _nobody)()
            if session is not None:
                self._end(session, error if isinstance(error, Exception) else None)
        except Exception as trouble:
            fault("socket.ended", trouble)


_MODEL, _SESSION = "_tokenomics_model", "_tokenomics_session"


def _nobody() -> None:
    """No session was opened, or it is gone."""


def _entered(kind: Any, seam: Sessions) -> Any:
    """A subclass of a context manager's class, that tells what is entered and left."""

    class Manager(kind):  # type: ignore[misc]
        async def __aenter__(self) -> Any:
            session = await kind.__aenter__(self)
            seam.opened(self, session)
            return session

        async def __aexit__(self, *raised: Any) -> Any:
            seam.ended(self, raised[1])
            return await kind.__aexit__(self, *raised)

    Manager.__name__, Manager.__qualname__, Manager.__module__ = (
        kind.__name__,
        kind.__qualname__,
        kind.__module__,
    )
    return Manager
