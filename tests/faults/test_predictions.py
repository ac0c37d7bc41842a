"""replicate: a prediction is asked for until it ends, and counted once, by what it says of itself then."""

from __future__ import annotations

import importlib
from typing import Any

import pytest
from tests.faults.cases import Case
from tests.support import replies
from tests.support.either import value
from tests.support.telemetry import buckets_of, instrumented
from tests.support.vendors_plain import VERSION, prediction
from tests.support.wire import JSON, Reply

CASES = [Case("replicate", asynchronous, False) for asynchronous in (False, True)]
both = pytest.mark.parametrize("case", CASES, ids=str)


def reply(status: str, number: str, **metrics: float) -> Reply:
    return Reply(replies.dumps(prediction(metrics or None, status, id=number)), 201, JSON)


@both
@pytest.mark.parametrize("status", ["succeeded", "failed", "canceled"])
async def test_a_prediction_that_is_waited_for_is_counted_once(case: Case, status: str) -> None:
    number = f"{status}-{case.asynchronous}"
    script = (
        reply("starting", number),
        reply("processing", number),
        reply(status, number, predict_time=1.2345),
    )
    with instrumented() as telemetry:
        client = case.client(case.wire(*script))
        made = await value(case.create(client))
        wait, reload = ("async_wait", "async_reload") if case.asynchronous else ("wait", "reload")
        await value(getattr(made, wait)())
        await value(getattr(made, reload)())
        record = telemetry.record()
    assert buckets_of(record) == {"compute.ms": 1234}
    assert record["gen_ai.response.id"] == number
    assert record["gen_ai.response.model"] == "meta/meta-llama-3-8b-instruct"


@both
async def test_run_is_counted_once(case: Case) -> None:
    number = f"run-{case.asynchronous}"
    script = reply("starting", number), reply("succeeded", number, input_token_count=7, output_token_count=3)
    with instrumented() as telemetry:
        client = case.client(case.wire(*script))
        run: Any = client.async_run if case.asynchronous else client.run
        seen = await value(run("meta/llama", input={"prompt": "Dig?"}, wait=False))
        assert seen is not None
        record = telemetry.record()
    assert buckets_of(record) == {"input": 7, "output": 3}


def test_a_model_is_named_by_the_path() -> None:
    adapter = importlib.import_module("otel_tokenomics.adapters.replicate").Replicate()
    import httpx

    for path, model in (("models/meta/llama/predictions", "meta/llama"), ("predictions", VERSION)):
        asked = httpx.Request("POST", f"https://api.replicate.com/v1/{path}", json={"version": VERSION})
        facts = adapter.facts(None, asked, False)
        assert (facts.request_model, facts.provider) == (model, "replicate")
