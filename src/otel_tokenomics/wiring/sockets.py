"""The seam in a client library's websockets: where a message arrives, and where the connection is closed.

Its connections have a method through which every message comes however it is asked for, such as
`recv_bytes`, and `close`. The classes are those that the library's row names; each is covered when its module
is imported, if it ever is.
"""

from __future__ import annotations

import functools
import inspect
import weakref
from collections.abc import Callable
from typing import Any

from otel_tokenomics.adapters import keys
from otel_tokenomics.flow import late
from otel_tokenomics.flow.desk import Desk
from otel_tokenomics.flow.guard import attempt, fault
from otel_tokenomics.flow.socket import Socket
from otel_tokenomics.wiring import stainless
from otel_tokenomics.wiring.hooks import Hooks
from otel_tokenomics.wiring.libraries import Point
from otel_tokenomics.wiring.suppression import suppressed


class Seam(stainless.Seam):
    """The seam of a library that has connections which stay open, beside its calls."""

    def __init__(self, library: str, points: tuple[Point, ...]) -> None:
        super().__init__(library)
        self._hooks = Hooks("patch.sockets", points, self._cover)
        self._known: weakref.WeakKeyDictionary[Any, Socket | None] = weakref.WeakKeyDictionary()
        self.asked: weakref.WeakKeyDictionary[Any, tuple[Any, ...]] = weakref.WeakKeyDictionary()
        """What was asked for where a connection was opened, for who reads it: nothing, for most."""

    def close(self) -> None:
        """Read no more, and restore what is still ours to restore."""
        super().close()
        self._known = weakref.WeakKeyDictionary()

    def patch(self, module: Any) -> None:
        """Cover the classes of what is imported, and of the rest once it is."""
        super().patch(module)
        self._hooks.patch()

    def _cover(self, owner: Any, point: Point) -> None:
        for name, make in (*((name, self._receive) for name in point.names), ("close", self._close)):
            if self.active and hasattr(owner, name):
                self._wrap(owner, name, make)

    # The wrappers below bind the original as the library would find it, and call nothing of ours outside a
    # `try`. Those of what receives let whatever it raises pass: a closed connection is an exception there.

    def _receive(self, original: Any) -> Callable[..., Any]:
        if inspect.iscoroutinefunction(inspect.unwrap(original)):

            @functools.wraps(original)
            async def areceive(connection: Any, *args: Any, **kwargs: Any) -> Any:
                try:
                    message = await original.__get__(connection, type(connection))(*args, **kwargs)
                except Exception as error:
                    self._end(connection, error)
                    raise
                self._hear(connection, message)
                return message

            return areceive

        @functools.wraps(original)
        def receive(connection: Any, *args: Any, **kwargs: Any) -> Any:
            try:
                message = original.__get__(connection, type(connection))(*args, **kwargs)
            except Exception as error:
                self._end(connection, error)
                raise
            self._hear(connection, message)
            return message

        return receive

    def _close(self, original: Any) -> Callable[..., Any]:
        if inspect.iscoroutinefunction(inspect.unwrap(original)):

            @functools.wraps(original)
            async def aclose(connection: Any, *args: Any, **kwargs: Any) -> Any:
                self._end(connection, None)
                return await original.__get__(connection, type(connection))(*args, **kwargs)

            return aclose

        @functools.wraps(original)
        def close(connection: Any, *args: Any, **kwargs: Any) -> Any:
            self._end(connection, None)
            return original.__get__(connection, type(connection))(*args, **kwargs)

        return close

    def _hear(self, connection: Any, message: Any) -> None:
        try:
            socket = self._of(connection)
            if socket is not None:
                socket.hear(message)
        except Exception as error:
            fault("socket.hear", error)

    def _end(self, connection: Any, error: BaseException | None) -> None:
        try:
            socket = self._known.get(connection)
            if socket is not None and not _timed_out(error):
                socket.end(error)
        except Exception as trouble:
            fault("socket.end", trouble)

    def _of(self, connection: Any) -> Socket | None:
        """The socket of a connection; `None` for one that was opened where nothing is to be recorded."""
        if connection in self._known:
            return self._known[connection]
        desk, adapter = self.desk, self.adapter
        socket = None
        if desk is not None and not suppressed():
            opening = functools.partial(_socket, desk, adapter, connection, self.asked.pop(connection, ()))
            socket = attempt("socket.open", opening, None)
        self._known[connection] = socket
        return socket


def _socket(desk: Desk, adapter: Any, connection: Any, asked: tuple[Any, ...]) -> Socket:
    wire = getattr(connection, "_connection", None) or getattr(connection, "_ws", None)
    request = getattr(wire, "request", None)
    headers = getattr(request, "headers", None) or {}
    listener = adapter.listener(getattr(request, "path", "") or "", headers.get("Host"), *asked)
    socket = Socket(desk, listener, functools.partial(keys.of_request, None, request))
    # Nobody closed a connection that is dropped. Nothing may be locked where the garbage collector says so.
    weakref.finalize(connection, late.submit, socket.end).atexit = False
    return socket


def _timed_out(error: BaseException | None) -> bool:
    """Nothing came in time, or the wait was cancelled: the connection is as it was."""
    return isinstance(error, TimeoutError)
