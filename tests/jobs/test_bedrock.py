"""What Amazon Bedrock bills beside a model's own answer, through both client libraries."""

from __future__ import annotations

import gc
import json
from collections.abc import Iterator
from typing import Any

import pytest
from tests.support import aioaws, aws
from tests.support.either import items, value
from tests.support.telemetry import Telemetry, buckets_of, instrumented
from tests.support.wire import JSON, Reply

from otel_tokenomics import attribute
from otel_tokenomics.flow import guard

SONNET = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
HAIKU = "us.anthropic.claude-haiku-4-5-20251001-v1:0"
AGENT = {"agentId": "AGENT", "agentAliasId": "ALIAS", "sessionId": "session", "inputText": "When do I dig?"}
INLINE = {"sessionId": "session", "foundationModel": SONNET, "instruction": "You are a gardener." * 3}
ARN = "arn:aws:bedrock:us-east-1:1:async-invoke/abc"
REEL = "amazon.nova-reel-v1:1"
both = pytest.mark.parametrize("library", ["botocore", "aiobotocore"])


def invocation(
    step: str, trace: str, model: str | None, tokens: tuple[int, int], request: str | None = None, **part: Any
) -> list[tuple[str, Any]]:
    """The two events of one request to a model."""
    given = {"traceId": trace, "text": "...", "type": "ORCHESTRATION"}
    if model is not None:
        given["foundationModel"] = model
    usage = {"inputTokens": tokens[0], "outputTokens": tokens[1]}
    metadata = {"usage": usage, **({} if request is None else {"clientRequestId": request})}
    made = {"traceId": trace, "rawResponse": {"content": "..."}, "metadata": metadata}
    told = ({"modelInvocationInput": given}, {"modelInvocationOutput": made})
    return [("trace", {"agentId": "AGENT", **part, "trace": {step: one}}) for one in told]


SAID = ("chunk", {"bytes": "QXQgZGF3bi4="})
TOTAL = {"orchestrationTrace": {"observation": {"finalResponse": {"metadata": {"operationTotalTimeMs": 9}}}}}
TRACED = [
    *invocation("preProcessingTrace", "t-pre-0", HAIKU, (100, 10), "r-1"),
    *invocation("orchestrationTrace", "t-0", SONNET, (600, 70), "r-2"),
    ("trace", {"trace": {"orchestrationTrace": {"rationale": {"text": "...", "traceId": "t-0"}}}}),
    *invocation("orchestrationTrace", "c-0", HAIKU, (50, 5), "r-3", collaboratorName="helper"),
    *invocation("orchestrationTrace", "t-1", SONNET, (800, 80), "r-4"),
    ("trace", {"trace": TOTAL}),
    SAID,
]
INVOKED = {"content-type": "application/vnd.amazon.eventstream", "x-amzn-requestid": "q-1"}


def events(*told: tuple[str, Any]) -> Reply:
    return Reply(aws.frames(*told), headers=INVOKED)


@pytest.fixture
def telemetry(library: str) -> Iterator[Telemetry]:
    """The library instrumented; no fault of ours may pass."""
    before = guard.faults()
    with instrumented(library) as told:
        yield told
    assert guard.faults() == before


async def agents(library: str, *script: Reply) -> Any:
    client, player = await aioaws.opened(library, service_name="bedrock-agent-runtime")
    player.play(*script)
    return client


async def read(library: str, answer: Any, key: str = "completion") -> list[Any]:
    return [event async for event in items((await value(answer))[key], library != "botocore")]


@both
async def test_each_request_to_a_model_within_an_agents_answer_is_a_record(
    library: str, telemetry: Telemetry
) -> None:
    client = await agents(library, events(*TRACED))
    with attribute(team="garden"):
        seen = await read(library, client.invoke_agent(**AGENT, enableTrace=True))
    assert len(seen) == len(TRACED)
    records = telemetry.records()
    told = [(one["gen_ai.response.id"], one["gen_ai.response.model"], buckets_of(one)) for one in records]
    assert told == [
        ("r-1", HAIKU, {"input": 100, "output": 10}),
        ("r-2", SONNET, {"input": 600, "output": 70}),
        ("r-3", HAIKU, {"input": 50, "output": 5}),
        ("r-4", SONNET, {"input": 800, "output": 80}),
    ]
    assert {one["tokenomics.cost.status"] for one in records} == {"complete"}
    assert {one["tokenomics.team.id"] for one in records} == {"garden"}
    assert {one["gen_ai.operation.name"] for one in records} == {"chat"}
    (span,) = telemetry.spans()
    assert span.name == "invoke_agent"
    attributes = span.attributes or {}
    assert (attributes["gen_ai.usage.input_tokens"], attributes["gen_ai.usage.output_tokens"]) == (1550, 165)


@both
@pytest.mark.parametrize("traced", [False, True])
async def test_the_model_of_an_inline_agent_is_the_one_asked_for_unless_a_trace_names_it(
    library: str, telemetry: Telemetry, traced: bool
) -> None:
    made = [
        *invocation("orchestrationTrace", "t-0", HAIKU if traced else None, (60, 7)),
        *invocation("orchestrationTrace", "c-0", None, (5, 1), collaboratorName="helper"),
    ]
    client = await agents(library, events(*made, SAID))
    await read(library, client.invoke_inline_agent(**INLINE, enableTrace=True))
    own, helpers = telemetry.records()
    assert own["gen_ai.response.model"] == (HAIKU if traced else SONNET)
    assert "gen_ai.response.model" not in helpers
    assert helpers["tokenomics.cost.unpriced_reason"] == "unknown_model"


@both
async def test_two_requests_with_one_id_are_two_records(library: str, telemetry: Telemetry) -> None:
    made = invocation("orchestrationTrace", "t-0", SONNET, (60, 7))
    client = await agents(library, events(*made, *made, SAID))
    await read(library, client.invoke_agent(**AGENT, enableTrace=True))
    first, second = telemetry.records()
    assert buckets_of(first) == buckets_of(second)
    assert first["tokenomics.record.key"] != second["tokenomics.record.key"]


@both
async def test_an_answer_without_traces_is_a_record_of_unknown_usage(
    library: str, telemetry: Telemetry
) -> None:
    client = await agents(library, events(SAID))
    await read(library, client.invoke_agent(**AGENT))
    record = telemetry.record()
    assert record["tokenomics.usage.source"] == "missing"
    assert record["gen_ai.operation.name"] == "invoke_agent"
    assert record["gen_ai.response.id"] == "q-1"
    assert "gen_ai.usage.cost.amount" not in record
    assert "gen_ai.usage.input_tokens" not in record


@both
async def test_an_answer_that_is_left_is_what_was_seen(library: str, telemetry: Telemetry) -> None:
    client = await agents(library, events(*TRACED))
    stream = (await value(client.invoke_agent(**AGENT, enableTrace=True)))["completion"]
    seen = 0
    async for _ in items(stream, library != "botocore"):
        seen += 1
        if seen == 4:
            break
    stream.close()
    assert [one["gen_ai.response.id"] for one in telemetry.records()] == ["r-1", "r-2"]


@both
async def test_a_refused_agent_is_no_usage(library: str, telemetry: Telemetry) -> None:
    refusal = Reply(b'{"message": "no"}', 429, {**JSON, "x-amzn-errortype": "ThrottlingException"})
    client = await agents(library, refusal)
    with pytest.raises(client.exceptions.ThrottlingException):
        await value(client.invoke_agent(**AGENT))
    assert telemetry.records() == []


@both
async def test_an_agent_within_a_flow_is_recorded(library: str, telemetry: Telemetry) -> None:
    told = [part for _, part in invocation("orchestrationTrace", "t-0", SONNET, (60, 7), "r-1")]
    trace = {"nodeDependencyTrace": {"nodeName": "n", "traceElements": {"agentTraces": told}}}
    done = ("flowCompletionEvent", {"completionReason": "SUCCESS"})
    client = await agents(library, events(("flowTraceEvent", {"trace": trace}), done))
    given = {"nodeName": "In", "nodeOutputName": "document", "content": {"document": "When do I dig?"}}
    flow = {"flowIdentifier": "FLOW", "flowAliasIdentifier": "ALIAS"}
    await read(library, client.invoke_flow(**flow, inputs=[given], enableTrace=True), "responseStream")
    record = telemetry.record()
    assert (record["gen_ai.response.model"], buckets_of(record)) == (SONNET, {"input": 60, "output": 7})


@both
@pytest.mark.parametrize("streamed", [False, True])
async def test_retrieval_with_an_answer_is_a_record_of_unknown_usage(
    library: str, telemetry: Telemetry, streamed: bool
) -> None:
    asked = {
        "input": {"text": "When do I dig?"},
        "retrieveAndGenerateConfiguration": {
            "type": "KNOWLEDGE_BASE",
            "knowledgeBaseConfiguration": {"knowledgeBaseId": "KB", "modelArn": SONNET},
        },
    }
    if streamed:
        client = await agents(library, events(("output", {"text": "At dawn."})))
        await read(library, client.retrieve_and_generate_stream(**asked), "stream")
    else:
        client = await agents(
            library, Reply(json.dumps({"sessionId": "s", "output": {"text": "."}}).encode())
        )
        await value(client.retrieve_and_generate(**asked))
    record = telemetry.record()
    assert record["gen_ai.request.model"] == SONNET
    assert record["tokenomics.usage.source"] == "missing"
    assert record["tokenomics.cost.unpriced_reason"] == "missing_usage"


@both
async def test_work_done_later_is_billed_once_when_it_is_seen_to_be_done(
    library: str, telemetry: Telemetry
) -> None:
    def seen(status: str) -> Reply:
        told = {
            "invocationArn": ARN,
            "modelArn": f"arn:aws:bedrock:us-east-1::foundation-model/{REEL}",
            "status": status,
            "submitTime": "2026-11-28T12:00:00Z",
            "outputDataConfig": {"s3OutputDataConfig": {"s3Uri": "s3://bucket"}},
        }
        return Reply(json.dumps(told).encode())

    client, player = await aioaws.opened(library)
    player.play(Reply(json.dumps({"invocationArn": ARN}).encode()))
    asked = {
        "modelId": REEL,
        "modelInput": {"taskType": "TEXT_VIDEO", "videoGenerationConfig": {"durationSeconds": 6}},
        "outputDataConfig": {"s3OutputDataConfig": {"s3Uri": "s3://bucket"}},
    }
    with attribute(team="garden"):
        await value(client.start_async_invoke(**asked))
    for status in ("InProgress", "Completed", "Completed"):
        assert telemetry.records() == []
        player.play(seen(status))
        await value(client.get_async_invoke(invocationArn=ARN))
        if status == "Completed":
            break
    await value(client.get_async_invoke(invocationArn=ARN))
    record = telemetry.record()
    assert record["gen_ai.response.id"] == ARN
    assert record["gen_ai.response.model"].endswith(REEL)
    assert record["tokenomics.team.id"] == "garden"
    assert record["tokenomics.usage.source"] == "missing"


@both
async def test_work_that_failed_bills_nothing(library: str, telemetry: Telemetry) -> None:
    client, player = await aioaws.opened(library)
    told = {"invocationArn": ARN, "modelArn": f"arn:aws:bedrock:us-east-1::foundation-model/{REEL}"}
    player.play(Reply(json.dumps({**told, "status": "Failed"}).encode()))
    await value(client.get_async_invoke(invocationArn=ARN))
    assert telemetry.records() == []


@both
async def test_checks_without_a_guardrail_have_prices_of_their_own(
    library: str, telemetry: Telemetry
) -> None:
    client, player = await aioaws.opened(library)
    usage = {name: {"textUnits": 1000} for name in ("contentFilter", "promptAttack", "sensitiveInformation")}
    player.play(Reply(json.dumps({"results": {}, "usage": usage}).encode()))
    message = {"role": "user", "content": [{"text": "When do I dig?"}]}
    await value(client.invoke_guardrail_checks(messages=[message], checks={}))
    record = telemetry.record()
    assert record["gen_ai.operation.name"] == "moderation"
    assert set(buckets_of(record)) == {
        "tool.guardrail_check_content_filter",
        "tool.guardrail_check_prompt_attack",
        "tool.guardrail_check_sensitive_information",
    }
    assert record["tokenomics.cost.exact"] == "0.25"
    assert record["tokenomics.price.id"] == "aws/guardrails"


@both
async def test_an_answer_that_nobody_reads_is_of_unknown_usage(library: str, telemetry: Telemetry) -> None:
    client = await agents(library, events(*TRACED))
    await value(client.invoke_agent(**AGENT, enableTrace=True))
    gc.collect()
    assert telemetry.record()["tokenomics.usage.source"] == "missing"
