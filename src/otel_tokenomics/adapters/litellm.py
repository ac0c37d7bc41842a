"""The `litellm` library's own calls: to whom it sends requests itself, over httpx or aiohttp.

What it sends through another client library is that library's call, and is none here. Requests carry
`User-Agent: litellm/...`, or what `LITELLM_USER_AGENT` says: https://docs.litellm.ai/docs/proxy/config_settings.
Who reads a request is told by its host, as for raw HTTP; on a host that is not known, by its path.
"""

from __future__ import annotations

import os

from otel_tokenomics.adapters.hosts import Hosts
from otel_tokenomics.adapters.http import HttpAdapter
from otel_tokenomics.adapters.raw import RawHttp

_BY_PATH = ("ollama", "google_genai", "cohere")
"""Formats whose paths are theirs alone, for a server of one's own."""


class LiteLLM(RawHttp):
    """The adapter. What is read is what the readers of raw HTTP know."""

    operations = (
        *("chat", "classification", "count_tokens", "embeddings", "image_generation", "moderation"),
        *("rerank", "speech", "text_completion", "transcription", "translation"),
    )

    def __init__(self, hosts: Hosts | None = None) -> None:
        super().__init__(hosts)
        self.sign = os.environ.get("LITELLM_USER_AGENT") or "litellm/"

    def _of(self, host: str | None) -> tuple[HttpAdapter, ...]:
        if host and self._hosts.find(host) is not None:
            return super()._of(host)
        return (*self._spoken, *(self._readers[flavor] for flavor in _BY_PATH))
