"""What is paid for whether used or not: commitments, idle machines, seats. And amounts in other money.

A charge accrues: that of a period is what had accrued by its end less what had by its beginning, so that the
charges of the parts of a period sum to the charge of the whole, to the last femto-unit.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Literal

from otel_tokenomics.model.money import FEMTO, decimal_string
from otel_tokenomics.model.tables import Span
from otel_tokenomics.pricing.contracts_terms import Every, Exchange, Subscription, Terms

ChargeKind = Literal["commitment", "idle", "subscription"]

_HOUR = 3600 * 10**9
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class FixedCharge:
    """One line of a report that belongs to no call. Instants are Unix nanoseconds.

    Its period is the part of the one asked for in which the term holds.
    `idle` is the bill of machines less what their calls were charged: negative where they made more tokens
    than they were measured to make. A subscription's is one user's share; `user` is `None` for seats that
    nobody has.
    """

    kind: ChargeKind
    name: str
    provider: str
    since_ns: int
    until_ns: int
    amount_femto: int
    currency: str
    user: str | None = None


def charges(terms: Terms, since_ns: int, until_ns: int, allocated: Mapping[str, int]) -> list[FixedCharge]:
    """The fixed charges of a period.

    `allocated` holds, by price id, what the calls of the period were charged: for each of
    `terms.self_hosted` its idle charge and that sum are together the bill.
    """
    made: list[FixedCharge] = []
    for item in terms.commitments:
        amount = _of(item.price_femto * item.units, item.every, item.span, since_ns, until_ns)
        when = _within(item.span, since_ns, until_ns)
        made.append(FixedCharge("commitment", item.name, item.provider, *when, amount, item.currency))
    for host in terms.self_hosted:
        bill = _of(host.hourly_femto * host.units, "hour", host.span, since_ns, until_ns)
        idle = bill - allocated.get(host.price_id, 0)
        when = _within(host.span, since_ns, until_ns)
        made.append(FixedCharge("idle", host.name, host.provider, *when, idle, host.currency))
    for seats in terms.subscriptions:
        made.extend(_shares(seats, since_ns, until_ns))
    return [charge for charge in made if charge.amount_femto]


def _shares(plan: Subscription, since_ns: int, until_ns: int) -> Iterator[FixedCharge]:
    """A subscription's charge, spread evenly over its users; without users it is nobody's."""
    begin, end = (
        _accrued(plan.price_femto * plan.seats, plan.every, plan.span, instant)
        for instant in (since_ns, until_ns)
    )
    when = _within(plan.span, since_ns, until_ns)
    users: tuple[str | None, ...] = plan.users or (None,)
    for number, user in enumerate(users):
        # These shares sum to the whole: floor(x / n) + floor((x + 1) / n) + ... is x.
        share = (end + number) // len(users) - (begin + number) // len(users)
        yield FixedCharge("subscription", plan.name, plan.provider, *when, share, plan.currency, user)


def _within(span: Span, since_ns: int, until_ns: int) -> tuple[int, int]:
    """The part of a period in which a term holds; the period itself where that is none."""
    start, end = span
    begin, stop = max(start, since_ns), until_ns if end is None else min(end, until_ns)
    return (begin, stop) if begin < stop else (since_ns, until_ns)


def _of(price_femto: int, every: Every, span: Span, since_ns: int, until_ns: int) -> int:
    return _accrued(price_femto, every, span, until_ns) - _accrued(price_femto, every, span, since_ns)


def _accrued(price_femto: int, every: Every, span: Span, at_ns: int) -> int:
    """What has accrued since the beginning of a term, rounded half to even."""
    start, end = span
    at_ns = max(start, at_ns if end is None else min(at_ns, end))
    return round(price_femto * (_elapsed(every, at_ns) - _elapsed(every, start)))


def _elapsed(every: Every, at_ns: int) -> Fraction:
    """Periods since 1970. A month of 28 days costs as much as one of 31."""
    if every != "month":
        return Fraction(at_ns, _HOUR if every == "hour" else 24 * _HOUR)
    moment = _EPOCH + timedelta(seconds=at_ns // 10**9)
    begin = datetime(moment.year, moment.month, 1, tzinfo=UTC)
    months = moment.year * 12 + moment.month
    following = datetime(months // 12, months % 12 + 1, 1, tzinfo=UTC)
    passed = at_ns - (begin - _EPOCH) // timedelta(seconds=1) * 10**9
    return months + Fraction(passed, (following - begin) // timedelta(seconds=1) * 10**9)


@dataclass(frozen=True, slots=True)
class Converted:
    """An amount in two currencies: one `original_currency` is `rate` of `currency`, set on `date`."""

    amount_femto: int
    currency: str
    original_femto: int
    original_currency: str
    rate: str
    date: str


def together(items: Iterable[Converted]) -> tuple[Converted, ...]:
    """The sums of amounts that were exchanged at the same rate, in order of currency and date."""
    sums: dict[tuple[str, ...], tuple[int, int]] = {}
    for item in items:
        key = (item.original_currency, item.date, item.rate, item.currency)
        amount, original = sums.get(key, (0, 0))
        sums[key] = (amount + item.amount_femto, original + item.original_femto)
    return tuple(
        Converted(amount, into, original, currency, rate, date)
        for (currency, date, rate, into), (amount, original) in sorted(sums.items())
    )


def turns(rates: Iterable[Exchange], currency: str, into: str) -> list[int]:
    """The instants, in order, from which on another rate holds between two currencies."""
    pair = {currency, into}
    return sorted({item.since_ns for item in rates if {item.base, item.quote} == pair})


def convert(
    rates: Iterable[Exchange], amount_femto: int, currency: str, into: str, at_ns: int
) -> Converted | None:
    """An amount in another currency, at the newest rate of its day; `None` when no rate is known.

    A rate also stands for its inverse. Rounded half to even, once.
    """
    if currency == into:
        return Converted(amount_femto, into, amount_femto, currency, "1", "")
    pair = {currency, into}
    known = [item for item in rates if {item.base, item.quote} == pair and item.since_ns <= at_ns]
    if not known:
        return None
    found = max(known, key=lambda item: (item.since_ns, item.base == currency))
    ratio = Fraction(found.rate, FEMTO) if found.base == currency else Fraction(FEMTO, found.rate)
    told = decimal_string(found.rate)
    return Converted(
        round(amount_femto * ratio),
        into,
        amount_femto,
        currency,
        told if found.base == currency else f"1/{told}",
        found.date,
    )
