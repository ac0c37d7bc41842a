"""Every entry into our code fails once while a batch is downloaded or a websocket is read: nobody notices."""

from __future__ import annotations

from types import FrameType
from typing import Any

import openai
import pytest
from tests.faults.test_injector import Injector
from tests.jobs._server import provider
from tests.jobs.test_google_jobs import answer as google_answer
from tests.jobs.test_google_jobs import batch as google_batch
from tests.jobs.test_google_jobs import inline as google_inline
from tests.jobs.test_google_jobs import reply as google_reply
from tests.jobs.test_google_live import HELLO as SETUP
from tests.jobs.test_google_live import ask, client_of, plain, turn
from tests.jobs.test_openai_batches import file, result
from tests.jobs.test_openai_sockets import HELLO, USAGE, spoken
from tests.support.libraries import KITS
from tests.support.telemetry import instrumented
from tests.support.wire import Wire, http_library

from otel_tokenomics.adapters import openai_batch
from otel_tokenomics.flow import guard

# An exception thrown at a generator that is being finalised can only be printed, by the interpreter.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

__all__ = ["plain"]

WRAPPERS = frozenset(
    {
        *("receive", "close", "areceive", "aclose", "_hear", "_end"),
        *("connect", "__aenter__", "__aexit__", "opened", "ended"),
    }
)
"""Frames of the seam in websockets: one `try` each, around whatever they call of ours."""
SEAMS = ("wiring/sockets.py", "wiring/live.py")


class Injected(Injector):
    """Injects into what the seam in websockets calls."""

    def __call__(self, frame: FrameType, event: str, argument: Any) -> None:
        if not (frame.f_code.co_name in WRAPPERS and frame.f_code.co_filename.endswith(SEAMS)):
            super().__call__(frame, event, argument)


@pytest.fixture(autouse=True)
def quietly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hundreds of faults are not to be read."""
    monkeypatch.setattr(guard.log, "disabled", True)


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_a_download_is_what_it_would_be(streamed: bool) -> None:
    wire = Wire(library=http_library("openai"))
    client = KITS["openai"].client(wire, False, {"base_url": "https://api.openai.com/v1"})
    reply = file(result(1), result(2))

    def run(injector: Injected) -> bytes:
        wire.play(reply)
        with injector:
            if not streamed:
                content: bytes = client.files.content("file-out").content
                return content
            with client.files.with_streaming_response.content("file-out") as response:
                return b"".join(response.iter_bytes())

    bare = run(Injected())
    with instrumented("openai"):
        counter = Injected()
        assert run(counter) == run(Injected()) == bare
        assert counter.entries > 10
        for at in range(1, counter.entries + 1):
            injector = Injected(at)
            assert run(injector) == bare, injector.where


def test_messages_are_what_they_would_be() -> None:
    with provider(HELLO, spoken("resp_1", USAGE)) as (_, url):
        client = openai.OpenAI(api_key="none", base_url=url)

        def run(injector: Injected) -> list[bytes]:
            with client.realtime.connect(model="gpt-realtime") as connection:
                with injector:
                    seen = [connection.recv_bytes()]
                connection.response.create()
                with injector:
                    return seen + [connection.recv_bytes() for _ in range(3)]

        bare = run(Injected())
        with instrumented("openai"):
            counter = Injected()
            assert run(counter) == bare
            assert counter.entries > 20
            for at in range(1, counter.entries + 1):
                injector = Injected(at)
                assert run(injector) == bare, injector.where


def test_a_line_that_cannot_be_read_costs_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    read = openai_batch._part

    def broken(dialect: Any, asked: Any, line: Any) -> Any:
        if line["custom_id"] == "question-2":
            raise RuntimeError("broken")
        return read(dialect, asked, line)

    monkeypatch.setattr(openai_batch, "_part", broken)
    wire = Wire(file(*[result(number) for number in (1, 2, 3)]), library=http_library("openai"))
    client = KITS["openai"].client(wire, False, {"base_url": "https://api.openai.com/v1"})
    before = guard.faults().get("batch.line:RuntimeError", 0)
    with instrumented("openai") as telemetry:
        client.files.content("file-out")
        ids = [record["gen_ai.response.id"] for record in telemetry.records()]
    assert ids == ["chatcmpl-1", "chatcmpl-3"]
    assert guard.faults()["batch.line:RuntimeError"] == before + 1


def test_a_batch_of_googles_is_what_it_would_be() -> None:
    kit = KITS["google-genai"]
    wire = Wire(library=kit.http_of(False))
    client = kit.client(wire, False, {})
    done = google_reply(google_batch(google_inline(google_answer(1), google_answer(2))))

    def run(injector: Injected) -> str:
        wire.play(done)
        with injector:
            told: str = client.batches.get(name="batches/b1").model_dump_json()
        return told

    bare = run(Injected())
    with instrumented("google-genai"):
        counter = Injected()
        assert run(counter) == run(Injected()) == bare
        assert counter.entries > 10
        for at in range(1, counter.entries + 1):
            injector = Injected(at)
            assert run(injector) == bare, injector.where


async def test_a_session_is_what_it_would_be(plain: None) -> None:
    with provider(SETUP, [], turn()) as (_, url):
        client = client_of("gemini", url)

        async def run(injector: Injected) -> list[str]:
            manager = client.aio.live.connect(model="gemini-3.8-live")
            with injector:
                session = await manager.__aenter__()
                seen = [message.model_dump_json() for message in await ask(session, 4)]
                await manager.__aexit__(None, None, None)
            return seen

        bare = await run(Injected())
        with instrumented("google-genai"):
            counter = Injected()
            assert await run(counter) == bare
            assert counter.entries > 20
            for at in range(1, counter.entries + 1, 2):
                injector = Injected(at)
                assert await run(injector) == bare, injector.where
