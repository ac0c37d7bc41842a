"""Every recorded exchange that bears usage, through the real client library, against a second reading.

Each is played twice, bare and instrumented: the application must see the same, and the one usage record
must hold what the body says.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable
from typing import Any

import pytest
from tests._required import recordings
from tests.conformance.conftest import REPLAYED
from tests.conformance.exchanges import Exchange, exchanges
from tests.conformance.reading import Expected, comparable, expected
from tests.conformance.replay import Player
from tests.conformance.vendors import VENDORS
from tests.support.telemetry import Telemetry, buckets_of, instrumented

Records = list[dict[str, Any]]
Judge = Callable[[Exchange, Records], str]

PLAYS = [(provider, shape) for provider, vendor in VENDORS.items() for shape in vendor.shapes]
SILENT = ("openai", "azure_openai", "groq", "writer")
"""Providers of whose streams some were recorded without usage."""
KNOWN: dict[str, str] = {
    "f3420da712342186": "an advisor's tokens, at another model's prices, are not in the record",
    "943c35d066f37ebf": "an advisor's tokens, at another model's prices, are not in the record",
}
"""Exchanges that may fail, by id, each with its reason. One that passes again must leave this list."""


_GOOGLE = ("generateContent", "streamGenerateContent", "batchEmbedContents", "embedContent")
OTHER_ROUTES = {
    "gemini": _GOOGLE,
    "vertex": _GOOGLE,
    "cohere": ("chat", "embed", "rerank", "generate"),
    "ollama": ("chat", "generate"),
    "voyage": ("embeddings", "rerank"),
}


def _metered(exchange: Exchange) -> bool:
    routes = ("completions", "responses", "embeddings", "messages", "compact", "runs", "chat", "predictions")
    if exchange.provider in OTHER_ROUTES:
        return exchange.path[-1].rpartition(":")[2] in OTHER_ROUTES[exchange.provider]
    if exchange.status != 200 or ("threads" in exchange.path and exchange.path[-1] == "messages"):
        return False
    last = exchange.path[-2:] if exchange.method == "GET" else exchange.path[-1:]
    return any(segment in routes for segment in last)


def _polled(exchange: Exchange) -> bool:
    return exchange.method == "GET" or "threads" in exchange.path or bool(exchange.request.get("background"))


def bears(exchange: Exchange) -> bool:
    """Whether an exchange is a call whose body carries usage."""
    return _metered(exchange) and expected(exchange) is not None


def _bearing(provider: str) -> list[Exchange]:
    found = exchanges(recordings(), provider)
    return [exchange for exchange in found if bears(exchange)]


async def _replay(chosen: list[Exchange], asynchronous: bool, shape: str, judge: Judge) -> list[str]:
    """What is wrong, by exchange."""
    player = Player(VENDORS[chosen[0].provider], asynchronous) if chosen else None
    if player is None:
        return []
    bare = [await player.play(exchange, shape) for exchange in chosen]
    told = await _instrumented(player, chosen, shape)
    wrong = []
    for exchange, seen, (played, records) in zip(chosen, bare, told, strict=True):
        verdict = "the application saw something else" if played != seen else judge(exchange, records)
        if bool(verdict) != (exchange.id in KNOWN and judge is _judge_usage):
            wrong.append(f"{exchange.id} {'/'.join(exchange.path[-2:])}: {verdict or 'no longer fails'}")
    return wrong


async def _instrumented(player: Player, chosen: list[Exchange], shape: str) -> list[tuple[Any, Records]]:
    """What the application saw of each, and what was recorded.

    What is counted once by its id is played where that id has not been seen.
    """
    told: dict[str, tuple[Any, Records]] = {}
    with instrumented() as telemetry:
        for exchange in chosen:
            if not _polled(exchange):
                told[exchange.id] = await player.play(exchange, shape), await _records(telemetry, exchange)
                telemetry.clear()
    for exchange in filter(_polled, chosen):
        with instrumented() as telemetry:
            told[exchange.id] = await player.play(exchange, shape), await _records(telemetry, exchange)
    return [told[exchange.id] for exchange in chosen]


async def _records(telemetry: Telemetry, exchange: Exchange) -> Records:
    """The records of one call. A stream that raised may be held by its traceback until it is collected.

    A request that was refused is not waited for: it should have none.
    """
    for _ in range(20 if exchange.status < 400 else 0):
        if telemetry.records():
            break
        gc.collect()
        await asyncio.sleep(0.01)
    return telemetry.records()


def _judge_usage(exchange: Exchange, records: Records) -> str:
    reading = expected(exchange)
    assert isinstance(reading, Expected)
    if len(records) != 1:
        return f"{len(records)} usage records"
    record = records[0]
    if any(count < 0 for count in reading.buckets.values()):
        return "" if "mismatch" in record.get("tokenomics.usage.flags", ()) else "parts exceed their total"
    ours, theirs = comparable(buckets_of(record)), comparable(reading.buckets)
    if ours != theirs:
        return f"{ours} recorded, the body says {theirs}"
    totals = record.get("gen_ai.usage.input_tokens"), record.get("gen_ai.usage.output_tokens")
    if totals != (reading.input_tokens, reading.output_tokens):
        return f"totals {totals}, the body says {reading}"
    return "" if record["tokenomics.usage.source"] == "provider" else record["tokenomics.usage.source"]


def _judge_estimate(exchange: Exchange, records: Records) -> str:
    if len(records) != 1:
        return f"{len(records)} usage records"
    source = records[0]["tokenomics.usage.source"]
    if source not in ("tokenizer", "heuristic", "stream_partial"):
        return f"source {source}, and the body says nothing"
    counted = records[0].get("gen_ai.usage.input_tokens"), records[0].get("gen_ai.usage.output_tokens")
    return "" if counted[0] and counted[1] is not None else f"counted {counted}"


def _judge_nothing(exchange: Exchange, records: Records) -> str:
    return f"{len(records)} usage records" if records else ""


@pytest.mark.parametrize(("provider", "shape"), PLAYS)
@pytest.mark.parametrize("mode", ["sync", "async"])
async def test_usage_is_what_the_body_says(
    provider: str, mode: str, shape: str, record_property: Callable[[str, Any], None]
) -> None:
    chosen = _bearing(provider)
    assert chosen, "no exchange bears usage"
    wrong = await _replay(chosen, mode == "async", shape, _judge_usage)
    streams = sum(exchange.streamed for exchange in chosen)
    record_property(REPLAYED, (provider, shape, mode, "whole", len(chosen) - streams))
    record_property(REPLAYED, (provider, shape, mode, "streamed", streams))
    assert not wrong, "\n".join([f"{len(wrong)} of {len(chosen)}", *wrong])


@pytest.mark.parametrize(("provider", "shape"), [play for play in PLAYS if play[0] in SILENT])
@pytest.mark.parametrize("mode", ["sync", "async"])
async def test_a_stream_without_usage_is_counted_and_left_as_it_was(
    provider: str, mode: str, shape: str, record_property: Callable[[str, Any], None]
) -> None:
    found = exchanges(recordings(), provider)
    silent = [one for one in found if _metered(one) and one.streamed and expected(one) is None]
    assert silent, "no stream lacks usage"
    wrong = await _replay(silent, mode == "async", shape, _judge_estimate)
    record_property(REPLAYED, (provider, shape, mode, "streamed without usage", len(silent)))
    assert not wrong, "\n".join([f"{len(wrong)} of {len(silent)}", *wrong])


@pytest.mark.parametrize("mode", ["sync", "async"])
@pytest.mark.parametrize("provider", VENDORS)
async def test_a_refused_request_is_no_usage(provider: str, mode: str) -> None:
    routes = ("completions", "responses", "embeddings", "messages")
    found = exchanges(recordings(), provider)
    refused = [one for one in found if one.status >= 400 and one.path[-1] in routes]
    wrong = await _replay(refused, mode == "async", "typed", _judge_nothing)
    assert not wrong, "\n".join(wrong)
