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
from collections.abc import AsyncGenerator, Callable, Generator, Iterator, Mapping
from contextlib import ContextDecorator
from contextvars import ContextVar
from functools import partial
from types import TracebackType
from typing import Any, Protocol, TypeVar, cast
from uuid import UUID

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

    A value is text; whole numbers and UUIDs are written as text.

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
            _label(team),
            _label(project),
            _label(feature),
            _label(cost_center),
            _label(tenant),
            _label(user),
            _label(session),
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
    async def aiterated(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
        with block._recreate_cm() as entered:
            steps = function(*args, **kwargs)
        following = _Following(steps)
        try:
            while True:
                try:
                    with block.resumed(entered):
                        item = await following.step()
                except StopAsyncIteration:
                    return
                with following:
                    following.step = partial(steps.asend, (yield item))
        finally:
            with block.resumed(entered):
                await steps.aclose()

    return aiterated


class _Following:
    """The next step of an asynchronous generator: what is sent to it, or what is thrown into it."""

    def __init__(self, steps: AsyncGenerator[Any, Any]) -> None:
        self._steps = steps
        self.step: Callable[[], Any] = partial(steps.asend, None)

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if error is None or isinstance(error, GeneratorExit):
            return False
        self.step = partial(self._steps.athrow, error)
        return True


def _iterated(block: Any, function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def iterated(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        with block._recreate_cm() as entered:
            steps = function(*args, **kwargs)
        return (yield from _Steps(block, entered, steps))

    return iterated


class _Steps(Generator[Any, Any, Any]):
    """A generator, each step of which is in its block."""

    def __init__(self, block: Any, entered: Any, steps: Generator[Any, Any, Any]) -> None:
        self._block, self._entered, self._steps = block, entered, steps

    def send(self, value: Any, /) -> Any:
        with self._block.resumed(self._entered):
            return self._steps.send(value)

    def throw(self, *error: Any) -> Any:
        with self._block.resumed(self._entered):
            return self._steps.throw(*error)

    def close(self) -> None:
        with self._block.resumed(self._entered):
            self._steps.close()


def _label(value: object) -> str | None:
    """A claim as a label. Ids are often numbers: to drop one would take its call from its budget."""
    if isinstance(value, int | UUID) and not isinstance(value, bool):
        return clean(str(value))
    return clean(value)


def _clean_tags(tags: Mapping[str, str]) -> dict[str, str]:
    labels = ((clean(key), _label(value)) for key, value in tags.items())
    return {key: value for key, value in labels if key is not None and value is not None}
