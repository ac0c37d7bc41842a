"""What the two providers answer, written from their API references."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

GPT = "gpt-4o-2024-08-06"
CLAUDE = "claude-sonnet-4-5-20250929"
OPENAI_USAGE = {
    "prompt_tokens": 100,
    "completion_tokens": 20,
    "total_tokens": 120,
    "prompt_tokens_details": {"cached_tokens": 40, "audio_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 5, "audio_tokens": 0},
}
ANTHROPIC_USAGE = {
    "input_tokens": 60,
    "cache_creation_input_tokens": 30,
    "cache_creation": {"ephemeral_5m_input_tokens": 10, "ephemeral_1h_input_tokens": 20},
    "cache_read_input_tokens": 40,
    "output_tokens": 20,
    "service_tier": "standard",
}
OPENAI_BUCKETS = {"input": 60, "cache_read": 40, "output": 15, "reasoning": 5}
ANTHROPIC_BUCKETS = {
    "input": 60,
    "cache_read": 40,
    "cache_write.5m": 10,
    "cache_write.1h": 20,
    "output": 20,
}


def dumps(value: Any) -> bytes:
    """JSON as the providers write it: no spaces."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def sse(events: Iterable[Mapping[str, Any]], done: bool = True, named: bool = False) -> list[bytes]:
    """Server-sent events, each one piece; `named` writes `event:` lines as Anthropic does."""
    pieces = []
    for event in events:
        name = f"event: {event['type']}\n".encode() if named else b""
        pieces.append(name + b"data: " + dumps(event) + b"\n\n")
    return [*pieces, b"data: [DONE]\n\n"] if done else pieces


def chat(usage: Any = OPENAI_USAGE, text: str = "Dig in spring.", **more: Any) -> dict[str, Any]:
    """A chat completion."""
    message = {"role": "assistant", "content": text, "refusal": None}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": GPT,
        "choices": [{"index": 0, "finish_reason": "stop", "logprobs": None, "message": message}],
        "usage": usage,
        "service_tier": "default",
        **more,
    }


def chat_chunks(
    words: Iterable[str] = ("Dig ", "in ", "spring."), usage: Any = None, nulls: bool = False
) -> list[dict[str, Any]]:
    """The chunks of a streamed chat completion; with `usage` a last one carries it.

    `nulls`: the others say `"usage": null`, as OpenAI writes it when usage was asked for.
    """
    base = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": GPT}
    null = {"usage": None} if nulls or usage is not None else {}
    chunks = [
        {**base, "choices": [{"index": 0, "delta": {"content": word}, "finish_reason": None}], **null}
        for word in words
    ]
    chunks.append({**base, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], **null})
    if usage is not None:
        chunks.append({**base, "choices": [], "usage": usage})
    return chunks


def response(usage: Any = None, status: str = "completed", **more: Any) -> dict[str, Any]:
    """A response object of the Responses API."""
    content = [{"type": "output_text", "text": "Dig in spring.", "annotations": []}]
    message = {"id": "msg_1", "type": "message", "role": "assistant", "status": "completed"}
    return {
        "id": "resp_1",
        "object": "response",
        "created_at": 1,
        "model": GPT,
        "status": status,
        "output": [{**message, "content": content}] if status == "completed" else [],
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "usage": usage,
        **more,
    }


RESPONSES_USAGE = {
    "input_tokens": 100,
    "input_tokens_details": {"cached_tokens": 40},
    "output_tokens": 20,
    "output_tokens_details": {"reasoning_tokens": 5},
    "total_tokens": 120,
}


def response_events(usage: Any = RESPONSES_USAGE) -> list[dict[str, Any]]:
    """The events of a streamed response."""
    place = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
    item = {"id": "msg_1", "type": "message", "role": "assistant", "status": "in_progress", "content": []}
    part = {"type": "output_text", "text": "", "annotations": []}
    events: list[dict[str, Any]] = [
        {"type": "response.created", "response": response(status="in_progress")},
        {"type": "response.output_item.added", "output_index": 0, "item": item},
        {"type": "response.content_part.added", **place, "part": part},
        {"type": "response.output_text.delta", **place, "delta": "Dig in spring.", "logprobs": []},
        {"type": "response.completed", "response": response(usage)},
    ]
    return [{**event, "sequence_number": number} for number, event in enumerate(events)]


def message(usage: Any = ANTHROPIC_USAGE, text: str = "Dig in spring.") -> dict[str, Any]:
    """A message."""
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": CLAUDE,
        "content": [{"type": "text", "text": text}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": usage,
    }


def message_events(
    words: Iterable[str] = ("Dig ", "in ", "spring."), usage: Any = ANTHROPIC_USAGE, final: Any = None
) -> list[dict[str, Any]]:
    """The events of a streamed message: counts at its start, the output's last count at its end."""
    start = {**message(usage), "content": [], "stop_reason": None}
    if isinstance(usage, dict):
        start["usage"] = {**usage, "output_tokens": 1}
        final = final or {"output_tokens": usage.get("output_tokens")}
    block = {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
    deltas = [
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": word}}
        for word in words
    ]
    end = {"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": None}}
    return [
        {"type": "message_start", "message": start},
        block,
        *deltas,
        {"type": "content_block_stop", "index": 0},
        {**end, "usage": final},
        {"type": "message_stop"},
    ]
