"""`vertexai.generative_models` and the clients below it, against a real gRPC server on the loopback.

The library is large: `make vertexai` has it in an environment of its own.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Iterator
from concurrent import futures
from contextlib import asynccontextmanager, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest
from tests.budgets._calls import governed
from tests.support.either import close, items, value
from tests.support.telemetry import Telemetry, buckets_of, instrumented

from otel_tokenomics import BudgetExceededError
from otel_tokenomics.adapters.vertex import Asked, VertexAI, VertexMeter
from otel_tokenomics.flow import guard
from otel_tokenomics.wiring import gapic
from otel_tokenomics.wiring.libraries import LIBRARIES

grpc: Any = pytest.importorskip("grpc")
aiplatform: Any = pytest.importorskip(
    "google.cloud.aiplatform_v1", reason="google-cloud-aiplatform is not in this environment: `make vertexai`"
)
services: Any = pytest.importorskip("google.cloud.aiplatform_v1.services.prediction_service")
transports: Any = pytest.importorskip(
    "google.cloud.aiplatform_v1.services.prediction_service.transports.grpc_asyncio"
)

FLASH = "gemini-2.5-flash"
MODEL = f"projects/p/locations/us-central1/publishers/google/models/{FLASH}"
SERVICE = "google.cloud.aiplatform.v1.PredictionService"
USAGE = {
    "prompt_token_count": 100,
    "cached_content_token_count": 40,
    "candidates_token_count": 15,
    "thoughts_token_count": 5,
    "total_token_count": 120,
}
BUCKETS = {"input": 60, "cache_read": 40, "output": 15, "reasoning": 5}
COST = "0.0000692"
"""USD of that by gemini-2.5-flash, for a million tokens: 60 x 0.30, 40 x 0.03 and 20 x 2.50."""


def said(text: str, usage: Any = None, ended: bool = False) -> Any:
    """A message of the server's."""
    candidate: dict[str, Any] = {"content": {"role": "model", "parts": [{"text": text}]}}
    if ended:
        candidate["finish_reason"] = "STOP"
    told = {"candidates": [candidate], "model_version": FLASH, "response_id": "r1"}
    return aiplatform.GenerateContentResponse({**told, "usage_metadata": usage} if usage else told)


WHOLE = [said("Dig in spring.", USAGE, ended=True)]
EARLY = {"prompt_token_count": 100, "total_token_count": 100}
CHUNKS = [said("Dig ", EARLY), said("in ", EARLY), said("spring.", USAGE, ended=True)]


class Server(grpc.GenericRpcHandler):  # type: ignore[misc]
    """Answers with what it is told to, a message or a stream of them, or with an error."""

    def __init__(self) -> None:
        self.messages: list[Any] = []
        self.asked: list[Any] = []

    def service(self, call: Any) -> Any:
        """The handler of a method."""
        codec = {
            "request_deserializer": aiplatform.GenerateContentRequest.deserialize,
            "response_serializer": aiplatform.GenerateContentResponse.serialize,
        }
        if call.method == f"/{SERVICE}/GenerateContent":
            return grpc.unary_unary_rpc_method_handler(self._whole, **codec)
        return grpc.unary_stream_rpc_method_handler(self._streamed, **codec)

    def _whole(self, request: Any, context: Any) -> Any:
        return next(iter(self._streamed(request, context)))

    def _streamed(self, request: Any, context: Any) -> Iterator[Any]:
        self.asked.append(request)
        yield from self.messages


@pytest.fixture
def server() -> Iterator[Server]:
    """A server; its address is `address`."""
    made: Any = Server()
    running = grpc.server(futures.ThreadPoolExecutor(2), handlers=(made,))
    made.address = f"127.0.0.1:{running.add_insecure_port('127.0.0.1:0')}"
    running.start()
    yield made
    running.stop(None).wait()


@pytest.fixture(params=[False, True], ids=["sync", "async"])
def asynchronous(request: pytest.FixtureRequest) -> bool:
    """Whether the client is awaited."""
    return bool(request.param)


@asynccontextmanager
async def client_of(server: Any, asynchronous: bool) -> AsyncIterator[Any]:
    """A client of the server's."""
    if asynchronous:
        channel = grpc.aio.insecure_channel(server.address)
        transport = transports.PredictionServiceGrpcAsyncIOTransport(channel=channel)
        yield services.PredictionServiceAsyncClient(transport=transport)
        await channel.close()
    else:
        with grpc.insecure_channel(server.address) as channel:
            kind = services.PredictionServiceClient.get_transport_class("grpc")
            yield services.PredictionServiceClient(transport=kind(channel=channel))


@contextmanager
def seen() -> Iterator[Telemetry]:
    """The library instrumented; no fault of ours may pass."""
    before = guard.faults()
    with instrumented("google-cloud-aiplatform") as told:
        yield told
    assert guard.faults() == before


def question(kind: str) -> dict[str, Any]:
    """The arguments of a call, in each of the ways in which they may be given."""
    contents = [{"role": "user", "parts": [{"text": "When do I dig?"}]}]
    body = {"model": MODEL, "contents": contents}
    if kind == "message":
        return {"request": aiplatform.GenerateContentRequest(body)}
    return (
        {"request": body}
        if kind == "object"
        else {"model": MODEL, "contents": [aiplatform.Content(contents[0])]}
    )


WAYS = pytest.mark.parametrize("way", ["message", "object", "flat"])


@WAYS
async def test_an_answer_is_a_record(way: str, server: Server, asynchronous: bool) -> None:
    server.messages = WHOLE
    async with client_of(server, asynchronous) as client:
        bare = await value(client.generate_content(**question(way)))
        with seen() as telemetry:
            assert await value(client.generate_content(**question(way))) == bare
            record = telemetry.record()
    assert server.asked[0] == server.asked[1]
    assert buckets_of(record) == BUCKETS
    assert record["gen_ai.operation.name"] == "chat"
    assert record["gen_ai.provider.name"] == "gcp.vertex_ai"
    assert (record["gen_ai.request.model"], record["gen_ai.response.model"]) == (FLASH, FLASH)
    assert record["gen_ai.response.id"] == "r1"
    assert record["tokenomics.cost.exact"] == COST
    assert record["http.response.status_code"] == 200


@WAYS
async def test_a_stream_is_a_record(way: str, server: Server, asynchronous: bool) -> None:
    server.messages = CHUNKS
    async with client_of(server, asynchronous) as client:
        with seen() as telemetry:
            stream = await value(client.stream_generate_content(**question(way)))
            assert type(stream).__name__ in ("_StreamingResponseIterator", "_WrappedUnaryStreamCall")
            assert [message async for message in items(stream)] == CHUNKS
            record = telemetry.record()
    assert buckets_of(record) == BUCKETS
    assert record["tokenomics.usage.source"] == "provider"
    assert record["tokenomics.cost.exact"] == COST


@pytest.mark.parametrize("how", ["cancelled", "dropped"])
async def test_a_stream_that_is_left(how: str, server: Server, asynchronous: bool) -> None:
    server.messages = CHUNKS
    async with client_of(server, asynchronous) as client:
        with seen() as telemetry:
            stream = await value(client.stream_generate_content(**question("message")))
            reading = items(stream)
            await anext(reading)
            if how == "cancelled":
                stream.cancel()
            await close(reading)
            del stream, reading
            for _ in range(3):
                # A generator that awaits is ended by the loop that it ran on.
                gc.collect()
                await asyncio.sleep(0)
            record = telemetry.record()
    assert record["tokenomics.usage.source"] == "stream_partial"
    assert buckets_of(record) == {"input": 100, "output": 2}


async def test_messages_that_are_read_one_by_one(server: Server) -> None:
    server.messages = CHUNKS
    async with client_of(server, True) as client:
        with seen() as telemetry:
            stream = await client.stream_generate_content(**question("message"))
            read = [await stream.read() for _ in range(4)]
            assert read[:3] == CHUNKS
            record = telemetry.record()
    assert buckets_of(record) == BUCKETS


async def test_searches_are_counted(server: Server, asynchronous: bool) -> None:
    whole = said("Dig.", USAGE, ended=True)
    whole.candidates[0].grounding_metadata = {"web_search_queries": ["spade"]}
    server.messages = [whole]
    async with client_of(server, asynchronous) as client:
        with seen() as telemetry:
            await value(client.generate_content(**question("message")))
            assert buckets_of(telemetry.record()) == {**BUCKETS, "tool.web_search": 1}


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
async def test_a_model_of_vertexai(streamed: bool, server: Server, asynchronous: bool) -> None:
    models: Any = pytest.importorskip("vertexai.generative_models")
    server.messages = CHUNKS if streamed else WHOLE
    vertexai: Any = pytest.importorskip("vertexai")
    anybody = pytest.importorskip("google.auth.credentials").AnonymousCredentials()
    vertexai.init(project="p", location="us-central1", credentials=anybody)
    model = models.GenerativeModel(FLASH)
    async with client_of(server, asynchronous) as client:
        # Where the model keeps the client that it makes when it is first needed.
        vars(model)["_prediction_async_client" if asynchronous else "_prediction_client"] = client
        with seen() as telemetry:
            ask = model.generate_content_async if asynchronous else model.generate_content
            answer = await value(ask("When do I dig?", stream=streamed))
            texts = [chunk.text async for chunk in items(answer)] if streamed else [answer.text]
            record = telemetry.record()
    assert "".join(texts) == "Dig in spring."
    assert buckets_of(record) == BUCKETS


@WAYS
async def test_budgets_gate_before_anything_is_sent(way: str, server: Server, asynchronous: bool) -> None:
    text = f'[[budget]]\nname = "{way}{asynchronous}"\nwindow = "lifetime"\nlimit = "0.0000001 USD"\n'
    seam = gapic.Seam(LIBRARIES["google-cloud-aiplatform"])
    server.messages = WHOLE
    async with client_of(server, asynchronous) as client:
        with governed(text, "memory:") as house:
            seam.open(VertexAI(), house.desk)
            seam.patch(services.client)
            try:
                with pytest.raises(BudgetExceededError):
                    await value(client.generate_content(**question(way)))
            finally:
                seam.close()
    assert not server.asked


class Page(BaseHTTPRequestHandler):
    """The same service over REST. A stream is an array of JSON."""

    def do_POST(self) -> None:
        """Answer one request."""
        self.rfile.read(int(self.headers["content-length"]))
        streams = "streamGenerateContent" in self.path
        told = [aiplatform.GenerateContentResponse.to_json(one) for one in (CHUNKS if streams else WHOLE)]
        body = (f"[{','.join(told)}]" if streams else told[0]).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *told: Any) -> None:
        """Nothing is printed."""


@pytest.fixture
def rest() -> Iterator[Any]:
    """A client that speaks REST with a server on the loopback."""
    anybody = pytest.importorskip("google.auth.credentials").AnonymousCredentials()
    kind = services.PredictionServiceClient.get_transport_class("rest")
    with ThreadingHTTPServer(("127.0.0.1", 0), Page) as running:
        thread = Thread(target=running.serve_forever, daemon=True)
        thread.start()
        host = f"127.0.0.1:{running.server_address[1]}"
        yield services.PredictionServiceClient(
            transport=kind(host=host, url_scheme="http", credentials=anybody)
        )
        running.shutdown()
        thread.join(10)


async def test_rest_is_seen_alike_and_once(rest: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_TOKENOMICS_RAW_HTTP", "true")
    with seen() as telemetry:
        whole = rest.generate_content(**question("message"))
        texts = [
            one.candidates[0].content.parts[0].text
            for one in rest.stream_generate_content(**question("flat"))
        ]
        first, second = telemetry.records()
    assert whole.candidates[0].content.parts[0].text == "".join(texts) == "Dig in spring."
    assert buckets_of(first) == buckets_of(second) == BUCKETS


@WAYS
def test_a_cap_is_put_into_a_copy(way: str) -> None:
    given = question(way)
    asked = Asked("generate_content", given.pop("request", None), given)
    meter = VertexMeter(asked)
    body = meter.request_body()
    assert body["contents"][0]["parts"][0]["text"] == "When do I dig?"
    capped = meter.capped(asked, 7)
    told = aiplatform.GenerateContentRequest(capped.request)
    assert told.generation_config.max_output_tokens == 7
    assert told.model == MODEL == asked.model
    assert told.contents[0].parts[0].text == "When do I dig?"
    assert capped.options == {}
    assert "generation_config" not in meter.request_body()
