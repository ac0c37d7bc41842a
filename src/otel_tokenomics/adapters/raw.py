"""Raw HTTP: what an application without a client library sends to known hosts. The host says who reads it.

OpenAI's format and Anthropic's are read wherever they are spoken; other vendors' own as well. A request is
sent as it is: one that asks for no usage in its stream gets none, and its tokens are then counted here.
"""

from __future__ import annotations

from typing import Any, Final

from otel_tokenomics.adapters import anthropic, openai_dialect
from otel_tokenomics.adapters.cohere import Cohere
from otel_tokenomics.adapters.google import Google
from otel_tokenomics.adapters.hosts import Hosts
from otel_tokenomics.adapters.http import HttpAdapter
from otel_tokenomics.adapters.http_body import body_of
from otel_tokenomics.adapters.mistral import Mistral
from otel_tokenomics.adapters.ollama import Ollama
from otel_tokenomics.adapters.openai_work import unit_of_images
from otel_tokenomics.adapters.replicate import Replicate
from otel_tokenomics.adapters.routes import Endpoint, Route, Routes
from otel_tokenomics.adapters.self_hosted import SelfHosted
from otel_tokenomics.adapters.voyage import Voyage
from otel_tokenomics.adapters.watsonx import Watsonx
from otel_tokenomics.flow.contracts import Meter
from otel_tokenomics.model.call import Facts


class OpenAIFormat(HttpAdapter):
    """Whoever speaks OpenAI's format."""

    flavor = "openai_http"
    provider = "openai"
    routes = Routes(
        Route("POST", "chat/completions", "chat"),
        Route("POST", "responses", "chat"),
        Route("GET", "responses/*", "chat", "polled"),
        Route("POST", "completions", "text_completion"),
        Route("POST", "embeddings", "embeddings"),
        Route("POST", "rerank", "rerank"),
        Route("POST", "images/generations", "image_generation"),
        Route("POST", "images/edits", "image_generation"),
        Route("POST", "audio/transcriptions", "transcription"),
        Route("POST", "audio/translations", "translation"),
        Route("POST", "audio/speech", "speech"),
        Route("POST", "moderations", "moderation", "free"),
    )
    dialect = openai_dialect.DIALECT

    def told(self, route: Route, endpoint: Endpoint, request: Any, stream: bool) -> Facts:
        """The facts of a request, with what sets the price of an image."""
        facts = super().told(route, endpoint, request, stream)
        if route.operation == "image_generation":
            facts.unit = unit_of_images(body_of(request))
        return facts


class AnthropicFormat(HttpAdapter):
    """Whoever speaks Anthropic's format."""

    flavor = "anthropic_http"
    provider = "anthropic"
    routes = Routes(
        Route("POST", "messages", "chat"),
        Route("POST", "messages/count_tokens", "count_tokens", "free"),
        Route("POST", "complete", "text_completion"),
    )
    dialect = anthropic.DIALECT


_OWN: Final = {
    "gcp.gemini": Google,
    "gcp.vertex_ai": Google,
    "cohere": Cohere,
    "mistral_ai": Mistral,
    "ollama": Ollama,
    "replicate": Replicate,
    "voyage_ai": Voyage,
    "ibm.watsonx.ai": Watsonx,
    **dict.fromkeys(("sglang", "llama_cpp", "tgi", "self_hosted"), SelfHosted),
}
"""Vendors with a format of their own."""
_UNREAD: Final = frozenset({"aws.bedrock"})
"""Their answers are read where botocore has parsed them."""


class RawHttp:
    """The adapter: each request is read by the first of its vendor's formats that knows its path."""

    sign: str | None = None

    def __init__(self, hosts: Hosts | None = None) -> None:
        self._hosts = hosts or Hosts()
        own = {kind.flavor: kind(self._hosts) for kind in _OWN.values()}
        self._spoken: tuple[HttpAdapter, ...] = (OpenAIFormat(self._hosts), AnthropicFormat(self._hosts))
        self._readers = {**own, **{reader.flavor: reader for reader in self._spoken}}

    def knows(self, host: str | None) -> bool:
        """Whether a model provider is behind a host: by the table, or by the user's own."""
        known = self._hosts.find(host) if host else None
        return known is not None and known.provider not in _UNREAD

    def facts(self, client: Any, options: Any, stream: bool) -> Facts | None:
        """What the request says, or `None` if it calls no model."""
        for reader in self._of(options.url.host):
            if (facts := reader.facts(client, options, stream)) is not None:
                return facts
        return None

    def meter(self, client: Any, options: Any, facts: Facts) -> Meter:
        """A meter of whoever knew the request."""
        return self._readers[facts.flavor].meter(client, options, facts)

    def _of(self, host: str) -> tuple[HttpAdapter, ...]:
        known = self._hosts.find(host)
        own = _OWN.get(known.provider) if known is not None else None
        return self._spoken if own is None else (self._readers[own.flavor], *self._spoken)
