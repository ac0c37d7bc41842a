"""What backends read today beside the convention: copies, under their names, of what a span already says.

Each is off unless `OTEL_TOKENOMICS_COMPAT` names it. A copy has the value that was recorded and is never
computed anew. These backends know US dollars only: an amount in another currency is not copied.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Final

from otel_tokenomics.telemetry import names
from otel_tokenomics.telemetry.labels import Labels

Alias = Callable[[Labels], Labels]

_COST: Final = names.COST_COMPONENT_AMOUNT
_PROMPT: Final = ("input", "cache_read", "cache_write")
_COMPLETION: Final = ("output", "reasoning")

_OPENINFERENCE: Final = {
    "llm.provider": names.PROVIDER,
    "llm.token_count.prompt": names.INPUT_TOKENS,
    "llm.token_count.completion": names.OUTPUT_TOKENS,
    "llm.token_count.prompt_details.cache_read": names.CACHE_READ_TOKENS,
    "llm.token_count.prompt_details.cache_write": names.CACHE_WRITE_TOKENS,
    "llm.token_count.completion_details.reasoning": names.REASONING_TOKENS,
}
_OPENINFERENCE_COST: Final = {
    "llm.cost.total": names.COST_AMOUNT,
    "llm.cost.prompt_details.input": _COST + "input",
    "llm.cost.prompt_details.cache_read": _COST + "cache_read",
    "llm.cost.prompt_details.cache_write": _COST + "cache_write",
    "llm.cost.completion_details.output": _COST + "output",
    "llm.cost.completion_details.reasoning": _COST + "reasoning",
}
_LITELLM: Final = {
    "litellm.cost.total": names.COST_AMOUNT,
    "litellm.cost.input": _COST + "input",
    "litellm.cost.output": _COST + "output",
    "litellm.cost.cache_read": _COST + "cache_read",
    "litellm.cost.cache_creation": _COST + "cache_write",
    "litellm.cost.tool_usage": _COST + "tool",
}
_SCALAR: Final = {"gen_ai.usage.cost": names.COST_AMOUNT}
_LOGFIRE: Final = {"operation.cost": names.COST_AMOUNT}
_DETAILS: Final = "langfuse.observation.cost_details"


def _openinference(labels: Labels) -> Labels:
    kind = "EMBEDDING" if labels.get(names.OPERATION) == "embeddings" else "LLM"
    known = {"openinference.span.kind": kind, **_copied(labels, _OPENINFERENCE)}
    if (model := labels.get(names.RESPONSE_MODEL) or labels.get(names.REQUEST_MODEL)) is not None:
        known["llm.model_name"] = model
    if (whole := _sum(labels, (names.INPUT_TOKENS, names.OUTPUT_TOKENS))) is not None:
        known["llm.token_count.total"] = int(whole)
    if _in_dollars(labels):
        known |= _copied(labels, _OPENINFERENCE_COST)
        for side, parts in (("prompt", _PROMPT), ("completion", _COMPLETION)):
            if (amount := _sum(labels, (_COST + part for part in parts))) is not None:
                known["llm.cost." + side] = amount
    return known


def _openlit(labels: Labels) -> Labels:
    return _copied(labels, _SCALAR) if _in_dollars(labels) else {}


def _logfire(labels: Labels) -> Labels:
    return _copied(labels, _LOGFIRE) if _in_dollars(labels) else {}


def _litellm(labels: Labels) -> Labels:
    return _copied(labels, _LITELLM) if _in_dollars(labels) else {}


def _langfuse(labels: Labels) -> Labels:
    if not _in_dollars(labels):
        return {}
    parts = {name[len(_COST) :]: labels[name] for name in labels if name.startswith(_COST)}
    return {_DETAILS: json.dumps({**parts, "total": labels[names.COST_AMOUNT]})}


ALIASES: Final[dict[str, Alias]] = {
    "openinference": _openinference,
    "openlit": _openlit,
    "langfuse": _langfuse,
    "logfire": _logfire,
    "litellm": _litellm,
}
"""By the word that turns it on: from the attributes of an ended span to those added to it."""

KEYS: Final = frozenset(
    {"openinference.span.kind", "llm.model_name", "llm.token_count.total", "llm.cost.prompt"}
    | {"llm.cost.completion", _DETAILS, *_OPENINFERENCE, *_OPENINFERENCE_COST, *_LITELLM, *_SCALAR, *_LOGFIRE}
)
"""Every key that an alias may add."""


def aliases(chosen: Iterable[str]) -> tuple[Alias, ...]:
    """The aliases among the words of `OTEL_TOKENOMICS_COMPAT`."""
    return tuple(ALIASES[word] for word in sorted(chosen) if word in ALIASES)


def _copied(labels: Labels, table: dict[str, str]) -> Labels:
    return {key: labels[name] for key, name in table.items() if name in labels}


def _sum(labels: Labels, parts: Iterable[str]) -> float | None:
    known = [labels[name] for name in parts if name in labels]
    return sum(value for value in known if isinstance(value, int | float)) if known else None


def _in_dollars(labels: Labels) -> bool:
    return labels.get(names.COST_CURRENCY) == "USD" and names.COST_AMOUNT in labels
