"""What a message's usage counts, wherever Claude answers.

https://docs.anthropic.com/en/api/messages and the types of anthropic 2.12. Input, cache read and cache write
are disjoint; `output_tokens` includes thinking.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from otel_tokenomics.adapters.counts import Counts, usage_or_missing
from otel_tokenomics.model.text import clean
from otel_tokenomics.model.usage import Usage, of_model

_TOOLS = {
    "web_search_requests": "web_search",
    "web_fetch_requests": "web_fetch",
    "code_execution_requests": "code_execution",
}


def read_usage(raw: Mapping[str, Any], ran_code: bool = False) -> Usage:
    """Disjoint buckets from a message's usage.

    `ran_code`: the message had a container, which is billed by a time that no message tells, unless the
    container only served a search or a fetch.

    A `compaction` iteration is billed and not in the top-level counts, which hold every `message`. An
    advisor's tokens are in none of them either; they are billed at its own model's price.
    """
    counts = Counts(raw)
    buckets: dict[str, int] = {}
    _add(counts, raw, buckets)
    iterations = raw.get("iterations")
    for iteration in iterations if isinstance(iterations, list) else ():
        kind = iteration.get("type") if isinstance(iteration, dict) else None
        if kind == "compaction":
            _add(counts, iteration, buckets)
        elif kind == "advisor_message":
            _add_advice(counts, iteration, buckets)
    for name, tool in _TOOLS.items():
        if requests := counts.get(counts.object("server_tool_use"), name):
            buckets[f"tool.{tool}"] = requests
    if ran_code and buckets and not buckets.keys() & {"tool.web_search", "tool.web_fetch"}:
        counts.flags.add("not_all_counted")
    return usage_or_missing(Usage(buckets, flags=tuple(sorted(counts.flags))))


def _add_advice(counts: Counts, iteration: Mapping[str, Any], buckets: dict[str, int]) -> None:
    """Add another model's counters; without its name they have no price, and the usage is not all."""
    model = clean(iteration.get("model"))
    if model is None:
        counts.flags.add("not_all_counted")
        return
    advice: dict[str, int] = {}
    _add(counts, iteration, advice)
    for bucket, quantity in advice.items():
        if quantity:
            _put(buckets, of_model(bucket, model), quantity)


def _add(counts: Counts, raw: Mapping[str, Any], buckets: dict[str, int]) -> None:
    """Add one set of counters."""
    _put(buckets, "input", counts.get(raw, "input_tokens"))
    _put(buckets, "cache_read", counts.get(raw, "cache_read_input_tokens"))
    _add_writes(counts, raw, buckets)
    total = counts.get(raw, "output_tokens")
    details = raw.get("output_tokens_details")
    thinking = counts.get(details, "thinking_tokens") if isinstance(details, dict) else None
    if total is not None:
        _put(buckets, "output", counts.rest(total, thinking))
        _put(buckets, "reasoning", None if thinking is None else min(thinking, total))


def _add_writes(counts: Counts, raw: Mapping[str, Any], buckets: dict[str, int]) -> None:
    written = counts.get(raw, "cache_creation_input_tokens")
    split = raw.get("cache_creation")
    split = split if isinstance(split, dict) else {}
    short = counts.get(split, "ephemeral_5m_input_tokens")
    long = counts.get(split, "ephemeral_1h_input_tokens")
    if short:
        _put(buckets, "cache_write.5m", short)
    if long:
        _put(buckets, "cache_write.1h", long)
    if written is not None:
        rest = counts.rest(written, short, long)
        if rest or not (short or long):
            _put(buckets, "cache_write", rest)


def _put(buckets: dict[str, int], bucket: str, quantity: int | None) -> None:
    if quantity is not None:
        buckets[bucket] = buckets.get(bucket, 0) + quantity
