"""The messages of xAI's gRPC service: what they count, cost and name.

https://github.com/xai-org/xai-proto, `proto/xai/api/v1`: chat, image, video, deferred, usage. Output tokens
exclude reasoning, as the total tells; `cost_in_usd_ticks` is in 1e-10 USD, where it is known.
"""

from __future__ import annotations

from collections import Counter
from typing import Any, Final

from otel_tokenomics.adapters.openai_usage import read_usage
from otel_tokenomics.adapters.reported import reported_femto
from otel_tokenomics.adapters.rpc import enum_names, has
from otel_tokenomics.model.usage import MISSING, Usage

_TOOLS: Final = {
    "WEB_SEARCH": "tool.web_search",
    "X_SEARCH": "tool.social_search",
    "CODE_EXECUTION": "tool.code_execution",
    "COLLECTIONS_SEARCH": "tool.file_search",
    "ATTACHMENT_SEARCH": "tool.attachment_search",
}
"""Tools that are billed by use. Looking at pictures and videos, and MCP, cost tokens alone."""


def usage_in(answer: Any) -> Any:
    """The usage that an answer carries, or `None`."""
    return answer.usage if has(answer, "usage") else None


def cost_of(raw: Any, provider: str) -> int | None:
    """The cost in femto-USD that a usage tells, or `None`."""
    if raw is None or not has(raw, "cost_in_usd_ticks"):
        return None
    return reported_femto(provider, {"cost_in_usd_ticks": raw.cost_in_usd_ticks})


def read(raw: Any) -> Usage:
    """A usage as disjoint buckets, by way of OpenAI's names for the same counts."""
    if raw is None:
        return MISSING
    prompt = {"cached_tokens": raw.cached_prompt_text_tokens, "image_tokens": raw.prompt_image_tokens}
    counted = {
        "prompt_tokens": raw.prompt_tokens,
        "completion_tokens": raw.completion_tokens,
        "total_tokens": raw.total_tokens,
        "prompt_tokens_details": prompt,
        "completion_tokens_details": {"reasoning_tokens": raw.reasoning_tokens},
    }
    usage = read_usage(counted)
    names = [name.removeprefix("SERVER_SIDE_TOOL_") for name in enum_names(raw, "server_side_tools_used")]
    tools = Counter(_TOOLS[name] for name in names if name in _TOOLS)
    # Sources of the older search, and pictures that chat draws, are billed in no bucket of ours.
    unseen = ("not_all_counted",) if raw.num_sources_used or "IMAGE_GENERATION" in names else ()
    return Usage({**usage.buckets, **tools}, flags=(*usage.flags, *unseen), details=usage.details)


def with_work(usage: Usage, answer: Any) -> Usage:
    """Pictures, or the length of a video, where no tokens are counted for them."""
    if any(usage.tokens().values()):
        return usage
    if images := len(getattr(answer, "images", ())):
        return Usage({"images": images}, flags=usage.flags)
    if has(answer, "video"):
        return Usage({"video.ms": answer.video.duration * 1000}, flags=usage.flags)
    return usage


def tier_of(message: Any) -> str | None:
    """The service tier that a message names; `None` where it leaves that open."""
    told = "".join(enum_names(message, "service_tier")).removeprefix("SERVICE_TIER_").lower()
    return told if told not in ("", "unspecified") else None


def ends(message: Any) -> bool:
    """Whether this message of a stream has the end of an output."""
    return any(output.finish_reason for output in message.outputs)
