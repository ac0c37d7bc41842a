"""The demo: its provider speaks both protocols to the real clients, and its agent is accounted for."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import anthropic
import httpx
import openai
import pytest
from tests._required import require_installed
from tests.support.witness import PLACE, left

from otel_tokenomics.cli.console import CommandError
from otel_tokenomics.cli.demo import stage
from otel_tokenomics.cli.demo.provider import LoopbackProvider
from otel_tokenomics.telemetry import names

README = Path(__file__).resolve().parents[2] / "README.md"
QUESTION = "Which spade is right for clay?"
SONNET = "claude-sonnet-5-5"


@pytest.fixture
def provider() -> Iterator[LoopbackProvider]:
    with LoopbackProvider() as provider:
        yield provider


@pytest.fixture
def gpt(provider: LoopbackProvider) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=provider.openai_url, api_key="none", max_retries=1) as client:
        yield client


@pytest.fixture
def claude(provider: LoopbackProvider) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(base_url=provider.url, api_key="none", max_retries=1) as client:
        yield client


def ask(client: openai.OpenAI, **options: Any) -> Any:
    turns = [{"role": "user", "content": QUESTION}]
    return client.chat.completions.create(**{"model": "gpt-5.4-mini", "messages": turns, **options})


def tell(client: anthropic.Anthropic, **options: Any) -> Any:
    turns = [{"role": "user", "content": QUESTION}]
    return client.messages.create(**{"model": SONNET, "max_tokens": 64, "messages": turns, **options})


def test_chat_usage_adds_up(gpt: openai.OpenAI) -> None:
    usage = ask(gpt, reasoning_effort="low").usage
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens
    assert usage.completion_tokens_details.reasoning_tokens == 64 < usage.completion_tokens


@pytest.mark.parametrize("asked", [True, False])
def test_a_stream_has_usage_only_if_asked(gpt: openai.OpenAI, asked: bool) -> None:
    options = {"stream_options": {"include_usage": True}} if asked else {}
    chunks = list(ask(gpt, stream=True, **options))
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text.startswith("the replies here are canned")
    assert bool(chunks[-1].usage) == asked
    if asked:
        assert chunks[-1].usage == ask(gpt).usage


def test_the_cache_serves_a_long_conversation(gpt: openai.OpenAI) -> None:
    long = {"role": "system", "content": "handbook " * 1_000}
    turns = [long, {"role": "user", "content": "a"}]
    assert ask(gpt, messages=turns).usage.prompt_tokens_details.cached_tokens == 0
    later = [*turns, {"role": "assistant", "content": "b"}, {"role": "user", "content": "c"}]
    cached = ask(gpt, messages=later).usage.prompt_tokens_details.cached_tokens
    assert cached >= 1_024
    assert cached % 128 == 0


def test_a_response_streams_as_it_is(gpt: openai.OpenAI) -> None:
    plain = gpt.responses.create(model="gpt-5.4-mini", input=QUESTION, reasoning={"effort": "high"})
    with gpt.responses.stream(model="gpt-5.4-mini", input=QUESTION, reasoning={"effort": "high"}) as stream:
        streamed = stream.get_final_response()
    assert streamed.output_text == plain.output_text
    assert streamed.usage == plain.usage
    assert streamed.id != plain.id


def test_a_background_response_is_polled(gpt: openai.OpenAI) -> None:
    queued = gpt.responses.create(model="gpt-5.4-mini", input=QUESTION, background=True)
    assert (queued.status, queued.usage) == ("queued", None)
    polled = [gpt.responses.retrieve(queued.id) for _ in range(2)]
    assert {response.id for response in polled} == {queued.id}
    assert all(response.status == "completed" and response.usage for response in polled)


def test_embeddings_and_moderations(gpt: openai.OpenAI) -> None:
    embedded = gpt.embeddings.create(model="text-embedding-3-small", input=[QUESTION, "b"])
    assert len(embedded.data) == 2
    assert embedded.usage.total_tokens > 0
    assert not gpt.moderations.create(input=QUESTION).results[0].flagged


def test_a_tool_is_called_then_answered(gpt: openai.OpenAI, claude: anthropic.Anthropic) -> None:
    schema = {"type": "object", "properties": {"town": {"type": "string"}}}
    function = {"name": "weather", "description": "d", "parameters": schema}
    called = ask(gpt, tools=[{"type": "function", "function": function}]).choices[0]
    assert called.finish_reason == "tool_calls"
    assert json.loads(called.message.tool_calls[0].function.arguments) == {"town": "example"}
    used = tell(claude, tools=[{"name": "weather", "description": "d", "input_schema": schema}])
    assert (used.stop_reason, used.content[0].input) == ("tool_use", {"town": "example"})


@pytest.mark.parametrize("ttl", ["5m", "1h"])
def test_a_marked_block_is_written_then_read(claude: anthropic.Anthropic, ttl: str) -> None:
    system = [{"type": "text", "text": "handbook " * 900, "cache_control": {"type": "ephemeral", "ttl": ttl}}]
    written = tell(claude, system=system).usage
    by_ttl = {
        "5m": written.cache_creation.ephemeral_5m_input_tokens,
        "1h": written.cache_creation.ephemeral_1h_input_tokens,
    }
    assert by_ttl.pop(ttl) == written.cache_creation_input_tokens > 0
    assert set(by_ttl.values()) == {0}
    turns = [{"role": role, "content": "x"} for role in ("user", "assistant", "user")]
    read = tell(claude, system=system, messages=turns).usage
    assert (read.cache_creation_input_tokens, read.cache_read_input_tokens) == (
        0,
        written.cache_creation_input_tokens,
    )


def test_a_message_streams_as_it_is(claude: anthropic.Anthropic) -> None:
    turns: list[Any] = [{"role": "user", "content": QUESTION}]
    thinking: Any = {"type": "enabled", "budget_tokens": 1_024}
    options: Any = {
        "model": SONNET,
        "max_tokens": 2_048,
        "messages": turns,
        "thinking": thinking,
    }
    plain = claude.messages.create(**options)
    with claude.messages.stream(**options) as stream:
        streamed = stream.get_final_message()
    assert [block.type for block in streamed.content] == ["thinking", "text"]
    assert streamed.usage.output_tokens == plain.usage.output_tokens > 256
    assert streamed.model == plain.model == SONNET


def test_an_alias_is_served_by_a_dated_model(gpt: openai.OpenAI) -> None:
    assert ask(gpt).model == "gpt-5.4-mini-2026-03-17"
    assert gpt.responses.create(model="gpt-5.4-mini", input=QUESTION).model == "gpt-5.4-mini-2026-03-17"


def test_counting_tokens(claude: anthropic.Anthropic) -> None:
    turns: list[Any] = [{"role": "user", "content": QUESTION}]
    counted = claude.messages.count_tokens(model=SONNET, messages=turns)
    assert counted.input_tokens == tell(claude).usage.input_tokens


def test_a_fault_goes_away_after_its_times(provider: LoopbackProvider, gpt: openai.OpenAI) -> None:
    assert ask(gpt, extra_headers={"x-loopback-fault": "status=500;times=1"}).choices
    assert len(provider.requests) == 2


@pytest.mark.parametrize("status", [429, 529])
def test_an_error_is_the_vendors_own(claude: anthropic.Anthropic, status: int) -> None:
    with pytest.raises(anthropic.APIStatusError, match="injected by the demo") as raised:
        tell(claude, extra_headers={"x-loopback-fault": f"status={status}"})
    assert raised.value.status_code == status


def test_an_unknown_path_is_not_found(gpt: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError):
        gpt.models.list()


@pytest.mark.parametrize("fault", ["reset", "truncate"])
def test_a_broken_connection_is_an_error(gpt: openai.OpenAI, fault: str) -> None:
    with pytest.raises((openai.APIConnectionError, httpx.HTTPError)):
        ask(gpt, extra_headers={"x-loopback-fault": fault})


def test_a_truncated_stream_is_an_error(gpt: openai.OpenAI) -> None:
    stream = ask(gpt, stream=True, extra_headers={"x-loopback-fault": "truncate"})
    seen = []
    with pytest.raises((openai.APIConnectionError, httpx.HTTPError)):
        for chunk in stream:
            seen.append(chunk)
    assert seen


def test_a_stalled_reply_times_out(gpt: openai.OpenAI) -> None:
    with pytest.raises(openai.APITimeoutError):
        ask(gpt.with_options(timeout=0.2, max_retries=0), extra_headers={"x-loopback-fault": "stall"})


def test_an_endless_stream_can_be_left(gpt: openai.OpenAI) -> None:
    with ask(gpt, stream=True, extra_headers={"x-loopback-fault": "endless"}) as stream:
        for number, chunk in enumerate(stream):
            assert chunk.choices
            if number == 500:
                break


def test_the_length_of_a_reply_can_be_asked(gpt: openai.OpenAI) -> None:
    chunks = list(ask(gpt, stream=True, extra_headers={"x-loopback-words": "200"}))
    assert sum(bool(chunk.choices and chunk.choices[0].delta.content) for chunk in chunks) == 200


def test_ids_differ_between_runs(provider: LoopbackProvider, gpt: openai.OpenAI) -> None:
    with LoopbackProvider() as other:
        elsewhere = openai.OpenAI(base_url=other.openai_url, api_key="none")
        assert len({ask(client).id for client in (gpt, gpt, elsewhere, elsewhere)}) == 4


def test_an_absent_client_library_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stage, "CLIENTS", ("openai", "no_such_library"))
    with pytest.raises(CommandError, match="Not installed here: no_such_library") as raised:
        stage.play(None)
    assert "pip install no_such_library" in str(raised.value)


def test_a_failing_agent_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(stage, "AGENT", "no_such_agent")
    with pytest.raises(CommandError, match="exit code 1"):
        stage.play(tmp_path / "ledger.sqlite3")


def demo(ledger: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "otel_tokenomics", "demo", "--ledger", str(ledger)]
    environment = {**os.environ, "OTEL_SDK_DISABLED": "true", "COLUMNS": "200"}
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, env=environment)


def records(ledger: Path) -> list[dict[str, Any]]:
    command = [sys.executable, "-m", "otel_tokenomics", "records", "--json"]
    environment = {**os.environ, "OTEL_TOKENOMICS_LEDGER": str(ledger)}
    listed = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    return [json.loads(line) for line in listed.stdout.splitlines()]


def table(text: str) -> list[list[str]]:
    """The table by team and model, its money masked: prices change with the date, the counts do not."""
    lines = text[text.index("\nteam ") :].lstrip().split("\nestimated")[0].splitlines()
    return [re.sub(r"\$[\d.]+", "$", line).split() for line in lines]


def assert_watched() -> None:
    """The demo's agent knows nothing of these tests; what it emitted was compared with the registry."""
    watched = [one for one in left(Path(os.environ[PLACE])) if names.METRIC_COST in one["seen"]]
    assert len(watched) == 1
    assert {"tokenomics.usage.recorded", "service.name"} <= set(watched[0]["seen"])
    assert watched[0]["findings"] == []


def test_the_demo_accounts_for_every_call(tmp_path: Path) -> None:
    require_installed()
    ledger = tmp_path / "ledger.sqlite3"
    shown = demo(ledger)
    assert shown.returncode == 0, shown.stdout + shown.stderr
    assert shown.stderr == ""
    assert_watched()
    assert "The replies are canned, the prices are real" in shown.stdout
    for title in (sample.title for sample in stage.SAMPLES):
        assert title in shown.stdout
    assert table(shown.stdout) == table(README.read_text(encoding="utf-8"))
    kept = records(ledger)
    # 16 requests went out, one of which the provider failed and the client tried again.
    assert len(kept) == 15
    assert {record["attribution"]["team"] for record in kept} == {"search", "support"}
    assert {record["cost"]["status"] for record in kept} == {"complete"}
    assert sum(Decimal(record["cost"]["amount"]) > 0 for record in kept) == 14
    assert sorted(record["usage_source"] for record in kept).count("stream_partial") == 1
