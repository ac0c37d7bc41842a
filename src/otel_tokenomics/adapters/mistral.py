"""The `mistralai` client library, at Mistral, Azure and Google.

Usage: https://docs.mistral.ai/api, chat completions; the same format as OpenAI's. Pages that OCR read are
not counted yet: such a response says so by a usage that is missing.
"""

from __future__ import annotations

from otel_tokenomics.adapters import openai_dialect
from otel_tokenomics.adapters.http import HttpAdapter
from otel_tokenomics.adapters.routes import Route, Routes


class Mistral(HttpAdapter):
    """The adapter."""

    flavor = "mistralai"
    provider = "mistral_ai"
    sign = "mistral-client-python/"
    routes = Routes(
        Route("POST", "chat/completions", "chat"),
        Route("POST", "fim/completions", "text_completion"),
        Route("POST", "agents/completions", "chat"),
        Route("POST", "embeddings", "embeddings"),
        Route("POST", "conversations", "chat"),
        Route("POST", "conversations/*", "chat"),
        Route("POST", "audio/transcriptions", "transcription"),
        Route("POST", "moderations", "moderation"),
        Route("POST", "chat/moderations", "moderation"),
        Route("POST", "classifications", "classification"),
        Route("POST", "ocr", "ocr"),
    )
    dialect = openai_dialect.DIALECT
