"""The `ibm-watsonx-ai` client library: models on IBM watsonx.ai, and what its model gateway calls.

https://cloud.ibm.com/apidocs/watsonx-ai. Chat has OpenAI's format. Generation counts in each of its
`results`, and in a stream in each event: the output so far, and the input in the first, in others perhaps 0.
Embeddings and rerank tell `input_token_count` only. The library sends through httpx, older versions also
through requests. Its calls for tokens of IAM are of no route here, so that they are none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from otel_tokenomics.adapters import openai_dialect
from otel_tokenomics.adapters.dialect import Told
from otel_tokenomics.adapters.http import HttpAdapter
from otel_tokenomics.adapters.http_body import body_of
from otel_tokenomics.adapters.routes import Endpoint, Route, Routes, facts_of
from otel_tokenomics.model.call import Facts
from otel_tokenomics.model.text import clean

_IN, _OUT = "input_token_count", "generated_token_count"


class _WatsonxDialect(openai_dialect.OpenAIDialect):
    """OpenAI's, with the counts of generation and of embeddings under OpenAI's names."""

    def body(self, told: Told, body: Mapping[str, Any], facts: Facts) -> None:
        """A whole response."""
        super().body(told, body, facts)
        _count(told, body)
        told.final = told.usage is not None

    def event(self, told: Told, event: Mapping[str, Any]) -> None:
        """One event of a stream."""
        super().event(told, event)
        if _count(told, event):
            told.final = self.ended(event)

    def texts(self, event: Mapping[str, Any]) -> Iterator[str]:
        """Generated text, of a body or of an event."""
        yield from super().texts(event)
        for result in _results(event):
            if isinstance(text := result.get("generated_text"), str):
                yield text

    def ended(self, event: Mapping[str, Any]) -> bool:
        """Whether this is a stream's last event, but for usage."""
        reasons = [result.get("stop_reason") for result in _results(event)]
        told = [reason.lower() for reason in reasons if isinstance(reason, str)]
        return (bool(told) and "not_finished" not in told) or super().ended(event)

    def _head(self, told: Told, body: Mapping[str, Any]) -> None:
        super()._head(told, body)
        told.model = told.model or clean(body.get("model_id"))


def _results(body: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    found = body.get("results")
    return [result for result in found if isinstance(result, dict)] if isinstance(found, list) else []


def _count(told: Told, body: Mapping[str, Any]) -> bool:
    """Add what a body or an event counts to what is known, where it counts in watsonx's own names."""
    found: dict[str, Any] = {}
    for part in (body, *_results(body)):
        for theirs, name in ((_IN, "prompt_tokens"), (_OUT, "completion_tokens")):
            if (count := part.get(theirs)) is not None:
                found[name] = _more(found.get(name), count)
    if found:
        known = told.usage or {}
        told.usage = {**known, **{name: _more(known.get(name), count) for name, count in found.items()}}
    return bool(found)


def _more(known: Any, count: Any) -> Any:
    """The greater of two counts; what is no count is left for whoever reads usage to say so."""
    return max(known, count) if type(known) is int and type(count) is int else count


class Watsonx(HttpAdapter):
    """The adapter. A host of one's own, as of Cloud Pak for Data, is watsonx.ai's too."""

    flavor = "ibm_watsonx_ai"
    provider = "ibm.watsonx.ai"
    sign = "ibm-watsonx-ai/"
    routes = Routes(
        Route("POST", "text/chat", "chat"),
        Route("POST", "text/chat_stream", "chat"),
        Route("POST", "text/generation", "text_completion"),
        Route("POST", "text/generation_stream", "text_completion"),
        Route("POST", "text/embeddings", "embeddings"),
        Route("POST", "text/rerank", "rerank"),
        Route("POST", "text/tokenization", "count_tokens", "free"),
        Route("POST", "audio/transcriptions", "transcription"),
        Route("POST", "chat/completions", "chat"),
        Route("POST", "gateway/v1/completions", "text_completion"),
        Route("POST", "gateway/v1/embeddings", "embeddings"),
    )
    dialect = _WatsonxDialect()
    needle = re.compile(rb'"usage"\s*:\s*\{|"generated_token_count"')

    def told(self, route: Route, endpoint: Endpoint, request: Any, stream: bool) -> Facts:
        """The facts of a request, whose model has another name here. A deployment's is told by the answer."""
        asked = body_of(request) or body_of(request, whole=True)
        named = {"model": asked.get("model") or asked.get("model_id")}
        return facts_of(self.flavor, route, endpoint, named, stream or route.tail.endswith("_stream"))
