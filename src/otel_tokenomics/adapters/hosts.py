"""Who is behind a base URL: an anchored table of hosts, then the user's own map.

A host matches whole, or after a dot: `api.openai.com.evil.example` is nobody we know.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple


class Host(NamedTuple):
    """A known host. `usage_in_streams`: it is known to accept `stream_options.include_usage`."""

    provider: str
    usage_in_streams: bool = False


_EXACT: Mapping[str, Host] = {
    "api.openai.com": Host("openai", True),
    "us.api.openai.com": Host("openai", True),
    "eu.api.openai.com": Host("openai", True),
    "api.anthropic.com": Host("anthropic"),
    "api.groq.com": Host("groq", True),
    "api.deepseek.com": Host("deepseek", True),
    "api.mistral.ai": Host("mistral_ai"),
    "api.x.ai": Host("x_ai", True),
    "us-east-1.api.x.ai": Host("x_ai", True),
    "api.together.xyz": Host("together", True),
    "api.together.ai": Host("together", True),
    "api.fireworks.ai": Host("fireworks", True),
    "api.perplexity.ai": Host("perplexity"),
    "openrouter.ai": Host("openrouter", True),
    "api.cerebras.ai": Host("cerebras", True),
    "api.deepinfra.com": Host("deepinfra", True),
    "api.replicate.com": Host("replicate"),
    "api.voyageai.com": Host("voyage_ai"),
    "ai.mongodb.com": Host("voyage_ai"),
    "api.cohere.com": Host("cohere"),
    "api.cohere.ai": Host("cohere"),
    "api.moonshot.ai": Host("moonshot_ai", True),
    "api.moonshot.cn": Host("moonshot_ai", True),
    "generativelanguage.googleapis.com": Host("gcp.gemini", True),
    "aiplatform.googleapis.com": Host("gcp.vertex_ai", True),
}

_SUFFIX: Mapping[str, Host] = {
    "openai.azure.com": Host("azure.ai.openai", True),
    "services.ai.azure.com": Host("azure.ai.openai", True),
    "cognitiveservices.azure.com": Host("azure.ai.openai", True),
    "aiplatform.googleapis.com": Host("gcp.vertex_ai", True),
    "amazonaws.com": Host("aws.bedrock"),
    "api.aws": Host("aws.bedrock"),
    "ml.cloud.ibm.com": Host("ibm.watsonx.ai"),
    "wxai.ibm.com": Host("ibm.watsonx.ai"),
}

_REGIONAL_VERTEX = "-aiplatform.googleapis.com"


class Hosts:
    """The known hosts with the user's own on top (`[hosts]`: a host, or `*.suffix`, to a provider's name)."""

    def __init__(self, own: Mapping[str, str] | None = None) -> None:
        self._own = {host.lower(): provider for host, provider in (own or {}).items()}
        self.find = lru_cache(maxsize=512)(self._find)

    def _find(self, host: str) -> Host | None:
        host = host.lower().rstrip(".")
        provider = self._of_user(host)
        known = _EXACT.get(host) or _by_suffix(host)
        if provider is None:
            return known
        return Host(provider, known.usage_in_streams if known is not None else False)

    def _of_user(self, host: str) -> str | None:
        if host in self._own:
            return self._own[host]
        for parent in _parents(host):
            if (provider := self._own.get(f"*.{parent}")) is not None:
                return provider
        return None


def _by_suffix(host: str) -> Host | None:
    for parent in _parents(host):
        if parent in _SUFFIX:
            return _SUFFIX[parent]
    return Host("gcp.vertex_ai", True) if host.endswith(_REGIONAL_VERTEX) else None


def _parents(host: str) -> list[str]:
    labels = host.split(".")
    return [".".join(labels[start:]) for start in range(1, len(labels))]
