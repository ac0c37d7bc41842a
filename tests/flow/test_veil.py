"""The veil: what we asked a stream for is not shown, and nothing else is changed by a byte."""

from __future__ import annotations

import json
from collections.abc import Iterable
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from otel_tokenomics.flow import veil as module
from otel_tokenomics.flow.veil import Veil, quiet

USAGE = {"prompt_tokens": 9, "completion_tokens": 3, "prompt_tokens_details": {"cached_tokens": 0}}
WORDS = st.text(max_size=8) | st.sampled_from(
    ['"usage":null', ',"usage":null', '"usage": {"a":1}', 'data: {"choices":[],"usage":{}}', "\r\n", "[DONE]"]
)
CHUNKS = st.lists(
    st.fixed_dictionaries(
        {"id": st.just("c1"), "choices": st.lists(WORDS, min_size=1, max_size=3)},
        optional={"model": WORDS, "delta": st.dictionaries(WORDS, WORDS | st.none(), max_size=2)},
    ).filter(lambda chunk: "usage" not in chunk.get("delta", {})),
    max_size=4,
)


def dump(chunk: Any, spaced: bool = False) -> bytes:
    return json.dumps(chunk, separators=(", ", ": ") if spaced else (",", ":"), ensure_ascii=False).encode(
        "utf-8", "surrogatepass"
    )


def stream(
    chunks: Iterable[Any], usage: Any = None, spaced: bool = False, first: bool = False, end: bytes = b"\n"
) -> bytes:
    """A stream as the server writes it; with `usage` as it does when usage was asked for."""
    lines = []
    for chunk in chunks:
        null = {"usage": None} if usage is not None else {}
        lines.append({**null, **chunk} if first else {**chunk, **null})
    if usage is not None:
        lines.append({"id": "c1", "choices": [], "usage": usage})
    events = [b"data: " + dump(line, spaced) + end + end for line in lines]
    return b"".join([*events, b"data: [DONE]" + end + end])


def lifted(text: bytes, cuts: Iterable[int] = ()) -> bytes:
    """`text` through a veil, cut at those places."""
    veil = Veil()
    places = sorted({0, len(text), *(cut % (len(text) + 1) for cut in cuts)})
    pieces = [text[start:end] for start, end in pairwise(places)]
    return b"".join(map(veil.lift, pieces)) + veil.release()


@settings(max_examples=300, deadline=None)
@given(CHUNKS, st.lists(st.integers(0, 4000), max_size=12), st.booleans(), st.booleans())
def test_what_is_shown_is_the_stream_that_was_asked_for(
    chunks: list[Any], cuts: list[int], spaced: bool, first: bool
) -> None:
    given_ = stream(chunks, USAGE, spaced, first)
    assert lifted(given_, cuts) == stream(chunks, None, spaced)


@pytest.mark.parametrize("end", [b"\n", b"\r"])
def test_cut_at_every_byte(end: bytes) -> None:
    chunks = [{"id": "c1", "choices": [{"delta": {"content": 'say "usage":null'}}]}] * 2
    given_, wanted = stream(chunks, USAGE, end=end), stream(chunks, end=end)
    for cut in range(len(given_) + 1):
        assert lifted(given_, [cut]) == wanted
    assert lifted(given_, range(len(given_))) == wanted


def test_cut_at_every_byte_of_crlf_leaves_at_most_a_blank_line() -> None:
    chunks = [{"id": "c1", "choices": [{"delta": {"content": "hi"}}]}]
    given_, wanted = stream(chunks, USAGE, end=b"\r\n"), stream(chunks, end=b"\r\n")
    assert lifted(given_) == wanted
    for cut in range(len(given_) + 1):
        shown = lifted(given_, [cut])
        assert [line for line in shown.splitlines() if line] == [line for line in wanted.splitlines() if line]


def test_cut_between_cr_and_lf() -> None:
    given_, wanted = stream([], USAGE, end=b"\r\n"), stream([], end=b"\r\n")
    assert lifted(given_, [given_.index(b"\r") + 1]) == wanted


@pytest.mark.parametrize(
    "line",
    [
        b'data: {"choices":[{"delta":{"content":"\\"usage\\":null, \\"usage\\":{}"}}]}',
        b'data: {"choices":[{"index":0}],"usage":{"prompt_tokens":1}}',
        b'data: {"usage":{"prompt_tokens":1}}',
        b'data: {"choices":[],"usage":{"prompt_tokens":1}',
        b'data: {"choices":[],"error":"usage"}',
        b'data: [[],"usage",{}]',
        b': a comment on "usage": {}',
        b'event: "usage"',
        b"data: \xff\xfe",
        b"data: [DONE]",
        b"",
    ],
)
def test_what_is_not_ours_passes_untouched(line: bytes) -> None:
    text = line + b"\n\n" + line + b"\n\n"
    assert lifted(text) == text
    assert lifted(text, range(len(text))) == text


def test_usage_with_text_is_kept_beside_the_chunk_that_is_hidden() -> None:
    kept = b'data: {"choices":[{"index":0}],"usage":{"prompt_tokens":1}}\n\n'
    ours = b'data: {"choices":[],"usage":{"prompt_tokens":1}}\n\n'
    assert lifted(kept + ours + kept) == kept + kept


def test_an_event_after_the_hidden_chunk_needs_no_blank_line_to_be_shown() -> None:
    ours = b'data: {"choices":[],"usage":{"prompt_tokens":1}}\n'
    assert lifted(ours + b"data: [DONE]\n\n") == b"data: [DONE]\n\n"


def test_an_unfinished_line_is_released_at_the_end() -> None:
    veil = Veil()
    assert veil.lift(b"data: a\n\ndata: b") == b"data: a\n\n"
    assert (veil.held, veil.idle) == (b"data: b", False)
    assert veil.release() == b"data: b"
    assert veil.release() == b""


def test_a_huge_line_is_let_through_rather_than_held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOST_HELD", 100)
    veil = Veil()
    shown = [veil.lift(b"x" * 60) for _ in range(4)]
    assert max(map(len, shown)) > 100
    assert b"".join(shown) + veil.release() == b"x" * 240


def test_idle_means_nothing_held_and_nothing_to_hide() -> None:
    veil = Veil()
    assert veil.idle
    veil.lift(b'data: {"choices":[],"usage":{"a":1}}\n')
    assert not veil.idle
    veil.lift(b"\n")
    assert veil.idle


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (b'data: {"a":1}\n\n', b'data: {"a":1}\n\n'),
        (b'data: {"a":1,"usage":null}\n\n', b'data: {"a":1}\n\n'),
        (b'data: {"a":1,"usage":null,"b":2}\n\n' * 3, b'data: {"a":1,"b":2}\n\n' * 3),
        (b'data: {"a":1}', None),
        (b'data: {"usage":1}\n\n', None),
        (b'data: {"a":1,"usage":null}\n\ndata: {"usage":1}\n\n', None),
        (b'data: {"usage":1}\n\ndata: {"a":1,"usage":null}\n\n', None),
        (b'data: {"a":1, "usage": null}\n\n', None),
        (b'"usage":{}\n', None),
        (b'"usage":null\n', None),
        (b"data: [DONE]\n\n", None),
        (b"", None),
    ],
)
def test_quiet_bytes_are_whole_lines_without_a_secret(text: bytes, shown: bytes | None) -> None:
    assert quiet(text) == shown
