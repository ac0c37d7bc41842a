"""Price cards: what one provider charges for one model, when, and in which variants.

A card is data. A price list in it applies from an instant on, or within a window of the UTC day; of several
that apply the last one holds, and where none does, the first. A variant overrides single rates.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

_SECOND = 1_000_000_000
_DAY = 86_400 * _SECOND


@dataclass(frozen=True, slots=True)
class Rate:
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
class Period:
    """Rates by bucket, and when they apply. `start_ns` is Unix time, `window_ns` is within the UTC day."""

    rates: Rates
    start: str | None = None
    start_ns: int = 0
    window_ns: tuple[int, int] | None = None

    def active(self, at_ns: int) -> bool:
        """Whether these rates apply at an instant. A window may cross midnight; its end is outside it."""
        if self.start is not None and at_ns < self.start_ns:
            return False
        if self.window_ns is None:
            return True
        begin, end = self.window_ns
        time = at_ns % _DAY
        return begin <= time < end if begin <= end else time >= begin or time < end


@dataclass(frozen=True, slots=True)
class Variant:
    """Rates that replace those of the period for requests served in one way, such as `processing=batch`."""

    when: Mapping[str, str]
    period: Period


@dataclass(frozen=True, slots=True)
class Card:
    """One model of one provider. `id` is the catalogue's."""

    id: str
    periods: tuple[Period, ...]
    variants: tuple[Variant, ...] = ()

    def period(self, at_ns: int) -> Period:
        """The price list at an instant."""
        for period in reversed(self.periods):
            if period.active(at_ns):
                return period
        return self.periods[0]

    def overrides(self, way: tuple[str, str]) -> tuple[Period, ...]:
        """What replaces rates for requests served in one way; of several, the first has precedence."""
        return tuple(variant.period for variant in self.variants if variant.when == dict([way]))


def read_card(name: str, raw: Mapping[str, Any], units: Mapping[str, int]) -> Card:
    """A card from its compiled form; `units` says how many of a bucket one price is for."""
    periods = tuple(_period(item, units) for item in raw["prices"])
    variants = tuple(Variant(item["when"], _period(item, units)) for item in raw.get("variants", ()))
    return Card(name, periods, variants)


def _period(raw: Mapping[str, Any], units: Mapping[str, int]) -> Period:
    rates = {bucket: _rate(rate, units[bucket]) for bucket, rate in raw["rates"].items()}
    if (start := raw.get("start")) is not None:
        return Period(
            rates, start, int(datetime.fromisoformat(start).replace(tzinfo=UTC).timestamp()) * _SECOND
        )
    if "from" in raw:
        return Period(rates, window_ns=(raw["from"] * _SECOND, raw["to"] * _SECOND))
    return Period(rates)


def _rate(raw: int | list[int], per: int) -> Rate:
    if isinstance(raw, int):
        return Rate(raw, per)
    per, femto, *steps = raw
    return Rate(femto, per, tuple(_descending(zip(steps[::2], steps[1::2], strict=True))))


def _descending(tiers: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    return sorted(tiers, reverse=True)
