"""The worked examples of docs/convention.md are what the program emits for the responses shown there."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import anthropic
import openai
import pytest
from tests.support.telemetry import Telemetry, instrumented
from tests.support.wire import SSE, Reply, Wire, http_library
from tools.semconv.source import SEMCONV

from otel_tokenomics.telemetry import names
from otel_tokenomics.telemetry.accounts import ACCOUNTS

PAGE = SEMCONV.parent / "docs" / "convention.md"
BLOCK = re.compile(r"<!-- example: (\w+) (\w+) -->\n```\w+\n(.*?)\n```", re.DOTALL)
LEFT_OUT = {names.PRICE_CATALOG_VERSION, names.PRICE_EFFECTIVE_DATE, names.TIME_TO_FIRST_CHUNK}
SHARED = {
    names.OPERATION,
    names.PROVIDER,
    names.REQUEST_MODEL,
    names.RESPONSE_MODEL,
    names.SERVICE_TIER,
    names.ATTEMPT_OUTCOME,
}
SHOWN = (
    names.METRIC_INPUT_TOKENS,
    names.METRIC_OUTPUT_TOKENS,
    names.METRIC_CACHE_WRITE,
    names.METRIC_COST,
    names.METRIC_ALLOCATION_COST,
    names.METRIC_ESTIMATED,
    names.METRIC_UNPRICED,
)
ASKED: list[Any] = [{"role": "user", "content": "..."}]


def blocks() -> dict[tuple[str, str], str]:
    """The parts of the examples on the page, by example and part."""
    return {(found[1], found[2]): found[3] for found in BLOCK.finditer(PAGE.read_text("utf-8"))}


def _claude(wire: Wire, **more: Any) -> Any:
    client = anthropic.Anthropic(api_key="key", http_client=wire.client())
    return client.messages.create(model="claude-sonnet-4-6", max_tokens=1000, messages=ASKED, **more)


def _gpt(wire: Wire, **asked: Any) -> Any:
    client = openai.OpenAI(api_key="key", http_client=wire.client())
    return client.chat.completions.create(messages=ASKED, **asked)


def _broken(wire: Wire) -> None:
    stream = _claude(wire, stream=True)
    for event in stream:
        if event.type == "content_block_delta" and "dry" in event.delta.text:
            break
    stream.close()


CALLS: Mapping[str, tuple[str, Callable[[Wire], object]]] = {
    "cached": ("anthropic", _claude),
    "flex": ("openai", lambda wire: _gpt(wire, model="gpt-5", service_tier="flex")),
    "broken": ("anthropic", _broken),
    "unpriced": ("openai", lambda wire: _gpt(wire, model="acme-chat-1")),
}


def reply(name: str, parts: Mapping[tuple[str, str], str]) -> Reply:
    """What the provider sends in an example."""
    if (stream := parts.get((name, "stream"))) is not None:
        return Reply(
            [f"{event}\n\n".encode() for event in stream.split("\n\n") if event.strip()], headers=SSE
        )
    return Reply(parts[name, "response"].encode())


@pytest.fixture
def zero() -> Iterator[None]:
    """The process's totals at zero, before and after, so that a total is the example's own."""
    ACCOUNTS.reset()
    yield
    ACCOUNTS.reset()


def emitted(name: str, parts: Mapping[tuple[str, str], str]) -> dict[str, Any]:
    """What the program emits for an example, by part of the page."""
    library, call = CALLS[name]
    with instrumented(library, spans="own") as telemetry:
        call(Wire(reply(name, parts), library=http_library(library)))
        record = telemetry.record()
        (span,) = telemetry.spans()
        shown = {key: value for key, value in (span.attributes or {}).items() if key not in LEFT_OUT}
        made = {"span": plain({"name": span.name, "attributes": shown}), "points": points(telemetry)}
    return {**made, "lines": json.loads(record.get(names.COST_LINES, "[]"))}


def points(telemetry: Telemetry) -> dict[str, list[Any]]:
    """The points of some metrics, each with the attributes that not all share."""
    found = telemetry.metrics()
    return {
        metric: [
            [value, {key: label for key, label in labels if key not in SHARED}]
            for labels, value in sorted(found[metric].items(), key=repr)
        ]
        for metric in SHOWN
        if metric in found
    }


def plain(value: Any) -> Any:
    """As JSON has it."""
    return json.loads(json.dumps(value, default=list))


@pytest.mark.usefixtures("zero")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("name", CALLS)
def test_an_example_is_what_the_program_emits(name: str) -> None:
    parts = blocks()
    made = emitted(name, parts)
    expected = {part: json.loads(text) for (of, part), text in parts.items() if of == name and part in made}
    assert set(expected) >= {"span", "points"}
    assert {part: made[part] for part in expected} == expected


def test_every_example_is_on_the_page() -> None:
    assert {name for name, _ in blocks()} == set(CALLS)
