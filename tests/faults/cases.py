"""The four ways to call each client library, and the differential run over them.

A transcript is all that an application can see of a call: the values in order, or the exception with its
class, its arguments and its chain. The same script is run bare and instrumented; the transcripts must be
equal.
"""

from __future__ import annotations

import asyncio
import gc
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, cast
from zlib import crc32

import pytest
from tests.support import replies
from tests.support.either import items, value
from tests.support.libraries import KITS, Kit, installed
from tests.support.telemetry import Telemetry, instrumented
from tests.support.wire import JSON, Part, Reply, Wire
from tests.support.wire_others import error

REFUSAL = replies.dumps({"error": {"message": "no", "type": "invalid_request_error", "code": None}})
BUCKETS = {library: kit.buckets for library, kit in KITS.items()}
MADE_UP = {kit.module: kit.made_up for kit in KITS.values() if kit.made_up}
Transcript = list[Any]
_TRACEBACK = re.compile(r"^Traceback \(most recent call last\):\n(?:[ \t].*\n)*", re.MULTILINE)


@dataclass(frozen=True)
class Case:
    """One client library, synchronous or not, streamed or not."""

    library: str
    asynchronous: bool
    stream: bool

    def __str__(self) -> str:
        mode = "async" if self.asynchronous else "sync"
        return f"{self.library}-{mode}-{'stream' if self.stream else 'plain'}"

    @property
    def kit(self) -> Kit:
        """The library's row."""
        return KITS[self.library]

    @property
    def _path(self) -> str:
        return self.kit.path(self.asynchronous, self.stream)

    def has(self, *features: str) -> bool:
        """Whether the library has all of these."""
        return self.kit.features.issuperset(features)

    def wire(self, *script: Reply) -> Wire:
        """A wire of the HTTP library that the client library is built on."""
        return Wire(*script, library=self.http)

    @property
    def http(self) -> str:
        """The HTTP library that it is called through."""
        return self.kit.http_of(self.asynchronous)

    def client(self, wire: Wire, **options: Any) -> Any:
        """A client on `wire`. It retries nothing unless told to."""
        return self.kit.client(wire, self.asynchronous, options)

    def create(self, client: Any, **overrides: Any) -> Any:
        """The call: a result or stream, to be awaited if asynchronous."""
        return self.within(self.method(client)(**{**self.arguments(), **overrides}))

    def within(self, result: Any) -> Any:
        """The stream in a result, which may be all of it."""
        stream_of = self.kit.stream_of
        if stream_of is None or not self.stream:
            return result

        async def awaited() -> Any:
            return stream_of(await result)

        return awaited() if self.asynchronous else stream_of(result)

    def arguments(self) -> dict[str, Any]:
        """Fresh arguments of the call."""
        return self.kit.arguments(self.stream)

    def method(self, client: Any) -> Any:
        """The method that makes the call."""
        return getattr(self.resource(client), self._path.rpartition(".")[2])

    def raw(self, client: Any, prefix: str) -> Any:
        """The method below `with_raw_response` or another such prefix."""
        return getattr(getattr(self.resource(client), prefix), self._path.rpartition(".")[2])

    def resource(self, client: Any) -> Any:
        """The resource that has the method."""
        for name in self._path.split(".")[:-1]:
            client = getattr(client, name)
        return client

    def error(self, name: str, *told: Any, **options: Any) -> BaseException:
        """An exception of the HTTP library."""
        return error(self.http, name, *told, **options)

    def reply(self, usage: Any = ...) -> Reply:
        """A good answer; with `usage`, one whose usage is that."""
        if self.stream:
            return self.streaming(*self.pieces(usage))
        return Reply(self.kit.whole(self.kit.usage if usage is ... else usage), headers=JSON)

    def pieces(self, usage: Any = ...) -> list[Part]:
        """The pieces of a good stream, one for each event."""
        return list(self.kit.pieces(self.kit.usage if usage is ... else usage))

    def broken(self, after: int, error: BaseException) -> Reply:
        """A stream that breaks with `error` after some pieces."""
        return self.streaming(*self.pieces()[:after], error)

    def streaming(self, *parts: Part) -> Reply:
        """A stream of these parts."""
        return Reply(parts, headers=self.kit.stream_headers)

    def refusal(self, status: int, **headers: str) -> Reply:
        """A refusal; what a header is called has no dashes here."""
        more = {name.replace("_", "-"): told for name, told in headers.items()}
        return Reply(REFUSAL, status, {**self.kit.refusing(status), **more})


ALL = [
    Case(library, asynchronous, stream)
    for library, kit in KITS.items()
    if installed(kit)
    for asynchronous, stream in kit.modes
]
CASES = [case for case in ALL if not case.has("results")]
"""Those whose calls are seen, and not their results alone."""
FIRST = ("openai", "anthropic")
"""Where ours fails the same way for all libraries, these stand for them."""
STANDING = [case for case in CASES if case.library in FIRST]


def first(cases: list[Case]) -> pytest.MarkDecorator:
    """Parametrise a test with those of the cases that stand for their seam."""
    return pytest.mark.parametrize("case", [case for case in cases if case.library in FIRST], ids=str)


def having(*features: str, **how: Any) -> pytest.MarkDecorator:
    """Parametrise a test with the cases whose calls are seen and library has these, such as `stream=True`."""
    chosen = [
        case
        for case in CASES
        if case.has(*features) and all(getattr(case, name) == wanted for name, wanted in how.items())
    ]
    return pytest.mark.parametrize("case", chosen, ids=str)


all_cases = having()
whatever_is_seen = pytest.mark.parametrize("case", ALL, ids=str)
standing = pytest.mark.parametrize("case", STANDING, ids=str)


def every(test: Callable[..., Any]) -> Callable[..., Any]:
    """Parametrise a test with every case of the first libraries, and one of each other that takes turns."""
    turn = crc32(test.__name__.encode())
    chosen = list(STANDING)
    for index, library in enumerate(sorted({case.library for case in ALL} - {*FIRST})):
        own = [case for case in ALL if case.library == library]
        chosen.append(own[(turn + index) % len(own)])
    marked: Callable[..., Any] = pytest.mark.parametrize("case", chosen, ids=str)(test)
    return marked


plain = having(stream=False)
streamed = having(stream=True)

Act = Callable[[Case, Any], Awaitable[Transcript]]


async def drained(case: Case, client: Any) -> list[Any]:
    """One call read to its end; what it raises is raised."""
    result = await value(case.create(client))
    return [chunk async for chunk in items(result, case.asynchronous)] if case.stream else [result]


async def call(case: Case, client: Any, **overrides: Any) -> Transcript:
    """The transcript of one call read to its end."""
    seen: Transcript = []
    try:
        result = await value(case.create(client, **overrides))
        if not case.stream:
            seen.append(dumped(result))
        else:
            async for chunk in items(result, case.asynchronous):
                seen.append(dumped(chunk))
    except BaseException as error:
        seen.append(told(error))
    return seen


def dumped(model: Any) -> Any:
    """A model as data: its class, its fields, which of them were set, and what it looks like."""
    if not hasattr(model, "model_dump"):
        kind: Any = type(model)
        told = kind.__repr__ is not object.__repr__
        return kind.__name__, repr(model) if told else [
            (name, dumped(held)) for name, held in vars(model).items()
        ]
    made_up = MADE_UP.get(type(model).__module__.partition(".")[0])
    if made_up:
        model = model.model_copy(update=dict.fromkeys(made_up))
    return type(model).__name__, model.model_dump(warnings=False), model.model_fields_set, repr(model)


def told(error: BaseException) -> Any:
    """An exception as the application can tell it: classes, arguments, chain.

    A traceback in a message is left out: where our frames stand it names them.
    """
    return [
        (
            type(one).__name__,
            _TRACEBACK.sub("", str(one)),
            one.__suppress_context__,
            one.__cause__ is not None,
        )
        for one in chain(error)
    ]


def chain(error: BaseException) -> list[BaseException]:
    """An exception, what it was raised from or under, and so on."""
    found, current = [], cast("BaseException | None", error)
    while current is not None:
        found.append(current)
        current = current.__cause__ or current.__context__
    return found


async def differential(
    case: Case, *script: Reply, act: Act = call, telemetry: Telemetry | None = None, **options: Any
) -> Telemetry:
    """Run the same script bare and instrumented; the transcripts and the requests must be equal."""
    bare, sent = await played(case, script, act, options)
    with instrumented(telemetry=telemetry) as heard:
        seen, resent = await played(case, script, act, options)
    assert seen == bare
    assert resent == sent, "the number of requests differs"
    return heard


async def played(
    case: Case, script: tuple[Reply, ...], act: Act, options: dict[str, Any]
) -> tuple[Transcript, int]:
    """The transcript of one run, and how many requests it made."""
    wire = case.wire(*script)
    return await seen_on(case, wire, [case.client(wire, **options)], act)


async def seen_on(case: Case, wire: Wire, clients: list[Any], act: Act) -> tuple[Transcript, int]:
    """The transcript of one run of the last client, which is given up, and how many requests it made."""
    transcript = await act(case, clients[-1])
    if case.stream and not case.has("closes"):
        # A stream that is a generator ends when it is collected, and one may be held by its client.
        clients.clear()
        gc.collect()
    if case.stream and case.has("unread"):
        gc.collect()
    if case.asynchronous:
        # An asynchronous stream that was broken off is closed by the event loop, when it gets to it.
        for _ in range(3):
            if case.stream and case.has("unread"):
                gc.collect()
            await asyncio.sleep(0)
    return transcript, wire.calls
