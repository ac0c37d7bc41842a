"""Budgets over calls to Bedrock: refused before a byte is sent, settled for what was billed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import aiobotocore.client  # type: ignore[import-untyped]
import botocore.client  # type: ignore[import-untyped]
import botocore.exceptions  # type: ignore[import-untyped]
import pytest
from tests.budgets._calls import LIFE, House
from tests.support import aioaws, aws
from tests.support.wire import JSON, Reply, Wire
from tests.support.wire_others import error

from otel_tokenomics.adapters.aws import Request
from otel_tokenomics.adapters.bedrock import AioBedrock, Bedrock
from otel_tokenomics.adapters.bedrock_meter import BedrockMeter
from otel_tokenomics.budgets.errors import BudgetExceededError
from otel_tokenomics.budgets.worst import output_cap, walk
from otel_tokenomics.flow import guard
from otel_tokenomics.model.call import Facts
from otel_tokenomics.wiring.aiobotocore import Seam as AioSeam
from otel_tokenomics.wiring.botocore import Seam

MODEL = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
ASKED: dict[str, Any] = {
    "modelId": MODEL,
    "messages": [{"role": "user", "content": [{"text": "When do I dig?"}]}],
    "inferenceConfig": {"maxTokens": 100},
}
USAGE = {"inputTokens": 10, "outputTokens": 5, "totalTokens": 15}
COST = 10 * 3_300 + 5 * 16_500
"""Nano-USD at the regional list price: 3.30 and 16.50 USD for a million tokens."""
SPOKEN = {"message": {"role": "assistant", "content": [{"text": "At dawn."}]}}
ANSWER = Reply(
    json.dumps({"output": SPOKEN, "stopReason": "end_turn", "usage": USAGE}).encode(), headers=JSON
)


@contextmanager
def governed(limit: str, folder: Path) -> Iterator[House]:
    """Bedrock's calls under one budget for a lifetime; faults of ours are raised."""
    with _governed(limit, folder, Seam("botocore"), Bedrock(), botocore.client) as house:
        yield house


@contextmanager
def agoverned(limit: str, folder: Path) -> Iterator[House]:
    """The same, through aiobotocore."""
    with _governed(limit, folder, AioSeam("aiobotocore"), AioBedrock(), aiobotocore.client) as house:
        yield house


@contextmanager
def _governed(limit: str, folder: Path, seam: Seam, adapter: Bedrock, module: Any) -> Iterator[House]:
    store = f"sqlite:///{str(folder / 'b.db').lstrip('/')}"
    house = House(f'{LIFE}limit = "{limit}"\n', store)
    seam.open(adapter, house.desk)
    seam.patch(module)
    guard.set_strict(True)
    try:
        yield house
    finally:
        seam.close()
        guard.set_strict(False)


def test_a_call_is_settled_for_what_it_cost(tmp_path: Path) -> None:
    with governed("1 USD", tmp_path) as house:
        assert aws.client(aws.Session(ANSWER)).converse(**ASKED)["usage"] == USAGE
        assert house.balance() == (COST, 0)


@pytest.mark.parametrize("operation", ["converse", "converse_stream"])
def test_a_call_that_may_not_fit_is_never_sent(tmp_path: Path, operation: str) -> None:
    session = aws.Session(ANSWER)
    with governed("0.0001 USD", tmp_path) as house:
        with pytest.raises(BudgetExceededError):
            getattr(aws.client(session), operation)(**ASKED)
        assert house.balance() == (0, 0)
    assert session.calls == 0


def test_a_lost_answer_is_not_asked_for_again_where_both_would_not_fit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.sleep", lambda seconds: None)

    def lost(request: Any) -> BaseException:
        error: BaseException = botocore.exceptions.ReadTimeoutError(endpoint_url=request.url)
        return error

    session = aws.Session(Reply(error=lost), ANSWER)
    with governed("0.003 USD", tmp_path), pytest.raises(BudgetExceededError):
        aws.client(session, attempts=3).converse(**ASKED)
    assert session.calls == 1


async def test_an_awaited_call_is_settled_for_what_it_cost(tmp_path: Path) -> None:
    client = await aioaws.client(Wire(ANSWER, library="aiohttp"))
    with agoverned("1 USD", tmp_path) as house:
        assert (await client.converse(**ASKED))["usage"] == USAGE
        assert house.balance() == (COST, 0)


@pytest.mark.parametrize("operation", ["converse", "converse_stream"])
async def test_an_awaited_call_that_may_not_fit_is_never_sent(tmp_path: Path, operation: str) -> None:
    wire = Wire(ANSWER, library="aiohttp")
    client = await aioaws.client(wire)
    with agoverned("0.0001 USD", tmp_path) as house:
        with pytest.raises(BudgetExceededError):
            await getattr(client, operation)(**ASKED)
        assert house.balance() == (0, 0)
    assert wire.calls == 0


async def test_an_awaited_answer_that_was_lost_is_not_asked_for_again_where_both_would_not_fit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def at_once(endpoint: Any, seconds: float) -> None:
        pass

    monkeypatch.setattr("aiobotocore.endpoint.AioEndpoint._sleep", at_once)
    late = Reply(error=lambda request: error("aiohttp", "ReadTimeout", "late"))
    wire = Wire(late, ANSWER, library="aiohttp")
    client = await aioaws.client(wire, attempts=3)
    with agoverned("0.003 USD", tmp_path), pytest.raises(BudgetExceededError):
        await client.converse(**ASKED)
    assert wire.calls == 1


async def test_a_call_that_is_cancelled_while_it_waits_for_the_store_holds_nothing(tmp_path: Path) -> None:
    wire = Wire(ANSWER, library="aiohttp")
    client = await aioaws.client(wire)
    with agoverned("1 USD", tmp_path) as house:
        task = asyncio.ensure_future(client.converse(**ASKED))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        house.gate.aside.pool.submit(int).result()
        assert house.balance() == (0, 0)
    assert wire.calls == 0


def test_a_guardrail_is_never_refused_for_want_of_a_model_and_is_charged(tmp_path: Path) -> None:
    usage = {"topicPolicyUnits": 2, "contentPolicyUnits": 2, "sensitiveInformationPolicyUnits": 1}
    answer = Reply(json.dumps({"action": "NONE", "usage": usage}).encode(), headers=JSON)
    asked = {"guardrailIdentifier": "g", "guardrailVersion": "1", "source": "INPUT"}
    with governed("1 USD", tmp_path) as house:
        aws.client(aws.Session(answer)).apply_guardrail(**asked, content=[{"text": {"text": "x"}}])
        assert house.balance() == (4 * 150_000 + 100_000, 0)


def test_work_whose_price_nobody_knows_is_refused_as_any_call_without_one(tmp_path: Path) -> None:
    session = aws.Session(ANSWER)
    where = {"s3OutputDataConfig": {"s3Uri": "s3://bucket"}}
    with governed("1 USD", tmp_path), pytest.raises(BudgetExceededError):
        aws.client(session).start_async_invoke(
            modelId="amazon.nova-reel-v1:1", modelInput={"taskType": "TEXT_VIDEO"}, outputDataConfig=where
        )
    assert session.calls == 0


def meter(operation: str, params: dict[str, Any]) -> BedrockMeter:
    request = Request(operation, params)
    return BedrockMeter(request, Facts("aws.bedrock", "chat", "botocore", operation, params.get("modelId")))


def test_images_and_cache_points_are_in_the_worst_case() -> None:
    content = [
        {"text": "x"},
        {"image": {"format": "png", "source": {"bytes": b"123"}}},
        {"cachePoint": {"type": "default", "ttl": "1h"}},
    ]
    body = meter("Converse", {"messages": [{"role": "user", "content": content}]}).request_body()
    seen = walk(body, keep=False)
    assert (seen.images, seen.writes, seen.long_writes) == (1, True, True)


@pytest.mark.parametrize(
    ("model", "body", "capped"),
    [
        (MODEL, {"messages": [], "max_tokens": 9000}, {"messages": [], "max_tokens": 7}),
        (
            "amazon.nova-lite-v1:0",
            {"inferenceConfig": {"topP": 1}},
            {"inferenceConfig": {"topP": 1, "maxTokens": 7}},
        ),
        ("amazon.titan-text-lite-v1", {"inputText": "x"}, {"textGenerationConfig": {"maxTokenCount": 7}}),
        ("meta.llama3-8b-instruct-v1:0", {"prompt": "x"}, {"prompt": "x", "max_gen_len": 7}),
    ],
)
def test_a_cap_goes_where_the_models_family_has_it(
    model: str, body: dict[str, Any], capped: dict[str, Any]
) -> None:
    params = {"modelId": model, "body": json.dumps(body)}
    one = meter("InvokeModel", params)
    changed = one.capped(Request("InvokeModel", params), 7)
    assert json.loads(changed.params["body"]) == {**body, **capped}
    assert json.loads(params["body"]) == body, "the caller's own is left alone"


def test_a_cap_of_a_conversation_leaves_the_callers_arguments_alone() -> None:
    changed = meter("Converse", ASKED).capped(Request("Converse", ASKED), 7)
    assert output_cap(changed.params) == 7
    assert output_cap(ASKED) == 100
