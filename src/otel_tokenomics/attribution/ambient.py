"""`attribute`: name the owner of every call made in a block or by a function.

    with attribute(team="search", feature="answers"):
        client.chat.completions.create(...)

The claim travels with the context: into coroutines and tasks started inside, not into other threads
unless their context is copied. Blocks nest; the inner one adds to and overrides the outer one.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import ContextDecorator
from contextvars import ContextVar
from types import TracebackType
from typing import Any, Protocol, TypeVar, cast

from otel_tokenomics.attribution.frames import Frame, innermost
from otel_tokenomics.model.attribution import UNATTRIBUTED, Attribution
from otel_tokenomics.model.text import clean

_Function = TypeVar("_Function", bound=Callable[..., Any])

_frames: ContextVar[tuple[Frame, ...]] = ContextVar("otel_tokenomics_attribution", default=())


class Carrier(Protocol):
    """Has owners go along to other processes, while a block is open. Its methods raise nothing."""

    def enter(self, owners: Attribution) -> Any:
        """Let these owners go along; the result goes to `leave`."""

    def leave(self, token: Any) -> None:
        """Undo `enter`."""


class _Carried:
    by: Carrier | None = None


def carry(carrier: Carrier | None) -> None:
    """Have owners go along with `carrier` from now on, or with nothing."""
    _Carried.by = carrier


def current() -> Attribution:
    """The attribution that the application has named in this context."""
    frames = _frames.get()
    return frames[-1].holds if frames else UNATTRIBUTED


class attribute(ContextDecorator):
    """Attribute the calls in a block, or in a function that this decorates, to their owners.

    Args:
        team: the team that owns the spend.
        project: the project that owns the spend.
        feature: the product feature served.
        cost_center: the cost centre charged.
        tenant: the customer or tenant served.
        user: an identifier of the user served; an opaque id rather than a name.
        session: the conversation or session served.
        tags: further allocation tags.
    """

    def __init__(
        self,
        *,
        team: str | None = None,
        project: str | None = None,
        feature: str | None = None,
        cost_center: str | None = None,
        tenant: str | None = None,
        user: str | None = None,
        session: str | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        self._claim = Attribution(
            clean(team),
            clean(project),
            clean(feature),
            clean(cost_center),
            clean(tenant),
            clean(user),
            clean(session),
            _clean_tags(tags or {}),
        )

    def __enter__(self) -> Attribution:
        return _push(self, self._claim)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _pop(self)

    def __call__(self, function: _Function) -> _Function:
        """Decorate a function, or a coroutine function: its block is open while it runs."""
        return cast(_Function, decorated(self, function, super().__call__))

    @contextlib.contextmanager
    def resumed(self, entered: Attribution) -> Iterator[None]:
        """The block again, for the next step of a generator."""
        block = enter(entered)
        try:
            yield
        finally:
            leave(block)

    def _recreate_cm(self) -> attribute:
        """A block of its own for each call of a decorated function, so that it may recurse."""
        fresh = attribute()
        fresh._claim = self._claim
        return fresh


def enter(owners: Attribution) -> object:
    """Make an attribution current as it is, in another thread. What it returns goes to `leave`."""
    block = object()
    _push(block, owners, alone=True)
    return block


def leave(block: object) -> None:
    """Undo `enter`."""
    _pop(block)


def _push(block: object, claim: Attribution, alone: bool = False) -> Attribution:
    merged = claim if alone else claim.over(current())
    carrier = _Carried.by
    undo = None if carrier is None else (carrier, carrier.enter(merged))
    _frames.set((*_frames.get(), Frame(block, claim, merged, alone, undo)))
    return merged


def _pop(block: object) -> None:
    """Take a block out. Those that are still open around and within it keep what they say."""
    frames = _frames.get()
    at = innermost(frames, block)
    if at is None:
        return
    kept = list(frames[:at])
    for inner in frames[at + 1 :]:
        below = kept[-1].holds if kept else UNATTRIBUTED
        kept.append(inner if inner.alone else inner._replace(holds=inner.said.over(below)))
    _frames.set(tuple(kept))
    if frames[at].undo is not None and at == len(kept):
        carrier, token = frames[at].undo
        carrier.leave(token)


def decorated(block: Any, function: Callable[..., Any], plain: Callable[..., Any]) -> Callable[..., Any]:
    """The function with a block open while it runs: of a generator's, at each of its steps."""
    if inspect.iscoroutinefunction(function):
        return _awaited(block, function)
    if inspect.isasyncgenfunction(function):
        return _aiterated(block, function)
    if inspect.isgeneratorfunction(function):
        return _iterated(block, function)
    return cast("Callable[..., Any]", plain(function))


def _awaited(block: Any, function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    async def awaited(*args: Any, **kwargs: Any) -> Any:
        with block._recreate_cm():
            return await function(*args, **kwargs)

    return awaited


def _aiterated(block: Any, function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    async def aiterated(*args: Any, **kwargs: Any) -> AsyncIterator[Any]:
        with block._recreate_cm() as entered:
            steps = function(*args, **kwargs)
        async with contextlib.aclosing(steps):
            while True:
                with block.resumed(entered):
                    item = await anext(steps, _END)
                if item is _END:
                    return
                yield item

    return aiterated


def _iterated(block: Any, function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def iterated(*args: Any, **kwargs: Any) -> Iterator[Any]:
        with block._recreate_cm() as entered:
            steps = function(*args, **kwargs)
        with contextlib.closing(steps):
            while True:
                with block.resumed(entered):
                    item = next(steps, _END)
                if item is _END:
                    return
                yield item

    return iterated


_END = object()


def _clean_tags(tags: Mapping[str, str]) -> dict[str, str]:
    labels = ((clean(key), clean(value)) for key, value in tags.items())
    return {key: value for key, value in labels if key is not None and value is not None}
