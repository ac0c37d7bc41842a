"""xAI's gRPC service on the loopback interface, which plays a script, and what it answers.

The messages are written after https://github.com/xai-org/xai-proto, `proto/xai/api/v1`.
"""

from __future__ import annotations

import importlib
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent import futures
from dataclasses import dataclass
from typing import Any

import grpc  # type: ignore[import-untyped]

MODEL = "grok-4-0709"
WORDS = ("Dig ", "in ", "spring.")
TICKS = 2_655_000
USAGE: dict[str, Any] = {
    "prompt_tokens": 100,
    "prompt_text_tokens": 100,
    "cached_prompt_text_tokens": 40,
    "completion_tokens": 20,
    "reasoning_tokens": 5,
    "total_tokens": 125,
}
BUCKETS = {"input": 60, "cache_read": 40, "output": 20, "reasoning": 5}


@dataclass
class Refusal:
    """A status other than OK."""

    code: grpc.StatusCode
    details: str = "no"


Part = Any
"""A message, a `Refusal`, or something to call there."""
_STREAMED = ("GetCompletionChunk",)
_SERVICES = ("Chat", "Image", "Video", "Tokenize")


class Provider:
    """The service: plays answers in order, the last one for ever. Remembers what it was asked."""

    def __init__(self) -> None:
        self.requests: list[Any] = []
        self.metadata: list[dict[str, Any]] = []
        self._script: list[Any] = []
        self._lock = threading.Lock()
        self._server: Any = grpc.server(futures.ThreadPoolExecutor(8))
        for service in _SERVICES:
            _serve(self, service)
        self.host = f"127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"
        self._server.start()

    @property
    def calls(self) -> int:
        """How many requests arrived."""
        return len(self.requests)

    def play(self, *script: Any) -> Provider:
        """Replace the script, and forget what was asked."""
        with self._lock:
            self._script = list(script)
            self.requests, self.metadata = [], []
        return self

    def close(self) -> None:
        """Serve no more."""
        self._server.stop(None)

    def client(self, asynchronous: bool, **options: Any) -> Any:
        """A client of the library on this service. Made on an event loop if it is asynchronous."""
        library: Any = importlib.import_module("xai_sdk")
        kind = library.AsyncClient if asynchronous else library.Client
        settings = {"api_key": "secret", "api_host": self.host, "use_insecure_channel": True, **options}
        return kind(**settings)

    def answer(self, request: Any, context: Any) -> Any:
        """The next answer of the script."""
        with self._lock:
            reply = self._script[min(len(self.requests), len(self._script) - 1)]
            self.requests.append(request)
            self.metadata.append(dict(context.invocation_metadata()))
        return reply


def _serve(provider: Provider, service: str) -> None:
    name = {"Tokenize": "tokenize"}.get(service, service.lower())
    stubs: Any = getattr(importlib.import_module("xai_sdk.proto"), f"{name}_pb2_grpc")
    base: Any = getattr(stubs, f"{service}Servicer")
    methods: dict[str, Callable[..., Any]] = {
        method: (_streams if method in _STREAMED else _answers)(provider)
        for method in vars(base)
        if not method.startswith("_")
    }
    servicer = type(service, (base,), methods)()
    getattr(stubs, f"add_{service}Servicer_to_server")(servicer, provider._server)


def _answers(provider: Provider) -> Callable[..., Any]:
    def answer(_: Any, request: Any, context: Any) -> Any:
        return _played(provider.answer(request, context), context)

    return answer


def _streams(provider: Provider) -> Callable[..., Any]:
    def stream(_: Any, request: Any, context: Any) -> Iterator[Any]:
        reply = provider.answer(request, context)
        for part in [reply] if isinstance(reply, Refusal) else reply:
            if (message := _played(part, context)) is not None:
                yield message

    return stream


def _played(part: Part, context: Any) -> Any:
    if isinstance(part, Refusal):
        context.abort(part.code, part.details)
    return part() if callable(part) else part


def messages(name: str) -> Any:
    """A module of generated messages, such as `chat_pb2`."""
    return getattr(importlib.import_module("xai_sdk.proto"), name)


def usage(**more: Any) -> Any:
    """A usage."""
    kind = messages("usage_pb2").SamplingUsage
    # Older versions do not know what a request cost.
    known = kind.DESCRIPTOR.fields_by_name
    told = {**USAGE, "cost_in_usd_ticks": TICKS, **more}
    return kind(**{name: told[name] for name in told if name in known})


def completion(text: str = "Dig in spring.", n: int = 1, **more: Any) -> Any:
    """A completion with `n` outputs."""
    chat, stop = messages("chat_pb2"), messages("sample_pb2").REASON_STOP
    said = chat.CompletionMessage(content=text, role=chat.ROLE_ASSISTANT)
    outputs = [chat.CompletionOutput(index=index, finish_reason=stop, message=said) for index in range(n)]
    told = {"id": "r1", "model": MODEL, "usage": usage(), "outputs": outputs, **more}
    return chat.GetChatCompletionResponse(**told)


def chunks(used: Any = ..., words: Sequence[str] = WORDS, running: bool = False) -> list[Any]:
    """The messages of a streamed completion; `running`: each says what was used so far."""
    chat, stop = messages("chat_pb2"), messages("sample_pb2").REASON_STOP
    whole = usage() if used is ... else used
    made = []
    for index, word in enumerate(words):
        delta = chat.Delta(content=word, role=chat.ROLE_ASSISTANT)
        sofar = usage(completion_tokens=index, total_tokens=105 + index) if running else None
        outputs = [chat.CompletionOutputChunk(index=0, delta=delta)]
        made.append(chat.GetChatCompletionChunk(id="r1", model=MODEL, outputs=outputs, usage=sofar))
    last = [chat.CompletionOutputChunk(index=0, finish_reason=stop)]
    return [*made, chat.GetChatCompletionChunk(id="r1", model=MODEL, outputs=last, usage=whole)]


def started(request_id: str = "d1") -> Any:
    """What a deferred request, or one for a video, is answered at once."""
    return messages("deferred_pb2").StartDeferredResponse(request_id=request_id)


def deferred(status: str, response: Any = None) -> Any:
    """What a look at a deferred completion is answered."""
    number = messages("deferred_pb2").DeferredStatus.Value(status)
    return messages("chat_pb2").GetDeferredCompletionResponse(status=number, response=response)


def video(status: str, **more: Any) -> Any:
    """What a look at a video is answered."""
    pb2, number = messages("video_pb2"), messages("deferred_pb2").DeferredStatus.Value(status)
    made = pb2.VideoResponse(model="grok-imagine-video", **more) if status == "DONE" else None
    return pb2.GetDeferredVideoResponse(status=number, response=made)
