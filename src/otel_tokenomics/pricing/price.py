"""`price`: one response's usage and a price book in, one `Cost` out, exact and explained."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import reduce

from otel_tokenomics.model.call import Facts, Reading
from otel_tokenomics.model.money import Cost, Line, UnpricedReason, unpriced
from otel_tokenomics.model.usage import Usage, of_model
from otel_tokenomics.pricing import vendors
from otel_tokenomics.pricing.book import PriceBook
from otel_tokenomics.pricing.tariff import Level, Sheet, Tariff, divided

__all__ = ["charge", "divided", "price"]

_new = tuple.__new__
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
    usage = reading.usage
    if usage.source == "missing" or not usage.buckets:
        computed = unpriced("missing_usage")
    elif isinstance(tariff := _tariff_of(facts, reading, book), str):
        computed = _of_several(facts, reading, at_ns, book) or unpriced(tariff)
    elif (sheet := tariff.at(at_ns)) is None:
        computed = unpriced("unknown_tier")
    else:
        computed = _cost(facts, reading, tariff, sheet, book)
        if computed.status != "complete":
            computed = _of_several(facts, reading, at_ns, book) or computed
    reported = reading.reported_cost_femto
    if reported is None:
        return computed
    beside = computed.amount_femto if computed.status == "complete" else None
    return Cost(reported, "complete", "vendor_reported", computed_femto=beside)


def _of_several(facts: Facts, reading: Reading, at_ns: int, book: PriceBook) -> Cost | None:
    """What a usage of several models costs, each part at its own model's prices; `None` if it is of one."""
    parts: dict[str, dict[str, int]] = {}
    for bucket, quantity in reading.usage.buckets.items():
        name, _, model = bucket.partition("@")
        parts.setdefault(model, {})[name] = quantity
    if not parts.keys() - {""}:
        return None
    return reduce(_together, [_part(facts, reading, *part, at_ns, book) for part in parts.items()])


def _part(
    facts: Facts, reading: Reading, model: str, buckets: Mapping[str, int], at_ns: int, book: PriceBook
) -> Cost:
    """What one model's share of a usage costs; `model` is empty for the one that answered."""
    usage = reading.usage
    share = Usage(buckets, usage.source, usage.estimator, () if model else usage.flags)
    named = model or reading.response_model
    part = replace(reading, usage=share, response_model=named, reported_cost_femto=None)
    cost = price(facts, part, at_ns, book)
    if model:
        cost.lines = tuple([line._replace(bucket=of_model(line.bucket, model)) for line in cost.lines])
    return cost


def _together(first: Cost, second: Cost) -> Cost:
    """Two shares of one usage: what is known of both, under the first one's price."""
    known = [cost.amount_femto for cost in (first, second) if cost.amount_femto is not None]
    whole = first.status == second.status == "complete"
    return replace(
        first if known and first.amount_femto is not None else second,
        amount_femto=sum(known) if known else None,
        status="complete" if whole else "partial" if known else "unpriced",
        lines=first.lines + second.lines,
        unpriced_reason=first.unpriced_reason or second.unpriced_reason,
        bound=first.bound or second.bound or (None if whole or not known else "lower"),
        assumption=first.assumption or second.assumption,
    )


UNREADABLE = frozenset({"negative", "not_a_count", "not_all_counted"})
"""Flags of a usage in which some count could not be read: what it would have cost is missing."""


def _cost(facts: Facts, reading: Reading, tariff: Tariff, sheet: Sheet, book: PriceBook) -> Cost:
    usage = reading.usage
    lines, total, whole, tier = charge(usage, sheet)
    if not whole and not lines:
        return unpriced("unsupported_modality")
    reason: UnpricedReason | None = None if whole else "unsupported_modality"
    if usage.flags and whole and not UNREADABLE.isdisjoint(usage.flags):
        whole, reason = False, "missing_usage"
    assumption = None
    if facts.provider_assumed or reading.response_model is None:
        assumption = _assumption(facts, reading)
    # By position: names cost a third of a microsecond here, in the one place that every call comes through.
    return Cost(
        total,
        "complete" if whole else "partial",
        "catalog" if usage.source == "provider" else "estimated",
        "USD",
        tuple(lines),
        tariff.price_id,
        book.name,
        book.version,
        sheet.effective,
        tier,
        reason,
        None if whole and usage.source != "stream_partial" else "lower",
        assumption or tariff.assumption or sheet.assumption,
    )


def charge(usage: Usage, sheet: Sheet) -> tuple[list[Line], int, bool, str | None]:
    """A line for every bucket that was used and has a rate, their sum, whether each has one, and the tier."""
    buckets = usage.buckets
    try:
        plan = sheet.plans[tuple(buckets)]
    except KeyError:
        plan = sheet.plan(tuple(buckets))
    level = plan.level
    if plan.starts:
        tokens = 0
        for bucket in plan.inputs:
            tokens += buckets[bucket]
        if tokens > plan.starts[0]:
            level = plan.reached(tokens)
    if level.plain is None:
        return _decided(buckets, level, plan.fee)
    lines: list[Line] = []
    total = 0
    for component, bucket, femto, per, unit in level.plain:
        quantity = buckets[bucket]
        if quantity > 0:
            amount = quantity * unit
            total += amount
            # Made as the tuple that it is: a call of the class would take twice as long.
            lines.append(_new(Line, (component, bucket, quantity, femto, per, amount)))
    return lines, total, True, level.tier


def _decided(
    buckets: Mapping[str, int], level: Level, fee: Line | None
) -> tuple[list[Line], int, bool, str | None]:
    """`charge` where a rate is missing, or has a least quantity or a fraction, or each request has a fee."""
    lines: list[Line] = []
    whole = True
    for step, used in zip(level.steps, buckets.values(), strict=True):
        if used > 0 and step is not None:
            component, bucket, femto, per, least = step
            quantity = max(used, least)
            lines.append(Line(component, bucket, quantity, femto, per, divided(quantity * femto, per)))
        elif used > 0:
            whole = False
    if fee is not None:
        lines.append(fee)
    return lines, sum([line.amount_femto for line in lines]), whole, level.tier


def _tariff_of(facts: Facts, reading: Reading, book: PriceBook) -> Tariff | UnpricedReason:
    model = reading.response_model
    if model is None and not facts.provider_assumed:
        model = facts.request_model
    if model is None:
        return _without_model(facts, book)
    key = (
        facts.provider,
        model,
        reading.service_tier,
        reading.speed,
        reading.inference_geo,
        facts.server_address,
        facts.provider_assumed,
    )
    try:
        return book.tariffs[key]
    except KeyError:
        return book.keep(key, _resolve(book, *key))


def _without_model(facts: Facts, book: PriceBook) -> Tariff | UnpricedReason:
    """The tariff of what is billed apart from any model, such as a guardrail."""
    name = vendors.catalogued(facts.provider)
    card = vendors.WITHOUT_MODEL.get((name, facts.operation))
    if card is None or facts.provider_assumed:
        return "unknown_model"
    key = (facts.provider, "", None, None, None, facts.server_address, False)
    try:
        return book.tariffs[key]
    except KeyError:
        region = vendors.region_of(name, facts.server_address)
        place = vendors.place_of(name, card, None, region) or vendors.ANYWHERE
        return book.keep(key, Tariff(name, card, None, place))


def _resolve(
    book: PriceBook,
    provider: str,
    model: str,
    tier: str | None,
    speed: str | None,
    geo: str | None,
    host: str | None,
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
    region = None if assumed or host is None else vendors.region_of(provider, host)
    place = vendors.place_of(name, card, geo, region)
    if isinstance(way, str) or place is None:
        return "unknown_tier"
    return Tariff(name, card, way, place)


def _assumption(facts: Facts, reading: Reading) -> str | None:
    if facts.provider_assumed:
        return f"host not known: priced as {vendors.catalogued(facts.provider)}'s list price"
    if reading.response_model is None and facts.provider not in vendors.BILLED_AS_REQUESTED:
        return "response names no model: priced as the requested model"
    return None
