"""What a Stainless client sends: its method's arguments, and `extra_body` over them.

The client merges the two after our seam, so that `extra_body={"max_tokens": ...}` is what the provider bills.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from otel_tokenomics.model.call import Facts

OUTPUT_CAPS = ("max_completion_tokens", "max_output_tokens", "max_tokens")


def body_of(options: Any) -> Any:
    """The body as it will be sent; nothing of the caller's is changed."""
    body, extra = getattr(options, "json_data", None), getattr(options, "extra_json", None)
    if extra is None or not isinstance(extra, Mapping) or not extra:
        return body
    if body is None:
        return dict(extra)
    return {**body, **extra} if isinstance(body, Mapping) else body


def with_body(options: Any, body: dict[str, Any]) -> Any:
    """A copy of the options with other arguments of the method."""
    duplicate = options.copy() if not hasattr(options, "model_copy") else options.model_copy()
    duplicate.json_data = body
    return duplicate


def with_cap(options: Any, usual: str, tokens: int) -> Any:
    """A copy of the options with this output cap, where it stands, or else under its usual name."""
    sent, extra = body_of(options), getattr(options, "extra_json", None)
    name = next((key for key in OUTPUT_CAPS if isinstance(sent.get(key), int)), usual)
    if not isinstance(extra, Mapping) or name not in extra:
        return with_body(options, {**(options.json_data or {}), name: tokens})
    duplicate = with_body(options, options.json_data)
    duplicate.extra_json = {**extra, name: tokens}
    return duplicate


def asking_for_usage(options: Any) -> Any:
    """A copy of `options` whose body asks for usage. The caller's objects are not touched."""
    body = options.json_data
    asked = body.get("stream_options")
    wanted = {**asked, "include_usage": True} if isinstance(asked, dict) else {"include_usage": True}
    return with_body(options, {**body, "stream_options": wanted})


def cap_of(facts: Facts) -> str:
    """What an endpoint calls the cap on its output: OpenAI's newer models refuse the older name."""
    if facts.route == "responses":
        return "max_output_tokens"
    openai = facts.provider in ("openai", "azure.ai.openai") and facts.route == "chat/completions"
    return "max_completion_tokens" if openai else "max_tokens"


def may_ask_for_usage(body: Any) -> bool:
    """Whether a streamed request leaves open if it wants usage: an explicit answer is respected."""
    if not isinstance(body, dict):
        return False
    options = body.get("stream_options")
    if options is None or type(options).__name__ in ("NotGiven", "Omit"):
        return "stream_options" not in body or options is not None
    return isinstance(options, dict) and "include_usage" not in options
