"""What the generated clients have in common: whom they talk to, what is asked of a stream, how it is read."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from tests.support import replies

from otel_tokenomics.adapters.anthropic import Anthropic
from otel_tokenomics.adapters.dialect import without_vectors
from otel_tokenomics.adapters.hosts import Hosts
from otel_tokenomics.adapters.openai import OpenAI
from otel_tokenomics.adapters.stainless import StainlessMeter
from otel_tokenomics.adapters.stainless_body import may_ask_for_usage
from otel_tokenomics.flow.veil import quiet
from otel_tokenomics.model.call import Responded


@dataclass
class Url:
    host: str | None
    port: int | None = None


class Client:
    """A client, as far as an adapter looks at it."""

    def __init__(self, host: str | None = "api.openai.com", **more: Any) -> None:
        self.base_url = Url(host)
        vars(self).update(more)


class AnthropicBedrock(Client): ...


class AsyncAnthropicVertex(Client): ...


@dataclass
class Options:
    """The options of a request, as the generated clients have them."""

    json_data: Any
    url: str = "/chat/completions"
    method: str = "post"

    def model_copy(self) -> Options:
        return replace(self)


@dataclass
class Request:
    content: Any = b"{}"


@dataclass
class Response:
    content: bytes = b""
    headers: dict[str, str] = field(default_factory=lambda: {"content-type": "application/json"})
    request: Any = field(default_factory=Request)
    status_code: int = 200


NotGiven = type("NotGiven", (), {})
Omit = type("Omit", (), {})


@pytest.mark.parametrize(
    ("body", "may"),
    [
        ({}, True),
        ({"stream_options": {}}, True),
        ({"stream_options": {"include_obfuscation": False}}, True),
        ({"stream_options": NotGiven()}, True),
        ({"stream_options": Omit()}, True),
        ({"stream_options": None}, False),
        ({"stream_options": {"include_usage": True}}, False),
        ({"stream_options": {"include_usage": False}}, False),
        ({"stream_options": {"include_usage": None}}, False),
        ({"stream_options": "x"}, False),
        (None, False),
        ([], False),
    ],
)
def test_an_explicit_answer_is_respected(body: Any, may: bool) -> None:
    assert may_ask_for_usage(body) is may


def meter_of(options: Options, client: Client | None = None, stream: bool = True) -> StainlessMeter:
    adapter, client = OpenAI(), client or Client()
    facts = adapter.facts(client, options, stream)
    assert facts is not None
    meter = adapter.meter(client, options, facts)
    assert isinstance(meter, StainlessMeter)
    return meter


def test_asking_alters_a_copy_and_keeps_the_callers_options() -> None:
    options = Options({"model": "gpt-4o", "stream_options": {"include_obfuscation": False}})
    before = json.dumps(options.json_data)
    meter = meter_of(options)
    sent = meter.prepare()
    assert meter.veils
    assert sent.json_data["stream_options"] == {"include_obfuscation": False, "include_usage": True}
    assert json.dumps(options.json_data) == before


@pytest.mark.parametrize(
    ("options", "client", "stream", "asks"),
    [
        (Options({}), Client(), True, True),
        (Options({}), Client(), False, False),
        (Options({}, "/completions"), Client(), True, True),
        (Options({}, "/responses"), Client(), True, False),
        (Options({}, "/threads/runs"), Client(), True, False),
        (Options({"stream_options": {"include_usage": False}}), Client(), True, False),
        (Options({}), Client("llm.corp.example"), True, False),
        (Options({}), Client("api.mistral.ai"), True, False),
        (Options({}), Client("api.groq.com"), True, True),
        (Options({}), Client(_azure_deployment="x", _api_version="2024-10-21"), True, True),
        (Options({}), Client(_azure_deployment="x", _api_version="2024-06-01"), True, False),
        (Options({"data_sources": []}), Client(_azure_deployment="x"), True, False),
    ],
)
def test_usage_is_asked_for_only_where_it_is_given(
    options: Options, client: Client, stream: bool, asks: bool
) -> None:
    meter = meter_of(options, client, stream)
    assert meter.veils is asks
    assert (meter.prepare() is options) is not asks


@pytest.mark.parametrize(
    ("client", "provider", "assumed"),
    [
        (Client(), "openai", False),
        (Client("api.openai.com.evil.example"), "openai", True),
        (Client("llm.corp.example"), "openai", True),
        (Client("ours.corp.example"), "groq", False),
        (Client(None), "openai", True),
        (Client("anything", _azure_ad_token="x"), "azure.ai.openai", False),
        (Client("x.openai.azure.com"), "azure.ai.openai", False),
        (Client("x", _provider_runtime=type("R", (), {"name": "bedrock"})()), "aws.bedrock", False),
    ],
)
def test_who_answers_the_openai_client(client: Client, provider: str, assumed: bool) -> None:
    facts = OpenAI(Hosts({"ours.corp.example": "groq"})).facts(client, Options({"model": "m"}), False)
    assert facts is not None
    assert (facts.provider, facts.provider_assumed, facts.server_address) == (
        provider,
        assumed,
        client.base_url.host,
    )


@pytest.mark.parametrize(
    ("client", "provider", "assumed"),
    [
        (Client("api.anthropic.com"), "anthropic", False),
        (Client("proxy.corp.example"), "anthropic", True),
        (AnthropicBedrock("bedrock-runtime.us-east-1.amazonaws.com"), "aws.bedrock", False),
        (AsyncAnthropicVertex("x"), "gcp.vertex_ai", False),
    ],
)
def test_who_answers_the_anthropic_client(client: Client, provider: str, assumed: bool) -> None:
    facts = Anthropic().facts(client, Options({}, "/v1/messages"), False)
    assert facts is not None
    assert (facts.provider, facts.provider_assumed) == (provider, assumed)


def test_a_client_that_moves_is_found_again() -> None:
    adapter, client = OpenAI(), Client()
    client.base_url = Url("api.groq.com", 8080)
    facts = adapter.facts(client, Options({}), False)
    client.base_url = Url("api.deepseek.com")
    moved = adapter.facts(client, Options({}), False)
    assert facts is not None
    assert moved is not None
    assert (facts.provider, facts.server_port) == ("groq", 8080)
    assert (moved.provider, moved.server_port) == ("deepseek", None)


@pytest.mark.parametrize("body", [None, [], "text", b"bytes", {"model": 7}, {"model": None}])
def test_any_body_has_facts(body: Any) -> None:
    facts = OpenAI().facts(Client(), Options(body), False)
    assert facts is not None
    assert facts.request_model is None


def stream_meter(pieces: list[bytes], url: str = "/chat/completions") -> StainlessMeter:
    """A meter that has read these pieces of a stream."""
    meter = meter_of(Options({}, url))
    meter.respond(Responded(Response(headers={"content-type": "text/event-stream"}), True))
    for piece in pieces:
        if quiet(piece) is None or not meter.skim(piece):
            meter.feed(piece)
    return meter


def test_a_stream_with_usage_is_complete() -> None:
    meter = stream_meter(replies.sse(replies.chat_chunks(usage=replies.OPENAI_USAGE)))
    assert meter.complete
    assert meter.draft() is None
    reading = meter.reading()
    assert reading.usage.buckets == replies.OPENAI_BUCKETS
    assert reading.usage.source == "provider"
    assert reading.response_id == "chatcmpl-1"


def test_a_stream_without_usage_leaves_its_text_to_count() -> None:
    meter = stream_meter(replies.sse(replies.chat_chunks()))
    reading, draft = meter.reading(), meter.draft()
    assert reading.usage.source == "missing"
    assert (reading.response_id, reading.response_model) == ("chatcmpl-1", replies.GPT)
    assert draft is not None
    assert "".join(draft.received) == "Dig in spring."
    assert draft.finished()


def test_a_stream_that_was_cut_is_not_finished() -> None:
    meter = stream_meter(replies.sse(replies.chat_chunks())[:2])
    draft = meter.draft()
    assert draft is not None
    assert "".join(draft.received) == "Dig in "
    assert not draft.finished()


def test_a_responses_stream_that_was_cut_is_not_pending() -> None:
    meter = stream_meter(replies.sse(replies.response_events(), done=False)[:2], "/responses")
    reading = meter.reading()
    assert reading.response_id == "resp_1"
    assert not reading.pending


def test_a_body_that_follows_is_read_at_the_end() -> None:
    meter = meter_of(Options({}), stream=False)
    meter.respond(Responded(Response(), True))
    text = replies.dumps(replies.chat())
    for start in range(0, len(text), 7):
        meter.feed(text[start : start + 7])
    assert not meter.complete
    assert meter.reading().usage.buckets == replies.OPENAI_BUCKETS
    assert meter.complete


@pytest.mark.parametrize("content", [b"", b"null", b"[]", b"{", b"\xff", b'{"usage":7}', b"<html>"])
def test_a_body_that_is_none_has_no_usage(content: bytes) -> None:
    meter = meter_of(Options({}), stream=False)
    meter.respond(Responded(Response(content)))
    assert meter.reading().usage.source == "missing"


class Unread:
    @property
    def content(self) -> bytes:
        raise RuntimeError("the request was streamed")


@pytest.mark.parametrize(
    ("request_", "sent"), [(Request(b"x"), b"x"), (Request("x"), None), (Unread(), None)]
)
def test_what_was_sent_is_looked_at_only_if_it_is_in_memory(request_: Any, sent: bytes | None) -> None:
    meter = meter_of(Options({}), stream=False)
    meter.respond(Responded(Response(replies.dumps(replies.chat(usage=None)), request=request_)))
    draft = meter.draft()
    assert draft is not None
    assert draft.sent == sent


@pytest.mark.parametrize(
    "body",
    [
        {"object": "list", "data": [{"embedding": [0.1] * 9}], "model": "m", "usage": {"prompt_tokens": 8}},
        {"usage": {"prompt_tokens": 8}, "data": [{"embedding": "base64=="}], "model": "m"},
        {"model": "m", "usage": {"prompt_tokens": 8}},
    ],
)
def test_vectors_are_not_parsed(body: dict[str, Any]) -> None:
    read = without_vectors(json.dumps(body).encode())
    assert read is not None
    assert (read["usage"], read["model"]) == ({"prompt_tokens": 8}, "m")
    assert not read.get("data")
