"""The Claude Agent SDK: one record for each model of each result, of what it adds to the last."""

from __future__ import annotations

import importlib
import importlib.util
import stat
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.frameworks import claude_cli
from tests.frameworks.claude_cli import HAIKU, SONNET, result
from tests.support.telemetry import buckets_of, instrumented

from otel_tokenomics.adapters.claude_agent import ClaudeAgent, Share, Totals
from otel_tokenomics.adapters.hosts import Hosts
from otel_tokenomics.adapters.reported import usd_femto
from otel_tokenomics.flow.contracts import Meter
from otel_tokenomics.wiring.assembly import pricer_of

EACH = {
    SONNET: {"input": 10, "output": 20, "cache_read": 1000, "cache_write": 200, "tool.web_search": 1},
    HAIKU: {"input": 5, "output": 2, "cache_read": 0, "cache_write": 0, "tool.web_search": 0},
}
COST = {SONNET: "0.25", HAIKU: "0.125"}
QUARTER = 250_000_000_000_000


def told(totals: Totals, message: dict[str, Any]) -> list[Share]:
    return list(totals.shares(message))


def test_a_result_adds_what_it_is_above_the_last() -> None:
    totals = Totals()
    for turn in (1, 2, 3):
        first, second = told(totals, result(turn, turn, "s"))
        assert (first.model, first.usage.buckets, first.femto) == (SONNET, EACH[SONNET], QUARTER)
        assert (second.model, second.usage.buckets, second.femto) == (HAIKU, EACH[HAIKU], QUARTER // 2)
        assert (first.session, first.duration_ns) == ("s", 1_500_000_000)


def test_the_same_result_again_adds_nothing() -> None:
    totals = Totals()
    assert len(told(totals, result(1, 1, "s"))) == 2
    assert told(totals, result(1, 1, "s")) == []


@pytest.mark.parametrize("reset", [True, False])
def test_totals_that_begin_again(reset: bool) -> None:
    totals = Totals()
    told(totals, result(1, 3, "s"))
    if reset:
        told(totals, {"type": "conversation_reset"})
    (first, _) = told(totals, result(2, 1, "s2"))
    assert (first.usage.buckets, first.femto) == (EACH[SONNET], QUARTER)


def test_an_older_command_line_names_no_models() -> None:
    totals = Totals()
    usage = {"input_tokens": 10, "output_tokens": 20, "cache_read_input_tokens": 7}
    for cost, added in ((0.25, QUARTER), (0.5, QUARTER), (0.5, 0)):
        (share,) = told(totals, {"type": "result", "usage": usage, "total_cost_usd": cost})
        assert (share.model, share.usage.buckets) == (None, {"input": 10, "output": 20, "cache_read": 7})
        assert share.femto == added


@pytest.mark.parametrize("provider", ["firstParty", "bedrock", "vertex", "foundry", None, {}, 7])
def test_the_provider_and_what_is_no_count(provider: Any) -> None:
    odd = {"inputTokens": -1, "outputTokens": "x", "costUSD": True, "cacheReadInputTokens": 3}
    known = {"provider": provider} if not isinstance(provider, dict) else {}
    (share,) = told(Totals(), {"type": "result", "modelUsage": {"m": {**odd, **known}}})
    assert share.provider in ("anthropic", "aws.bedrock", "gcp.vertex_ai", "azure.ai.inference")
    assert (share.usage.buckets, share.femto) == ({"cache_read": 3}, None)
    assert share.usage.flags == ("negative", "not_a_count")


@pytest.mark.parametrize(
    "message", [{}, {"type": "assistant"}, {"type": "result"}, {"type": "result", "modelUsage": []}]
)
def test_nothing_was_used(message: dict[str, Any]) -> None:
    assert told(Totals(), message) == []


def test_a_share_is_read_as_a_response() -> None:
    (share, _) = told(Totals(), result(1, 1, "s"))
    adapter = ClaudeAgent(Hosts())
    facts = adapter.facts(None, share, False)
    meter: Meter = adapter.meter(None, share, facts)
    reading = meter.reading()
    assert (facts.provider, facts.operation, facts.request_model) == ("anthropic", "invoke_agent", SONNET)
    assert (reading.response_id, reading.reported_cost_femto) == (f"result-1:{SONNET}", QUARTER)
    assert (meter.draft(), meter.skim(b""), meter.complete, meter.keeps) == (None, True, True, False)
    assert (meter.capped(share, 1), meter.prepare()) == (share, share)


def test_the_cost_of_a_result_stands_beside_what_list_prices_make_of_its_calls() -> None:
    adapter, price = ClaudeAgent(Hosts()), pricer_of(None)
    message = result(1, 1, "s")
    costs, listed = [], []
    for share in told(Totals(), message):
        facts = adapter.facts(None, share, False)
        reading = adapter.meter(None, share, facts).reading()
        costs.append(price(facts, reading, 1_780_000_000 * 10**9))
        alone = price(facts, replace(reading, reported_cost_femto=None), 1_780_000_000 * 10**9)
        listed.append(alone.amount_femto)
    assert [cost.method for cost in costs] == ["vendor_reported"] * 2
    assert sum(cost.amount_femto or 0 for cost in costs) == usd_femto(message["total_cost_usd"])
    assert [cost.computed_femto for cost in costs] == listed
    assert None not in listed


sdk = pytest.mark.skipif(
    importlib.util.find_spec("claude_agent_sdk") is None,
    reason="claude-agent-sdk is large: `make frameworks` has it",
)


@pytest.fixture
def options(tmp_path: Path) -> Any:
    """Options whose command line is the one of these tests."""
    command = tmp_path / "claude"
    command.write_text(f"#!{sys.executable}\n" + Path(claude_cli.__file__).read_text("utf-8"), "utf-8")
    command.chmod(command.stat().st_mode | stat.S_IXUSR)
    return importlib.import_module("claude_agent_sdk").ClaudeAgentOptions(cli_path=str(command))


@sdk
async def test_a_query(options: Any) -> None:
    claude = importlib.import_module("claude_agent_sdk")
    bare = [message async for message in claude.query(prompt="when?", options=options)]
    with instrumented("claude-agent-sdk") as telemetry:
        seen = [message async for message in claude.query(prompt="when?", options=options)]
    assert seen == bare
    records = telemetry.records()
    assert [buckets_of(record) for record in records] == [EACH[SONNET], EACH[HAIKU]]
    for record in records:
        model = record["gen_ai.response.model"]
        assert record["tokenomics.cost.exact"] == COST[model]
        assert record["tokenomics.cost.method"] == "vendor_reported"
        assert record["gen_ai.conversation.id"] == "session-1"
        assert record["gen_ai.operation.name"] == "invoke_agent"
    assert len(telemetry.spans()) == 2


@sdk
async def test_a_client_of_many_turns(options: Any) -> None:
    claude = importlib.import_module("claude_agent_sdk")
    with instrumented("claude-agent-sdk") as telemetry:
        async with claude.ClaudeSDKClient(options) as client:
            for prompt in ("when?", "and then?", "/clear", "when?"):
                await client.query(prompt)
                last = [message async for message in client.receive_response()][-1]
        assert last.total_cost_usd == 2 * 0.375, "the application sees the totals as they are"
    records = telemetry.records()
    assert [buckets_of(record) for record in records] == [EACH[SONNET], EACH[HAIKU]] * 4
    assert {record["tokenomics.cost.exact"] for record in records} == {"0.25", "0.125"}
    assert [record["gen_ai.conversation.id"] for record in records[::2]] == ["session-1"] * 2 + [
        "session-2"
    ] * 2
    assert len({record["tokenomics.record.key"] for record in records}) == 8


@sdk
async def test_whoever_stops_before_the_result_is_left_alone(options: Any) -> None:
    claude = importlib.import_module("claude_agent_sdk")
    with instrumented("claude-agent-sdk") as telemetry:
        async for message in claude.query(prompt="when?", options=options):
            assert type(message).__name__ == "AssistantMessage"
            break
    assert telemetry.records() == []
