"""The providers that were recorded, and how each one's exchanges are played: one row each."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import cohere
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


def _google(client: Any, exchange: Exchange) -> Method:
    """What the reply is does not hang on what was asked, so that only the model and the verb are played."""
    model, _, verb = exchange.path[-1].partition(":")
    name = {
        "generateContent": "generate_content",
        "streamGenerateContent": "generate_content_stream",
        "batchEmbedContents": "embed_content",
        "embedContent": "embed_content",
        "countTokens": "count_tokens",
        "predict": "embed_content",
    }[verb]
    place = client.aio.models if _awaits(client) else client.models
    return Method(place, name, {"model": model, "contents": "lost"})


def _awaits(client: Any) -> bool:
    return client._api_client._http_options.httpx_async_client is not None


def _vertex(exchange: Exchange) -> dict[str, Any]:
    options: dict[str, Any] = {"base_url": f"https://{exchange.host}", "vertexai": True}
    if "projects" in exchange.path:
        from google.oauth2.credentials import Credentials

        options |= {"project": exchange.path[2], "location": exchange.path[4], "api_key": None}
        options["credentials"] = Credentials(token="none")  # type: ignore[no-untyped-call]
    return options


def _mistral(client: Any, exchange: Exchange) -> Method:
    given = client.sdk_configuration.async_client
    tail = "_async" if type(getattr(given, "_transport", None)).__name__ == "MockTransport" else ""
    asked = {"model": exchange.request.get("model") or "lost"}
    if exchange.path[-1] == "embeddings":
        return Method(client.embeddings, "create" + tail, {**asked, "inputs": ["lost"]})
    name = "stream" if exchange.streamed else "complete"
    return Method(client.chat, name + tail, {**asked, "messages": _LOST["messages"]})


def _cohere(client: Any, exchange: Exchange) -> Method:
    name, first = exchange.path[-1], exchange.path[0] == "v1"
    if name == "chat" and exchange.streamed:
        name = "chat_stream"
    asked: dict[str, Any] = {"model": exchange.request.get("model") or "lost"}
    asked |= {
        "chat": {"message": "lost"} if first else {"messages": _LOST["messages"]},
        "chat_stream": {"message": "lost"} if first else {"messages": _LOST["messages"]},
        "embed": {"texts": ["lost"], "input_type": "search_query", "embedding_types": ["float"]},
        "rerank": {"query": "lost", "documents": ["lost"]},
        "generate": {"prompt": "lost"},
    }[name]
    kind = cohere.AsyncClient if isinstance(client, cohere.AsyncClientV2) else cohere.Client
    if first:
        # The first version has a client of its own, here on the same HTTP client.
        wrapper = client._client_wrapper
        http, base = wrapper.httpx_client.httpx_client, wrapper.get_base_url()
        client = kind(api_key="none", httpx_client=http, base_url=base)
    return Method(client, name, asked)


def _ollama(client: Any, exchange: Exchange) -> Method:
    name = exchange.path[-1]
    asked = {"messages": _LOST["messages"]} if name == "chat" else {"prompt": "lost"}
    return Method(client, name, {"model": "lost", "stream": exchange.streamed, **asked})


def _huggingface(client: Any, exchange: Exchange) -> Method:
    asked = {"messages": _LOST["messages"], "stream": exchange.streamed}
    return Method(client, "chat_completion", asked)


def _voyage(client: Any, exchange: Exchange) -> Method:
    asked = {"model": exchange.request["model"]}
    if exchange.path[-1] == "rerank":
        return Method(client, "rerank", {**asked, "query": "lost", "documents": ["lost"]})
    return Method(client, "embed", {**asked, "texts": ["lost"]})


def _replicate(client: Any, exchange: Exchange) -> Method:
    awaits = client._client_kwargs["transport"].handler.__name__ == "_aanswer"
    return Method(client.predictions, "async_get" if awaits else "get", {"id": exchange.path[-1]})


def _router(exchange: Exchange) -> str:
    return f"https://{exchange.host}/{exchange.path[0]}/v1"


TYPED = ("typed",)
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
    "gemini": Vendor("google-genai", "", _google, TYPED),
    "vertex": Vendor("google-genai", "", _google, TYPED, _vertex),
    "mistral": Vendor("mistralai", "", _mistral, TYPED),
    "cohere": Vendor("cohere", "", _cohere, TYPED),
    "ollama": Vendor("ollama", "", _ollama, TYPED),
    "voyage": Vendor("voyageai", "/v1", _voyage, TYPED),
    "replicate": Vendor("replicate", "", _replicate, TYPED),
    "huggingface": Vendor(
        "huggingface-hub", "", _huggingface, TYPED, lambda exchange: {"base_url": _router(exchange)}
    ),
}
"""Every recorded provider that a client library plays."""
