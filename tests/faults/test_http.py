"""The seam at the HTTP library: what an application does to its client is untouched, and counted once."""

from __future__ import annotations

import asyncio
import importlib
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from tests.faults.cases import CASES, Case, Transcript, call, chain, differential, dumped, told
from tests.support.either import items, value
from tests.support.telemetry import buckets_of, instrumented
from tests.support.wire import Reply, Wire

from otel_tokenomics.wiring.libraries import LIBRARIES

SEEN = [case for case in CASES if LIBRARIES[case.kit.distribution].kind == "http"]
HTTPX = ("httpx", "httpx2")
MADE = ("ollama", "huggingface-hub", "replicate")
OWN_CLIENT = [case for case in SEEN if case.library not in MADE and case.http in HTTPX]
"""Those that are given an HTTP client as it is: of the others one takes its transport, one a factory."""
seen = pytest.mark.parametrize("case", SEEN, ids=str)
own_client = pytest.mark.parametrize("case", OWN_CLIENT, ids=str)


class Given(Wire):
    """A wire whose HTTP clients are made by the test."""

    def __init__(self, case: Case, make: Any, *script: Reply) -> None:
        super().__init__(*script, library=case.http)
        self._make = make

    def client(self, **kwargs: Any) -> Any:
        return self._make(self.http.Client, self.http.MockTransport(self._answer))

    def aclient(self, **kwargs: Any) -> Any:
        return self._make(self.http.AsyncClient, self.http.MockTransport(self._aanswer))


async def alike(case: Case, make: Any, *script: Reply, act: Any = call) -> Any:
    """Run with the client that `make` makes, bare and instrumented: the same is seen. The telemetry."""

    async def run() -> tuple[Transcript, list[str]]:
        wire = Given(case, make, *script)
        return await act(case, case.client(wire)), [str(request.url) for request in wire.requests]

    bare = await run()
    with instrumented() as telemetry:
        assert await run() == bare
        for _ in range(3):
            await asyncio.sleep(0)
        telemetry.records()
    return telemetry


@own_client
async def test_a_client_with_a_send_of_its_own(case: Case) -> None:
    passed: list[str] = []

    def make(base: Any, transport: Any) -> Any:
        if base.__name__ == "Client":

            class Client(base):  # type: ignore[misc]
                def send(self, request: Any, **kwargs: Any) -> Any:
                    passed.append(request.method)
                    return super().send(request, **kwargs)

            return Client(transport=transport)

        class AsyncClient(base):  # type: ignore[misc]
            async def send(self, request: Any, **kwargs: Any) -> Any:
                passed.append(request.method)
                return await super().send(request, **kwargs)

        return AsyncClient(transport=transport)

    telemetry = await alike(case, make, case.reply())
    assert passed == ["POST", "POST"], "once bare, once instrumented"
    assert buckets_of(telemetry.record()) == case.kit.buckets


@own_client
async def test_a_transport_that_asks_another_client_counts_once(case: Case) -> None:
    def make(base: Any, transport: Any) -> Any:
        inner = base(transport=transport)
        module: Any = importlib.import_module(case.http)

        class Onward(module.BaseTransport, module.AsyncBaseTransport):  # type: ignore[misc]
            def handle_request(self, request: Any) -> Any:
                return inner.send(request, stream=True)

            async def handle_async_request(self, request: Any) -> Any:
                return await inner.send(request, stream=True)

        return base(mounts={"all://": Onward()})

    telemetry = await alike(case, make, case.reply())
    assert buckets_of(telemetry.record()) == case.kit.buckets


@own_client
async def test_hooks_run_as_before_and_may_read_the_stream(case: Case) -> None:
    heard: list[Any] = []

    def make(base: Any, transport: Any) -> Any:
        def sync_hook(response: Any) -> None:
            heard.append(len(response.read()))

        async def async_hook(response: Any) -> None:
            heard.append(len(await response.aread()))

        hook = async_hook if case.asynchronous else sync_hook
        return base(transport=transport, event_hooks={"response": [hook]})

    telemetry = await alike(case, make, case.reply())
    assert len(heard) == 2
    assert heard[0] == heard[1] > 0
    assert buckets_of(telemetry.record()) == case.kit.buckets
    assert telemetry.record()["tokenomics.usage.source"] == "provider"


@own_client
async def test_an_exception_of_a_hook_is_the_same_object(case: Case) -> None:
    mine = LookupError("mine")

    def make(base: Any, transport: Any) -> Any:
        def sync_hook(request: Any) -> None:
            raise mine

        async def async_hook(request: Any) -> None:
            raise mine

        hook = async_hook if case.asynchronous else sync_hook
        return base(transport=transport, event_hooks={"request": [hook]})

    async def act(case: Case, client: Any) -> Transcript:
        try:
            await call(case, client)
            result = await value(case.create(client))
            return [dumped(one) async for one in items(result, case.asynchronous)]
        except Exception as error:
            return [error is mine, mine in chain(error), told(error)]

    telemetry = await alike(case, make, case.reply(), act=act)
    assert all(not buckets_of(record) for record in telemetry.records())


@own_client
async def test_covers_that_a_hook_puts_on_the_response_stay(case: Case) -> None:
    if not case.stream:
        pytest.skip("only a stream is covered")
    passed: list[int] = []

    def make(base: Any, transport: Any) -> Any:
        def cover(response: Any) -> None:
            under = response.iter_bytes
            response.iter_bytes = lambda *args: _counting(under(*args), passed)

        async def acover(response: Any) -> None:
            under = response.aiter_bytes
            response.aiter_bytes = lambda *args: _acounting(under(*args), passed)

        hooks = {"response": [acover if case.asynchronous else cover]}
        return base(transport=transport, event_hooks=hooks)

    telemetry = await alike(case, make, case.reply())
    half = len(passed) // 2
    assert passed[:half] == passed[half:] != []
    assert buckets_of(telemetry.record()) == case.kit.buckets


def _counting(source: Any, passed: list[int]) -> Iterator[bytes]:
    for data in source:
        passed.append(len(data))
        yield data


async def _acounting(source: Any, passed: list[int]) -> Any:
    async for data in source:
        passed.append(len(data))
        yield data


@own_client
async def test_a_redirect_that_is_followed_is_one_call(case: Case) -> None:
    def make(base: Any, transport: Any) -> Any:
        return base(transport=transport, follow_redirects=True)

    away = Reply(b"", 307, {"location": "https://elsewhere.example/v1/chat"})
    telemetry = await alike(case, make, away, case.reply())
    assert buckets_of(telemetry.record()) == case.kit.buckets


@own_client
async def test_a_redirect_that_is_not_followed_is_not_billed(case: Case) -> None:
    def make(base: Any, transport: Any) -> Any:
        return base(transport=transport, follow_redirects=False)

    away = Reply(b"", 307, {"location": "https://elsewhere.example/v1/chat"})
    telemetry = await alike(case, make, away)
    assert all(not buckets_of(record) for record in telemetry.records())
    assert telemetry.metrics().get("gen_ai.client.token.usage", {}) == {}


@pytest.mark.parametrize("library", HTTPX)
@pytest.mark.parametrize("agent", ["mycohere/1.0", "x-ollama-python/2", "python-httpx/0.28", "", "hf_hubs/1"])
async def test_somebody_elses_requests_are_none_of_ours(library: str, agent: str) -> None:
    with instrumented() as telemetry:
        wire = Wire(Reply(b'{"usage":{"prompt_tokens":1}}'), library=library)
        for path in ("chat", "chat/completions", "api/chat"):
            url, headers = f"https://example.com/v1/{path}", {"user-agent": agent}
            wire.client().post(url, json={"model": "m"}, headers=headers)
            await wire.aclient().post(url, json={"model": "m"}, headers=headers)
        assert wire.calls == 6
        assert (telemetry.records(), telemetry.spans()) == ([], [])


@pytest.mark.parametrize("case", [case for case in CASES if case.library in ("openai", "anthropic")], ids=str)
async def test_a_call_that_passes_both_seams_is_counted_once(case: Case) -> None:
    signs = "mistral-client-python/1 cohere/5 google-genai-sdk/1 hf_hub/1 ollama-python/1"
    telemetry = await differential(case, case.reply(), default_headers={"user-agent": signs})
    assert buckets_of(telemetry.record()) == case.kit.buckets
    assert len(telemetry.spans()) == 1


async def test_a_task_that_a_call_left_behind_makes_calls_of_its_own() -> None:
    case = next(case for case in SEEN if case.library == "cohere" and case.asynchronous and not case.stream)
    gate, tasks = asyncio.Event(), []

    async def later(client: Any) -> None:
        await gate.wait()
        await case.create(client)

    with instrumented() as telemetry:
        other = case.client(case.wire(case.reply()))

        def leave() -> None:
            tasks.append(asyncio.ensure_future(later(other)))

        answer = case.reply()
        await case.create(case.client(case.wire(Reply(answer.body, headers=answer.headers, before=leave))))
        gate.set()
        await asyncio.gather(*tasks)
        assert [buckets_of(record) for record in telemetry.records()] == [case.kit.buckets] * 2


@pytest.mark.parametrize("library", HTTPX)
@pytest.mark.parametrize("name", ("Client", "AsyncClient"))
def test_a_wrapper_that_was_taken_out_of_the_chain_is_put_back(library: str, name: str) -> None:
    owner = getattr(importlib.import_module(library), name)
    original = vars(owner)["send"]
    with instrumented():
        ours = vars(owner)["send"]
        assert ours is not original
        owner.send = lambda *args, **kwargs: ours(*args, **kwargs)
    owner.send = original
    with instrumented():
        assert vars(owner)["send"] is not original
    assert vars(owner)["send"] is original


def test_an_http_library_that_is_imported_later_is_patched_too() -> None:
    script = """
import sys
from otel_tokenomics.wiring import instrumentors
instrumentors.OllamaInstrumentor().instrument()
import ollama
late = [name for name in ("httpx", "httpx2") if name not in sys.modules]
import httpx, httpx2
kinds = [kind for library in (httpx, httpx2) for kind in (library.Client, library.AsyncClient)]
print(late, [hasattr(kind.send, "__wrapped__") for kind in kinds])
"""
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "['httpx2'] [True, True, True, True]"
