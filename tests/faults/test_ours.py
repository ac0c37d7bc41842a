"""Rows 1 to 6, 40, 41, 48, 57: a part of ours fails, or is given rubbish; the call goes on, and it shows."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from typing import Any

import pytest
from tests.faults.cases import BUCKETS, Case, Transcript, call, differential, every, standing, streamed
from tests.support import replies
from tests.support.telemetry import Telemetry, buckets_of

from otel_tokenomics import attribute
from otel_tokenomics.flow import guard
from otel_tokenomics.pricing import price as prices
from otel_tokenomics.wiring import assembly
from otel_tokenomics.wiring.libraries import LIBRARIES


def adapter(case: Case) -> Any:
    """The class that reads the case's library."""
    return LIBRARIES[case.kit.distribution].adapter_class()


def boom(*args: Any, **kwargs: Any) -> Any:
    """A fault of ours."""
    raise RuntimeError("a fault of ours, with a secret in its message")


class Meter:
    """A meter, one part of which is another."""

    def __init__(self, meter: Any, **parts: Any) -> None:
        self._meter, self._parts = meter, parts

    def __getattr__(self, name: str) -> Any:
        return self._parts[name] if name in self._parts else getattr(self._meter, name)


def metered(
    case: Case, monkeypatch: pytest.MonkeyPatch, part: str, make: Callable[[Any], Any] = lambda own: boom
) -> None:
    """Every meter of the library has this part, made of its own."""
    original = adapter(case).meter

    def meter(*args: Any) -> Meter:
        made = original(*args)
        return Meter(made, **{part: make(getattr(made, part))})

    monkeypatch.setattr(adapter(case), "meter", meter)


def faults_since(before: dict[str, int]) -> int:
    """How many faults were counted."""
    return sum(guard.faults().values()) - sum(before.values())


async def faulty(case: Case, monkeypatch: pytest.MonkeyPatch, owner: Any, name: str) -> Telemetry:
    """The call with one of our parts raising; the fault is counted."""
    before = guard.faults()
    monkeypatch.setattr(owner, name, boom)
    telemetry = await differential(case, case.reply())
    telemetry.records()
    assert faults_since(before) >= 1
    return telemetry


@every
async def test_01_facts_raise(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    telemetry = await faulty(case, monkeypatch, adapter(case), "facts")
    assert telemetry.records() == []


@every
@pytest.mark.parametrize("part", ["meter", "prepare", "respond", "reading", "draft"])
async def test_02_04_a_part_of_the_meter_raises(
    case: Case, part: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if part == "draft" and (case.library, case.stream) == ("anthropic", True):
        pytest.skip("a stream with usage asks for no draft")
    if part == "meter":
        monkeypatch.setattr(adapter(case), part, boom)
    else:
        metered(case, monkeypatch, part)
    telemetry = await differential(case, case.reply())
    records = telemetry.records()
    assert len(records) <= 1, "never twice, whatever fails"
    if part == "reading":
        assert records[0]["tokenomics.usage.source"] in ("missing", "tokenizer")
        assert "gen_ai.usage.cost.amount" not in records[0]


@streamed
@pytest.mark.parametrize("at", [1, 2])
async def test_03_feed_raises_at_a_chunk(case: Case, at: int, monkeypatch: pytest.MonkeyPatch) -> None:
    fed = 0

    def failing(own: Callable[[Any], Any]) -> Callable[[Any], Any]:
        def feed(data: Any) -> Any:
            nonlocal fed
            fed += 1
            return boom() if fed == at else own(data)

        return feed

    metered(case, monkeypatch, "feed", failing)
    telemetry = await differential(case, case.reply())
    assert telemetry.record()["tokenomics.usage.source"] != "provider"


@every
async def test_05_the_price_lookup_raises(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    telemetry = await faulty(case, monkeypatch, prices, "price")
    record = telemetry.record()
    assert buckets_of(record) == BUCKETS[case.library]
    assert record["tokenomics.cost.status"] == "unpriced"
    assert "gen_ai.usage.cost.amount" not in record
    unpriced = telemetry.metrics()["tokenomics.client.inference.unpriced_operations"]
    assert sum(unpriced.values()) == 1


@standing
async def test_05_a_model_without_a_price(case: Case) -> None:
    async def act(case: Case, client: Any) -> Transcript:
        return await call(case, client, model="nobody-sells-this")

    reply = case.reply()
    if isinstance(reply.body, bytes):
        reply.body = _renamed(reply.body)
    else:
        reply.body = [_renamed(part) for part in reply.body if isinstance(part, bytes)]
    telemetry = await differential(case, reply, act=act)
    record = telemetry.record()
    assert buckets_of(record) == BUCKETS[case.library]
    assert record["tokenomics.cost.status"] == "unpriced"
    assert record["tokenomics.cost.unpriced_reason"] == "unknown_model"
    assert "gen_ai.usage.cost.amount" not in record
    assert "tokenomics.allocation.cost" not in telemetry.metrics(), "unknown is not zero"


@every
async def test_48_a_logging_handler_of_the_application_raises(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Unheard(Exception):
        """A fault that has not been logged in this process."""

    def fail(*args: Any) -> Any:
        raise type(f"Unheard{case.library}{case.asynchronous}{case.stream}", (Unheard,), {})

    class Strict(logging.Handler):
        """As applications write them to page people, without `handleError`."""

        def emit(self, record: logging.LogRecord) -> None:
            raise RuntimeError("the pager is down")

    handler = Strict()
    guard.log.addHandler(handler)
    metered(case, monkeypatch, "respond", lambda own: fail)
    try:
        await differential(case, case.reply())
    finally:
        guard.log.removeHandler(handler)


def _renamed(body: bytes) -> bytes:
    for model in (replies.GPT, replies.CLAUDE):
        body = body.replace(model.encode(), b"nobody-sells-this")
    return body


@every
async def test_06_48_attribution_raises(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(assembly, "Owners", lambda *args: boom)
    telemetry = await differential(case, case.reply())
    records = telemetry.records()
    assert len(records) == 1
    assert buckets_of(records[0]) == BUCKETS[case.library]
    assert "tokenomics.team.id" not in records[0]


@every
@pytest.mark.parametrize("team", ["", " ", "\n", "a\nb\0c", "é👩‍💻" * 3, "x" * 5000, "=cmd()"])
async def test_57_a_label_may_be_anything(case: Case, team: str) -> None:
    async def act(case: Case, client: Any) -> Transcript:
        with attribute(team=team):
            return await call(case, client)

    record = (await differential(case, case.reply(), act=act)).record()
    owner = record.get("tokenomics.team.id")
    assert owner is None or (len(owner) <= 1024 and "\n" not in owner and "\0" not in owner)


RUBBISH = [
    None,
    [],
    [1, 2],
    "many",
    7,
    True,
    {},
    {"prompt_tokens": "abc", "input_tokens": "abc", "completion_tokens": [], "output_tokens": {}},
    {"prompt_tokens": -5, "input_tokens": -5, "completion_tokens": -1, "output_tokens": -1},
    {"prompt_tokens": 2**63, "input_tokens": 2**63, "completion_tokens": 2**70, "output_tokens": 2**70},
    {"prompt_tokens": 1.5, "input_tokens": 1.5, "completion_tokens": 2.0, "output_tokens": 2.0},
    {"prompt_tokens": math.nan, "input_tokens": math.inf, "completion_tokens": True, "output_tokens": False},
    {"prompt_tokens": None, "input_tokens": None, "completion_tokens": None, "output_tokens": None},
    {"prompt_tokens": 5, "prompt_tokens_details": [1], "completion_tokens_details": "x", "input_tokens": 5},
    {"prompt_tokens": 5, "prompt_tokens_details": {"cached_tokens": 9}, "completion_tokens": 1},
    {
        "input_tokens": 5,
        "output_tokens": 1,
        "cache_creation": [1],
        "iterations": {"a": 1},
        "server_tool_use": 3,
    },
    {"input_tokens": 5, "output_tokens": 1, "iterations": [None, 7, {"type": "compaction"}, {"type": []}]},
]


@every
@pytest.mark.parametrize("usage", RUBBISH, ids=range(len(RUBBISH)))
async def test_40_a_usage_that_is_none(case: Case, usage: Any) -> None:
    before = guard.faults()
    telemetry = await differential(case, case.reply(usage))
    records = telemetry.records()
    assert len(records) == 1 or (case.has("results") and not records)
    assert all(0 <= count < 2**53 for record in records for count in buckets_of(record).values())
    assert faults_since(before) == 0, f"rubbish is no fault: {guard.faults()}"


@every
@pytest.mark.parametrize(
    "text",
    [b"", b"null", b"[]", b'"x"', b"{", b"<html>", b"\xff\xfe", b'{"usage":', b"[" * 500],
    ids=range(9),
)
async def test_41_a_body_that_is_none(case: Case, text: bytes) -> None:
    reply = case.reply()
    reply.body = [case.kit.event(text)] if case.stream else text
    telemetry = await differential(case, reply)
    assert len(telemetry.records()) <= 1


@streamed
@pytest.mark.parametrize(
    "event",
    [
        b'{"choices":null}',
        b'{"choices":[]}',
        b'{"choices":[{"index":0,"delta":null}]}',
        b'{"choices":[{"index":0,"delta":{"tool_calls":[{"index":null,"function":null}]}}]}',
        b'{"choices":{}}',
        b'{"type":"never_heard_of","usage":{"surprise":1}}',
        b'{"type":"message_delta","delta":null,"usage":null}',
        b'{"type":"message_start","message":null}',
        b'{"type":"ping"}',
        b"7",
        b'{"id":7,"model":[],"service_tier":{},"usage":{"prompt_tokens":{}}}',
    ],
    ids=range(11),
)
async def test_41_an_event_nobody_expects(case: Case, event: bytes) -> None:
    pieces = case.pieces()
    telemetry = await differential(case, case.streaming(pieces[0], case.kit.event(event), *pieces[1:]))
    assert len(telemetry.records()) == 1
