"""LiteLLM beside Claude, by which it is in the fault matrix: other providers, libraries, transports."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
from tests._required import require
from tests.support import replies
from tests.support.either import items, value
from tests.support.libraries import KITS, PROMPT
from tests.support.telemetry import buckets_of, instrumented
from tests.support.vendor_litellm import MODEL, handler_on, quiet
from tests.support.wire import JSON, Reply, Wire

from otel_tokenomics.adapters.litellm import LiteLLM


class Model(NamedTuple):
    """A model as LiteLLM names it, whose answers it gives, and who is behind its host."""

    name: str
    kit: str
    provider: str


MODELS = (
    Model("gemini/gemini-2.5-flash", "google-genai", "gcp.gemini"),
    Model("mistral/mistral-small-latest", "mistralai", "mistral_ai"),
    Model("groq/openai/gpt-oss-120b", "openai", "groq"),
    Model("deepseek/deepseek-chat", "openai", "deepseek"),
    Model("xai/grok-4", "openai", "x_ai"),
    Model("openrouter/openai/gpt-4o", "openai", "openrouter"),
    Model("ollama_chat/qwen3", "ollama", "ollama"),
)
CLAUDE = Model(MODEL, "litellm", "anthropic")
MODES = [(asynchronous, stream) for asynchronous in (False, True) for stream in (False, True)]
every_model = pytest.mark.parametrize("model", MODELS, ids=lambda model: model.provider)
every_mode = pytest.mark.parametrize(("asynchronous", "stream"), MODES)


@pytest.fixture(scope="module", autouse=True)
def litellm() -> Any:
    """The library, which is large."""
    require("litellm", "its own calls are not tested")
    module: Any = importlib.import_module("litellm")
    quiet(module)
    return module


def on(wire: Wire, asynchronous: bool) -> Any:
    """LiteLLM's own handler, on a wire."""
    return handler_on(wire.aclient() if asynchronous else wire.client())


async def called(litellm: Any, model: str, asynchronous: bool, stream: bool, **more: Any) -> list[Any]:
    """What the application is given: each answer or chunk, without what LiteLLM makes up."""
    method: Callable[..., Any] = litellm.acompletion if asynchronous else litellm.completion
    asked = {"model": model, "messages": PROMPT, "max_tokens": 64, "api_key": "none", "max_retries": 0}
    answer = await value(method(**{**asked, **more}, stream=stream))
    given = [chunk async for chunk in items(answer, asynchronous)] if stream else [answer]
    return [one.model_dump(exclude={"id", "created"}, warnings=False) for one in given]


def reply_of(kit: str, stream: bool) -> Reply:
    """A good answer."""
    told = KITS[kit]
    if stream:
        return Reply(list(told.pieces(told.usage)), headers=told.stream_headers)
    return Reply(told.whole(told.usage), headers=JSON)


@every_mode
@every_model
async def test_a_request_of_its_own_is_one_record(
    litellm: Any, model: Model, asynchronous: bool, stream: bool
) -> None:
    async def ask() -> list[Any]:
        wire = Wire(reply_of(model.kit, stream), library="httpx")
        client = on(wire, asynchronous)
        given = await called(litellm, model.name, asynchronous, stream, client=client)
        assert wire.calls == 1
        return given

    bare = await ask()
    with instrumented() as telemetry:
        assert await ask() == bare
        record = telemetry.record()
    assert buckets_of(record) == KITS[model.kit].buckets
    assert record["gen_ai.provider.name"] == model.provider
    assert len(telemetry.spans()) == 1


@every_mode
@pytest.mark.parametrize("libraries", [("openai",), ("openai", "litellm"), ("litellm",)], ids="+".join)
async def test_over_the_openai_library_its_calls_are_that_librarys(
    litellm: Any, asynchronous: bool, stream: bool, libraries: tuple[str, ...]
) -> None:
    kit = KITS["openai"]
    wire = Wire(reply_of("openai", stream), library=kit.http_of(asynchronous))
    client = kit.client(wire, asynchronous, {})
    with instrumented(*libraries) as telemetry:
        await called(litellm, "openai/gpt-4o", asynchronous, stream, client=client)
        assert wire.calls == 1
        records = telemetry.records()
    assert [buckets_of(record) for record in records] == [kit.buckets] * ("openai" in libraries)


@pytest.mark.parametrize("stream", [False, True])
async def test_over_aiohttp_to_a_server_of_ones_own(litellm: Any, stream: bool) -> None:
    web: Any = importlib.import_module("aiohttp.web")
    kit = KITS[CLAUDE.kit]
    body = b"".join(kit.pieces(kit.usage)) if stream else kit.whole(kit.usage)
    headers = dict(kit.stream_headers if stream else JSON)

    async def answer(request: Any) -> Any:
        return web.Response(body=body, headers=headers)

    app = web.Application()
    app.router.add_post("/{path:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    handlers: Any = importlib.import_module("litellm.llms.custom_httpx.http_handler")
    handler = handlers.AsyncHTTPHandler()
    assert type(handler.client._transport).__name__ == "LiteLLMAiohttpTransport"
    try:
        with instrumented() as telemetry:
            base = f"http://{host}:{port}"
            await called(litellm, CLAUDE.name, True, stream, client=handler, api_base=base)
            record = telemetry.record()
    finally:
        await handler.close()
        await runner.cleanup()
    assert buckets_of(record) == KITS[CLAUDE.kit].buckets
    assert record["server.port"] == port


@pytest.mark.parametrize("asynchronous", [False, True])
async def test_embeddings(litellm: Any, asynchronous: bool) -> None:
    body = {"id": "e1", "embeddings": {"float": [[0.5, 0.25]]}, "texts": ["Dig"]}
    billed = {**body, "meta": {"billed_units": {"input_tokens": 2}}}
    wire = Wire(Reply(replies.dumps(billed), headers=JSON), library="httpx")
    method = litellm.aembedding if asynchronous else litellm.embedding
    with instrumented() as telemetry:
        client = on(wire, asynchronous)
        await value(method("cohere/embed-v4.0", input=["Dig"], api_key="none", client=client, max_retries=0))
        record = telemetry.record()
    assert record["gen_ai.operation.name"] == "embeddings"
    assert buckets_of(record) == {"input": 2}


def test_what_it_calls_itself_may_be_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert LiteLLM().sign == "litellm/"
    monkeypatch.setenv("LITELLM_USER_AGENT", "gateway/7")
    assert LiteLLM().sign == "gateway/7"
