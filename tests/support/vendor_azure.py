"""The row of azure-ai-inference: OpenAI's format over requests, and over aiohttp where it is awaited."""

from __future__ import annotations

import importlib
from typing import Any

from tests.support import replies

ENDPOINT = "https://place.services.ai.azure.com/models"


def azure_client(kind: Any, http: Any, options: dict[str, Any]) -> Any:
    """A client whose transport ends on a wire. It retries nothing."""
    transports: Any = importlib.import_module("azure.core.pipeline.transport")
    credentials: Any = importlib.import_module("azure.core.credentials")
    if hasattr(http, "mount"):
        transport = transports.RequestsTransport(session=http, session_owner=False)
    else:
        kind = getattr(importlib.import_module("azure.ai.inference.aio"), kind.__name__)
        transport = transports.AioHttpTransport(session=http, session_owner=False)
    settings = {"transport": transport, "retry_total": 0, **options}
    return kind(ENDPOINT, credentials.AzureKeyCredential("secret"), **settings)


def azure_row(kit: Any) -> Any:
    """The row."""
    return kit(
        "azure-ai-inference",
        "azure.ai.inference",
        ("ChatCompletionsClient", "ChatCompletionsClient"),
        "complete",
        arguments=lambda stream: {
            "messages": [{"role": "user", "content": "When do I dig?"}],
            "model": "gpt-4o",
            "stream": stream,
        },
        whole=lambda usage: replies.dumps(replies.chat(usage)),
        pieces=lambda usage: replies.sse(replies.chat_chunks(usage=usage)),
        usage=replies.OPENAI_USAGE,
        buckets=replies.OPENAI_BUCKETS,
        zero={"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0},
        features=frozenset({"asyncio_only", "eager", "unread"}),
        http=("requests", "aiohttp"),
        make=azure_client,
    )
