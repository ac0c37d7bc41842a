"""The calls that are timed: one plain call and one 200-chunk stream of each client library, in process.

The client's HTTP transport returns canned bytes, so that what is timed is the client library and us.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import anthropic
import httpx2
import openai

CHUNKS = 200
LIBRARIES = ("openai", "anthropic")
_PROMPT = "Say hello. " * 20
_TEXT = "Hello there, how may I help you today? " * 4
_OPENAI_USAGE = {
    "prompt_tokens": 1000,
    "completion_tokens": 50,
    "total_tokens": 1050,
    "prompt_tokens_details": {"cached_tokens": 200, "audio_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 10, "audio_tokens": 0},
}
_ANTHROPIC_USAGE = {
    "input_tokens": 800,
    "cache_creation_input_tokens": 100,
    "cache_creation": {"ephemeral_5m_input_tokens": 100, "ephemeral_1h_input_tokens": 0},
    "cache_read_input_tokens": 200,
    "output_tokens": 50,
    "service_tier": "standard",
}

Timed = Callable[[], Any]


def calls(library: str) -> tuple[Timed, Timed]:
    """A plain call, and a stream read to its end. The stream returns how many chunks it had."""
    http = httpx2.Client(transport=httpx2.MockTransport(_answer(library)))
    arguments: dict[str, Any] = {"messages": [{"role": "user", "content": _PROMPT}]}
    client: Any
    if library == "openai":
        client = openai.OpenAI(api_key="none", max_retries=0, http_client=http)
        create = client.chat.completions.create
        arguments.update(model="gpt-4o", temperature=0.2, max_tokens=100)
        streamed = {"stream": True, "stream_options": {"include_usage": True}}
    else:
        client = anthropic.Anthropic(api_key="none", max_retries=0, http_client=http, open_telemetry=False)
        create = client.messages.create
        arguments.update(model="claude-sonnet-4-6", max_tokens=100)
        streamed = {"stream": True}
    return (
        lambda: create(**arguments),
        lambda: sum(1 for _ in create(**arguments, **streamed)),
    )


def answered(library: str) -> httpx2.Response:
    """The response to a plain call, read."""
    response = _answer(library)(httpx2.Request("POST", "https://api.example/", json={}))
    response.request = httpx2.Request("POST", "https://api.example/", json={})
    response.read()
    return response


def _answer(library: str) -> Callable[[httpx2.Request], httpx2.Response]:
    body = json.dumps(_openai_body() if library == "openai" else _anthropic_body()).encode()
    pieces = list(_openai_pieces() if library == "openai" else _anthropic_pieces())

    class Body(httpx2.SyncByteStream):
        def __iter__(self) -> Iterator[bytes]:
            yield from pieces

    def answer(request: httpx2.Request) -> httpx2.Response:
        if b'"stream":true' in request.content:
            return httpx2.Response(200, headers={"content-type": "text/event-stream"}, stream=Body())
        return httpx2.Response(200, headers={"content-type": "application/json"}, content=body)

    return answer


def _openai_body() -> dict[str, Any]:
    message = {"role": "assistant", "content": _TEXT, "refusal": None}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "gpt-4o-2024-08-06",
        "choices": [{"index": 0, "finish_reason": "stop", "logprobs": None, "message": message}],
        "usage": _OPENAI_USAGE,
        "service_tier": "default",
        "system_fingerprint": "fp_1",
    }


def _openai_pieces() -> Iterator[bytes]:
    head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "gpt-4o-2024-08-06"}
    for number in range(CHUNKS - 1):
        delta = {"content": f" word{number}"}
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": None}
        yield _event({**head, "system_fingerprint": "fp_1", "choices": [choice], "usage": None})
    yield _event({**head, "choices": [], "usage": _OPENAI_USAGE})
    yield b"data: [DONE]\n\n"


def _anthropic_body() -> dict[str, Any]:
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-sonnet-4-6",
        "content": [{"type": "text", "text": _TEXT}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": _ANTHROPIC_USAGE,
    }


def _anthropic_pieces() -> Iterator[bytes]:
    start = {**_anthropic_body(), "content": [], "stop_reason": None}
    block = {"type": "text", "text": ""}
    yield _named({"type": "message_start", "message": start})
    yield _named({"type": "content_block_start", "index": 0, "content_block": block})
    for number in range(CHUNKS - 5):
        delta = {"type": "text_delta", "text": f" word{number}"}
        yield _named({"type": "content_block_delta", "index": 0, "delta": delta})
    yield _named({"type": "content_block_stop", "index": 0})
    end = {"stop_reason": "end_turn", "stop_sequence": None}
    yield _named({"type": "message_delta", "delta": end, "usage": {"output_tokens": 50}})
    yield _named({"type": "message_stop"})


def _event(event: dict[str, Any]) -> bytes:
    # As compact as the providers write it.
    return b"data: " + json.dumps(event, separators=(",", ":")).encode() + b"\n\n"


def _named(event: dict[str, Any]) -> bytes:
    return f"event: {event['type']}\n".encode() + _event(event)
