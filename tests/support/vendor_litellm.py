"""The row of litellm: Claude, by its own HTTP handler, in whose place the HTTP client ends on a wire."""

from __future__ import annotations

import importlib
import inspect
import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

from tests.support import replies

# Else it would fetch its prices when it is imported.
os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
# Else an error may carry a link to report it by, in which its traceback is.
os.environ.setdefault("LITELLM_DISABLE_BUG_REPORT_LINK", "True")

MODEL = "anthropic/claude-sonnet-4-6"


def handler_on(http: Any) -> Any:
    """LiteLLM's own handler, with its headers, over an HTTP client of either kind.

    An asynchronous one whose connection broke tries once more, by another client: that one finds nobody.
    """
    handlers: Any = importlib.import_module("litellm.llms.custom_httpx.http_handler")
    # Its errors tell how long it waited: always as long.
    handlers.time = SimpleNamespace(time=lambda: 0.0)
    default = getattr(handlers, "get_default_headers", lambda: handlers.headers)
    http.headers.update(default())
    asynchronous = type(http).__name__ == "AsyncClient"
    clients = iter([http])

    class Handler(handlers.AsyncHTTPHandler if asynchronous else handlers.HTTPHandler):  # type: ignore[misc]
        def create_client(self, *given: Any, **named: Any) -> Any:
            return next(clients, None) or nobody()

    handler = Handler()
    handler.client = http
    return handler


def nobody() -> Any:
    """An asynchronous HTTP client that no host answers."""
    httpx: Any = importlib.import_module("httpx")

    def refuse(request: Any) -> Any:
        raise httpx.ConnectError("not connected", request=request)

    return httpx.AsyncClient(transport=httpx.MockTransport(refuse))


def quiet(litellm: Any) -> None:
    """No tokenizer is fetched and no advice printed, and nothing of its own holds a stream.

    Else another thread may, to log it, and in older versions what is kept of the last call.
    """
    litellm.disable_hf_tokenizer_download = litellm.suppress_debug_info = True
    litellm.disable_streaming_logging = True
    litellm.error_logs = Forgetful()
    importlib.import_module("litellm.utils").executor.submit = _done


def _done(work: Any, *given: Any, **named: Any) -> Any:
    """What is to be done on another thread, when it is done and its thread is gone."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(work, *given, **named)


class Forgetful(dict[str, Any]):
    """Keeps nothing."""

    def __setitem__(self, name: str, kept: Any) -> None:
        """It is not kept."""


class Pulled:
    """A stream that looks like both kinds, as it is where it is not awaited."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        try:
            return next(self._stream)
        except StopIteration:
            for thread in threading.enumerate():
                # In older versions it has one made to log the stream, which holds it.
                if "success" in thread.name:
                    thread.join(10)
            raise

    def close(self) -> None:
        """Its own end, which older versions have not."""
        self._stream.close()

    def __enter__(self) -> Pulled:
        self._stream.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._stream.__exit__(*error)


class Client:
    """The library has functions, each given its handler."""

    def __init__(self, function: Any, http: Any, options: dict[str, Any]) -> None:
        quiet(importlib.import_module("litellm"))
        self._function = function
        self._given = {"api_key": "none", "max_retries": 0, **options, "client": handler_on(http)}

    def create(self, **asked: Any) -> Any:
        """A call: the answer or stream, to be awaited if it must be."""
        answer = self._function(**self._given, **asked)
        if asked.get("stream") and not inspect.isawaitable(answer):
            return Pulled(answer)
        return answer


def _pieces(usage: Any) -> list[bytes]:
    default = usage is replies.ANTHROPIC_USAGE
    events = replies.message_events() if default else replies.message_events(usage=usage)
    return replies.sse(events, done=False, named=True)


def _arguments(stream: bool) -> dict[str, Any]:
    messages = [{"role": "user", "content": "When do I dig?"}]
    return {"model": MODEL, "messages": messages, "max_tokens": 64, "stream": stream}


def litellm_row(kit: Any) -> Any:
    """The row."""
    return kit(
        "litellm",
        "litellm",
        ("completion", "acompletion"),
        "create",
        arguments=_arguments,
        whole=lambda usage: replies.dumps(replies.message(usage)),
        pieces=_pieces,
        usage=replies.ANTHROPIC_USAGE,
        buckets=replies.ANTHROPIC_BUCKETS,
        zero={"input_tokens": 0, "output_tokens": 0},
        features=frozenset({"asyncio_only", "eager", "closes"}),
        make=Client,
        made_up=frozenset({"id", "created"}),
    )
