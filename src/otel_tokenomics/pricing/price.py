"""`price`: one response's usage and a price book in, one `Cost` out, exact and explained."""

from __future__ import annotations

from functools import partial

from otel_tokenomics.model.call import Facts, Reading
from otel_tokenomics.model.money import Cost, Line, UnpricedReason, unpriced
from otel_tokenomics.model.usage import Usage
from otel_tokenomics.pricing import vendors
from otel_tokenomics.pricing.book import PriceBook
from otel_tokenomics.pricing.tariff import Sheet, Tariff

_REQUEST = "requests"
_OPEN_WEIGHTS = "gpt-oss"
"""In OpenAI's list, yet behind an unknown host it is served by whoever runs that."""


def price(facts: Facts, reading: Reading, at_ns: int, book: PriceBook) -> Cost:
    """What a response cost, at the prices of `at_ns` (Unix ns, the call's start).

    A cost that the vendor put on the wire wins, and what the list prices say stands beside it. Otherwise the
    served model, tier, speed and place set the price. What has no price is never taken for nothing: the cost
    is then `partial`, or `unpriced` with the reason.
    """
    if facts.billing == "free":
        return Cost(0, "complete", "catalog", price_id=f"rule/free/{facts.operation}")
    reported = reading.reported_cost_femto
    if reported is None:
        return _computed(facts, reading, at_ns, book)
    computed = _computed(facts, reading, at_ns, book)
    beside = computed.amount_femto if computed.status == "complete" else None
    return Cost(reported, "complete", "vendor_reported", computed_femto=beside)


def _computed(facts: Facts, reading: Reading, at_ns: int, book: PriceBook) -> Cost:
    """What the list prices make of a response."""
    usage = reading.usage
    if usage.source == "missing" or not usage.buckets:
        return unpriced("missing_usage")
    tariff = _tariff_of(facts, reading, book)
    if isinstance(tariff, str):
        return unpriced(tariff)
    sheet = tariff.at(at_ns)
    if sheet is None:
        return unpriced("unknown_tier")
    return _cost(facts, reading, tariff, sheet, book)


UNREADABLE = frozenset({"negative", "not_a_count", "not_all_counted"})
"""Flags of a usage in which some count could not be read: what it would have cost is missing."""


def _cost(facts: Facts, reading: Reading, tariff: Tariff, sheet: Sheet, book: PriceBook) -> Cost:
    usage = reading.usage
    lines, whole, tier = charge(usage, sheet)
    if not whole and not lines:
        return unpriced("unsupported_modality")
    reason: UnpricedReason | None = None if whole else "unsupported_modality"
    if whole and not UNREADABLE.isdisjoint(usage.flags):
        whole, reason = False, "missing_usage"
    total = 0
    for line in lines:
        total += line.amount_femto
    return Cost(
        total,
        "complete" if whole else "partial",
        "catalog" if usage.source == "provider" else "estimated",
        lines=tuple(lines),
        price_id=tariff.price_id,
        catalog=book.name,
        catalog_version=book.version,
        effective_date=sheet.effective,
        tier=None if tier is None else _tier_name(tier),
        unpriced_reason=reason,
        bound=None if whole and usage.source != "stream_partial" else "lower",
        assumption=_assumption(facts, reading, tariff, sheet),
    )


def _tier_name(start: int) -> str:
    """`gt_272000`; a tier from 200,000 on, which a list writes as more than 199,999, is `gte_200000`."""
    return f"gte_{start + 1}" if start % 10 == 9 else f"gt_{start}"


def charge(usage: Usage, sheet: Sheet) -> tuple[list[Line], bool, int | None]:
    """A line for every bucket that was used and has a rate, whether each has one, and the context tier."""
    input_tokens = (usage.input_tokens or 0) if sheet.tiered else 0
    lines: list[Line] = []
    whole, tier = True, None
    for bucket, quantity in usage.buckets.items():
        if quantity <= 0:
            continue
        charged = sheet.charge(bucket)
        if charged is None:
            whole = False
            continue
        component, rate, least = charged
        billed = quantity if quantity > least else least
        femto = rate.femto
        if rate.tiers:
            femto, above = rate.at(input_tokens)
            tier = tier if above is None else above
        amount = divided(billed * femto, rate.per)
        lines.append(Line(component, bucket, billed, femto, rate.per, amount))
    if (charged := sheet.charge(_REQUEST)) is not None:
        component, fee, _ = charged
        amount = divided(fee.femto, fee.per)
        lines.append(Line(component, _REQUEST, 1, fee.femto, fee.per, amount))
    return lines, whole, tier


def divided(amount: int, per: int) -> int:
    """`amount / per` for `amount >= 0`, rounded half to even."""
    quotient, rest = divmod(amount, per)
    twice = 2 * rest
    return quotient + (twice > per or (twice == per and quotient & 1))


def _tariff_of(facts: Facts, reading: Reading, book: PriceBook) -> Tariff | UnpricedReason:
    model = reading.response_model
    if model is None and not facts.provider_assumed:
        model = facts.request_model
    if model is None:
        return "unknown_model"
    key = (
        facts.provider,
        model,
        reading.service_tier,
        reading.speed,
        reading.inference_geo,
        None if facts.provider_assumed else vendors.region_of(facts.provider, facts.server_address),
        facts.provider_assumed,
    )
    return book.tariff(key, partial(_resolve, book, *key))


def _resolve(
    book: PriceBook,
    provider: str,
    model: str,
    tier: str | None,
    speed: str | None,
    geo: str | None,
    region: str | None,
    assumed: bool,
) -> Tariff | UnpricedReason:
    """The tariff of a response, or why it has none."""
    name = vendors.catalogued(provider)
    section = book.section(name)
    if section is None:
        return "unknown_provider"
    match = section.names.dated(model) if assumed else section.names.find(model)
    if match is None or (assumed and model.startswith(_OPEN_WEIGHTS)):
        return "unknown_model"
    card, way = section.card(match.id), vendors.way_served(tier, speed)
    place = vendors.place_of(name, card, geo, region)
    if isinstance(way, str) or place is None:
        return "unknown_tier"
    return Tariff(name, card, way, place)


def _assumption(facts: Facts, reading: Reading, tariff: Tariff, sheet: Sheet) -> str | None:
    if facts.provider_assumed:
        return f"host not known: priced as {vendors.catalogued(facts.provider)}'s list price"
    if reading.response_model is None and facts.provider not in vendors.BILLED_AS_REQUESTED:
        return "response names no model: priced as the requested model"
    return tariff.assumption or sheet.assumption
