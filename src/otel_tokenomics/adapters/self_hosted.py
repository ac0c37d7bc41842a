"""Servers that a team runs itself, by the interfaces of their own beside OpenAI's: SGLang, llama.cpp, TGI.

SGLang: https://docs.sglang.ai/basic_usage/native_api.html, `meta_info`, cumulative in a stream. llama.cpp:
https://github.com/ggml-org/llama.cpp/tree/master/tools/server, `timings`, where what the cache served is
`cache_n`. TGI: https://huggingface.co/docs/text-generation-inference, `details`, where they are asked for.
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
from otel_tokenomics.model.usage import MISSING, Usage

_KINDS = ("meta_info", "timings", "details")


def read(body: Mapping[str, Any]) -> Reading:
    """What a response of any of these says, whole or laid together from its events."""
    told = next((body[name] for name in _KINDS if isinstance(body.get(name), dict)), None)
    if told is None:
        return Reading(MISSING, response_model=clean(body.get("model")))
    counts = Counts(told)
    buckets = _buckets(counts)
    usage = usage_or_missing(Usage(buckets, flags=tuple(sorted(counts.flags))))
    return Reading(usage, clean(told.get("id")), clean(body.get("model")))


def _buckets(counts: Counts) -> dict[str, int]:
    raw = counts.raw
    if "predicted_n" in raw:
        found = {
            "input": counts.get(raw, "prompt_n"),
            "cache_read": counts.get(raw, "cache_n"),
            "output": counts.get(raw, "predicted_n"),
        }
    elif "generated_tokens" in raw:
        prefill = raw.get("prefill")
        read_first = len(prefill) if isinstance(prefill, list) and prefill else None
        found = {"input": read_first, "output": counts.get(raw, "generated_tokens")}
    else:
        total, cached = counts.get(raw, "prompt_tokens"), counts.get(raw, "cached_tokens")
        output, thought = counts.get(raw, "completion_tokens"), counts.get(raw, "reasoning_tokens")
        found = {
            "input": None if total is None else counts.rest(total, cached),
            "cache_read": cached,
            "output": None if output is None else counts.rest(output, thought),
            "reasoning": thought,
        }
    return {bucket: count for bucket, count in found.items() if count is not None}


def _part(event: Mapping[str, Any]) -> Mapping[str, Any] | None:
    found = {name: event[name] for name in (*_KINDS, "model") if event.get(name)}
    return found or None


def _texts(event: Mapping[str, Any]) -> Iterator[str]:
    token = event.get("token")
    piece = token.get("text") if isinstance(token, dict) else None
    for text in (piece or event.get("generated_text"), event.get("content"), event.get("text")):
        if isinstance(text, str):
            yield text


def _ended(event: Mapping[str, Any]) -> bool:
    info = event.get("meta_info")
    finished = isinstance(info, dict) and info.get("finish_reason") is not None
    return finished or event.get("stop") is True or isinstance(event.get("details"), dict)


class SelfHosted(HttpAdapter):
    """The adapter, for raw HTTP to a host that is named as one of these servers."""

    flavor = provider = "self_hosted"
    routes = Routes(
        Route("POST", "generate", "text_completion"),
        Route("POST", "generate_stream", "text_completion"),
        Route("POST", "completion", "text_completion"),
    )
    dialect = ShapeDialect(read, _part, _texts, _ended)
    needle = re.compile(rb'"(?:meta_info|timings|details)"\s*:\s*\{')
