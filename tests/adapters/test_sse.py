"""Usage found in a stream, wherever its bytes are cut; memory bounded whatever comes."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from itertools import pairwise
from typing import Any, Protocol

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from otel_tokenomics.adapters import sse
from otel_tokenomics.adapters.sse import UsageFrames, UsageLines, events

USAGE = b'{"choices":[],"usage":{"prompt_tokens":9}}'
SPACED = b'{"usage" : {"prompt_tokens": 9}}'
NULL = b'{"choices":[{"delta":{"content":"\\"usage\\":{"}}],"usage":null}'
ENDS = (b"\n", b"\r\n", b"\r")


class Scanner(Protocol):
    def feed(self, data: bytes) -> list[bytes]: ...

    def rest(self) -> list[bytes]: ...


def stream(end: bytes = b"\n", payloads: Iterable[bytes] = (NULL, USAGE, SPACED)) -> bytes:
    lines = [b"event: message" + end + b"data: " + payload + end + end for payload in payloads]
    return b"".join([b": hello" + end, *lines, b"data: [DONE]" + end + end])


def scanned(scanner: Scanner, text: bytes, cuts: Iterable[int]) -> list[bytes]:
    """What a scanner finds in `text`, cut at those places."""
    places = sorted({0, len(text), *cuts})
    found = [payload for start, end in pairwise(places) for payload in scanner.feed(text[start:end])]
    return [payload.strip() for payload in [*found, *scanner.rest()]]


@pytest.mark.parametrize("end", ENDS)
def test_cut_at_every_byte(end: bytes) -> None:
    text = stream(end)
    for cut in range(len(text)):
        assert scanned(UsageLines(), text, [cut]) == [USAGE, SPACED]
    assert scanned(UsageLines(), text, range(len(text))) == [USAGE, SPACED]


LINES = st.sampled_from([NULL, USAGE, SPACED, b'{"a":1}', b"[DONE]", b"", b"\xff\xfe", b'"usage"', b"{"])


@settings(max_examples=200, deadline=None)
@given(st.lists(LINES, max_size=6), st.sampled_from(ENDS), st.sets(st.integers(0, 600), max_size=20))
def test_cuts_change_nothing(payloads: list[bytes], end: bytes, cuts: set[int]) -> None:
    text = stream(end, payloads)
    cuts = {cut for cut in cuts if cut < len(text)}
    whole, cut_up = UsageLines(), UsageLines()
    assert scanned(cut_up, text, cuts) == scanned(whole, text, ())
    assert whole.done


@given(st.lists(st.binary(max_size=20), max_size=10))
def test_any_bytes_are_no_error(pieces: list[bytes]) -> None:
    scanned(UsageLines(), b"".join(pieces), ())
    list(events(pieces))


def test_a_last_line_without_an_end_is_found_at_the_end() -> None:
    lines = UsageLines()
    assert lines.feed(b"data: " + USAGE) == []
    assert not lines.between_lines
    assert [payload.strip() for payload in lines.rest()] == [USAGE]


def test_done_is_noticed() -> None:
    lines = UsageLines()
    lines.feed(b"data: [DO")
    assert not lines.done
    lines.feed(b"NE]\n\n")
    assert lines.done


def test_only_data_lines_are_read() -> None:
    assert UsageLines().feed(b"event: " + USAGE + b"\n: " + USAGE + b"\n" + USAGE + b"\n") == []


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "_MOST_HELD", 100)


def test_a_huge_line_is_not_held(small: None) -> None:
    lines = UsageLines()
    for _ in range(100):
        assert lines.feed(b"x" * 60) == []
        assert sum(map(len, lines._held)) <= 100


def test_lines_after_a_huge_one_are_read_again(small: None) -> None:
    lines = UsageLines()
    for piece in (b"data: " + b"x" * 60, b"x" * 60, b"\n\ndata: "):
        assert lines.feed(piece) == []
    assert [payload.strip() for payload in lines.feed(USAGE + b"\n")] == [USAGE]


def frame(event: Any) -> bytes:
    """Amazon's frame: a binary head, a JSON payload with the event in base64, a checksum."""
    payload = json.dumps(
        {"bytes": base64.b64encode(json.dumps(event).encode()).decode(), "p": "abcd"}, separators=(",", ":")
    ).encode()
    return b"\x00\x00\x01\x02\x0b:event-type\x07\x00\x05chunk" + payload + b"\xde\xad\xbe\xef"


EVENTS: list[Any] = [
    {"type": "message_start", "message": {"usage": {"input_tokens": 3}}},
    {"type": "content_block_delta", "delta": {"text": '"usage"'}},
    {"type": "message_delta", "usage": {"output_tokens": 4}},
]
FRAMES = b"".join(map(frame, EVENTS))
BEARING = [json.dumps(EVENTS[0]).encode(), json.dumps(EVENTS[2]).encode()]


def test_frames_cut_at_every_byte() -> None:
    for cut in range(len(FRAMES)):
        assert scanned(UsageFrames(), FRAMES, [cut]) == BEARING
    assert scanned(UsageFrames(), FRAMES, range(len(FRAMES))) == BEARING


def test_frames_are_never_between_lines_and_never_held_for_ever(small: None) -> None:
    frames = UsageFrames()
    for _ in range(10):
        frames.feed(b"\x00" * 60)
    assert len(frames._held) <= 100
    assert not frames.between_lines
    assert frames.rest() == []


def test_a_frame_that_cannot_be_read_is_passed_over() -> None:
    assert UsageFrames().feed(b'{"bytes":"abcde"}' + frame(EVENTS[0])) == BEARING[:1]


def test_every_event_of_what_was_kept() -> None:
    assert [json.loads(event) for event in events([FRAMES[:50], FRAMES[50:]])] == EVENTS
    text = stream(payloads=[USAGE, NULL])
    assert [event.strip() for event in events([text[:9], text[9:]])] == [USAGE, NULL, b"[DONE]"]
    assert list(events([])) == []
