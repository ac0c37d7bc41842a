"""The row of xai-sdk: messages of its service over gRPC."""

from __future__ import annotations

import importlib
from typing import Any
from unittest import mock

from tests.support import rpc_xai as xai


class Asking:
    """What an application does with a client: a chat is made, and then asked for an answer."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def _chat(self, **asked: Any) -> Any:
        user = importlib.import_module("xai_sdk.chat").user
        return self._client.chat.create(**asked, messages=[user("When do I dig?")])

    def sample(self, **asked: Any) -> Any:
        """An answer."""
        return self._chat(**asked).sample()

    def stream(self, **asked: Any) -> Any:
        """The same as it comes."""
        return self._chat(**asked).stream()


def _client(kind: Any, channel: Any, options: dict[str, Any]) -> Asking:
    """A client, which makes a channel of its own, on this one."""
    made: Any = importlib.import_module("grpc.aio" if hasattr(channel, "__aenter__") else "grpc")
    settings = {"api_key": "secret", "api_host": "api.x.ai", "use_insecure_channel": True, **options}
    with mock.patch.object(made, "insecure_channel", lambda *args, **kwargs: channel):
        return Asking(kind(**settings))


def _usage(counts: Any) -> Any:
    """A usage of these counts, of those that a message can tell."""
    if not isinstance(counts, dict):
        return None
    kind = xai.messages("usage_pb2").SamplingUsage
    made = kind()
    for name, count in counts.items():
        try:
            made.MergeFrom(kind(**{name: count}))
        except (TypeError, ValueError):
            continue
    return made


def _whole(usage: Any) -> bytes:
    return bytes(xai.completion(usage=_usage(usage)).SerializeToString())


def _pieces(usage: Any) -> list[bytes]:
    return [message.SerializeToString() for message in xai.chunks(_usage(usage))]


def xai_row(kit: Any) -> Any:
    """The row."""
    return kit(
        "xai-sdk",
        "xai_sdk",
        ("Client", "AsyncClient"),
        ("sample", "stream", "sample", "stream"),
        arguments=lambda stream: {"model": xai.MODEL},
        whole=_whole,
        pieces=_pieces,
        usage=xai.USAGE,
        buckets=xai.BUCKETS,
        zero={"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0},
        features=frozenset({"asyncio_only", "headless", "zeros"}),
        http=("grpc", "grpc.aio"),
        make=_client,
    )
