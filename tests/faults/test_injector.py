"""Every step of ours fails once: at the n-th entry into our code, for every n, and nobody but us notices.

A profile function sees each entry into a function or resumption of a generator of this package, and what it
raises is raised there. A scenario is run once to count the entries, then once for each.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from tests.faults import test_transports as transports
from tests.faults.cases import CASES, FIRST, Case, Transcript, call, dumped, played
from tests.support import replies
from tests.support.either import close, items, value
from tests.support.telemetry import instrumented
from tests.support.wire import SSE, Reply

import otel_tokenomics
from otel_tokenomics.flow import guard, late
from otel_tokenomics.flow.guard import guarded

# An exception thrown at a generator that is being finalised can only be printed, by the interpreter.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

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
}
"""Frames that stand between the application and the library; whatever they call of ours may fail."""

GUARDS = {
    *("_see", "_broken", "_closed", "_altered", "_uncover", "see", "see_lines", "end", "drop"),
    "hear_of",
    *("data", "failed", "closed", "fault", "__enter__", "__exit__"),
}
"""Frames that are one `try` from their first statement on, so that nothing of ours can raise out of them.

An exception on the very entry into them is the interpreter's (out of stack or memory), not ours.
"""


class Injector:
    """Counts entries into our code, and raises at one of them."""

    def __init__(self, at: int | None = None) -> None:
        self.at = at
        self.entries = 0
        self.where = ""

    def __call__(self, frame: FrameType, event: str, argument: Any) -> None:
        code = frame.f_code
        if event != "call" or not code.co_filename.startswith(HOME):
            return
        if code.co_name in OUTERMOST or code.co_name in GUARDS:
            return
        self.entries += 1
        if self.entries == self.at:
            self.where = f"{code.co_filename.removeprefix(HOME)}:{frame.f_lineno} {code.co_name}"
            raise RuntimeError("injected")

    def __enter__(self) -> Injector:
        sys.setprofile(self)
        return self

    def __exit__(self, *error: object) -> None:
        sys.setprofile(None)


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


FAST = {"retry-after-ms": "1"}
REFUSED = Reply(b'{"error":{"message":"no"}}', 500)
SCENARIOS: dict[str, Any] = {
    "answer": (lambda case: (case.reply(),), call, {}),
    "error": (lambda case: (REFUSED,), call, {}),
    "lost": (
        lambda case: (Reply(error=lambda request: case.error("ReadTimeout", "late", request=request)),),
        call,
        {},
    ),
    "retry": (lambda case: (Reply(REFUSED.body, 500, FAST), case.reply()), call, {"max_retries": 1}),
    "no usage": (lambda case: (case.reply(None),), call, {}),
    "reset": (lambda case: (case.broken(3, case.error("ReadError", "reset")),), call, {}),
    "broken off": (lambda case: (case.reply(),), broken_off, {}),
    "silent": (lambda case: (Reply(replies.sse(replies.chat_chunks()), headers=SSE),), asked_for, {}),
}
HTTP_SEAM = "cohere"
"""Stands for the libraries that are seen at their HTTP library."""
STREAMED = ("reset", "broken off", "silent")


def _scenarios() -> Iterator[Any]:
    for case in (case for case in CASES if case.library in (*FIRST, HTTP_SEAM)):
        for name in SCENARIOS:
            if name in STREAMED and not case.stream:
                continue
            if name == "retry" and not case.has("retries"):
                continue
            if name == "silent" and case.library != "openai":
                continue
            yield pytest.param(case, name, id=f"{case}-{name.replace(' ', '_')}")


@pytest.fixture(autouse=True)
def here_and_now(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is done on another thread is done on this one, where the injector sees it."""

    def submit(job: late.Job) -> None:
        with guarded("late.job"):
            job()

    monkeypatch.setattr(late, "submit", submit)
    monkeypatch.setattr(late, "drain", lambda timeout=0.0: True)
    monkeypatch.setattr(guard.log, "disabled", True)


@pytest.mark.parametrize(("case", "name"), _scenarios())
def test_every_entry_into_our_code_may_fail(case: Case, name: str) -> None:
    script, act, options = SCENARIOS[name]

    def run(injector: Injector) -> tuple[Transcript, int]:
        async def one() -> tuple[Transcript, int]:
            with injector:
                return await played(case, script(case), act, options)

        return asyncio.run(one())

    bare = run(Injector())
    assert bare[1] >= 1
    with instrumented(case.kit.distribution) as telemetry:
        for _ in range(2):
            counter = Injector()
            assert run(counter) == bare
        assert counter.entries > 30
        telemetry.clear()
        wrong: list[str] = []
        records = 0
        for at in range(1, counter.entries + 1):
            injector = Injector(at)
            seen = run(injector)
            if seen != bare:
                wrong.append(f"{injector.where}: {seen[0][-1] if seen[0] else seen}")
            records += len(telemetry.records())
            telemetry.clear()
    assert not wrong, "\n".join(["the application noticed", *wrong])
    assert records <= counter.entries, "a call was recorded twice"


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
        for at in range(1, counter.entries + 1):
            with Injector(at) as injector:
                try:
                    seen = read(stream)
                except RuntimeError as error:
                    seen = error
            assert seen == bare, injector.where
        assert len(telemetry.records()) <= counter.entries + 2


def test_the_injector_injects() -> None:
    from otel_tokenomics.model.money import decimal_string

    with pytest.raises(RuntimeError, match="injected"), Injector(1):
        decimal_string(1)
