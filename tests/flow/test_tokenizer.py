"""The tokenizer: exact where it is loaded, marked where it is not, never a download, never an error."""

from __future__ import annotations

import base64
import hashlib
import importlib
import lzma
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from importlib.resources import files
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from otel_tokenomics.flow import tokenizer
from otel_tokenomics.flow.tokenizer import MOST_CHARACTERS, count, heuristic

DATA = files("otel_tokenomics") / "data"

# As OpenAI's own tokenizer page and cookbook count them for o200k_base.
KNOWN_COUNTS = {
    "": 0,
    "hello world": 2,
    "antidisestablishmentarianism": 6,
    "2 + 2 = 4": 7,
    "お誕生日おめでとう": 8,
    "tiktoken is great!": 6,
}


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokenizer, "_vocabulary", tokenizer._Vocabulary())


@pytest.fixture(scope="module")
def built() -> Any:
    return tokenizer._build()


@pytest.fixture
def ready(built: Any) -> Iterator[None]:
    tokenizer._vocabulary.encoding = built
    yield


@pytest.mark.parametrize(("text", "tokens"), KNOWN_COUNTS.items())
def test_counts_as_the_vendor_does(ready: None, text: str, tokens: int) -> None:
    assert count(text) == tokens


def test_splits_as_tiktoken_does(monkeypatch: pytest.MonkeyPatch) -> None:
    public = importlib.import_module("tiktoken_ext.openai_public")
    monkeypatch.setattr(public, "load_tiktoken_bpe", lambda *_, **__: {})
    assert public.o200k_base()["pat_str"] == tokenizer.PATTERN


def test_vocabulary_is_the_published_one() -> None:
    data = lzma.decompress((DATA / tokenizer.VOCABULARY).read_bytes())
    published = "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d"
    assert hashlib.sha256(data).hexdigest() == published


def test_vocabulary_carries_its_licence() -> None:
    licence = (DATA / "LICENSE-tiktoken").read_text(encoding="utf-8")
    assert "MIT License" in licence
    assert "OpenAI" in licence


def test_loads_without_a_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("the tokenizer opened a socket")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "create_connection", refuse)
    assert tokenizer.load()
    assert count("hello world") == 2


def test_registers_nothing_with_tiktoken() -> None:
    import tiktoken.registry as registry

    before = dict(registry.ENCODINGS)
    assert tokenizer.load()
    assert dict(registry.ENCODINGS) == before


def test_importing_it_imports_no_tiktoken() -> None:
    program = "import sys, otel_tokenomics.flow.tokenizer; sys.exit('tiktoken' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_two_threads_load_it_once(monkeypatch: pytest.MonkeyPatch, built: Any) -> None:
    builds: list[Any] = []
    meeting = threading.Barrier(8)

    def build() -> Any:
        builds.append(built)
        return built

    def load() -> None:
        meeting.wait()
        assert tokenizer.load()

    monkeypatch.setattr(tokenizer, "_build", build)
    threads = [threading.Thread(target=load) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert builds == [built]


def test_a_child_forked_during_a_load_can_load() -> None:
    with tokenizer._vocabulary.lock:
        tokenizer._unlock_child()
        assert tokenizer._vocabulary.lock.acquire(blocking=False)
        held = tokenizer._vocabulary.lock
        held.release()


def test_counts_by_the_rule_until_loaded() -> None:
    assert not tokenizer.loaded()
    assert count("hello world") == heuristic("hello world") == 3


def test_an_absent_tokenizer_is_said_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "tiktoken", None)
    assert not tokenizer.load()
    assert not tokenizer.load()
    assert len([record for record in caplog.records if "bytes/4" in record.getMessage()]) == 1
    assert count("hello world") == 3


@pytest.mark.parametrize("broken", [b"", b"not xz", lzma.compress(b"one field\nno\n")])
def test_broken_data_is_no_error(monkeypatch: pytest.MonkeyPatch, broken: bytes) -> None:
    monkeypatch.setattr(lzma, "decompress", lambda _: lzma.LZMADecompressor().decompress(broken))
    assert not tokenizer.load()
    assert count("hello world") == 3


def test_a_special_token_is_text(ready: None) -> None:
    assert count("<|endoftext|>") == 7


@pytest.mark.parametrize(
    "text", ["\ud800", "a\udfffb", "\ud83d", "\0", "\0" * 100, "\U0001f600", "\ufeff", "e\u0301", "\r\n"]
)
def test_any_string_is_counted(ready: None, text: str) -> None:
    assert count(text) > 0
    assert heuristic(text) > 0


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=300))
def test_no_text_is_an_error(built: Any, text: str) -> None:
    tokenizer._vocabulary.encoding = built
    size = len(text.encode("utf-8", "surrogatepass"))
    assert (0 < count(text) <= size) if text else count(text) == 0
    assert heuristic(text) == (size + 3) // 4


@pytest.mark.parametrize("piece", ["a", " ", "\n", "aA", "!", "\u4e00", "\ud800", "word "])
def test_a_huge_text_is_extrapolated(ready: None, piece: str) -> None:
    text = piece * (10 * MOST_CHARACTERS // len(piece))
    assert count(text) == round(count(text[:MOST_CHARACTERS]) * len(text) / MOST_CHARACTERS)


def test_extrapolation_is_close(ready: None, built: Any) -> None:
    text = "".join(f"{n}: the price of a token is {n * 7} femto-dollars.\n" for n in range(6_000))
    assert len(text) > 3 * MOST_CHARACTERS
    assert count(text) == pytest.approx(len(built.encode_ordinary(text)), rel=0.02)


class Panic(BaseException):
    """As pyo3 raises when Rust code panics: no `Exception`."""


Panic.__name__ = "PanicException"


@pytest.mark.parametrize("error", [ValueError("text"), Panic()])
def test_a_failing_tokenizer_is_no_error(error: BaseException) -> None:
    class Failing:
        def encode(self, *_: Any, **__: Any) -> list[int]:
            raise error

    tokenizer._vocabulary.encoding = Failing()
    assert count("hello world") == heuristic("hello world")


def test_an_interrupt_passes() -> None:
    class Interrupted:
        def encode(self, *_: Any, **__: Any) -> list[int]:
            raise KeyboardInterrupt

    tokenizer._vocabulary.encoding = Interrupted()
    with pytest.raises(KeyboardInterrupt):
        count("hello world")


def test_ranks_are_every_byte_and_more() -> None:
    ranks = tokenizer._ranks()
    assert len(ranks) == 199_998
    assert all(bytes([byte]) in ranks for byte in range(256))
    assert ranks[base64.b64decode("IQ==")] == 0
