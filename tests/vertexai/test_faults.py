"""Every entry into our code fails once while contents are generated: nobody notices."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from tests.support.either import items, value
from tests.support.telemetry import instrumented

import otel_tokenomics
from otel_tokenomics.flow import guard

pytest.importorskip(
    "google.cloud.aiplatform_v1", reason="google-cloud-aiplatform is not in this environment: `make vertexai`"
)
contents: Any = importlib.import_module("tests.vertexai.test_contents")
asynchronous, server = contents.asynchronous, contents.server

HOME = str(Path(otel_tokenomics.__file__).parent)
WRAPPERS = frozenset(
    {
        *("request", "arequest", "drive", "adrive", "_sent", "_asent", "__next__", "__aiter__", "afollowed"),
        *("_hear_answer", "_hear_refusal", "see", "tell", "end", "drop", "fault", "__init__"),
        *("__enter__", "__exit__"),
    }
)
"""Frames that stand around the library's own, and those that are one `try`."""


class Injected:
    """Counts entries into our code, and raises at one of them."""

    def __init__(self, at: int | None = None) -> None:
        self.at = at
        self.entries = 0
        self.where = ""

    def __call__(self, frame: FrameType, event: str, argument: Any) -> None:
        code = frame.f_code
        if event == "call" and code.co_filename.startswith(HOME) and code.co_name not in WRAPPERS:
            self.entries += 1
            if self.entries == self.at:
                self.where = f"{code.co_filename}:{code.co_name}"
                raise RuntimeError("injected")

    def __enter__(self) -> None:
        sys.setprofile(self)

    def __exit__(self, *error: object) -> None:
        sys.setprofile(None)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
async def test_no_fault_of_ours_is_seen(
    streamed: bool, server: Any, asynchronous: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guard.log, "disabled", True)
    server.messages = contents.CHUNKS if streamed else contents.WHOLE

    async with contents.client_of(server, asynchronous) as client:

        async def run(injector: Injected) -> list[Any]:
            with injector:
                answer = await value(
                    client.stream_generate_content(**contents.question("message"))
                    if streamed
                    else client.generate_content(**contents.question("message"))
                )
                return [message async for message in items(answer)] if streamed else [answer]

        bare = await run(Injected())
        with instrumented("google-cloud-aiplatform"):
            counter = Injected()
            assert await run(counter) == bare
            assert counter.entries > 20
            for at in range(1, counter.entries + 1):
                injector = Injected(at)
                assert await run(injector) == bare, injector.where
