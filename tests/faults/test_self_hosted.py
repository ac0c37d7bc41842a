"""Servers of one's own: OpenAI's interface through openai and raw HTTP, and their own, with their extras."""

from __future__ import annotations

from typing import Any

import pytest
from tests.faults.cases import Case, drained
from tests.faults.test_raw_http import raw, sent
from tests.support import replies
from tests.support.either import close, items, value
from tests.support.telemetry import buckets_of, instrumented
from tests.support.wire import JSON, SSE, Reply

HOSTS = {"vllm": "vllm", "sglang": "sglang", "llama": "llama_cpp", "tgi": "tgi"}


@pytest.fixture(autouse=True)
def named(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The hosts under their names, and raw HTTP."""
    lines = [f'"{host}.internal.example" = "{provider}"' for host, provider in HOSTS.items()]
    path = tmp_path / "tokenomics.toml"
    path.write_text("\n".join(["[http]", "raw = true", "[hosts]", *lines]))
    monkeypatch.setenv("OTEL_TOKENOMICS_CONFIG", str(path))


def vllm(prompt: int, output: int, cached: int | None = None) -> dict[str, Any]:
    """vLLM's usage."""
    details = None if cached is None else {"cached_tokens": cached}
    counts = {"prompt_tokens": prompt, "total_tokens": prompt + output, "completion_tokens": output}
    return {**counts, "prompt_tokens_details": details}


def continuous() -> list[dict[str, Any]]:
    """A stream of vLLM's with `continuous_usage_stats`: each event has the usage so far."""
    role, *others = replies.chat_chunks(("", "Dig ", "in ", "spring."))
    events = [{**role, "usage": vllm(9, 0)}]
    events += [{**event, "usage": vllm(9, number + 1)} for number, event in enumerate(others)]
    last = {**role, "choices": [], "usage": vllm(9, 4, 4)}
    return [*events, last]


def on(host: str, asynchronous: bool, *script: Reply, stream: bool = True) -> tuple[Case, Any]:
    """openai's client of a host of one's own."""
    case = Case("openai", asynchronous, stream)
    return case, case.client(case.wire(*script), base_url=f"http://{host}.internal.example:8000/v1")


@pytest.mark.parametrize("asynchronous", [False, True])
async def test_vllm_usage_that_is_repeated_is_not_summed(asynchronous: bool) -> None:
    with instrumented() as telemetry:
        case, client = on("vllm", asynchronous, Reply(replies.sse(continuous()), headers=SSE))
        await drained(case, client)
        record = telemetry.record()
    assert buckets_of(record) == {"input": 5, "cache_read": 4, "output": 4}
    assert record["tokenomics.usage.source"] == "provider"
    assert record["gen_ai.provider.name"] == "vllm"


@pytest.mark.parametrize("asynchronous", [False, True])
@pytest.mark.parametrize("read", [1, 3])
async def test_vllm_a_stream_that_is_left_has_used_what_it_said_last(asynchronous: bool, read: int) -> None:
    with instrumented() as telemetry:
        case, client = on("vllm", asynchronous, Reply(replies.sse(continuous()), headers=SSE))
        stream = await value(case.create(client))
        seen = 0
        async for _ in items(stream, asynchronous):
            seen += 1
            if seen == read:
                break
        await close(stream)
        record = telemetry.record()
    assert record["tokenomics.usage.source"] == "stream_partial"
    assert record["gen_ai.usage.input_tokens"] == 9


WAYS = ("httpx", "requests", "aiohttp-async")
LLAMA = {
    **replies.chat({"completion_tokens": 326, "prompt_tokens": 14, "total_tokens": 340}),
    "timings": {"cache_n": 13, "prompt_n": 1, "prompt_ms": 20.3, "predicted_n": 326, "predicted_ms": 3084.0},
}
PLAIN: dict[str, tuple[str, dict[str, Any], dict[str, int]]] = {
    "vllm": (
        "http://vllm.internal.example:8000/v1/chat/completions",
        replies.chat(vllm(9, 4, 4)),
        {"input": 5, "cache_read": 4, "output": 4},
    ),
    "sglang": (
        "http://sglang.internal.example:30000/generate",
        {
            "text": "Dig in spring.",
            "meta_info": {
                "id": "s1",
                "finish_reason": {"type": "stop"},
                "prompt_tokens": 9,
                "reasoning_tokens": 1,
                "completion_tokens": 4,
                "cached_tokens": 4,
            },
        },
        {"input": 5, "cache_read": 4, "output": 3, "reasoning": 1},
    ),
    "llama_cpp": (
        "http://llama.internal.example:8080/completion",
        {"content": "Dig.", "stop": True, "model": "qwen", "timings": LLAMA["timings"]},
        {"input": 1, "cache_read": 13, "output": 326},
    ),
    "llama_cpp-chat": (
        "http://llama.internal.example:8080/v1/chat/completions",
        LLAMA,
        {"input": 1, "cache_read": 13, "output": 326},
    ),
    "tgi": (
        "http://tgi.internal.example:3000/generate",
        {
            "generated_text": "Dig.",
            "details": {"finish_reason": "length", "generated_tokens": 4, "prefill": [{"id": 1}, {"id": 2}]},
        },
        {"input": 2, "output": 4},
    ),
    "tgi-chat": (
        "http://tgi.internal.example:3000/v1/chat/completions",
        replies.chat({"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13}),
        {"input": 9, "output": 4},
    ),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("server", PLAIN)
async def test_a_whole_answer(server: str, way: str) -> None:
    url, body, buckets = PLAIN[server]
    with raw() as telemetry:
        await sent(way, url, Reply(replies.dumps(body), headers=JSON), False)
        record = telemetry.record()
    assert buckets_of(record) == buckets
    assert record["gen_ai.provider.name"] == server.partition("-")[0]
    assert "gen_ai.usage.cost.amount" not in record


def _sglang() -> list[dict[str, Any]]:
    told = {"id": "s1", "prompt_tokens": 9, "cached_tokens": 4}
    events = []
    for number, text in enumerate(("Dig ", "Dig in ", "Dig in spring.")):
        finish = {"type": "stop"} if number == 2 else None
        info = {**told, "completion_tokens": number + 1, "finish_reason": finish}
        events.append({"text": text, "meta_info": info})
    return events


STREAMS: dict[str, tuple[str, list[dict[str, Any]], dict[str, int]]] = {
    "sglang": (
        "http://sglang.internal.example/generate",
        _sglang(),
        {"input": 5, "cache_read": 4, "output": 3},
    ),
    "llama_cpp": (
        "http://llama.internal.example/completion",
        [{"content": "Dig ", "stop": False}, {"content": "", "stop": True, "timings": LLAMA["timings"]}],
        {"input": 1, "cache_read": 13, "output": 326},
    ),
    "tgi": (
        "http://tgi.internal.example/generate_stream",
        [
            {"token": {"text": "Dig "}, "generated_text": None, "details": None},
            {"token": {"text": "in."}, "generated_text": "Dig in.", "details": {"generated_tokens": 2}},
        ],
        {"output": 2},
    ),
    "vllm": (
        "http://vllm.internal.example/v1/chat/completions",
        continuous(),
        {"input": 5, "cache_read": 4, "output": 4},
    ),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("server", STREAMS)
async def test_a_stream(server: str, way: str) -> None:
    url, events, buckets = STREAMS[server]
    with raw() as telemetry:
        await sent(way, url, Reply(replies.sse(events), headers=SSE), True)
        record = telemetry.record()
    assert buckets_of(record) == buckets
    assert record["tokenomics.usage.source"] == "provider"
