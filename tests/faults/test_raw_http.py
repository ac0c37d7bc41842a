"""Raw HTTP: what is sent to known hosts without a client library is recorded where it is asked for, once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import pytest
from tests.faults.cases import CASES, Case
from tests.support import replies
from tests.support.either import value
from tests.support.libraries import KITS
from tests.support.telemetry import Telemetry, buckets_of, instrumented
from tests.support.wire import JSON, Reply, Wire

from otel_tokenomics.wiring.raw_http import RawHTTPInstrumentor

OPENAI, ANTHROPIC = "https://api.openai.com/v1/", "https://api.anthropic.com/v1/"
GEMINI = "https://generativelanguage.googleapis.com/v1beta/models/gemini-2.5-flash:"


class Host(NamedTuple):
    """A host, what of it is called, the library whose answers it gives, and what is called for a stream."""

    provider: str
    plain: str
    kit: str
    streamed: str = ""


HOSTS = (
    Host("openai", OPENAI + "chat/completions", "openai"),
    Host("anthropic", ANTHROPIC + "messages", "anthropic"),
    Host(
        "gcp.gemini",
        GEMINI + "generateContent?key=secret",
        "google-genai",
        GEMINI + "streamGenerateContent?alt=sse&key=secret",
    ),
    Host("cohere", "https://api.cohere.com/v2/chat", "cohere"),
    Host("mistral_ai", "https://api.mistral.ai/v1/chat/completions", "mistralai"),
    Host("deepseek", "https://api.deepseek.com/chat/completions", "openai"),
    Host("ollama", "http://ollama.internal.example:11434/api/chat", "ollama"),
    Host(
        "ibm.watsonx.ai",
        "https://eu-de.ml.cloud.ibm.com/ml/v1/text/chat?version=2025-02-11",
        "ibm-watsonx-ai",
        "https://eu-de.ml.cloud.ibm.com/ml/v1/text/chat_stream?version=2025-02-11",
    ),
    Host("vllm", "http://gpu.internal.example:8000/v1/chat/completions", "openai"),
)
CONFIG = """[http]
raw = true
[hosts]
"ollama.internal.example" = "ollama"
"gpu.internal.example" = "vllm"
"""
WAYS = ("httpx", "httpx2", "requests", "httpx-async", "httpx2-async", "aiohttp-async")


@pytest.fixture
def asked_for(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Raw HTTP by the configuration file, with hosts of one's own."""
    path = tmp_path / "tokenomics.toml"
    path.write_text(CONFIG)
    monkeypatch.setenv("OTEL_TOKENOMICS_CONFIG", str(path))


@contextmanager
def raw(*libraries: str) -> Iterator[Telemetry]:
    """Raw HTTP instrumented, and the libraries."""
    with instrumented(*libraries) as telemetry:
        RawHTTPInstrumentor().instrument(**telemetry.providers)
        try:
            yield telemetry
        finally:
            RawHTTPInstrumentor().uninstrument()


async def sent(way: str, url: str, reply: Reply, stream: bool, **headers: str) -> bytes:
    """The body that the application reads, in the usual way of each HTTP library."""
    library, _, asynchronous = way.partition("-")
    wire = Wire(reply, library=library)
    body = {"model": "gpt-4o", "stream": stream, "messages": [{"role": "user", "content": "Dig?"}]}
    if library == "aiohttp":
        async with wire.aclient() as session, session.post(url, json=body, headers=headers) as response:
            return b"".join([data async for data in response.content.iter_any()])
    if library == "requests":
        response = wire.client().post(url, json=body, headers=headers, stream=stream)
        return b"".join(response.iter_content(None))
    if not asynchronous:
        with wire.client() as client, client.stream("POST", url, json=body, headers=headers) as response:
            return b"".join(response.iter_bytes())
    async with wire.aclient() as client, client.stream("POST", url, json=body, headers=headers) as response:
        return b"".join([data async for data in response.aiter_bytes()])


def reply_of(host: Host, stream: bool) -> Reply:
    """A good answer of a host."""
    kit = KITS[host.kit]
    if stream:
        return Reply(list(kit.pieces(kit.usage)), headers=kit.stream_headers)
    return Reply(kit.whole(kit.usage), headers=JSON)


@pytest.mark.usefixtures("asked_for")
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("host", HOSTS, ids=lambda host: host.provider)
async def test_a_request_to_a_known_host_is_one_record(host: Host, way: str, stream: bool) -> None:
    url, reply = host.streamed if stream and host.streamed else host.plain, reply_of(host, stream)
    bare = await sent(way, url, reply, stream)
    with raw() as telemetry:
        assert await sent(way, url, reply, stream) == bare
        record = telemetry.record()
    assert buckets_of(record) == KITS[host.kit].buckets
    assert record["gen_ai.provider.name"] == host.provider
    assert record["tokenomics.usage.source"] == "provider"
    assert len(telemetry.spans()) == 1
    assert "secret" not in str(record) + str(dict(telemetry.spans()[0].attributes or {}))


@pytest.mark.parametrize("way", WAYS)
async def test_nothing_is_recorded_unless_it_is_asked_for(way: str) -> None:
    with raw() as telemetry:
        await sent(way, HOSTS[0].plain, reply_of(HOSTS[0], False), False)
        assert (telemetry.records(), telemetry.spans()) == ([], [])


@pytest.mark.usefixtures("asked_for")
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    "url",
    [
        "https://example.com/v1/chat/completions",
        "https://api.openai.com.evil.example/v1/chat/completions",
        "https://api.openai.com/v1/files",
        "https://bedrock-runtime.us-east-1.amazonaws.com/model/m/converse",
    ],
)
async def test_other_requests_are_none_of_ours(way: str, url: str) -> None:
    with raw() as telemetry:
        await sent(way, url, reply_of(HOSTS[0], False), False)
        assert (telemetry.records(), telemetry.spans()) == ([], [])


@pytest.mark.parametrize("case", [case for case in CASES if not case.stream], ids=str)
async def test_a_call_of_a_client_library_is_counted_once(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_TOKENOMICS_RAW_HTTP", "true")
    with raw() as telemetry:
        await value(case.create(case.client(case.wire(case.reply()))))
        assert buckets_of(telemetry.record()) == case.kit.buckets
        assert len(telemetry.spans()) == 1


async def test_a_library_that_is_switched_off_is_seen_as_raw_http(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_TOKENOMICS_RAW_HTTP", "true")
    case = next(case for case in CASES if case.library == "openai")
    with raw("cohere") as telemetry:
        await value(case.create(case.client(case.wire(case.reply()))))
        assert buckets_of(telemetry.record()) == case.kit.buckets


async def test_a_stream_that_was_not_asked_for_usage_is_counted_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_TOKENOMICS_RAW_HTTP", "true")
    silent = Reply(replies.sse(replies.chat_chunks()), headers=KITS["openai"].stream_headers)
    with raw() as telemetry:
        await sent("httpx2", HOSTS[0].plain, silent, True)
        record = telemetry.record()
    assert record["tokenomics.usage.source"] == "tokenizer"
    assert record["gen_ai.usage.input_tokens"] > 0


async def test_it_is_off_when_the_one_switch_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_TOKENOMICS_RAW_HTTP", "true")
    monkeypatch.setenv("OTEL_TOKENOMICS_DISABLED", "true")
    with raw() as telemetry:
        await sent("requests", HOSTS[0].plain, reply_of(HOSTS[0], False), False)
        assert telemetry.records() == []
