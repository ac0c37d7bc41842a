"""A tariff: one card as one way of being served, and one place, make it. Resolved once, then looked up."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from typing import NamedTuple

from otel_tokenomics.model.money import Line
from otel_tokenomics.model.usage import INPUT_COMPONENTS, TOKEN_COMPONENTS, component_of
from otel_tokenomics.pricing import vendors
from otel_tokenomics.pricing.cards import DAY, Card, Period, Rate, Rates

_MOST_BUCKETS = 256
_MOST_PLANS = 64
_REQUEST = "requests"
_ALWAYS = 1 << 63


class Charge(NamedTuple):
    """The component that a bucket is billed as, its rate, and the least quantity that a request is billed."""

    component: str
    rate: Rate
    least: int = 0


class Step(NamedTuple):
    """How one bucket is charged in one context tier."""

    component: str
    bucket: str
    femto: int
    per: int
    least: int


Plain = tuple[str, str, int, int, int]
"""Component, bucket, rate, what that is for, and the femto-USD of one unit, nearly always a whole number."""


@dataclass(frozen=True, slots=True)
class Level:
    """How a usage of certain buckets is charged in one context tier, by its name.

    A step for each bucket in their order, or `None` without a rate. `plain` is the same where nothing is to
    be decided: every bucket has a rate, none has a least quantity or a fraction of a femto-dollar, and no
    request has a fee.
    """

    steps: tuple[Step | None, ...]
    plain: tuple[Plain, ...] | None
    tier: str | None


@dataclass(frozen=True, slots=True)
class Plan:
    """How a usage of certain buckets is charged.

    `starts` is where context tiers begin, `level` is the one before the first, and `inputs` is which buckets
    count for them. `fee` is the line that every request has.
    """

    level: Level
    levels: tuple[Level, ...]
    starts: tuple[int, ...]
    inputs: tuple[str, ...]
    fee: Line | None

    def reached(self, tokens: int) -> Level:
        """The context tier of a usage whose whole input, cached or not, has so many tokens."""
        return self.levels[bisect_left(self.starts, tokens)]


class Sheet:
    """The rates in force at one instant.

    `effective` is the date or instant that they began, where it is known; `assumption` is what they rest on;
    `plans` is what `plan` remembers.
    """

    __slots__ = (
        "_factor",
        "_found",
        "_model",
        "_provider",
        "_rates",
        "assumption",
        "effective",
        "plans",
    )

    def __init__(
        self,
        provider: str,
        model: str,
        rates: Rates,
        factor: tuple[int, int] = (1, 1),
        effective: str | None = None,
        assumption: str | None = None,
    ) -> None:
        self._provider = provider
        self._model = model
        self._rates = rates
        self._factor = factor
        self._found: dict[str, Charge | None] = {}
        self.effective = effective
        self.assumption = assumption
        self.plans: dict[tuple[str, ...], Plan] = {}

    def plan(self, buckets: tuple[str, ...]) -> Plan:
        """How a usage of these buckets, in their order, is charged."""
        found = self.plans.get(buckets)
        if found is None:
            if len(self.plans) >= _MOST_PLANS:
                self.plans.clear()
            found = self.plans[buckets] = self._planned(buckets)
        return found

    def _planned(self, buckets: tuple[str, ...]) -> Plan:
        charges = [self.charge(bucket) for bucket in buckets]
        tiers = {start for charge in charges if charge is not None for start, _ in charge.rate.tiers}
        starts = tuple(sorted(tiers))
        asked = self.charge(_REQUEST)
        fee = None if asked is None else _fee(asked)
        levels = tuple([_level(buckets, charges, start, fee) for start in (None, *starts)])
        inputs = [bucket for bucket in buckets if component_of(bucket) in INPUT_COMPONENTS]
        return Plan(levels[0], levels, starts, tuple(inputs), fee)

    def charge(self, bucket: str) -> Charge | None:
        """What a bucket costs, or `None` when nothing says so."""
        try:
            return self._found[bucket]
        except KeyError:
            return self._find(bucket)

    def _find(self, bucket: str) -> Charge | None:
        rate = vendors.rate_for(self._provider, self._model, self._rates, bucket)
        if rate is not None and self._factor != (1, 1) and component_of(bucket) in TOKEN_COMPONENTS:
            rate = rate.times(*self._factor)
        least = vendors.least_billed(self._provider, bucket)
        charge = None if rate is None else Charge(vendors.component_billed(bucket), rate, least)
        if len(self._found) < _MOST_BUCKETS:
            self._found[bucket] = charge
        return charge


def _level(
    buckets: tuple[str, ...], charges: list[Charge | None], start: int | None, fee: Line | None
) -> Level:
    steps = tuple([_step(bucket, charge, start) for bucket, charge in zip(buckets, charges, strict=True)])
    plain = tuple([(*step[:4], step.femto // step.per) for step in steps if step and _is_plain(step)])
    decided = fee is not None or len(plain) < len(steps)
    return Level(steps, None if decided else plain, None if start is None else _tier_name(start))


def _tier_name(start: int) -> str:
    """`gt_272000`; a tier from 200,000 on, which a list writes as more than 199,999, is `gte_200000`."""
    return f"gte_{start + 1}" if start % 10 == 9 else f"gt_{start}"


def _step(bucket: str, charge: Charge | None, start: int | None) -> Step | None:
    if charge is None:
        return None
    component, rate, least = charge
    femto = rate.femto if start is None else rate.at(start + 1)[0]
    return Step(component, bucket, femto, rate.per, least)


def _is_plain(step: Step) -> bool:
    return step.least == 0 and step.femto % step.per == 0


def _fee(charge: Charge) -> Line:
    rate = charge.rate
    return Line(charge.component, _REQUEST, 1, rate.femto, rate.per, divided(rate.femto, rate.per))


def divided(amount: int, per: int) -> int:
    """`amount / per` for `amount >= 0`, rounded half to even."""
    quotient, rest = divmod(amount, per)
    twice = 2 * rest
    return quotient + (twice > per or (twice == per and quotient & 1))


class Tariff:
    """What a provider charges for a model served in one way, and the `price_id` that names it."""

    __slots__ = (
        "_card",
        "_factor",
        "_overrides",
        "_provider",
        "_sheets",
        "_span",
        "assumption",
        "price_id",
    )

    def __init__(
        self,
        provider: str,
        card: Card,
        way: tuple[str, str] | None = None,
        place: vendors.Place = vendors.ANYWHERE,
    ) -> None:
        self._provider = provider
        self._card = card
        self._overrides = None if way is None else card.overrides(way)
        self._factor = place.factor
        self._sheets: dict[tuple[object, ...], Sheet] = {}
        self._span: tuple[int, int, Sheet | None] = (0, 0, None)
        self.assumption = place.assumption
        marks = ([] if way is None else [way[1]]) + ([] if place.mark is None else [place.mark])
        self.price_id = "/".join([provider, card.id, *marks])

    def at(self, at_ns: int) -> Sheet | None:
        """The rates at an instant; `None` when this way of being served had no published price then."""
        begin, end, sheet = self._span
        return sheet if begin <= at_ns < end else self._look(at_ns)

    def _look(self, at_ns: int) -> Sheet | None:
        """The rates at an instant, remembered for as long as nothing on the card can change."""
        sheet = self._reckon(at_ns)
        parts = (*self._card.periods, *(self._overrides or ()))
        turns = [turn for part in parts for turn in part.turns(at_ns)]
        begin = max((turn for turn in turns if turn <= at_ns), default=-_ALWAYS)
        end = min((turn for turn in turns if turn > at_ns), default=_ALWAYS)
        self._span = begin, end, sheet
        return sheet

    def _reckon(self, at_ns: int) -> Sheet | None:
        period = self._card.period(at_ns)
        overrides: tuple[Period, ...] = ()
        if self._overrides is not None:
            overrides = tuple([override for override in self._overrides if override.active(at_ns)])
            if not overrides:
                return None
        assumption = self._assumed(at_ns)
        key = (id(period), assumption, *map(id, overrides))
        if (sheet := self._sheets.get(key)) is None:
            sheet = self._sheets[key] = self._sheet(period, overrides, assumption)
        return sheet

    def _assumed(self, at_ns: int) -> str | None:
        lasts = [period.calendar.last for period in self._card.periods if period.calendar is not None]
        if lasts and at_ns // DAY > min(lasts):
            return "holidays of that year not known: only weekends taken as off-peak"
        return None

    def _sheet(self, period: Period, overrides: tuple[Period, ...], assumption: str | None) -> Sheet:
        rates = dict(period.rates)
        for override in reversed(overrides):
            rates.update(override.rates)
        starts = [part.start for part in (period, *overrides) if part.start is not None]
        effective = max(starts, default=None)
        return Sheet(self._provider, self._card.id, rates, self._factor, effective, assumption)
