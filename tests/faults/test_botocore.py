"""Bedrock through botocore: however a call ends it is one record, and the application sees what it would see.

Each script runs bare and instrumented on the real client; the results, events and exceptions must be equal.
"""

from __future__ import annotations

import gc
import json
from collections.abc import Callable
from typing import Any

import botocore.exceptions  # type: ignore[import-untyped]
import pytest
from botocore.client import BaseClient  # type: ignore[import-untyped]
from botocore.endpoint import Endpoint  # type: ignore[import-untyped]
from tests.faults.cases import told
from tests.support import aws
from tests.support.telemetry import INSTRUMENTORS, Telemetry, buckets_of, instrumented
from tests.support.wire import JSON, Reply

MODEL = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
ASKED = {"modelId": MODEL, "messages": [{"role": "user", "content": [{"text": "When do I dig?"}]}]}
USAGE = {
    "inputTokens": 11,
    "outputTokens": 7,
    "totalTokens": 318,
    "cacheReadInputTokens": 100,
    "cacheWriteInputTokens": 200,
    "cacheDetails": [{"ttl": "1h", "inputTokens": 150}, {"ttl": "5m", "inputTokens": 50}],
}
BUCKETS = {"input": 11, "output": 7, "cache_read": 100, "cache_write.1h": 150, "cache_write.5m": 50}
SPOKEN = {"role": "assistant", "content": [{"text": "At dawn, when the ground is soft."}]}
STREAM = aws.frames(
    ("messageStart", {"role": "assistant"}),
    ("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": "At dawn, when "}}),
    ("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": "the ground is soft."}}),
    ("contentBlockStop", {"contentBlockIndex": 0}),
    ("messageStop", {"stopReason": "end_turn"}),
    ("metadata", {"usage": USAGE, "metrics": {"latencyMs": 3}, "serviceTier": {"type": "flex"}}),
)
CLAUDE: dict[str, Any] = {
    "id": "msg_bdrk_1",
    "content": [{"type": "text", "text": "At dawn."}],
    "stop_reason": "end_turn",
    "usage": {
        "input_tokens": 11,
        "output_tokens": 7,
        "cache_creation_input_tokens": 200,
        "cache_read_input_tokens": 100,
        "cache_creation": {"ephemeral_1h_input_tokens": 150, "ephemeral_5m_input_tokens": 50},
    },
}
COUNTED = {
    "x-amzn-bedrock-input-token-count": "11",
    "x-amzn-bedrock-output-token-count": "7",
    "x-amzn-bedrock-service-tier": "priority",
}
REFUSAL = json.dumps({"message": "no"}).encode()
Act = Callable[[Any], Any]


def conversed(**more: Any) -> Reply:
    body = {
        "output": {"message": SPOKEN},
        "stopReason": "end_turn",
        "usage": USAGE,
        "metrics": {"latencyMs": 3},
    }
    return Reply(json.dumps({**body, **more}).encode(), headers={**JSON, "x-amzn-requestid": "r-1"})


def streamed(*parts: Any) -> Reply:
    return Reply(list(parts or STREAM), headers=aws.EVENTS)


def refused(kind: str, status: int) -> Reply:
    return Reply(REFUSAL, status, {**JSON, "x-amzn-errortype": kind})


def converse(client: Any) -> Any:
    return client.converse(**ASKED)


def converse_stream(client: Any) -> Any:
    return list(client.converse_stream(**ASKED)["stream"])


def invoke(client: Any, model: str = MODEL, **body: Any) -> Any:
    asked = {"messages": [{"role": "user", "content": "When do I dig?"}], "max_tokens": 9, **body}
    return client.invoke_model(modelId=model, body=json.dumps(asked))["body"]


def transcript(client: Any, act: Act) -> Any:
    try:
        return act(client)
    except BaseException as error:
        return told(error)
    finally:
        gc.collect()


def differential(act: Act, *script: Reply, attempts: int = 1) -> Telemetry:
    """Run the same script bare and instrumented; what the application sees and sends must be equal."""
    seen = []
    sessions = [aws.Session(*script), aws.Session(*script)]
    seen.append(transcript(aws.client(sessions[0], attempts), act))
    with instrumented("botocore") as telemetry:
        seen.append(transcript(aws.client(sessions[1], attempts), act))
        telemetry.records()
    assert seen[0] == seen[1]
    assert sessions[0].calls == sessions[1].calls
    return telemetry


def test_a_conversation_is_one_record() -> None:
    telemetry = differential(converse, conversed())
    record = telemetry.record()
    assert buckets_of(record) == BUCKETS
    assert record["tokenomics.usage.source"] == "provider"
    assert record["gen_ai.response.id"] == "r-1"
    assert record["gen_ai.request.model"] == MODEL
    assert record["server.address"] == "bedrock-runtime.us-east-1.amazonaws.com"
    assert record["tokenomics.price.id"].startswith("aws/regional.anthropic.claude-sonnet-4-5")
    (span,) = telemetry.spans()
    assert span.name == f"chat {MODEL}"


def test_a_tier_that_is_served_is_never_priced_as_another() -> None:
    record = differential(converse, conversed(serviceTier={"type": "priority"})).record()
    assert record["tokenomics.cost.status"] == "unpriced"
    assert record["tokenomics.cost.unpriced_reason"] == "unknown_tier"


def test_a_stream_is_one_record() -> None:
    record = differential(converse_stream, streamed()).record()
    assert buckets_of(record) == BUCKETS
    assert record["tokenomics.usage.source"] == "provider"
    assert record["gen_ai.request.stream"] is True


@pytest.mark.parametrize(
    "read",
    [
        lambda body: body.read(),
        lambda body: b"".join(body.iter_chunks(5)),
        lambda body: b"".join(body.iter_lines(7)),
        lambda body: body.readlines(),
    ],
)
def test_a_models_own_body_is_one_record_however_it_is_read(read: Act) -> None:
    answer = Reply(json.dumps(CLAUDE).encode(), headers={**JSON, **COUNTED})
    record = differential(lambda client: read(invoke(client)), answer).record()
    assert buckets_of(record) == BUCKETS
    assert record["gen_ai.response.id"] == "msg_bdrk_1"
    assert record["gen_ai.usage.input_tokens"] == 311


def test_a_body_read_within_its_block_is_counted() -> None:
    def act(client: Any) -> Any:
        with invoke(client) as body:
            return body.read()

    assert buckets_of(differential(act, Reply(json.dumps(CLAUDE).encode())).record()) == BUCKETS


def test_headers_count_where_a_body_does_not() -> None:
    answer = Reply(json.dumps({"outputs": [{"text": "At dawn."}]}).encode(), headers={**JSON, **COUNTED})
    act = lambda client: invoke(client, "mistral.mistral-7b-instruct-v0:2", prompt="x").read()  # noqa: E731
    record = differential(act, answer).record()
    assert buckets_of(record) == {"input": 11, "output": 7}
    assert record["tokenomics.usage.source"] == "provider"


def test_a_body_that_is_never_read_is_counted_by_its_headers() -> None:
    answer = Reply(json.dumps(CLAUDE).encode(), headers={**JSON, **COUNTED})

    def act(client: Any) -> None:
        invoke(client)

    assert buckets_of(differential(act, answer).record()) == {"input": 11, "output": 7}


def test_a_models_own_stream_is_one_record() -> None:
    script = aws.chunks(
        {
            "type": "message_start",
            "message": {"id": "msg_1", "usage": {**CLAUDE["usage"], "output_tokens": 1}},
        },
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "At dawn."}},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 7}},
        {
            "type": "message_stop",
            "amazon-bedrock-invocationMetrics": {
                "inputTokenCount": 11,
                "outputTokenCount": 7,
                "cacheReadInputTokenCount": 100,
                "cacheWriteInputTokenCount": 200,
            },
        },
    )

    def act(client: Any) -> Any:
        return list(client.invoke_model_with_response_stream(modelId=MODEL, body=b'{"messages": []}')["body"])

    record = differential(act, streamed(*script)).record()
    assert buckets_of(record) == BUCKETS
    assert record["tokenomics.usage.source"] == "provider"
    assert not record.get("tokenomics.usage.flags")


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("ValidationException", 400),
        ("AccessDeniedException", 403),
        ("ThrottlingException", 429),
        ("InternalServerException", 500),
        ("ModelNotReadyException", 429),
    ],
)
@pytest.mark.parametrize("act", [converse, converse_stream, invoke])
def test_a_refusal_is_the_clients_own_error_and_no_usage(act: Act, kind: str, status: int) -> None:
    telemetry = differential(act, refused(kind, status))
    assert telemetry.records() == []
    (span,) = telemetry.spans()
    assert (span.attributes or {})["error.type"]
    assert not span.events, "an exception's message may carry a prompt"


def test_a_retry_of_botocores_own_is_one_call_with_two_attempts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    telemetry = differential(converse, refused("ThrottlingException", 429), conversed(), attempts=3)
    record = telemetry.record()
    assert record["tokenomics.attempt.count"] == 2
    assert "tokenomics.attempt.possibly_billed" not in record
    assert buckets_of(record) == BUCKETS


def lost(request: Any) -> BaseException:
    error: BaseException = botocore.exceptions.ReadTimeoutError(endpoint_url=request.url)
    return error


def unsent(request: Any) -> BaseException:
    error: BaseException = botocore.exceptions.EndpointConnectionError(endpoint_url=request.url)
    return error


def test_a_timeout_that_is_retried_may_be_billed_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    record = differential(converse, Reply(error=lost), conversed(), attempts=3).record()
    assert record["tokenomics.attempt.count"] == 2
    assert record["tokenomics.attempt.possibly_billed"] == 1
    assert buckets_of(record) == BUCKETS


def test_a_timeout_after_sending_is_possibly_billed() -> None:
    record = differential(converse, Reply(error=lost)).record()
    assert record["tokenomics.attempt.possibly_billed"] == 1
    assert record["tokenomics.usage.source"] == "missing"
    assert "gen_ai.usage.cost.amount" not in record


def test_what_was_never_sent_is_no_usage() -> None:
    assert differential(converse, Reply(error=unsent)).records() == []


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
def test_an_interrupt_passes_at_once(kind: type[BaseException]) -> None:
    telemetry = differential(converse, Reply(error=lambda request: kind("stop")))
    assert telemetry.record()["tokenomics.attempt.possibly_billed"] == 1


def _break(client: Any) -> Any:
    for event in client.converse_stream(**ASKED)["stream"]:
        if "contentBlockDelta" in event:
            return event
    return None


def _close(client: Any) -> Any:
    stream = client.converse_stream(**ASKED)["stream"]
    seen = next(iter(stream))
    stream.close()
    stream.close()
    return seen


def _never(client: Any) -> None:
    client.converse_stream(**ASKED)


@pytest.mark.parametrize("act", [_break, _close, _never])
def test_a_stream_that_is_left_is_settled_once_with_what_was_seen(act: Act) -> None:
    record = differential(act, streamed()).record()
    assert record["tokenomics.usage.source"] == "stream_partial"
    assert record["gen_ai.usage.input_tokens"] > 0


def test_a_stream_that_breaks_off_raises_the_transports_error() -> None:
    record = differential(converse_stream, streamed(*STREAM[:3], ConnectionResetError("gone"))).record()
    assert record["tokenomics.usage.source"] == "stream_partial"
    assert record["gen_ai.usage.output_tokens"] > 0
    assert record["tokenomics.attempt.outcome"] == "error"


def test_an_error_event_ends_a_stream() -> None:
    said = aws.frame("modelStreamErrorException", b'{"message": "broke"}', "exception")
    record = differential(converse_stream, streamed(*STREAM[:3], said)).record()
    assert record["tokenomics.usage.source"] == "stream_partial"


def test_a_stream_whose_bytes_are_cut_anywhere_is_the_same() -> None:
    whole = b"".join(STREAM)
    cut = [whole[at : at + 7] for at in range(0, len(whole), 7)]
    assert buckets_of(differential(converse_stream, streamed(*cut)).record()) == BUCKETS


def test_a_prompt_router_is_priced_as_the_model_that_it_chose() -> None:
    chosen = f"arn:aws:bedrock:us-east-1:1:inference-profile/{MODEL}"
    router = "arn:aws:bedrock:us-east-1:1:default-prompt-router/anthropic.claude:1"
    reply = conversed(trace={"promptRouter": {"invokedModelId": chosen}})
    record = differential(lambda client: client.converse(**{**ASKED, "modelId": router}), reply).record()
    assert record["gen_ai.response.model"] == chosen
    assert record["tokenomics.price.id"].startswith("aws/regional.anthropic.claude-sonnet-4-5")


@pytest.mark.parametrize(
    ("model", "status"),
    [
        (f"arn:aws:bedrock:us-east-1:1:inference-profile/{MODEL}", "complete"),
        ("arn:aws:bedrock:us-east-1:1:application-inference-profile/abc", "unpriced"),
        ("arn:aws:bedrock:us-east-1:1:provisioned-model/abc", "unpriced"),
    ],
)
def test_an_arn_is_priced_only_as_the_model_that_it_names(model: str, status: str) -> None:
    record = differential(lambda client: client.converse(**{**ASKED, "modelId": model}), conversed()).record()
    assert record["tokenomics.cost.status"] == status


def test_counting_tokens_is_free() -> None:
    def act(client: Any) -> Any:
        return client.count_tokens(modelId=MODEL, input={"converse": {"messages": ASKED["messages"]}})

    telemetry = differential(act, Reply(b'{"inputTokens": 5}', headers=JSON))
    assert all(record.get("gen_ai.usage.cost.amount", 0) == 0 for record in telemetry.records())


def test_other_services_and_operations_pass_by() -> None:
    with instrumented("botocore") as telemetry:
        session = aws.Session(Reply(b'{"modelSummaries": []}', headers=JSON))
        assert aws.client(session, service_name="bedrock").list_foundation_models()["modelSummaries"] == []
        assert telemetry.records() == []
        assert telemetry.spans() == []


def test_a_client_made_before_is_recorded_and_one_made_meanwhile_no_longer() -> None:
    client = aws.client(aws.Session(conversed()))
    with instrumented("botocore") as telemetry:
        converse(client)
        later = aws.client(aws.Session(conversed()))
        converse(later)
        assert len(telemetry.records()) == 2
    converse(later)
    assert len(telemetry.records()) == 2


def test_uninstrumenting_restores_both_methods() -> None:
    before = vars(BaseClient)["_make_api_call"], vars(Endpoint)["_needs_retry"]
    instrumentor = INSTRUMENTORS["botocore"]()
    instrumentor.instrument(**Telemetry().providers)
    assert vars(BaseClient)["_make_api_call"] is not before[0]
    instrumentor.uninstrument()
    assert (vars(BaseClient)["_make_api_call"], vars(Endpoint)["_needs_retry"]) == before
