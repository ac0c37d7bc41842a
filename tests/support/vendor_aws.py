"""Rows of Amazon Bedrock, whose clients answer with a dict: botocore, and aiobotocore over two libraries."""

from __future__ import annotations

import importlib
import json
from collections.abc import Coroutine, Mapping
from typing import Any

from tests.support import aws
from tests.support.others import PLAIN, WORDS
from tests.support.wire import JSON
from tests.support.wire_aws import Ending

MODEL = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
ASKED: Mapping[str, Any] = {
    "modelId": MODEL,
    "messages": [{"role": "user", "content": [{"text": "When do I dig?"}]}],
}
USAGE = {"inputTokens": 100, "outputTokens": 20, "totalTokens": 120}
NAMES = {
    400: "ValidationException",
    401: "UnrecognizedClientException",
    403: "AccessDeniedException",
    404: "ResourceNotFoundException",
    409: "ConflictException",
    429: "ThrottlingException",
    500: "InternalServerException",
    503: "ServiceUnavailableException",
}
"""What a refusal's header calls it, which decides whether it is tried again."""


def refusing(status: int) -> dict[str, str]:
    """The headers of a refusal."""
    return {**JSON, "x-amzn-errortype": NAMES.get(status, "UnknownException")}


def conversed(usage: Any = USAGE, **more: Any) -> bytes:
    """The answer of Converse."""
    message = {"role": "assistant", "content": [{"text": "".join(WORDS)}]}
    body = {"output": {"message": message}, "stopReason": "end_turn", "metrics": {"latencyMs": 3}, **more}
    return json.dumps(body if usage is None else {**body, "usage": usage}).encode()


def pieces(usage: Any = USAGE, **more: Any) -> list[bytes]:
    """The events of ConverseStream."""
    last = {"metrics": {"latencyMs": 3}, **more}
    return aws.frames(
        ("messageStart", {"role": "assistant"}),
        *(("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": word}}) for word in WORDS),
        ("contentBlockStop", {"contentBlockIndex": 0}),
        ("messageStop", {"stopReason": "end_turn"}),
        ("metadata", last if usage is None else {**last, "usage": usage}),
    )


def _client(kind: Any, http: Any, options: dict[str, Any]) -> Any:
    attempts = 1 + options.pop("max_retries", 0)
    if isinstance(http, Ending):
        return aws.client_on(http, attempts, **options)
    aioaws: Any = importlib.import_module("tests.support.aioaws")
    return _at_once(aioaws.client_on(http, attempts, **options))


def _at_once(work: Coroutine[Any, Any, Any]) -> Any:
    """What comes of something awaited that gives others a turn at most: a client with its credentials."""
    try:
        while work.send(None) is None:
            pass
    except StopIteration as ended:
        return ended.value
    raise AssertionError("a client waits for something")


def _row(kit: Any, library: str, *features: str, http: str) -> Any:
    return kit(
        library,
        f"{library.partition('+')[0]}.session",
        ("Session", "Session") if library == "botocore" else ("AioSession", "AioSession"),
        ("converse", "converse_stream") * 2,
        arguments=lambda stream: json.loads(json.dumps(ASKED)),
        whole=conversed,
        pieces=pieces,
        usage=USAGE,
        buckets=PLAIN,
        zero={"inputTokens": 0, "outputTokens": 0, "totalTokens": 0},
        features=frozenset({"eager", "closes", "iterator", "retries", "unread", *features}),
        http=http,
        stream_headers=aws.EVENTS,
        make=_client,
        stream_of=lambda answer: answer["stream"],
        iterator="_event_generator",
        event=lambda payload: aws.frame("neverHeardOf", payload),
        refusing=refusing,
        pauses={"botocore.retries.standard.ExponentialBackoff.delay_amount": lambda *told: 0},
    )


def aws_rows(kit: Any) -> list[Any]:
    """The rows. Over httpx aiobotocore has no event streams yet."""
    return [
        _row(kit, "botocore", "synchronous", http="botocore"),
        _row(kit, "aiobotocore", "asynchronous", "asyncio_only", http="aiohttp"),
        _row(kit, "aiobotocore+httpx2", "asynchronous", "asyncio_only", "plain", http="httpx2"),
    ]
