"""The rows of google-cloud-aiplatform: contents that Vertex generates, over gRPC and over REST."""

from __future__ import annotations

import importlib
import json
from dataclasses import replace
from typing import Any
from unittest import mock

from tests.support import replies
from tests.support.others import GEMINI_USAGE, WORDS, gemini
from tests.support.wire import JSON

MODEL = "projects/p/locations/us-central1/publishers/google/models/gemini-2.5-flash"
_SERVICE = "google.cloud.aiplatform_v1.services.prediction_service"


HOST = "us-central1-aiplatform.googleapis.com"


def _client(kind: Any, channel: Any, options: dict[str, Any]) -> Any:
    """A client on a channel of its kind."""
    name = "grpc_asyncio" if hasattr(channel, "__aenter__") else "grpc"
    transport = kind.get_transport_class(name)(channel=channel, host=HOST)
    return kind(transport=transport, **options)


def _message(text: str, usage: Any, ended: bool) -> bytes:
    kind: Any = importlib.import_module("google.cloud.aiplatform_v1").GenerateContentResponse
    candidate: dict[str, Any] = {"content": {"role": "model", "parts": [{"text": text}]}}
    if ended:
        candidate["finishReason"] = "STOP"
    body = {"candidates": [candidate], "modelVersion": "gemini-2.5-flash", "responseId": "r1"}
    made = kind.from_json(json.dumps(body))
    if isinstance(usage, dict):
        _count(made, usage)
    return bytes(kind.serialize(made))


def _count(message: Any, counts: dict[str, Any]) -> None:
    """Those of these counts that a message can tell."""
    kind = type(message)
    message.usage_metadata = {}
    for name, count in counts.items():
        told = json.dumps({"usageMetadata": {name: count}})
        try:
            more = kind.from_json(told)
        except Exception:
            continue
        kind.pb(message).MergeFrom(kind.pb(more))


def _pieces(usage: Any) -> list[bytes]:
    early = {"promptTokenCount": 100, "totalTokenCount": 100} if usage is GEMINI_USAGE else usage
    return [*(_message(word, early, False) for word in WORDS[:-1]), _message(WORDS[-1], usage, True)]


def _row(kit: Any) -> Any:
    return kit(
        "google-cloud-aiplatform",
        _SERVICE,
        ("PredictionServiceClient", "PredictionServiceAsyncClient"),
        ("generate_content", "stream_generate_content") * 2,
        arguments=lambda stream: {
            "model": MODEL,
            "contents": [{"role": "user", "parts": [{"text": "When do I dig?"}]}],
        },
        whole=lambda usage: _message("".join(WORDS), usage, True),
        pieces=_pieces,
        usage=GEMINI_USAGE,
        buckets={"input": 60, "cache_read": 40, "output": 15, "reasoning": 5},
        zero={"promptTokenCount": 0, "candidatesTokenCount": 0, "totalTokenCount": 0},
        features=frozenset({"asyncio_only", "eager", "headless", "wraps", "elsewhere"}),
        http=("grpc", "grpc.aio"),
        make=_client,
    )


def _rest_client(kind: Any, session: Any, options: dict[str, Any]) -> Any:
    """A client over REST, on a session of requests."""
    anybody = importlib.import_module("google.auth.credentials").AnonymousCredentials()
    transport = kind.get_transport_class("rest")
    with mock.patch(f"{transport.__module__}.AuthorizedSession", lambda *args, **kwargs: session):
        transport = transport(credentials=anybody, host=HOST)
    return kind(transport=transport, **options)


def _array(usage: Any) -> list[bytes]:
    """A stream, which is one array."""
    early = {"promptTokenCount": 100, "totalTokenCount": 100} if usage is GEMINI_USAGE else usage
    told = [*(gemini(early, word, ended=False) for word in WORDS[:-1]), gemini(usage, WORDS[-1])]
    head = [(b"," if index else b"[") + replies.dumps(one) for index, one in enumerate(told)]
    return [*head[:-1], head[-1] + b"]"]


def vertex_rows(kit: Any) -> list[Any]:
    """The rows."""
    row = _row(kit)
    rest = replace(
        row,
        library="google-cloud-aiplatform+rest",
        whole=lambda usage: replies.dumps(gemini(usage)),
        pieces=_array,
        features=row.features - {"asyncio_only"} | {"synchronous"},
        http="requests",
        stream_headers=JSON,
        make=_rest_client,
    )
    return [row, rest]
