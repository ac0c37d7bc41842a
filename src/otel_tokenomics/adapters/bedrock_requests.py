"""What a request to a model on Amazon Bedrock holds: its operation, its body, where its cap goes, its text.

`Converse` has one shape for every model; the body of `InvokeModel` is the model's own, in the words of its
family: https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters.html.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from otel_tokenomics.adapters.aws import Request
from otel_tokenomics.model.text import clean

_KINDS = (
    ("embed", "embeddings"),
    ("rerank", "rerank"),
    ("canvas", "image_generation"),
    ("image", "image_generation"),
    ("stability.", "image_generation"),
    ("nova-reel", "video_generation"),
    ("luma.ray", "video_generation"),
)
_CAPS = (
    ("nova", ("inferenceConfig", "maxTokens")),
    ("titan", ("textGenerationConfig", "maxTokenCount")),
    ("llama", ("max_gen_len",)),
    ("ai21.j2", ("maxTokens",)),
)
_NAMES = dict.fromkeys(("inputText", "texts", "value", "message", "query"), "text")
"""What families call the text that is sent, for the estimate to find it."""

OPERATIONS = ("chat", "text_completion", "count_tokens", *dict.fromkeys(operation for _, operation in _KINDS))
"""What a request to a model may be, as `gen_ai.operation.name`."""


def operation_of(request: Request, model: str) -> str:
    """What the model is asked for, by its name or by what it is given."""
    if request.operation == "CountTokens":
        return "count_tokens"
    if request.operation.startswith("Converse"):
        return "chat"
    for part, operation in _KINDS:
        if part in model:
            return operation
    body = request.params.get("body")
    if isinstance(body, str):
        return "chat" if '"messages"' in body else "text_completion"
    return "chat" if isinstance(body, bytes) and b'"messages"' in body else "text_completion"


def held(request: Request) -> Request:
    """The request, with a list of messages of its own: the application may go on with the conversation."""
    messages = request.params.get("messages")
    if not isinstance(messages, list):
        return request
    return request._replace(params={**request.params, "messages": list(messages)})


def asked(request: Request) -> Mapping[str, Any] | None:
    """The parameters of a conversation, or the body that is handed to the model."""
    if request.operation.startswith("Converse"):
        return {key: _plain(value) for key, value in request.params.items()}
    return object_of(request.params.get("body"))


def capped(request: Request, tokens: int) -> Request:
    """A copy of the request with this output cap, where the model's family has it."""
    if request.operation.startswith("Converse"):
        config = {**(request.params.get("inferenceConfig") or {}), "maxTokens": tokens}
        return request._replace(params={**request.params, "inferenceConfig": config})
    body = object_of(request.params.get("body"))
    if body is None:
        return request
    model = clean(request.params.get("modelId")) or ""
    *outer, name = next((path for part, path in _CAPS if part in model), ("max_tokens",))
    if outer:
        body = {**body, outer[0]: {**(body.get(outer[0]) or {}), name: tokens}}
    else:
        body = {**body, name: tokens}
    return request._replace(params={**request.params, "body": json.dumps(body).encode()})


def asked_speed(request: Request) -> str | None:
    """The latency that was asked for, unless it is the usual one."""
    given = request.params.get("performanceConfig")
    named = given.get("latency") if isinstance(given, dict) else None
    latency = clean(named or request.params.get("performanceConfigLatency"))
    return None if latency == "standard" else latency


def sent(request: Request) -> bytes | None:
    """The request's text under names that the estimate knows."""
    given = asked(request)
    return None if given is None else json.dumps(_renamed(given), default=lambda other: "").encode()


def _plain(node: Any) -> Any:
    """Converse's images and cache points in the words that others have for them, for the worst case."""
    if isinstance(node, dict):
        if isinstance(node.get("image"), dict):
            return {"type": "image"}
        if isinstance(point := node.get("cachePoint"), dict):
            return {"cache_control": point}
        return {key: _plain(value) for key, value in node.items()}
    return [_plain(item) for item in node] if isinstance(node, list) else node


def _renamed(node: Any) -> Any:
    if isinstance(node, dict):
        return {_NAMES.get(key, key): _renamed(value) for key, value in node.items()}
    return [_renamed(item) for item in node] if isinstance(node, list) else node


def object_of(text: Any) -> dict[str, Any] | None:
    """A JSON object from bytes or text; nothing of a file that only the client may read."""
    if not isinstance(text, bytes | bytearray | str):
        return None
    try:
        value = json.loads(text)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None
