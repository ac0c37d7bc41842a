"""Price cards: what one provider charges for one model, when, and in which variants.

A card is data. A price list in it applies from an instant on, or within a window of the UTC day, perhaps
of working days only; of several that apply the last one holds, and where none does, the first. A variant
overrides single rates.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, NamedTuple

_SECOND = 1_000_000_000
DAY = 86_400 * _SECOND
"""Nanoseconds of a day; Unix time has no leap seconds."""


class Rate(NamedTuple):
    """`femto` femto-USD for `per` units of a bucket.

    `tiers` are `(start, femto)`, highest first: a request whose whole input, cached or not, exceeds
    `start` tokens pays that rate for all of its units.
    """

    femto: int
    per: int
    tiers: tuple[tuple[int, int], ...] = ()

    def at(self, input_tokens: int) -> tuple[int, int | None]:
        """The rate for a request with so many input tokens, and the start of the tier that set it."""
        for start, femto in self.tiers:
            if input_tokens > start:
                return femto, start
        return self.femto, None

    def times(self, numerator: int, denominator: int) -> Rate:
        """This rate multiplied, exactly: the unit becomes finer where the product is not whole."""
        steps = [self.femto, *(femto for _, femto in self.tiers)]
        whole = all(step * numerator % denominator == 0 for step in steps)
        scale = 1 if whole else denominator
        made = [step * numerator * scale // denominator for step in steps]
        tiers = tuple((start, femto) for (start, _), femto in zip(self.tiers, made[1:], strict=True))
        return Rate(made[0], self.per * scale, tiers)


Rates = Mapping[str, Rate]


@dataclass(frozen=True, slots=True)
class Calendar:
    """The working days of a country: Monday to Friday but for its holidays, in days since 1970 in UTC.

    Holidays are known to the day `last`; after it only weekends are.
    """

    holidays: frozenset[int]
    last: int

    def works(self, day: int) -> bool:
        """Whether a day, counted from 1970-01-01, which was a Thursday, is a working day."""
        return (day + 3) % 7 < 5 and day not in self.holidays


@dataclass(frozen=True, slots=True)
class Period:
    """Rates by bucket, and when they apply.

    `start` is a UTC date or instant in ISO 8601, `start_ns` the same as Unix time; `window_ns` is within the
    UTC day, `calendar` restricts it to working days.
    """

    rates: Rates
    start: str | None = None
    start_ns: int = 0
    window_ns: tuple[int, int] | None = None
    calendar: Calendar | None = None

    def active(self, at_ns: int) -> bool:
        """Whether these rates apply at an instant. A window may cross midnight; its end is outside it."""
        if self.start is not None and at_ns < self.start_ns:
            return False
        if self.window_ns is None:
            return True
        begin, end = self.window_ns
        time = at_ns % DAY
        if not (begin <= time < end if begin <= end else time >= begin or time < end):
            return False
        return self.calendar is None or self.calendar.works(at_ns // DAY)

    def turns(self, at_ns: int) -> tuple[int, ...]:
        """Instants nearest to one at which these rates may begin or end to apply, on either side of it."""
        if self.window_ns is None:
            return () if self.start is None else (self.start_ns,)
        midnight = at_ns - at_ns % DAY
        times = (0, *self.window_ns, DAY)
        return (self.start_ns, *(midnight + time for time in times))


@dataclass(frozen=True, slots=True)
class Variant:
    """Rates that replace those of the period for requests served in one way, such as `processing=batch`."""

    when: Mapping[str, str]
    period: Period


@dataclass(frozen=True, slots=True)
class Card:
    """One model of one provider. `id` is the catalogue's.

    `regional` is the fraction by which a regional endpoint multiplies the token rates, where the provider
    has such endpoints at another price.
    """

    id: str
    periods: tuple[Period, ...]
    variants: tuple[Variant, ...] = ()
    regional: tuple[int, int] = (1, 1)

    def period(self, at_ns: int) -> Period:
        """The price list at an instant."""
        for period in reversed(self.periods):
            if period.active(at_ns):
                return period
        return self.periods[0]

    def overrides(self, way: tuple[str, str]) -> tuple[Period, ...]:
        """What replaces rates for requests served in one way; of several, the first has precedence."""
        return tuple(variant.period for variant in self.variants if variant.when == dict([way]))


def read_card(
    name: str,
    raw: Mapping[str, Any],
    units: Mapping[str, int],
    calendars: Mapping[str, Calendar] = MappingProxyType({}),
) -> Card:
    """A card from its compiled form; `units` says how many of a bucket a price is for. Raises `KeyError`."""
    periods = tuple(_period(item, units, calendars) for item in raw["prices"])
    variants = tuple(
        Variant(item["when"], _period(item, units, calendars)) for item in raw.get("variants", ())
    )
    numerator, denominator = raw.get("regional", (1, 1))
    return Card(name, periods, variants, (numerator, denominator))


def read_calendar(raw: Mapping[str, Any]) -> Calendar:
    """A calendar from its compiled form: ISO dates of holidays, and the last day that they are known for."""
    return Calendar(frozenset(map(_day, raw["holidays"])), _day(raw["last"]))


def unix_ns(text: str) -> int:
    """Unix nanoseconds of a UTC date or instant in ISO 8601. Raises `ValueError`."""
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * _SECOND


def _day(date: str) -> int:
    return unix_ns(date) // DAY


def _period(raw: Mapping[str, Any], units: Mapping[str, int], calendars: Mapping[str, Calendar]) -> Period:
    rates = {bucket: _rate(rate, units[bucket]) for bucket, rate in raw["rates"].items()}
    start = raw.get("start")
    window = (raw["from"] * _SECOND, raw["to"] * _SECOND) if "from" in raw else None
    calendar = calendars[raw["days"]] if "days" in raw else None
    return Period(rates, start, 0 if start is None else unix_ns(start), window, calendar)


def _rate(raw: int | list[int], per: int) -> Rate:
    if isinstance(raw, int):
        return Rate(raw, per)
    per, femto, *steps = raw
    tiers = zip(steps[::2], steps[1::2], strict=True)
    # Nearly every tiered rate has one tier.
    return Rate(femto, per, tuple(tiers) if len(steps) < 4 else tuple(sorted(tiers, reverse=True)))
