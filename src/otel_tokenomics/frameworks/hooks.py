"""What the hooks into frameworks share: faults of ours stay ours, and what is patched can be put back."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from otel_tokenomics.attribution import places
from otel_tokenomics.flow.guard import fault

_Method = TypeVar("_Method", bound=Callable[..., Any])
Names = Callable[..., places.Told | None]
"""Given what a method is called with: what tells the names of the frame to open, or `None` to open none."""


class Hook(Protocol):
    """One framework. It is told of the import of the module that its row names; it imports nothing itself."""

    def open(self, module: Any) -> None:
        """Open frames from now on."""

    def close(self) -> None:
        """Open no more, and restore what is still ours to restore."""


def quiet(method: _Method) -> _Method:
    """The method, whose failures are counted and swallowed."""

    @functools.wraps(method)
    def quietly(*args: Any, **kwargs: Any) -> Any:
        try:
            return method(*args, **kwargs)
        except Exception as error:
            fault(f"framework.{method.__module__.rpartition('.')[2]}", error)
            return None

    return quietly  # type: ignore[return-value]


class Patches:
    """Methods of a framework that are wrapped in frames, until they are restored."""

    def __init__(self) -> None:
        self.active = False
        self._points: list[tuple[Any, str, Any, Any]] = []

    def replace(self, owner: Any, name: str, make: Callable[[Any], Any]) -> None:
        """Put what `make` makes of the owner's own method in its place. What is not there is left."""
        original = vars(owner).get(name) if owner is not None else None
        if original is None or getattr(original, "_tokenomics", None) is self:
            return
        wrapper: Any = functools.wraps(original)(make(original))
        wrapper._tokenomics = self
        setattr(owner, name, wrapper)
        self._points.append((owner, name, original, wrapper))

    def wrap(self, owner: Any, name: str, names: Names, kind: Kind | None = None) -> None:
        """Open a frame around each call of a method."""
        opened = functools.partial(self._opened, names)
        self.replace(owner, name, lambda original: (kind or _kind(original))(original, opened))

    def restore(self) -> None:
        """Put back what nobody else has wrapped since; the rest does nothing."""
        self.active = False
        for owner, name, original, wrapper in reversed(self._points):
            if vars(owner).get(name) is wrapper:
                setattr(owner, name, original)
        self._points.clear()

    def _opened(self, names: Names, args: Any, kwargs: Any) -> places.Frame | None:
        try:
            told = names(*args, **kwargs) if self.active else None
            return None if told is None else places.begin(told)
        except Exception as error:
            fault("framework.open", error)
            return None


Opened = Callable[[Any, Any], places.Frame | None]
Kind = Callable[[Any, Opened], Callable[..., Any]]


def closed(frame: places.Frame | None) -> None:
    """Close a frame, if one was opened."""
    if frame is not None:
        try:
            places.end(frame)
        except Exception as error:
            fault("framework.close", error)


def _kind(original: Any) -> Kind:
    return _awaited if inspect.iscoroutinefunction(original) else _called


def _called(original: Any, opened: Opened) -> Callable[..., Any]:
    def called(*args: Any, **kwargs: Any) -> Any:
        frame = opened(args, kwargs)
        try:
            return original(*args, **kwargs)
        finally:
            closed(frame)

    return called


def _awaited(original: Any, opened: Opened) -> Callable[..., Any]:
    async def awaited(*args: Any, **kwargs: Any) -> Any:
        frame = opened(args, kwargs)
        try:
            return await original(*args, **kwargs)
        finally:
            closed(frame)

    return awaited
