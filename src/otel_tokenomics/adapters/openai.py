"""The `openai` client library, and every provider that it is pointed at.

Its routes and who is behind its clients, after https://platform.openai.com/docs/api-reference and the types
of openai 3.57. What its bodies and events say is read in `openai_dialect`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from otel_tokenomics.adapters import openai_batch, openai_training
from otel_tokenomics.adapters.batches import LinesMeter
from otel_tokenomics.adapters.hosts import Hosts
from otel_tokenomics.adapters.openai_dialect import DIALECT
from otel_tokenomics.adapters.openai_work import unit_of_images
from otel_tokenomics.adapters.routes import Endpoint, Endpoints, Route, Routes, facts_of
from otel_tokenomics.adapters.stainless import StainlessMeter
from otel_tokenomics.adapters.stainless_body import body_of, may_ask_for_usage
from otel_tokenomics.model.call import Facts

if TYPE_CHECKING:
    from otel_tokenomics.adapters.openai_socket import SocketListener

_ROUTES = Routes(
    Route("POST", "chat/completions", "chat"),
    Route("POST", "responses", "chat"),
    Route("POST", "embeddings", "embeddings"),
    Route("POST", "completions", "text_completion"),
    Route("POST", "responses/compact", "chat"),
    Route("POST", "responses/input_tokens", "count_tokens", "free"),
    Route("POST", "responses/*/cancel", "chat", "polled"),
    Route("GET", "responses/*", "chat", "polled"),
    Route("POST", "images/generations", "image_generation"),
    Route("POST", "images/edits", "image_generation"),
    Route("POST", "images/variations", "image_generation"),
    Route("POST", "videos", "video_generation"),
    Route("POST", "videos/*/remix", "video_generation"),
    Route("POST", "videos/edits", "video_generation"),
    Route("POST", "videos/extensions", "video_generation"),
    Route("GET", "videos/*", "video_generation", "polled"),
    Route("POST", "audio/transcriptions", "transcription"),
    Route("POST", "audio/translations", "translation"),
    Route("POST", "audio/speech", "speech"),
    Route("POST", "moderations", "moderation", "free"),
    Route("POST", "threads/runs", "chat"),
    Route("POST", "threads/*/runs", "chat"),
    Route("POST", "runs/*/submit_tool_outputs", "chat", "polled"),
    Route("POST", "runs/*/cancel", "chat", "polled"),
    Route("GET", "threads/*/runs/*", "chat", "polled"),
    *openai_batch.ROUTES,
    *openai_training.ROUTES,
)
_ASKABLE = frozenset({"chat/completions", "completions"})
"""Routes that know `stream_options.include_usage`; any other refuses it as an unknown parameter."""
_RUNTIMES = {"bedrock": "aws.bedrock", "vertex": "gcp.vertex_ai"}
_AZURE_ASKS_SINCE = "2024-09-01"
"""Azure's API versions before this one refuse `stream_options`."""


class OpenAI:
    """The adapter. `hosts` says who is behind a base URL."""

    def __init__(self, hosts: Hosts | None = None) -> None:
        self._hosts = hosts or Hosts()
        self._endpoints = Endpoints(self._endpoint)
        self._batches = openai_batch.Batches()

    def facts(self, client: Any, options: Any, stream: bool) -> Facts | None:
        """What the request says, or `None` if it calls no model."""
        route = _ROUTES.find(options.method, options.url)
        if route is None:
            return None
        facts = facts_of("openai", route, self._endpoints.of(client), body_of(options), stream)
        if route.operation == "image_generation":
            facts.unit = unit_of_images(body_of(options))
        return facts

    def meter(self, client: Any, options: Any, facts: Facts) -> StainlessMeter | LinesMeter:
        """A meter that asks for usage in a stream where the endpoint is known to give it."""
        if facts.billing == "several":
            return self._several(options, facts)
        asks = facts.stream and facts.route in _ASKABLE and self._may_ask(client, body_of(options))
        return StainlessMeter(DIALECT, options, facts, include_usage=asks)

    def _several(self, options: Any, facts: Facts) -> LinesMeter | StainlessMeter:
        if facts.operation == "fine_tuning":
            return openai_training.TrainingMeter(options, facts)
        return self._batches.meter(DIALECT, options, facts)

    def listener(self, path: str, host: str | None) -> SocketListener:
        """Reads what a websocket of that path at that host receives."""
        from otel_tokenomics.adapters.openai_socket import SocketListener

        return SocketListener(self._hosts, path, host)

    def _endpoint(self, client: Any, host: str | None) -> Endpoint:
        runtime = getattr(getattr(client, "_provider_runtime", None), "name", None)
        if runtime in _RUNTIMES:
            return Endpoint(_RUNTIMES[runtime])
        if hasattr(client, "_azure_deployment") or hasattr(client, "_azure_ad_token"):
            version = getattr(client, "_api_version", None)
            return Endpoint("azure.ai.openai", asks=version is None or str(version) >= _AZURE_ASKS_SINCE)
        known = self._hosts.find(host) if host else None
        if known is None:
            return Endpoint("openai", assumed=True)
        return Endpoint(known.provider, asks=known.usage_in_streams)

    def _may_ask(self, client: Any, body: Any) -> bool:
        """Where the endpoint gives usage and the caller left it open. Azure's own data sources refuse it."""
        return self._endpoints.of(client).asks and may_ask_for_usage(body) and "data_sources" not in body
