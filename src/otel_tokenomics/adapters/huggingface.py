"""The inference clients of `huggingface_hub`. Its router passes requests on to the provider in their path.

Usage: https://huggingface.co/docs/inference-providers/tasks/chat-completion, OpenAI's format. Tasks without
usage, such as classification, are billed by compute time, which no response says.
"""

from __future__ import annotations

from typing import Any

from otel_tokenomics.adapters import openai_dialect
from otel_tokenomics.adapters.http import HttpAdapter
from otel_tokenomics.adapters.routes import Endpoint, Route, Routes

_ROUTER = "router.huggingface.co"


class HuggingFace(HttpAdapter):
    """The adapter."""

    flavor = provider = "huggingface"
    sign = "hf_hub/"
    routes = Routes(
        Route("POST", "chat/completions", "chat"),
        Route("POST", "completions", "text_completion"),
        Route("POST", "embeddings", "embeddings"),
    )
    dialect = openai_dialect.DIALECT

    def endpoint(self, url: Any) -> Endpoint:
        """The provider behind the router, who sets the price; it is not told where the router chooses."""
        first = url.path.strip("/").partition("/")[0]
        if url.host == _ROUTER and first and first != "v1":
            return Endpoint(f"huggingface_{first.replace('-', '_')}")
        return Endpoint("huggingface") if url.host == _ROUTER else super().endpoint(url)
