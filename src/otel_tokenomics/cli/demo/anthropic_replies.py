"""Anthropic's replies, written from its API reference: messages and count_tokens.

Usage is a function of the request alone. A conversation's first turn writes what its `cache_control`
marks cover, for the time to live they name; later turns read it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from otel_tokenomics.cli.demo.replies import Event, Json, Reply, Request, example, tokens

_KINDS = {400: "invalid_request_error", 401: "authentication_error", 429: "rate_limit_error"}


def error(status: int) -> Json:
    """The body of an error."""
    kind = "overloaded_error" if status == 529 else _KINDS.get(status, "api_error")
    return {"type": "error", "error": {"type": kind, "message": "injected by the demo"}, "request_id": None}


def messages(request: Request) -> Reply:
    """`POST /v1/messages`."""
    words = request.words(request.body.get("max_tokens"))
    if request.body.get("stream"):
        return Reply(events=tuple(_events(request, words)))
    blocks = _blocks(request, words)
    message = {
        **_head(request),
        "content": blocks,
        "stop_reason": _stop_reason(blocks),
        "usage": {**_input_usage(request.body), **_output_usage(request.body, blocks)},
    }
    return Reply(message)


def count_tokens(request: Request) -> Reply:
    """`POST /v1/messages/count_tokens`: free."""
    return Reply({"input_tokens": _prompt(request.body)})


def _head(request: Request) -> Json:
    return {
        "id": request.identity("msg_"),
        "type": "message",
        "role": "assistant",
        "model": request.body.get("model"),
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
    }


def _prompt(body: Json) -> int:
    return tokens([body.get("system"), body.get("messages"), body.get("tools")])


def _input_usage(body: Json) -> Json:
    written = {"5m": 0, "1h": 0}
    for block, ttl in _marked(body.get("system")):
        written[ttl] += tokens(block.get("text"))
    marked = sum(written.values())
    reads = len(body.get("messages") or ()) > 1
    if reads:
        written = dict.fromkeys(written, 0)
    return {
        "input_tokens": _prompt(body) - marked,
        "cache_creation_input_tokens": sum(written.values()),
        "cache_read_input_tokens": marked if reads else 0,
        "cache_creation": {
            "ephemeral_5m_input_tokens": written["5m"],
            "ephemeral_1h_input_tokens": written["1h"],
        },
        "service_tier": "standard",
        "inference_geo": "not_available",
    }


def _marked(system: Any) -> Iterator[tuple[Json, str]]:
    """The system's blocks that a cache mark is on, and its time to live."""
    for block in system if isinstance(system, list) else ():
        if control := block.get("cache_control"):
            yield block, control.get("ttl", "5m")


def _thinking(body: Json) -> int:
    """Tokens of thinking: a quarter of the budget that was given."""
    thinking = body.get("thinking") or {}
    return int(thinking.get("budget_tokens", 0)) // 4 if thinking.get("type") == "enabled" else 0


def _output_usage(body: Json, blocks: list[Json]) -> Json:
    thought = _thinking(body)
    said = tokens([block.get("text") or block.get("input") for block in blocks])
    return {"output_tokens": said + thought, "output_tokens_details": {"thinking_tokens": thought}}


def _blocks(request: Request, words: list[str]) -> list[Json]:
    """The reply's content: a thought if thinking is on, then the first tool's call or the words."""
    body = request.body
    blocks: list[Json] = []
    if _thinking(body):
        blocks.append({"type": "thinking", "thinking": "A canned thought.", "signature": "bG9vcGJhY2s="})
    if body.get("tools") and not _answers_tool(body):
        tool = body["tools"][0]
        arguments = example(tool.get("input_schema", {}))
        identity = request.identity("toolu_")
        return [*blocks, {"type": "tool_use", "id": identity, "name": tool["name"], "input": arguments}]
    return [*blocks, {"type": "text", "text": "".join(words).strip()}]


def _answers_tool(body: Json) -> bool:
    content = (body.get("messages") or [{}])[-1].get("content")
    parts = content if isinstance(content, list) else ()
    return any(isinstance(part, dict) and part.get("type") == "tool_result" for part in parts)


def _stop_reason(blocks: list[Json]) -> str:
    return "tool_use" if blocks[-1]["type"] == "tool_use" else "end_turn"


def _events(request: Request, words: list[str]) -> Iterator[Event]:
    blocks = _blocks(request, words)
    usage = {**_input_usage(request.body), "output_tokens": 1}
    yield _event("message_start", message={**_head(request), "usage": usage})
    for index, block in enumerate(blocks):
        yield _event("content_block_start", index=index, content_block=_empty(block))
        for delta in _deltas(block, words):
            yield _event("content_block_delta", index=index, delta=delta)
        yield _event("content_block_stop", index=index)
    delta = {"stop_reason": _stop_reason(blocks), "stop_sequence": None}
    yield _event("message_delta", delta=delta, usage=_output_usage(request.body, blocks))
    yield _event("message_stop")


def _event(name: str, **fields: Any) -> Event:
    return Event({"type": name, **fields}, name)


def _empty(block: Json) -> Json:
    blank = {"text": "", "thinking": "", "signature": "", "input": {}}
    return {key: blank.get(key, value) for key, value in block.items()}


def _deltas(block: Json, words: list[str]) -> Iterator[Json]:
    if block["type"] == "thinking":
        yield {"type": "thinking_delta", "thinking": block["thinking"]}
        yield {"type": "signature_delta", "signature": block["signature"]}
    elif block["type"] == "tool_use":
        yield {"type": "input_json_delta", "partial_json": json.dumps(block["input"])}
    else:
        for word in words:
            yield {"type": "text_delta", "text": word}
