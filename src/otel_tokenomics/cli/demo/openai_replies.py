"""OpenAI's replies, written from its API reference: chat completions, responses, embeddings, moderations.

Usage is a function of the request alone. Prompts of 1,024 tokens or more are read from the cache from a
conversation's second turn on, in steps of 128 tokens, as the prompt caching guide says.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from otel_tokenomics.cli.demo.replies import Event, Json, Reply, Request, example, tokens

# A dated model answers for an alias, so that a price rests on what was served.
_SERVED = {"gpt-5.4-mini": "gpt-5.4-mini-2026-03-17", "gpt-5.4-nano": "gpt-5.4-nano-2026-03-17"}
_CREATED = 1_780_000_000
_CACHE_FLOOR, _CACHE_STEP = 1_024, 128
_REASONING = {"minimal": 16, "low": 64, "medium": 256, "high": 1_024, "xhigh": 4_096}
_MODERATION_CATEGORIES = (
    "harassment",
    "harassment/threatening",
    "hate",
    "hate/threatening",
    "illicit",
    "illicit/violent",
    "self-harm",
    "self-harm/instructions",
    "self-harm/intent",
    "sexual",
    "sexual/minors",
    "violence",
    "violence/graphic",
)


def error(status: int) -> Json:
    """The body of an error."""
    return {
        "error": {
            "message": "injected by the demo",
            "type": "server_error",
            "param": None,
            "code": str(status),
        }
    }


def chat(request: Request) -> Reply:
    """`POST /v1/chat/completions`."""
    body = request.body
    call = _tool_call(request)
    words = request.words(body.get("max_completion_tokens") or body.get("max_tokens"))
    usage = _chat_usage(body, call or words)
    if body.get("stream"):
        return Reply(events=tuple(_chat_events(request, words, call, usage)))
    content = None if call else "".join(words).strip()
    message: Json = {"role": "assistant", "content": content, "refusal": None, "annotations": []}
    if call:
        message["tool_calls"] = [call]
    choice = {
        "index": 0,
        "message": message,
        "logprobs": None,
        "finish_reason": "tool_calls" if call else "stop",
    }
    return Reply({**_chat_head(request, "chat.completion"), "choices": [choice], "usage": usage})


def responses(request: Request) -> Reply:
    """`POST /v1/responses`."""
    body = request.body
    words = request.words(body.get("max_output_tokens"))
    if body.get("stream"):
        return Reply(events=tuple(_response_events(request, words)))
    if body.get("background"):
        return Reply(_response(request, words, "queued"))
    return Reply(_response(request, words, "completed"))


def embeddings(request: Request) -> Reply:
    """`POST /v1/embeddings`."""
    inputs = request.body.get("input", "")
    inputs = inputs if isinstance(inputs, list) else [inputs]
    data = [
        {"object": "embedding", "index": index, "embedding": [0.0625 * (index + 1), -0.25, 0.5]}
        for index in range(len(inputs))
    ]
    count = tokens(inputs)
    usage = {"prompt_tokens": count, "total_tokens": count}
    return Reply({"object": "list", "model": request.body.get("model"), "data": data, "usage": usage})


def moderations(request: Request) -> Reply:
    """`POST /v1/moderations`: free, and without usage."""
    result = {
        "flagged": False,
        "categories": dict.fromkeys(_MODERATION_CATEGORIES, False),
        "category_scores": dict.fromkeys(_MODERATION_CATEGORIES, 0.0),
        "category_applied_input_types": {name: ["text"] for name in _MODERATION_CATEGORIES},
    }
    model = request.body.get("model") or "omni-moderation-latest"
    return Reply({"id": request.identity("modr-"), "model": model, "results": [result]})


def _served(body: Json) -> str | None:
    return _SERVED.get(str(body.get("model")), body.get("model"))


def _chat_head(request: Request, kind: str) -> Json:
    return {
        "id": request.identity("chatcmpl-"),
        "object": kind,
        "created": _CREATED,
        "model": _served(request.body),
        "service_tier": "default",
        "system_fingerprint": "fp_loopback",
    }


def _chat_usage(body: Json, output: Any) -> Json:
    prompt = tokens(body.get("messages")) + tokens(body.get("tools")) + 3 * len(body.get("messages") or ())
    turns = sum(message.get("role") == "assistant" for message in body.get("messages") or ())
    reasoning = _REASONING.get(str(body.get("reasoning_effort")), 0)
    completion = tokens(output) + reasoning
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": _cached(prompt, turns), "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": reasoning,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def _cached(prompt: int, turns: int) -> int:
    return prompt // _CACHE_STEP * _CACHE_STEP if turns and prompt >= _CACHE_FLOOR else 0


def _tool_call(request: Request) -> Json | None:
    """A call of the first tool, unless the conversation already holds a tool's result."""
    body = request.body
    messages = body.get("messages") or [{}]
    if not body.get("tools") or messages[-1].get("role") == "tool":
        return None
    function = body["tools"][0]["function"]
    arguments = json.dumps(example(function.get("parameters", {})))
    return {
        "id": request.identity("call_"),
        "type": "function",
        "function": {"name": function["name"], "arguments": arguments},
    }


def _chat_events(request: Request, words: list[str], call: Json | None, usage: Json) -> Iterator[Event]:
    """Chunks as documented: usage only if it was asked for, then in a last chunk without choices."""
    asked = bool((request.body.get("stream_options") or {}).get("include_usage"))
    head = _chat_head(request, "chat.completion.chunk") | ({"usage": None} if asked else {})

    def chunk(delta: Json, finish: str | None = None) -> Event:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        return Event({**head, "choices": [choice]})

    yield chunk({"role": "assistant", "content": None if call else "", "refusal": None})
    if call:
        yield chunk({"tool_calls": [{"index": 0, **call}]})
    else:
        for word in words:
            yield chunk({"content": word})
    yield chunk({}, "tool_calls" if call else "stop")
    if asked:
        yield Event({**head, "choices": [], "usage": usage})
    yield Event("[DONE]")


def _response(request: Request, words: list[str], status: str) -> Json:
    body, done = request.body, status == "completed"
    return {
        "id": request.identity("resp_"),
        "object": "response",
        "created_at": _CREATED,
        "status": status,
        "background": bool(body.get("background")),
        "error": None,
        "incomplete_details": None,
        "instructions": body.get("instructions"),
        "metadata": {},
        "model": _served(body),
        "output": [_output_message(request, words)] if done else [],
        "parallel_tool_calls": True,
        "service_tier": "default",
        "temperature": 1.0,
        "tool_choice": "auto",
        "tools": body.get("tools") or [],
        "top_p": 1.0,
        "usage": _response_usage(body, words) if done else None,
    }


def _output_message(request: Request, words: list[str]) -> Json:
    part = {"type": "output_text", "text": "".join(words).strip(), "annotations": [], "logprobs": []}
    identity = request.identity("msg_")
    return {"id": identity, "type": "message", "role": "assistant", "status": "completed", "content": [part]}


def _response_usage(body: Json, words: list[str]) -> Json:
    prompt = tokens([body.get("input"), body.get("instructions"), body.get("tools")])
    reasoning = _REASONING.get(str((body.get("reasoning") or {}).get("effort")), 0)
    output = tokens(words) + reasoning
    return {
        "input_tokens": prompt,
        "input_tokens_details": {
            "cached_tokens": _cached(prompt, bool(body.get("previous_response_id"))),
            "cache_write_tokens": 0,
        },
        "output_tokens": output,
        "output_tokens_details": {"reasoning_tokens": reasoning},
        "total_tokens": prompt + output,
    }


def _response_events(request: Request, words: list[str]) -> Iterator[Event]:
    for number, event in enumerate(_response_steps(request, words)):
        yield Event({**event, "sequence_number": number}, event["type"])


def _response_steps(request: Request, words: list[str]) -> Iterator[Json]:
    message = _output_message(request, words)
    place = {"item_id": message["id"], "output_index": 0, "content_index": 0}
    part = message["content"][0]
    opening = {**message, "status": "in_progress", "content": []}
    yield {"type": "response.created", "response": _response(request, words, "in_progress")}
    yield {"type": "response.output_item.added", "output_index": 0, "item": opening}
    yield {"type": "response.content_part.added", **place, "part": {**part, "text": ""}}
    for word in words:
        yield {"type": "response.output_text.delta", **place, "delta": word, "logprobs": []}
    yield {"type": "response.output_text.done", **place, "text": part["text"], "logprobs": []}
    yield {"type": "response.content_part.done", **place, "part": part}
    yield {"type": "response.output_item.done", "output_index": 0, "item": message}
    yield {"type": "response.completed", "response": _response(request, words, "completed")}
