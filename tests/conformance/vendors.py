"""The providers that were recorded, and how each one's exchanges are played: one row each."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from tests.conformance.exchanges import Exchange
from tests.conformance.replay import Method, Vendor, deployment_of


def _azure(exchange: Exchange) -> dict[str, Any]:
    """Azure's client: of a deployment, or of the paths that OpenAI has."""
    deployment = deployment_of(exchange)
    if deployment is None:
        return {"base_url": f"https://{exchange.host}/v1"}
    endpoint = f"https://{exchange.host}"
    return {"azure_endpoint": endpoint, "azure_deployment": deployment, "api_version": "2024-10-21"}


def _messages(client: Any, exchange: Exchange) -> Method:
    place = client.beta.messages if exchange.query.get("beta") == "true" else client.messages
    return _method(place, "create", {"timeout": 600, **exchange.request})


def _openai(client: Any, exchange: Exchange) -> Method:
    tail = ("", *exchange.path)[-2:]
    request = dict(exchange.request)
    if exchange.path[-3:-2] == ("runs",) or tail[0] == "runs":
        return _run(client, exchange, request)
    if exchange.method == "GET":
        streamed = {"stream": True} if exchange.streamed else {}
        return _method(client.responses, "retrieve", {"response_id": tail[1], **streamed})
    places: Mapping[str, tuple[Any, str]] = {
        "chat/completions": (client.chat.completions, "create"),
        "responses/compact": (client.responses, "compact"),
        "completions": (client.completions, "create"),
        "responses": (client.responses, "create"),
        "embeddings": (client.embeddings, "create"),
        "generations": (client.images, "generate"),
        "runs": (client.beta.threads.runs, "create"),
    }
    place, name = places.get("/".join(tail)) or places[tail[1]]
    if tail[1] == "runs":
        request["thread_id"] = tail[0]
    return _method(place, name, request)


def _run(client: Any, exchange: Exchange, request: dict[str, Any]) -> Method:
    return _method(
        client.beta.threads.runs,
        "retrieve",
        {"thread_id": exchange.path[-3], "run_id": exchange.path[-1], **request},
    )


def _method(resource: Any, name: str, arguments: dict[str, Any]) -> Method:
    """Arguments that the installed version does not name go into the body as they are."""
    named = inspect.signature(getattr(resource, name)).parameters
    if not arguments:
        arguments = {key: given for key, given in _LOST.items() if key in named}
    known = {key: argument for key, argument in arguments.items() if key in named}
    extra = {key: argument for key, argument in arguments.items() if key not in named}
    return Method(resource, name, {**known, **({"extra_body": extra} if extra else {})})


_LOST: Mapping[str, Any] = {
    "model": "lost",
    "messages": [{"role": "user", "content": "lost"}],
    "input": "lost",
}
"""What stands for a request that was not recorded."""


def _compatible(client: Any, exchange: Exchange) -> Method:
    """Vendors that speak OpenAI's format; Writer's chat is a method of `chat` itself."""
    *_, before, last = exchange.path
    if last == "chat":
        return _method(client.chat, "chat", dict(exchange.request))
    resource = client.chat.completions if before == "chat" else client.completions
    return _method(resource, "create", dict(exchange.request))


VENDORS: Mapping[str, Vendor] = {
    "openai": Vendor("openai", "/v1", _openai),
    "azure_openai": Vendor("azure-openai", "/v1", _openai, options=_azure),
    "anthropic": Vendor("anthropic", "", _messages),
    "groq": Vendor("groq", "", _compatible),
    "together": Vendor("together", "/v1", _compatible),
    "cerebras": Vendor("cerebras-cloud-sdk", "", _compatible),
    "writer": Vendor("writer-sdk", "", _compatible),
    "deepseek": Vendor("openai", "", _openai),
    "openrouter": Vendor("openai", "/api/v1", _openai),
}
"""Every recorded provider that a client library plays."""
