"""What a response of a model of the user's own costs: rates by bucket, context tier and service tier."""

from __future__ import annotations

from collections.abc import Mapping

from otel_tokenomics.model.money import Cost, Line, UnpricedReason, unpriced
from otel_tokenomics.model.usage import INPUT_COMPONENTS, Usage, component_of
from otel_tokenomics.pricing import vendors
from otel_tokenomics.pricing.contracts_terms import OwnModel, Ratio
from otel_tokenomics.pricing.price import UNREADABLE, divided

CATALOG = "own prices"

# One rate stands for another where the user gives none of its own for it.
_COVERED: Mapping[str, str] = {
    "input.text": "input",
    "output.text": "output",
    "reasoning": "output",
    "cache_read.text": "cache_read",
    "cache_write.text": "cache_write",
    "cache_write.5m": "cache_write",
}


def own_cost(model: OwnModel, usage: Usage, tier: str, version: str) -> Cost:
    """What a response cost that was served in a service tier, `standard` being the ordinary one.

    It has no list price. `version` is of the price file.
    """
    if usage.source == "missing" or not usage.buckets:
        return unpriced("missing_usage")
    found = _rates(model, usage.buckets, tier)
    if found is None:
        return unpriced("unknown_tier")
    rates, context = found
    lines, whole = _charged(usage.buckets, rates)
    if not whole and not lines:
        return unpriced("unsupported_modality")
    reason: UnpricedReason | None = None if whole else "unsupported_modality"
    if whole and not UNREADABLE.isdisjoint(usage.flags):
        reason = "missing_usage"
    total = sum([line.amount_femto for line in lines])
    marked = model.tiers and tier in model.tiers
    return Cost(
        total,
        "complete" if reason is None else "partial",
        "contract" if usage.source == "provider" else "estimated",
        model.currency,
        tuple(lines),
        f"{model.price_id}/{tier}" if marked else model.price_id,
        CATALOG,
        version,
        tier=context,
        unpriced_reason=reason,
        bound=None if reason is None and usage.source != "stream_partial" else "lower",
        contracted_femto=total,
    )


def _rates(
    model: OwnModel, buckets: Mapping[str, int], tier: str
) -> tuple[Mapping[str, Ratio], str | None] | None:
    """The rates, and the context tier that set some of them; `None` for a service tier that has none.

    What a service tier says of a bucket holds before what a context tier does, and that before the rest.
    """
    if not model.tiers and not model.context:
        return model.rates, None
    if model.tiers and tier != "standard" and tier not in model.tiers:
        return None
    name = None
    rates = dict(model.rates)
    if model.context:
        tokens = sum([n for bucket, n in buckets.items() if component_of(bucket) in INPUT_COMPONENTS])
        start = max((begin for begin in model.context if tokens > begin), default=None)
        if start is not None:
            name, higher = model.context[start]
            rates.update(higher)
    rates.update(model.tiers.get(tier, {}))
    return rates, name


def _charged(buckets: Mapping[str, int], rates: Mapping[str, Ratio]) -> tuple[list[Line], bool]:
    """The lines, and whether every bucket has one."""
    lines: list[Line] = []
    whole = True
    for bucket, quantity in buckets.items():
        if quantity <= 0:
            continue
        rate = rates.get(bucket) or rates.get(_COVERED.get(bucket, ""))
        if rate is None:
            whole = False
        else:
            lines.append(line_of(vendors.component_billed(bucket), bucket, quantity, rate))
    if (fee := rates.get("requests")) is not None and "requests" not in buckets:
        lines.append(line_of("request", "requests", 1, fee))
    return lines, whole


def line_of(component: str, bucket: str, quantity: int, rate: Ratio) -> Line:
    """A charge at a rate, rounded half to even where it is not whole."""
    femto, per = rate
    product = quantity * femto
    amount, rest = divmod(product, per)
    return Line(component, bucket, quantity, femto, per, divided(product, per) if rest else amount)
