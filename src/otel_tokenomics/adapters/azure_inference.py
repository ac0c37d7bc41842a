"""The `azure-ai-inference` client library: models on Azure AI Foundry, in OpenAI's format.

https://learn.microsoft.com/rest/api/aifoundry/modelinference. It sends through requests or, where it is
asynchronous, aiohttp, as `azsdk-python-ai-inference/...`, with what the application calls itself before that.
"""

from __future__ import annotations

from otel_tokenomics.adapters import openai_dialect
from otel_tokenomics.adapters.http import HttpAdapter
from otel_tokenomics.adapters.routes import Route, Routes


class AzureInference(HttpAdapter):
    """The adapter. A host that is not Azure's, such as GitHub's, is an assumed provider."""

    flavor = "azure_ai_inference"
    provider = "azure.ai.inference"
    sign = "azsdk-python-ai-inference/"
    routes = Routes(
        Route("POST", "chat/completions", "chat"),
        Route("POST", "embeddings", "embeddings"),
        Route("POST", "images/embeddings", "embeddings"),
    )
    dialect = openai_dialect.DIALECT
