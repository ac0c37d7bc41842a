"""The seam in Google Cloud's generated clients: the methods of a client that call a model.

They are above the transport, so that gRPC and REST are seen alike. A client answers with a message, or with a
stream of them; a stream becomes one of a subclass, which tells what is read from it.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from otel_tokenomics.adapters.rpc import Answer
from otel_tokenomics.adapters.vertex import Asked
from otel_tokenomics.flow import tap
from otel_tokenomics.flow.call import CURRENT, Call
from otel_tokenomics.flow.drivers import adrive, drive
from otel_tokenomics.flow.guard import fault
from otel_tokenomics.wiring import stainless
from otel_tokenomics.wiring.following import afollowed, end, see
from otel_tokenomics.wiring.hooks import Hooks
from otel_tokenomics.wiring.libraries import Library, Point
from otel_tokenomics.wiring.suppression import suppressed

_CALL, _TOLD = "_tokenomics_call", "_tokenomics_told"


class Seam(stainless.Seam):
    """The covered methods, and where the calls go."""

    def __init__(self, row: Library) -> None:
        super().__init__(row.distribution)
        self._hooks = Hooks("patch.gapic", row.points, self._cover)

    def patch(self, module: Any) -> None:
        """Cover the clients of what is imported, and of the rest once it is."""
        if self.active:
            self._hooks.patch()

    def _cover(self, owner: Any, point: Point) -> None:
        make = self._awaited if "Async" in point.owner else self._called
        for name in point.names:
            if self.active and hasattr(owner, name):
                self._wrap(owner, name, functools.partial(make, name))

    def _called(self, name: str, original: Any) -> Callable[..., Any]:
        @functools.wraps(original)
        def request(client: Any, *args: Any, **kwargs: Any) -> Any:
            bound, call = original.__get__(client, type(client)), None
            try:
                call = self._of(client, name, args, kwargs)
            except Exception as error:
                fault("seam.request", error)
            if call is None:
                return bound(*args, **kwargs)
            return drive(functools.partial(_sent, bound, call), call, None, (), {})

        return request

    def _awaited(self, name: str, original: Any) -> Callable[..., Any]:
        @functools.wraps(original)
        async def arequest(client: Any, *args: Any, **kwargs: Any) -> Any:
            bound, call = original.__get__(client, type(client)), None
            try:
                call = self._of(client, name, args, kwargs)
            except Exception as error:
                fault("seam.request", error)
            if call is None:
                return await bound(*args, **kwargs)
            return await adrive(functools.partial(_asent, bound, call), call, None, (), {})

        return arequest

    def _of(self, client: Any, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Call | None:
        """The call that these arguments make."""
        desk, adapter = self.desk, self.adapter
        if desk is None or adapter is None or CURRENT.get() is not None or len(args) > 1:
            return None
        options = {key: given for key, given in kwargs.items() if key != "request"}
        asked = Asked(name, args[0] if args else kwargs.get("request"), options)
        facts = adapter.facts(client, asked, False)
        if facts is None or suppressed():
            return None
        return Call(desk, desk.admit(facts), adapter.meter(client, asked, facts), asked, client)


class _Inside:
    """Stands for a call in what is sent for it: gRPC keeps that context for as long as a server sends."""

    over = False
    client = None


_INSIDE: Any = _Inside()


class _Sending:
    """While a call is sent its place is held."""

    __slots__ = ("_token",)

    def __enter__(self) -> None:
        self._token = CURRENT.set(_INSIDE)

    def __exit__(self, *error: object) -> None:
        # A coroutine that somebody else closes ends in another context.
        with suppress(ValueError):
            CURRENT.reset(self._token)


def _sent(bound: Callable[..., Any], call: Call, _: None, asked: Asked) -> Any:
    try:
        with _Sending():
            response = bound(asked.request, **asked.options)
    except Exception as refusal:
        _hear_refusal(call, refusal)
        raise
    _hear_answer(call, response)
    return response


async def _asent(bound: Callable[..., Any], call: Call, _: None, asked: Asked) -> Any:
    try:
        with _Sending():
            response = await bound(asked.request, **asked.options)
    except Exception as refusal:
        _hear_refusal(call, refusal)
        raise
    _hear_answer(call, response)
    return response


def _hear_refusal(call: Call, refusal: Any) -> None:
    """Errors of the library's say the status of HTTP that theirs is."""
    try:
        if (code := getattr(refusal, "code", None)) is not None:
            call.responded(Answer(None, int(code)), False, 0)
    except Exception as error:
        fault("seam.response", error)


def _hear_answer(call: Call, response: Any) -> None:
    try:
        if hasattr(response, "candidates"):
            call.responded(Answer(response), False, 0)
        else:
            call.responded(Answer(None), True, 0, functools.partial(_follow, response))
    except Exception as error:
        fault("seam.response", error)


def _follow(stream: Any, answer: Answer, call: Call) -> None:
    """Have every message that a stream gives, and its end, told to `call`."""
    kind: Any = type(stream)
    setattr(stream, _CALL, call)
    tap.watch(call)
    stream.__class__ = _followed(kind)


@functools.lru_cache(maxsize=8)
def _followed(kind: Any) -> Any:
    made = _astream(kind) if hasattr(kind, "__aiter__") else _stream(kind)
    made.__name__, made.__qualname__, made.__module__ = kind.__name__, kind.__qualname__, kind.__module__
    return made


def _stream(kind: Any) -> Any:
    class Stream(kind):  # type: ignore[misc]
        def __next__(self) -> Any:
            try:
                message = kind.__next__(self)
            except StopIteration:
                end(vars(self)[_CALL])
                raise
            except BaseException as error:
                end(vars(self)[_CALL], error)
                raise
            see(vars(self)[_CALL], message)
            return message

        def cancel(self) -> Any:
            end(vars(self)[_CALL], early=True)
            return kind.cancel(self)

    return Stream


def _astream(kind: Any) -> Any:
    class Stream(kind):  # type: ignore[misc]
        def __aiter__(self) -> Any:
            if _TOLD not in vars(self):
                call = vars(self)[_CALL]
                source = kind.__aiter__(self)
                setattr(self, _TOLD, afollowed(source, call, functools.partial(see, call)))
            return vars(self)[_TOLD]

        async def read(self) -> Any:
            try:
                message = await kind.read(self)
            except BaseException as error:
                end(vars(self)[_CALL], error)
                raise
            if hasattr(message, "candidates"):
                see(vars(self)[_CALL], message)
            else:
                end(vars(self)[_CALL])
            return message

        def cancel(self) -> Any:
            end(vars(self)[_CALL], early=True)
            return kind.cancel(self)

    return Stream
