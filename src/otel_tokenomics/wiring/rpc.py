"""The seam in a gRPC client: the methods of its generated stubs, and what its client makes channels with.

A stub has its methods as attributes of its own, put there when it is made. On its class a descriptor of ours
stands before each, so that clients made earlier are covered too, and nothing is left when it is taken away.
What is given is called as before; the attempts that gRPC itself makes are below, and one call here.
"""

from __future__ import annotations

import functools
import sys
import weakref
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing
from typing import Any

import wrapt

from otel_tokenomics.adapters import keys
from otel_tokenomics.adapters.rpc import Answer, Peer, Rpc, peer_of
from otel_tokenomics.flow import tap
from otel_tokenomics.flow.call import CURRENT, Call
from otel_tokenomics.flow.drivers import adrive, drive
from otel_tokenomics.flow.guard import fault, log
from otel_tokenomics.wiring import stainless
from otel_tokenomics.wiring.following import afollowed, followed, see
from otel_tokenomics.wiring.libraries import Library
from otel_tokenomics.wiring.suppression import suppressed

_NOBODY = Peer()


class Seam(stainless.Seam):
    """The covered methods, and where the calls go."""

    def __init__(self, row: Library) -> None:
        super().__init__(row.distribution)
        self._row = row
        self._covers: list[tuple[type, str, Method]] = []
        self._channels: weakref.WeakKeyDictionary[Any, Peer] = weakref.WeakKeyDictionary()
        self._stubs: weakref.WeakKeyDictionary[Any, Peer] = weakref.WeakKeyDictionary()

    def patch(self, module: Any) -> None:
        """Cover what there is. Also called after the import of the module that the row names, by a hook."""
        if not self.active:
            return
        for point in self._row.points:
            home = sys.modules.get(point.module)
            if home is None:
                # An older version, without it.
                continue
            owner: Any = getattr(home, point.owner, None)
            name = next((name for name in point.names if hasattr(owner, name)), None)
            if name is None:
                log.warning("%s has no %s: %s", self.library, point.title, point.without)
            elif name.endswith("Stub"):
                self._cover(getattr(owner, name))
            else:
                self._wrap(owner, name, self._channel)

    def close(self) -> None:
        """Record no more calls, and take away what is ours."""
        super().close()
        for stub, name, method in self._covers:
            if vars(stub).get(name) is method:
                delattr(stub, name)
        self._covers.clear()

    def peer(self, stub: Any) -> Peer:
        """Whom a stub's channel goes to, as far as it was seen to be made."""
        return self._stubs.get(stub, _NOBODY)

    def call(self, stub: Any, method: str, message: Any) -> Call | None:
        """The call that a method of a stub makes with a message, if it makes one."""
        desk, adapter = self.desk, self.adapter
        if desk is None or adapter is None or CURRENT.get() is not None:
            return None
        request = Rpc(method, message, self.peer(stub))
        facts = adapter.facts(stub, request, False)
        if facts is None or suppressed():
            return None
        entry = desk.admit(facts, lambda: request.peer.key)
        return Call(desk, entry, adapter.meter(stub, request, facts), request, stub)

    def _cover(self, stub: type) -> None:
        service = stub.__name__.removesuffix("Stub")
        for path in self.adapter.routes:  # type: ignore[union-attr]
            ours, _, name = path.partition("/")
            if ours == service and name not in vars(stub):
                method = Method(self, path)
                setattr(stub, name, method)
                self._covers.append((stub, name, method))
        self._wrap(stub, "__init__", self._made)

    def _made(self, original: Any) -> Any:
        @functools.wraps(original)
        def made(stub: Any, channel: Any, *args: Any, **kwargs: Any) -> None:
            original(stub, channel, *args, **kwargs)
            try:
                self._stubs[stub] = self._channels.get(channel, _NOBODY)
            except Exception as error:
                fault("seam.stub", error)

        return made

    def _channel(self, original: Any) -> Any:
        @functools.wraps(original)
        def make_channel(client: Any, *args: Any, **kwargs: Any) -> Any:
            channel = original.__get__(client, type(client))(*args, **kwargs)
            try:
                key, host, *_ = *args, None, None
                told = keys.key_id(kwargs.get("api_key", key))
                self._channels[channel] = peer_of(kwargs.get("api_host", host), told)
            except Exception as error:
                fault("seam.channel", error)
            return channel

        return make_channel


class Method:
    """Stands before an attribute that each stub has of its own."""

    def __init__(self, seam: Seam, path: str) -> None:
        self._seam = seam
        self._path = path
        self._name = path.rpartition("/")[2]

    def __get__(self, stub: Any, kind: type | None = None) -> Any:
        """The stub's own, covered."""
        if stub is None or self._name not in vars(stub):
            raise AttributeError(self._name)
        covered = Covered(vars(stub)[self._name])
        covered._self_begin = functools.partial(self._seam.call, stub, self._path)
        return covered

    def __set__(self, stub: Any, value: Any) -> None:
        """The stub's own, for it is made now, or somebody else puts another in its place."""
        vars(stub)[self._name] = value

    def __delete__(self, stub: Any) -> None:
        """The stub's own."""
        vars(stub).pop(self._name)


class Covered(wrapt.ObjectProxy):  # type: ignore[type-arg]
    """What calls a method of a service, as it was, but for the call itself."""

    _self_begin: Callable[[Any], Call | None]

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Make the call: its answer, or something to await or iterate, as it comes from gRPC."""
        call, bare = None, self.__wrapped__
        try:
            call = self._self_begin(args[0]) if args else None
        except Exception as error:
            fault("seam.request", error)
        if call is None:
            return bare(*args, **kwargs)
        streams, awaited = _ways(bare.__class__)
        if awaited:
            return (
                _astream(bare, call, args[1:], kwargs) if streams else _aunary(bare, call, args[1:], kwargs)
            )
        make = _opened if streams else _asked
        return drive(functools.partial(make, bare, call), call, None, args[1:], kwargs)


@functools.lru_cache(maxsize=16)
def _ways(kind: type) -> tuple[bool, bool]:
    """Whether what calls a method streams, and is awaited: by gRPC's class, or what another's is made of."""
    names = [(base.__module__, base.__name__) for base in kind.__mro__]
    streams = any("Stream" in name for _, name in names)
    return streams, any(module.startswith("grpc.aio") for module, _ in names)


def _asked(bare: Any, call: Call, _: None, request: Rpc, *args: Any, **kwargs: Any) -> Any:
    message = bare(request.message, *args, **kwargs)
    _hear_answer(call, message)
    return message


async def _aasked(bare: Any, call: Call, _: None, request: Rpc, *args: Any, **kwargs: Any) -> Any:
    message = await bare(request.message, *args, **kwargs)
    _hear_answer(call, message)
    return message


async def _aunary(bare: Any, call: Call, args: Any, kwargs: Any) -> Any:
    return await adrive(functools.partial(_aasked, bare, call), call, None, args, kwargs)


def _hear_answer(call: Call, message: Any) -> None:
    try:
        call.responded(Answer(message), False, 0)
    except Exception as error:
        fault("seam.response", error)


def _opened(bare: Any, call: Call, _: None, request: Rpc, *args: Any, **kwargs: Any) -> Any:
    stream = _open(bare, call, request, args, kwargs)
    shown = Stream(stream)
    shown._self_told = followed(stream, call, functools.partial(_hear_one, call))
    return shown


def _open(bare: Any, call: Call, request: Rpc, args: Any, kwargs: Any) -> Any:
    """A stream whose messages are still to come. That there is an answer is told by the first."""
    # gRPC keeps the context for as long as the server sends, and with it the call that nobody reads any more.
    token = CURRENT.set(None)
    try:
        stream = bare(request.message, *args, **kwargs)
    finally:
        CURRENT.reset(token)
    call.followed = True
    try:
        tap.watch(call)
    except Exception as error:
        fault("tap", error)
    return stream


class Stream(wrapt.ObjectProxy):  # type: ignore[type-arg]
    """A stream of messages as gRPC gave it, each told of before it is passed on."""

    _self_told: Iterator[Any]

    def __iter__(self) -> Any:
        """The messages."""
        return self._self_told

    def __next__(self) -> Any:
        """The next message."""
        return next(self._self_told)


def _hear_one(call: Call, message: Any) -> None:
    """A message of a stream: the first is the answer."""
    if not call.answered:
        call.responded(Answer(message), True, 0, _covered)
    see(call, message)


def _covered(answer: Any, call: Call) -> None:
    """It is heard already."""


async def _aopened(bare: Any, call: Call, _: None, request: Rpc, *args: Any, **kwargs: Any) -> Any:
    return _open(bare, call, request, args, kwargs)


async def _astream(bare: Any, call: Call, args: Any, kwargs: Any) -> AsyncIterator[Any]:
    stream = await adrive(functools.partial(_aopened, bare, call), call, None, args, kwargs)
    # Whoever leaves this one leaves the other with it: a generator that awaits is closed by nobody else.
    async with aclosing(afollowed(stream, call, functools.partial(_hear_one, call))) as messages:
        async for message in messages:
            yield message
