"""What a Stainless client sends: its method's arguments, and `extra_body` over them.

The client merges the two after our seam, so that `extra_body={"max_tokens": ...}` is what the provider bills.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

OUTPUT_CAPS = ("max_completion_tokens", "max_output_tokens", "max_tokens")


def body_of(options: Any) -> Any:
    """The body as it will be sent; nothing of the caller's is changed."""
    body, extra = getattr(options, "json_data", None), getattr(options, "extra_json", None)
    if not extra or not isinstance(extra, Mapping):
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
