"""What a response says that it cost, where its vendor says so.

OpenRouter: https://openrouter.ai/docs/use-cases/usage-accounting, credits, which are USD; with a key of one's
own for the provider behind it, `cost` is the router's fee and `upstream_inference_cost` what that provider
charges. xAI:
`cost_in_usd_ticks`, 1e-10 USD each, https://docs.x.ai/docs/models. Perplexity: `cost.total_cost`,
https://docs.perplexity.ai/api-reference. DeepInfra: `estimated_cost`. Any other vendor's field of such a name
is not believed: it may be somebody's estimate.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from otel_tokenomics.model.money import FEMTO

_TICK_FEMTO = 10**5
_MOST_USD = 10**9


def reported_femto(provider: str, usage: Mapping[str, Any]) -> int | None:
    """The cost in femto-USD that a usage object of a provider tells, or `None`."""
    find = _FIELDS.get(provider)
    return None if find is None else find(usage)


def usd_femto(value: object) -> int | None:
    """An amount in USD as JSON has it: its shortest decimal is what the vendor wrote."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < _MOST_USD:
        return None
    return int((Decimal(repr(value)) * FEMTO).to_integral_value())


def _ticks(usage: Mapping[str, Any]) -> int | None:
    ticks = usage.get("cost_in_usd_ticks")
    known = isinstance(ticks, int) and not isinstance(ticks, bool) and ticks >= 0
    return ticks * _TICK_FEMTO if known and ticks is not None else None


def _total(usage: Mapping[str, Any]) -> int | None:
    cost = usage.get("cost")
    return usd_femto(cost.get("total_cost")) if isinstance(cost, dict) else None


def _credits(usage: Mapping[str, Any]) -> int | None:
    """What was charged, and with a key of one's own what the provider behind the router charges as well."""
    charged = usd_femto(usage.get("cost"))
    if usage.get("is_byok") is not True:
        return charged
    details = usage.get("cost_details")
    upstream = usd_femto(details.get("upstream_inference_cost")) if isinstance(details, dict) else None
    return None if charged is None or upstream is None else charged + upstream


_FIELDS: Mapping[str, Callable[[Mapping[str, Any]], int | None]] = {
    "openrouter": _credits,
    "x_ai": _ticks,
    "x-ai": _ticks,
    "perplexity": _total,
    "deepinfra": lambda usage: usd_femto(usage.get("estimated_cost")),
}
