"""Usage x price book -> cost: by the served model, tier, speed and geography, at the call's start."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from otel_tokenomics.model.call import Facts, Reading
from otel_tokenomics.model.money import Cost, CostMethod, Line, UnpricedReason, unpriced
from otel_tokenomics.model.usage import Usage, component_of
from otel_tokenomics.pricing.book import PriceBook
from otel_tokenomics.pricing.card import Card, Rate, Rates

# OpenTelemetry's provider names that differ from the catalogue's.
_CATALOGUE: Mapping[str, str] = {
    "azure.ai.openai": "azure",
    "aws.bedrock": "aws",
    "gcp.gemini": "google",
    "gcp.gen_ai": "google",
    "gcp.vertex_ai": "google",
    "x_ai": "x-ai",
    "mistral_ai": "mistral",
    "moonshot_ai": "moonshotai",
}
_STANDARD = frozenset({None, "default", "auto", "standard", "on_demand"})
_TIERS: Mapping[str, tuple[str, str]] = {
    "flex": ("service_tier", "flex"),
    "priority": ("service_tier", "priority"),
    "fast": ("service_tier", "fast"),
    "batch": ("processing", "batch"),
}
_SPEEDS = frozenset({None, "standard"})
_GEOS_AT_LIST = frozenset({None, "global", "not_available"})
_GEO_UPLIFT = {"us": (11, 10)}
"""Inference kept in the US costs 1.1 times on every token (platform.claude.com, pricing, read 2026-11)."""

Served = tuple[tuple[str, str], ...]


def price(facts: Facts, reading: Reading, at_ns: int, book: PriceBook) -> Cost:
    """What a response cost.

    Args:
        facts: the request; its provider and billing count, its model only if the response names none.
        reading: the response; its served model, tier, speed and geography set the price.
        at_ns: Unix nanoseconds of the call's start, which chooses among dated prices.
        book: the catalogue.

    Unknown is never zero: without a price the amount is `None`, with some prices missing it is a lower bound.
    """
    if facts.billing == "free":
        return _free(facts)
    if reading.reported_cost_femto is not None:
        return Cost(reading.reported_cost_femto, "complete", "vendor_reported")
    if reading.usage.source == "missing":
        return unpriced("missing_usage")
    found = _find(facts, reading, book)
    if isinstance(found, str):
        return unpriced(found)
    card, assumption = found
    served = _served(reading)
    rates = card.rates(at_ns // 1_000_000_000, served) if served is not None else None
    if rates is None:
        return unpriced("unknown_tier")
    cost = _cost(reading, rates, served or ())
    cost.catalog, cost.catalog_version = book.name, book.version
    cost.assumption = assumption
    return cost


def _free(facts: Facts) -> Cost:
    """Zero by rule: the vendor does not charge for this operation."""
    return Cost(0, "complete", "catalog", price_id=f"rule/free/{facts.operation}")


def _find(facts: Facts, reading: Reading, book: PriceBook) -> tuple[Card, str | None] | UnpricedReason:
    provider = _CATALOGUE.get(facts.provider, facts.provider)
    if provider not in book.known_providers:
        return "unknown_provider"
    if facts.provider_assumed:
        card = book.card(provider, reading.response_model, exact=True) if reading.response_model else None
        return (card, f"host not known: priced as {provider}'s list price") if card else "unknown_model"
    if reading.response_model and (card := book.card(provider, reading.response_model)):
        return card, None
    if not reading.response_model and facts.request_model:
        card = book.card(provider, facts.request_model)
        return (card, "response names no model: priced as requested") if card else "unknown_model"
    return "unknown_model"


def _served(reading: Reading) -> Served | None:
    """How the response was served, as the catalogue's variants say it; `None` if that is not known."""
    pairs: list[tuple[str, str]] = []
    if reading.service_tier not in _STANDARD:
        tier = _TIERS.get(reading.service_tier or "")
        if tier is None:
            return None
        pairs.append(tier)
    if reading.speed not in _SPEEDS:
        pairs.append(("speed", str(reading.speed)))
    if reading.inference_geo not in _GEOS_AT_LIST and reading.inference_geo not in _GEO_UPLIFT:
        return None
    return tuple(pairs)


def _cost(reading: Reading, rates: Rates, served: Served) -> Cost:
    usage = reading.usage
    total_input = usage.input_tokens or 0
    uplift = _GEO_UPLIFT.get(reading.inference_geo or "", (1, 1))
    lines: list[Line] = []
    missing = False
    tier: int | None = None
    for bucket, quantity in _charges(usage, rates):
        rate = rates.of(bucket)
        if rate is None:
            missing = missing or quantity > 0
            continue
        line, above = _line(bucket, quantity, rate, total_input, uplift)
        lines.append(line)
        tier = above if above is not None else tier
    if missing and not any(line.amount_femto for line in lines):
        return unpriced("unsupported_modality")
    return Cost(
        amount_femto=sum(line.amount_femto for line in lines),
        status="partial" if missing else "complete",
        method=_method(usage),
        lines=tuple(lines),
        price_id=_price_id(rates, served, reading.inference_geo),
        effective_date=rates.effective,
        tier=None if tier is None else f"gt_{tier}",
        unpriced_reason="unsupported_modality" if missing else None,
        bound=_bound(usage, missing),
    )


def _charges(usage: Usage, rates: Rates) -> list[tuple[str, int]]:
    charges = list(usage.buckets.items())
    if rates.of("requests") is not None:
        charges.append(("requests", 1))
    return charges


def _line(
    bucket: str, quantity: int, rate: Rate, total_input: int, uplift: tuple[int, int]
) -> tuple[Line, int | None]:
    femto, tier = rate.at(total_input)
    component = _COMPONENTS.get(bucket) or component_of(bucket)
    times, over = uplift
    if times != over and component not in ("tool", "request"):
        femto = _rounded(femto * times, over)
    return Line(component, bucket, quantity, femto, rate.per, _rounded(quantity * femto, rate.per)), tier


_COMPONENTS = {"audio.ms": "input", "characters": "input", "images": "output", "requests": "request"}


def _rounded(numerator: int, denominator: int) -> int:
    """The quotient, half to even."""
    quotient, rest = divmod(numerator, denominator)
    twice = rest * 2
    return quotient + (twice > denominator or (twice == denominator and quotient & 1))


def _method(usage: Usage) -> CostMethod:
    return "catalog" if usage.source == "provider" else "estimated"


def _bound(usage: Usage, missing: bool) -> Literal["lower"] | None:
    return "lower" if missing or usage.source == "stream_partial" else None


def _price_id(rates: Rates, served: Served, geo: str | None) -> str:
    marks = [value for _, value in served]
    if geo in _GEO_UPLIFT:
        marks.append(f"geo:{geo}")
    return "/".join((rates.provider, rates.model, *marks))
