"""The `ibm-watsonx-ai` library beside chat, which is in the fault matrix: generation, rerank, gateway, IAM.

The bodies are written after https://cloud.ibm.com/apidocs/watsonx-ai.
"""

from __future__ import annotations

import base64
import importlib
import json
import time
from pathlib import Path
from typing import Any

import pytest
from tests._required import require
from tests.support.either import items, value
from tests.support.replies import GPT, chat, chat_chunks, dumps, sse
from tests.support.telemetry import buckets_of, instrumented
from tests.support.vendor_watsonx import MODEL, URL, USAGE, api_client
from tests.support.wire import JSON, SSE, Reply, Wire

each_way = pytest.mark.parametrize("asynchronous", [False, True])
HEAD = {"model_id": MODEL, "created_at": "2026-05-04T14:29:19.162Z"}


@pytest.fixture(autouse=True)
def installed() -> None:
    require("ibm_watsonx_ai", "its calls are not tested")


def model_on(wire: Wire, asynchronous: bool = False, **options: Any) -> Any:
    """A model over a wire."""
    module: Any = importlib.import_module("ibm_watsonx_ai.foundation_models")
    client = api_client(wire.aclient() if asynchronous else wire.client())
    settings = {"validate": False, "max_retries": 0, **(options or {"model_id": MODEL})}
    return module.ModelInference(api_client=client, **settings)


def generated(text: str, count: int, asked: int, stop: str = "not_finished") -> dict[str, Any]:
    """A body of generation, or an event of its stream."""
    result = {"generated_text": text, "generated_token_count": count, "input_token_count": asked}
    return {**HEAD, "results": [{**result, "stop_reason": stop}]}


WHOLE = Reply(dumps(generated("Dig in spring.", 4, 9, "eos_token")), headers=JSON)
EVENTS = [
    generated("", 0, 9),
    generated("Dig ", 2, 0),
    generated("in spring.", 4, 0, "max_tokens"),
]


@each_way
async def test_generation(asynchronous: bool) -> None:
    wire = Wire(WHOLE, library="httpx")
    with instrumented() as telemetry:
        model = model_on(wire, asynchronous)
        told = await value(
            model.agenerate("When do I dig?") if asynchronous else model.generate("When do I dig?")
        )
        record = telemetry.record()
    assert told["results"][0]["generated_text"] == "Dig in spring."
    assert buckets_of(record) == {"input": 9, "output": 4}
    assert record["gen_ai.operation.name"] == "text_completion"
    assert record["gen_ai.provider.name"] == "ibm.watsonx.ai"
    assert record["gen_ai.request.model"] == record["gen_ai.response.model"] == MODEL


@each_way
async def test_a_stream_of_generation_counts_its_output_up_and_its_input_once(asynchronous: bool) -> None:
    wire = Wire(Reply(sse(EVENTS, done=False), headers=SSE), library="httpx")
    with instrumented() as telemetry:
        model = model_on(wire, asynchronous)
        stream = (
            await model.agenerate_stream("When do I dig?")
            if asynchronous
            else model.generate_text_stream("When do I dig?", raw_response=True)
        )
        seen = [event async for event in items(stream, asynchronous)]
        record = telemetry.record()
    assert len(seen) == len(EVENTS)
    assert buckets_of(record) == {"input": 9, "output": 4}
    assert record["tokenomics.usage.source"] == "provider"


async def test_a_stream_that_breaks_has_what_it_counted_so_far() -> None:
    wire = Wire(Reply([*sse(EVENTS[:2], done=False)], headers=SSE), library="httpx")
    with instrumented() as telemetry:
        list(model_on(wire).generate_text_stream("When do I dig?"))
        record = telemetry.record()
    assert buckets_of(record)["input"] == 9
    assert buckets_of(record)["output"] >= 2
    assert record["tokenomics.usage.source"] != "provider"


def test_a_deployment_is_known_by_the_model_that_answers() -> None:
    wire = Wire(WHOLE, library="httpx")
    with instrumented() as telemetry:
        model_on(wire, deployment_id="d1").generate("When do I dig?")
        record = telemetry.record()
    assert wire.requests[0].url.path == "/ml/v1/deployments/d1/text/generation"
    assert record["gen_ai.response.model"] == MODEL
    assert "gen_ai.request.model" not in record


@each_way
async def test_embeddings(asynchronous: bool) -> None:
    body = {**HEAD, "results": [{"embedding": [0.25, 0.5]}], "input_token_count": 7}
    wire = Wire(Reply(dumps(body), headers=JSON), library="httpx")
    module: Any = importlib.import_module("ibm_watsonx_ai.foundation_models")
    with instrumented() as telemetry:
        client = api_client(wire.aclient() if asynchronous else wire.client())
        model = module.Embeddings(model_id=MODEL, api_client=client, project_id=client.default_project_id)
        await value(model.agenerate(["dig"]) if asynchronous else model.generate(["dig"]))
        record = telemetry.record()
    assert buckets_of(record) == {"input": 7}
    assert record["gen_ai.operation.name"] == "embeddings"


def test_rerank_counts_its_input() -> None:
    body = {**HEAD, "results": [{"index": 0, "score": 0.75}], "input_token_count": 12}
    wire = Wire(Reply(dumps(body), headers=JSON), library="httpx")
    rerank: Any = importlib.import_module("ibm_watsonx_ai.foundation_models.rerank")
    with instrumented() as telemetry:
        client = api_client(wire.client())
        model = rerank.Rerank(model_id=MODEL, api_client=client, project_id=client.default_project_id)
        assert model.generate("When do I dig?", ["In spring."])["results"] == body["results"]
        record = telemetry.record()
    assert buckets_of(record) == {"input": 12}
    assert record["gen_ai.operation.name"] == "rerank"
    assert record["gen_ai.request.model"] == MODEL


def test_a_transcription_is_a_record_without_counts_that_are_not_told(tmp_path: Path) -> None:
    audio = tmp_path / "dig.wav"
    audio.write_bytes(b"RIFF")
    wire = Wire(Reply(dumps({"text": "Dig in spring."}), headers=JSON), library="httpx")
    inference: Any = importlib.import_module(
        "ibm_watsonx_ai.foundation_models.inference.audio_model_inference"
    )
    with instrumented() as telemetry:
        model = inference.AudioModelInference(
            model="openai/whisper-tiny", api_client=api_client(wire.client())
        )
        assert model.transcribe(audio) == {"text": "Dig in spring."}
        record = telemetry.record()
    assert record["gen_ai.operation.name"] == "transcription"
    assert record["tokenomics.usage.source"] == "missing"
    assert buckets_of(record) == {}, "unknown is not zero"
    assert "gen_ai.usage.cost.amount" not in record


CHAT = {"messages": [{"role": "user", "content": "When do I dig?"}]}
COMPLETION = {
    "id": "cmpl-1",
    "object": "text_completion",
    "created": 1,
    "model": GPT,
    "usage": USAGE,
    "choices": [{"index": 0, "text": "Dig in spring.", "finish_reason": "stop", "logprobs": None}],
}
EMBEDDED = {
    "object": "list",
    "model": GPT,
    "usage": {"prompt_tokens": 7, "total_tokens": 7},
    "data": [{"object": "embedding", "index": 0, "embedding": [0.25, 0.5]}],
}


@each_way
@pytest.mark.parametrize(
    ("owner", "asked", "told", "operation", "buckets"),
    [
        ("chat.completions", CHAT, chat(USAGE), "chat", {"input": 100, "output": 20}),
        ("completions", {"prompt": "Dig"}, COMPLETION, "text_completion", {"input": 100, "output": 20}),
        ("embeddings", {"input": "Dig"}, EMBEDDED, "embeddings", {"input": 7}),
    ],
    ids=["chat", "completions", "embeddings"],
)
async def test_the_gateway(
    asynchronous: bool, owner: str, asked: dict[str, Any], told: Any, operation: str, buckets: dict[str, int]
) -> None:
    with instrumented() as telemetry:
        create = gateway_on(Wire(Reply(dumps(told), headers=JSON), library="httpx"), owner, asynchronous)
        answer = await value(create(model=GPT, **asked))
        record = telemetry.record()
    assert answer["model"] == GPT
    assert buckets_of(record) == buckets
    assert record["gen_ai.operation.name"] == operation
    assert record["gen_ai.provider.name"] == "ibm.watsonx.ai"


@each_way
async def test_a_stream_of_the_gateway(asynchronous: bool) -> None:
    events = chat_chunks(usage=USAGE)
    with instrumented() as telemetry:
        wire = Wire(Reply(sse(events), headers=SSE), library="httpx")
        create = gateway_on(wire, "chat.completions", asynchronous)
        stream = await value(create(model=GPT, stream=True, **CHAT))
        assert [event async for event in items(stream, asynchronous)] == events
        record = telemetry.record()
    assert buckets_of(record) == {"input": 100, "output": 20}
    assert record["gen_ai.request.stream"] is True


def gateway_on(wire: Wire, owner: str, asynchronous: bool) -> Any:
    """A method of the model gateway, over a wire."""
    made: Any = importlib.import_module("ibm_watsonx_ai.gateway").Gateway(
        api_client=api_client(wire.aclient() if asynchronous else wire.client())
    )
    for name in owner.split("."):
        made = getattr(made, name)
    return made.acreate if asynchronous else made.create


def test_what_counts_tokens_is_free() -> None:
    wire = Wire(Reply(dumps({**HEAD, "result": {"token_count": 4}}), headers=JSON), library="httpx")
    with instrumented() as telemetry:
        model_on(wire).tokenize("When do I dig?")
        record = telemetry.record()
    assert record["gen_ai.operation.name"] == "count_tokens"
    assert record["gen_ai.usage.cost.amount"] == 0


def token() -> str:
    """A token as IAM gives one: three parts, the second of which says when it ends."""
    middle = base64.urlsafe_b64encode(json.dumps({"exp": int(time.time()) + 3600}).encode()).decode()
    return f"none.{middle.rstrip('=')}.none"


def test_a_token_of_iam_is_no_call() -> None:
    library: Any = importlib.import_module("ibm_watsonx_ai")
    foundation: Any = importlib.import_module("ibm_watsonx_ai.foundation_models")
    wire = Wire(
        Reply(dumps({"access_token": token(), "expires_in": 3600}), headers=JSON), WHOLE, library="httpx"
    )
    with instrumented() as telemetry:
        client = library.APIClient(library.Credentials(url=URL, api_key="secret"), httpx_client=wire.client())
        client.default_project_id = "p1"
        foundation.ModelInference(model_id=MODEL, api_client=client, validate=False).generate("Dig?")
        record = telemetry.record()
    assert [request.url.host for request in wire.requests] == ["iam.cloud.ibm.com", URL.partition("//")[2]]
    assert len(telemetry.spans()) == 1
    assert "secret" not in str(record) + str(dict(telemetry.spans()[0].attributes or {}))


def test_an_attempt_that_is_refused_and_tried_again_is_one_record() -> None:
    wire = Wire(
        Reply(b'{"errors":[{"code":"rate_limit","message":"no"}]}', 429, JSON), WHOLE, library="httpx"
    )
    with instrumented() as telemetry:
        model = model_on(wire, model_id=MODEL, max_retries=1, delay_time=0.001)
        model.generate("When do I dig?")
        record = telemetry.record()
    assert wire.calls == 2
    assert buckets_of(record) == {"input": 9, "output": 4}
