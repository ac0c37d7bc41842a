"""The row of ibm-watsonx-ai: chat in OpenAI's format, over httpx."""

from __future__ import annotations

import importlib
from typing import Any

from tests.support import replies

URL = "https://us-south.ml.cloud.ibm.com"
MODEL = "ibm/granite-3-3-8b-instruct"
PROJECT = "3fc54cf1-252f-424b-b52d-5cdd9814987f"
USAGE = {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120}
_TOKEN = "none.none.none"


def api_client(http: Any) -> Any:
    """The library's own client over an HTTP client of either kind, with a token that IAM gave before."""
    library: Any = importlib.import_module("ibm_watsonx_ai")
    kind = "async_httpx_client" if type(http).__name__ == "AsyncClient" else "httpx_client"
    made = library.APIClient(library.Credentials(url=URL, token=_TOKEN), **{kind: http})
    made.default_project_id = PROJECT
    return made


def _client(kind: Any, http: Any, options: dict[str, Any]) -> Any:
    settings = {"model_id": MODEL, "validate": False, "max_retries": 0, **options}
    return kind(api_client=api_client(http), **settings)


def _pieces(usage: Any) -> list[bytes]:
    return replies.sse(replies.chat_chunks(usage=usage), done=False)


def watsonx_row(kit: Any) -> Any:
    """The row."""
    return kit(
        "ibm-watsonx-ai",
        "ibm_watsonx_ai.foundation_models",
        ("ModelInference", "ModelInference"),
        ("chat", "chat_stream", "achat", "achat_stream"),
        arguments=lambda stream: {"messages": [{"role": "user", "content": "When do I dig?"}]},
        whole=lambda usage: replies.dumps(replies.chat(usage)),
        pieces=_pieces,
        usage=USAGE,
        buckets={"input": 100, "output": 20},
        zero={"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0},
        features=frozenset({"asyncio_only"}),
        make=_client,
    )
