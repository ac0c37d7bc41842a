"""The `ollama` client library.

Usage: https://github.com/ollama/ollama/blob/main/docs/api.md: `prompt_eval_count` and `eval_count`, in the
body or in the last line of a stream. Prompt tokens that a cache served may be in neither.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from otel_tokenomics.adapters.counts import Counts, usage_or_missing
from otel_tokenomics.adapters.dialect import ShapeDialect
from otel_tokenomics.adapters.http import HttpAdapter
from otel_tokenomics.adapters.routes import Route, Routes
from otel_tokenomics.model.call import Reading
from otel_tokenomics.model.text import clean
from otel_tokenomics.model.usage import Usage


def read(body: Mapping[str, Any]) -> Reading:
    """What a response of chat, generate or embed says."""
    counts = Counts(body)
    found = {
        "input": counts.get(body, "prompt_eval_count"),
        "output": counts.get(body, "eval_count"),
    }
    buckets = {bucket: count for bucket, count in found.items() if count is not None}
    usage = usage_or_missing(Usage(buckets, flags=tuple(sorted(counts.flags))))
    return Reading(
        usage, response_model=clean(body.get("model")), finish_reason=clean(body.get("done_reason"))
    )


def _texts(event: Mapping[str, Any]) -> Iterator[str]:
    message = event.get("message")
    part = message if isinstance(message, dict) else event
    for key in ("content", "thinking", "response"):
        if isinstance(text := part.get(key), str):
            yield text


class Ollama(HttpAdapter):
    """The adapter."""

    flavor = provider = "ollama"
    sign = "ollama-python/"
    routes = Routes(
        Route("POST", "api/chat", "chat"),
        Route("POST", "api/generate", "text_completion"),
        Route("POST", "api/embed", "embeddings"),
        Route("POST", "api/embeddings", "embeddings"),
    )
    dialect = ShapeDialect(
        read,
        lambda event: event if event.get("done") else None,
        _texts,
        lambda event: event.get("done") is True,
    )
    needle = re.compile(rb'"done"\s*:\s*true')
    prefix = b"{"
