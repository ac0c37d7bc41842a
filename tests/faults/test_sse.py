"""Row 42: a stream's bytes may be cut and dressed in any way; the chunks and the usage stay the same."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.faults.cases import BUCKETS, CASES, Case, call, differential, dumped, first, played
from tests.support import replies
from tests.support.either import items, value
from tests.support.telemetry import Telemetry, buckets_of, instrumented
from tests.support.wire import SSE, Part, Reply

STREAMS = [case for case in CASES if case.stream]
SYNC = [case for case in STREAMS if not case.asynchronous]
first_streamed = first(STREAMS)


def whole(case: Case) -> bytes:
    """All bytes of a good stream."""
    return b"".join(piece for piece in case.pieces() if isinstance(piece, bytes))


def cut(text: bytes, *places: int) -> list[Part]:
    """The bytes in pieces cut at the places."""
    edges = [0, *sorted(places), len(text)]
    return [text[start:end] for start, end in pairwise(edges) if start < end]


def asking(case: Case) -> dict[str, Any]:
    """Arguments that leave it to us to ask for usage, so that the veil is in the way of every byte."""
    arguments = case.arguments()
    arguments.pop("stream_options", None)
    return arguments


@first_streamed
async def test_42_cut_at_every_byte(case: Case) -> None:
    text = whole(case)
    bare, _ = await played(case, (Reply([text], headers=SSE),), call, {})
    with instrumented(case.kit.distribution) as telemetry:
        for place in range(1, len(text), 3 if case.asynchronous else 1):
            seen, _ = await played(case, (Reply(cut(text, place), headers=SSE),), call, {})
            assert seen == bare, place
            check(case, telemetry, place)


@first_streamed
async def test_42_one_byte_at_a_time(case: Case) -> None:
    text = whole(case)
    telemetry = await differential(case, Reply(cut(text, *range(1, len(text))), headers=SSE))
    check(case, telemetry, "bytes")


def check(case: Case, telemetry: Telemetry, where: Any) -> None:
    """One record, with the usage."""
    assert buckets_of(telemetry.record()) == BUCKETS[case.library], where
    telemetry.clear()


@first(SYNC)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_42_cut_anywhere_and_dressed_anyhow(case: Case, data: st.DataObject) -> None:
    text = whole(case)
    if data.draw(st.booleans(), "comments"):
        text = text.replace(b"\n\n", b"\n\n: keep alive\n\n")
    ending = data.draw(st.sampled_from([b"\n", b"\r\n", b"\r"]), "line ending")
    text = text.replace(b"\n", ending)
    if data.draw(st.booleans(), "no space"):
        text = text.replace(b"data: ", b"data:")
    places = data.draw(st.lists(st.integers(1, len(text) - 1), max_size=12), "places")
    reply = Reply(cut(text, *places), headers=SSE)
    telemetry = asyncio.run(differential(case, reply))
    check(case, telemetry, places)


@pytest.mark.parametrize("ending", [b"\n", b"\r\n", b"\r"], ids=["lf", "crlf", "cr"])
@pytest.mark.parametrize("nulls", [False, True])
@pytest.mark.parametrize("mode", ["sync", "async"])
async def test_42_what_we_asked_for_is_hidden_however_it_is_cut(
    mode: str, nulls: bool, ending: bytes
) -> None:
    case = Case("openai", mode == "async", True)
    plain = b"".join(replies.sse(replies.chat_chunks())).replace(b"\n", ending)
    answer = b"".join(replies.sse(replies.chat_chunks(usage=replies.OPENAI_USAGE, nulls=nulls)))
    answer = answer.replace(b"\n", ending)

    async def act(case: Case, client: Any) -> Any:
        stream = await value(case.method(client)(**asking(case)))
        return [dumped(chunk) async for chunk in items(stream)]

    bare, _ = await played(case, (Reply([plain], headers=SSE),), act, {})
    with instrumented(case.kit.distribution) as telemetry:
        for place in range(0, len(answer), 5):
            reply = Reply(cut(answer, place, place + 1), headers=SSE)
            seen, _ = await played(case, (reply,), act, {})
            assert seen == bare, place
            check(case, telemetry, place)


@first_streamed
@pytest.mark.parametrize(
    "dress",
    [
        lambda text: b"\xef\xbb\xbf" + text,
        lambda text: b": hello\n\n" + text,
        lambda text: b"retry: 5\nid: 7\n\n" + text,
        lambda text: b"\n\n\n" + text,
        lambda text: text + b"\n\n: bye\n\n",
        lambda text: text.replace(b"data: [DONE]\n\n", b""),
        lambda text: text.rstrip(b"\n"),
        lambda text: text.replace(b"data: [DONE]\n\n", b"data: [DONE]"),
        lambda text: text.replace(b"spring", b"\xff\xfe\xc3"),
        lambda text: text.replace(b"spring", "é👩‍💻\u2028".encode()),
        lambda text: text.replace(b"spring", b"x" * 10_000_000),
        lambda text: text.replace(b"spring", b'\\"usage\\":{\\"prompt_tokens\\":1}'),
        lambda text: text.replace(b"data: {", b'data: {"usage" :null,', 1),
    ],
    ids=[
        *("bom", "comment", "fields", "blank", "trailer", "no_done", "cut_end", "done_unended"),
        *("bad_utf8", "wide", "10_mb", "usage_in_text", "odd_null"),
    ],
)
async def test_42_dressed(case: Case, dress: Any) -> None:
    text = dress(whole(case))
    telemetry = await differential(case, Reply(cut(text, *range(50_000, len(text), 50_000)), headers=SSE))
    record = telemetry.record()
    source = record["tokenomics.usage.source"]
    assert buckets_of(record) == BUCKETS[case.library] or source != "provider"


@first_streamed
async def test_42_the_last_usage_wins(case: Case) -> None:
    pieces = [piece for piece in case.pieces() if isinstance(piece, bytes)]
    at = next(
        index for index, piece in enumerate(pieces) if b'"message_delta"' in piece or b'"choices":[]' in piece
    )
    first = pieces[at].replace(b'"output_tokens":20', b'"output_tokens":7')
    first = first.replace(b'"completion_tokens":20', b'"completion_tokens":7').replace(b":120", b":107")
    telemetry = await differential(case, Reply([*pieces[:at], first, *pieces[at:]], headers=SSE))
    check(case, telemetry, "last wins")
