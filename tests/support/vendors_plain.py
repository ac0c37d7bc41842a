"""Rows of the client libraries without streams: voyageai, and replicate, whose predictions are polled."""

from __future__ import annotations

import importlib
import inspect
import time
from typing import Any

from tests.support import replies

VOYAGE_USAGE = {"total_tokens": 100}
REPLICATE_METRICS = {"input_token_count": 100, "output_token_count": 20, "predict_time": 1.5}
VERSION = "5c7d5dc6dd8bf75c1acaa8565735e7986bc5b66206b55cca93cb72c9bf15ccaa"


def known(kind: Any, **options: Any) -> dict[str, Any]:
    """Those of the options that a class takes: an older version may not know one."""
    takes = inspect.signature(kind).parameters
    return {name: given for name, given in options.items() if name in takes}


def voyage(usage: Any) -> dict[str, Any]:
    """A response of embeddings."""
    one = {"object": "embedding", "embedding": [0.25, 0.5], "index": 0}
    return {"object": "list", "data": [one], "model": "voyage-3.5", "usage": usage}


def _voyage_client(kind: Any, http: Any, options: dict[str, Any]) -> Any:
    """The HTTP clients are the library's, not a client's: that of this thread, and that of this context."""
    library: Any = importlib.import_module("voyageai")
    if type(http).__name__ == "Session" and hasattr(http, "mount"):
        here = importlib.import_module("voyageai.api_resources.api_requestor")._thread_context
        here.session, here.session_create_time = http, time.time()
    else:
        library.aiosession.set(http)
    return kind(**{"api_key": "none", **known(kind, base_url="https://api.voyageai.com/v1"), **options})


def voyage_row(kit: Any) -> Any:
    """Embeddings: requests where it waits, aiohttp where it is awaited."""
    return kit(
        "voyageai",
        "voyageai",
        ("Client", "AsyncClient"),
        "embed",
        arguments=lambda stream: {"texts": ["When do I dig?"], "model": "voyage-3.5"},
        whole=lambda usage: replies.dumps(voyage(usage)),
        pieces=lambda usage: [],
        usage=VOYAGE_USAGE,
        buckets={"input": 100},
        zero={"total_tokens": 0},
        features=frozenset({"plain", "input_only", "asyncio_only"}),
        http=("requests", "aiohttp"),
        make=_voyage_client,
    )


def prediction(metrics: Any, status: str = "succeeded", **more: Any) -> dict[str, Any]:
    """A prediction."""
    return {
        "id": "p1",
        "model": "meta/meta-llama-3-8b-instruct",
        "version": VERSION,
        "status": status,
        "input": {"prompt": "When do I dig?"},
        "output": ["Dig ", "in ", "spring."] if status == "succeeded" else None,
        "logs": "",
        "error": None,
        "metrics": metrics,
        "created_at": "2026-05-24T21:01:59.481Z",
        "started_at": None,
        "completed_at": None,
        "urls": {"get": "https://api.replicate.com/v1/predictions/p1"},
        **more,
    }


def replicate_client(kind: Any, http: Any, options: dict[str, Any]) -> Any:
    """A client whose transport is that of an HTTP client."""
    made = kind(**{"api_token": "none", **options}, transport=http._transport)
    made.poll_interval = 0
    return made


def replicate_row(kit: Any) -> Any:
    """A prediction that is at its end when it is first seen, as with `Prefer: wait`."""
    return kit(
        "replicate",
        "replicate",
        ("Client", "Client"),
        ("predictions.create", "", "predictions.async_create", ""),
        arguments=lambda stream: {"version": VERSION, "input": {"prompt": "When do I dig?"}, "wait": True},
        whole=lambda metrics: replies.dumps(prediction(metrics, id=f"p{time.monotonic_ns()}")),
        pieces=lambda usage: [],
        usage=REPLICATE_METRICS,
        buckets={"input": 100, "output": 20},
        zero={"input_token_count": 0, "output_token_count": 0},
        features=frozenset({"plain"}),
        make=replicate_client,
    )
