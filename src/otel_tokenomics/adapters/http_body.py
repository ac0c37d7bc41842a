"""The JSON body of a request that is seen at the HTTP library, and its output cap."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from otel_tokenomics.adapters.stainless_body import cap_of
from otel_tokenomics.model.call import Facts

_MOST_ASKED = 64 << 10
_MODEL = re.compile(rb'"model"\s*:\s*"([^"\\]{1,200})"')
_CAP_PATHS = {
    ("google_genai", "generateContent"): ("generationConfig", "maxOutputTokens"),
    ("google_genai", "streamGenerateContent"): ("generationConfig", "maxOutputTokens"),
    ("google_genai", "interactions"): ("generation_config", "max_output_tokens"),
    ("mistralai", "conversations"): ("completion_args", "max_tokens"),
    ("mistralai", "conversations/*"): ("completion_args", "max_tokens"),
    ("ollama", "api/chat"): ("options", "num_predict"),
    ("ollama", "api/generate"): ("options", "num_predict"),
    ("ibm_watsonx_ai", "text/generation"): ("parameters", "max_new_tokens"),
    ("ibm_watsonx_ai", "text/generation_stream"): ("parameters", "max_new_tokens"),
}
"""Where an endpoint looks for the cap on its output; the others know `max_tokens`."""


def cap_path(facts: Facts) -> tuple[str, ...]:
    """The keys that lead to the output cap in the body of a request."""
    if facts.flavor == "openai_http":
        return (cap_of(facts),)
    return _CAP_PATHS.get((facts.flavor, facts.route), ("max_tokens",))


def with_cap(body: Mapping[str, Any], path: tuple[str, ...], tokens: int) -> dict[str, Any]:
    """A copy of a body with a value at the end of a path; nothing of the body is changed."""
    name, *inner = path
    if not inner:
        return {**body, name: tokens}
    within = body.get(name)
    return {**body, name: with_cap(within if isinstance(within, dict) else {}, tuple(inner), tokens)}


def body_of(request: Any, whole: bool = False) -> Mapping[str, Any]:
    """The JSON that is sent: of a long one its model, or the `whole`; nothing if it is not in memory."""
    try:
        given = getattr(request, "json_data", None)
        content = request.content if given is None else None
    except Exception:  # noqa: BLE001 - httpx and httpx2 each have their own error for an unread request
        return {}
    if content is None:
        return given or {}
    if len(content) > _MOST_ASKED and not whole:
        found = _MODEL.search(content, 0, 4096) or _MODEL.search(content, len(content) - 4096)
        return {} if found is None else {"model": found[1].decode("utf-8", "replace")}
    try:
        body = json.loads(content)
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}
