"""Every step of ours fails once: at the n-th entry into our code, for every n, and nobody but us notices.

A trace function sees each entry into a function or resumption of a generator of this package, and what it
raises is raised there. A scenario is run to list the entries, then once for each: for `openai` all of them;
for the libraries that stand for the other seams those that no scenario before came to by the same frames; for
every other library, in one of its ways to call it after the other, those that none before came to at all.
"""

from __future__ import annotations

import asyncio
import gc
import re
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, cast

import pytest
from tests.faults import test_transports as transports
from tests.faults.cases import ALL, CASES, Case, Transcript, call, dumped, seen_on
from tests.support import replies
from tests.support.either import close, items, value
from tests.support.telemetry import instrumented
from tests.support.wire import SSE, Reply

import otel_tokenomics
from otel_tokenomics.flow import guard, late
from otel_tokenomics.flow.guard import guarded

# An exception thrown at a generator that is being finalised can only be printed, by the interpreter.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

_ID = re.compile(r"\bp\d{6,}\b")
HOME = str(Path(otel_tokenomics.__file__).parent)

OUTERMOST = {
    # In place of the client library's own methods: each does nothing outside a `try` but call the original.
    "request",
    "arequest",
    "process_response",
    "retry",
    # In place of the HTTP library's own, and around it.
    "send",
    "asend",
    "heard",
    "aheard",
    # In place of botocore's and aiobotocore's own, and around it.
    "make_api_call",
    "amake_api_call",
    "needs_retry",
    "aneeds_retry",
    "_send",
    "_asend",
    "receive_messages",
    # In place of the standard library's, once a process has had a run.
    "submit",
    "start",
    # The one place where the original runs.
    "drive",
    "adrive",
    # On the one response: they pass on what the response's own methods give.
    "iter_bytes",
    "aiter_bytes",
    "close",
    "aclose",
    "_tapped",
    "_atapped",
    "iter_content",
    "_told",
    "followed",
    "afollowed",
    "aiter_raw",
    "release",
    "read",
    "read_nowait",
    "__getattribute__",
    "__del__",
    # In place of what a stub of gRPC has, and around the one place where the original runs.
    *("Method.__get__", "Method.__set__", "Covered.__call__", "made", "make_channel"),
    *("_asked", "_aasked", "_aunary", "_opened", "_open", "_aopened"),
    # Around a method of a client of Google's.
    *("_sent", "_asent"),
    # On a stream of messages.
    *("Stream.__iter__", "Stream.__aiter__", "Stream.__next__", "Stream.cancel", "_astream"),
}
"""Frames that stand between the application and the library; whatever they call of ours may fail.

A name may have that of its class before it, where another class has a method of that name.
"""

GUARDS = {
    *("_see", "_broken", "_closed", "_altered", "_uncover", "see", "see_lines", "end", "drop"),
    *("hear_of", "attempt"),
    *("data", "failed", "closed", "fault", "__enter__", "__exit__", "_unmark"),
    *("_hear_answer", "_hear_refusal", "tell", "_Passing.__init__"),
}
"""Frames that are one `try` from their first statement on, so that nothing of ours can raise out of them.

An exception on the very entry into them is the interpreter's (out of stack or memory), not ours.
"""


_MET: dict[int, tuple[CodeType, bool]] = {}
"""Code that was met, by its identity, and whether it is ours to fail in."""


def _ours(code: CodeType) -> bool:
    """Whether an entry into the code may be made to fail."""
    names = {code.co_name, code.co_qualname.rpartition("<locals>.")[2]}
    ours = code.co_filename.startswith(HOME) and names.isdisjoint(OUTERMOST | GUARDS)
    _MET[id(code)] = code, ours
    return ours


Place = tuple[tuple[str, int], ...]
"""Where an entry came from: our frames, the innermost first."""


class Injector:
    """Counts entries into our code, and raises at one of them."""

    def __init__(self, at: int | None = None) -> None:
        self.at = at
        self.entries = 0
        self.where = ""

    def __call__(self, frame: FrameType, event: str, argument: Any) -> None:
        code = frame.f_code
        met = _MET.get(id(code))
        if not (met[1] if met is not None and met[0] is code else _ours(code)):
            return
        self.entries += 1
        self.met(frame)

    def met(self, frame: FrameType) -> None:
        """Fail, if it is the one."""
        if self.entries == self.at:
            code = frame.f_code
            self.where = f"{code.co_filename.removeprefix(HOME)}:{frame.f_lineno} {code.co_name}"
            raise RuntimeError("injected")

    def __enter__(self) -> Injector:
        sys.settrace(self)
        return self

    def __exit__(self, *error: object) -> None:
        sys.settrace(None)


class Lister(Injector):
    """Lists where each entry came from, and fails at none."""

    def __init__(self) -> None:
        super().__init__()
        self.places: list[Place] = []

    def met(self, frame: FrameType) -> None:
        """Look around."""
        place, at = [], cast("FrameType | None", frame)
        while at is not None:
            if at.f_code.co_filename.startswith(HOME):
                place.append((at.f_code.co_qualname, at.f_lineno))
            at = at.f_back
        self.places.append(tuple(place))


async def broken_off(case: Case, client: Any) -> Transcript:
    """A stream that is left after one chunk, and closed."""
    stream = await value(case.create(client))
    seen: Transcript = []
    async for chunk in items(stream):
        seen.append(dumped(chunk))
        break
    return [*seen, await close(stream)]


async def asked_for(case: Case, client: Any) -> Transcript:
    """A stream whose usage we ask for, and hide. What the provider sends depends on what we asked."""
    arguments = {key: given for key, given in case.arguments().items() if key != "stream_options"}
    stream = await value(case.method(client)(**arguments))
    return [dumped(chunk) async for chunk in items(stream)]


SCENARIOS: dict[str, Any] = {
    "answer": (lambda case: (case.reply(),), call, {}),
    "error": (lambda case: (case.refusal(500),), call, {}),
    "lost": (
        lambda case: (Reply(error=lambda request: case.error("ReadTimeout", "late", request=request)),),
        call,
        {},
    ),
    "retry": (lambda case: (case.refusal(500, retry_after_ms="1"), case.reply()), call, {"max_retries": 1}),
    "no usage": (lambda case: (case.reply(None),), call, {}),
    "reset": (lambda case: (case.broken(3, case.error("ReadError", "reset")),), call, {}),
    "broken off": (lambda case: (case.reply(),), broken_off, {}),
    "silent": (lambda case: (Reply(replies.sse(replies.chat_chunks()), headers=SSE),), asked_for, {}),
}
STREAMED = ("reset", "broken off", "silent")
ALONE = {"retry": "retries", "silent": "asks"}
"""What a library must have for a scenario."""
WHOLE = "openai"
STANDING = ("anthropic", "cohere", "voyageai", "xai-sdk", "google-cloud-aiplatform", "botocore")
"""These stand for their seams, each in every way to call it."""


def plays(case: Case, name: str) -> bool:
    """Whether a case has a scenario."""
    if name in ALONE and not case.has(ALONE[name]):
        return False
    return case.stream or name not in STREAMED


def _scenarios() -> Iterator[Any]:
    for case in (case for case in CASES if case.library == WHOLE):
        for name in filter(partial(plays, case), SCENARIOS):
            yield pytest.param(case, name, id=f"{case}-{name.replace(' ', '_')}")


@pytest.fixture(autouse=True)
def here_and_now(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What is done on another thread is done on this one, where the injector sees it."""

    def submit(job: late.Job) -> None:
        with guarded("late.job"):
            job()

    monkeypatch.setattr(late, "submit", submit)
    monkeypatch.setattr(late, "drain", lambda timeout=0.0: True)
    monkeypatch.setattr(guard.log, "disabled", True)
    yield


def same(seen: object, bare: object) -> bool:
    """Whether they are equal, but for an id that is made anew for each answer, as a prediction's."""
    return seen == bare or _ID.sub("p", repr(seen)) == _ID.sub("p", repr(bare))


class Stage:
    """Where a scenario of a case is played, again and again."""

    def __init__(self, case: Case, scenario: Any, runner: asyncio.Runner) -> None:
        self.case = case
        self.script, self.act, self.options = scenario
        self.runner = runner
        # A stream that is a generator may be held by its client: then each run has its own.
        self.kept = not case.stream or case.has("closes")
        self.wire = case.wire()
        self.client = runner.run(self.made())

    async def made(self) -> Any:
        """A client; some are made on an event loop only."""
        return self.case.client(self.wire, **self.options)

    def run(self, injector: Injector) -> tuple[Transcript, int]:
        """What the application sees, and how often it sent."""

        async def one() -> tuple[Transcript, int]:
            self.wire.play(*self.script(self.case))
            client = self.client if self.kept else await self.made()
            with injector:
                return await seen_on(self.case, self.wire, [client], self.act)

        return self.runner.run(one())

    def injected(self, done: set[Place] | None = None, depth: int | None = None) -> int:
        """Fail at every entry from a place not done yet, by so many frames. How many entries there are.

        Of what is awaited, which runs through the same core, it is every second one.
        """
        with pytest.MonkeyPatch.context() as patch:
            if self.case.has("retries"):
                self.case.kit.hasten(patch)
            return self._injected(done, depth)

    def _injected(self, done: set[Place] | None, depth: int | None) -> int:
        bare = self.run(Injector())
        assert bare[1] >= 1
        with instrumented(self.case.kit.distribution) as telemetry:
            assert same(self.run(Injector()), bare)
            telemetry.clear()
            lister = Lister()
            assert same(self.run(lister), bare)
            most = max(1, len(telemetry.records()))
            telemetry.clear()
            # What is alive now is no run's: their own collections pass over it.
            gc.freeze()
            places = [place[:depth] for place in lister.places]
            chosen = [at for at, place in enumerate(places, 1) if done is None or place not in done]
            if done is None and self.case.asynchronous:
                chosen = chosen[::2]
            wrong: list[str] = []
            records = 0
            for at in chosen:
                injector = Injector(at)
                seen = self.run(injector)
                if not same(seen, bare):
                    wrong.append(f"{injector.where}: {seen[0][-1] if seen[0] else seen}")
                records += len(telemetry.records())
                telemetry.clear()
        if done is not None:
            done.update(places)
        assert not wrong, "\n".join(["the application noticed", *wrong])
        assert records <= most * len(chosen), "a call was recorded twice"
        return lister.entries


@pytest.mark.parametrize(("case", "name"), list(_scenarios()))
def test_every_entry_into_our_code_may_fail(case: Case, name: str) -> None:
    with asyncio.Runner() as runner:
        assert Stage(case, SCENARIOS[name], runner).injected() > 30


@pytest.mark.parametrize("case", [case for case in CASES if case.library in STANDING], ids=str)
def test_every_entry_below_another_seam_may_fail(case: Case) -> None:
    done: set[Place] = set()
    with asyncio.Runner() as runner:
        for name in filter(partial(plays, case), SCENARIOS):
            assert Stage(case, SCENARIOS[name], runner).injected(done) > 30


OTHERS = {case.kit.distribution for case in ALL} - {WHOLE, *STANDING}


@pytest.mark.parametrize("library", sorted(OTHERS))
def test_every_entry_below_every_other_library_may_fail(library: str) -> None:
    """A scenario after the other, each in another way to call the library."""
    cases = [case for case in ALL if case.kit.distribution == library]
    done: set[Place] = set()
    with asyncio.Runner() as runner:
        for turn, name in enumerate(SCENARIOS):
            own = [case for case in cases if plays(case, name)]
            if own:
                case = own[turn % len(own)]
                least = 0 if case.has("results") and name != "answer" else 30
                assert Stage(case, SCENARIOS[name], runner).injected(done, 1) >= least


def _by_requests(stream: bool) -> Any:
    reply = transports.STREAM_REPLY if stream else transports.PLAIN_REPLY
    return list(transports.post(reply).iter_content(None))


def _left_by_requests(stream: bool) -> Any:
    response = transports.post(transports.STREAM_REPLY)
    seen = next(response.iter_content(None))
    response.close()
    return seen


def _by_aiohttp(stream: bool) -> Any:
    async def read() -> list[bytes]:
        reply = transports.STREAM_REPLY if stream else transports.PLAIN_REPLY
        async with transports.posted(reply) as response:
            return [data async for data in response.content.iter_any()]

    return asyncio.run(read())


def _left_by_aiohttp(stream: bool) -> Any:
    async def read() -> bytes:
        async with transports.posted(transports.STREAM_REPLY) as response:
            return await response.content.readline()

    return asyncio.run(read())


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("read", [_by_requests, _left_by_requests, _by_aiohttp, _left_by_aiohttp])
def test_every_entry_below_requests_and_aiohttp_may_fail(read: Any, stream: bool) -> None:
    bare = read(stream)
    with instrumented("cohere") as telemetry:
        for _ in range(2):
            with Injector() as counter:
                assert read(stream) == bare
        assert counter.entries > 30
        wrong: list[str] = []
        for at in range(1, counter.entries + 1):
            with Injector(at) as injector:
                try:
                    seen = read(stream)
                except RuntimeError as error:
                    seen = error
            if seen != bare:
                wrong.append(f"{injector.where}: {seen!r}")
        assert not wrong, "\n".join(["the application noticed", *wrong])
        assert len(telemetry.records()) <= counter.entries + 2


def test_the_injector_injects() -> None:
    from otel_tokenomics.model.money import decimal_string

    with pytest.raises(RuntimeError, match="injected"), Injector(1):
        decimal_string(1)
