"""A tariff: one card as one way of being served, and one place, make it. Resolved once, then looked up."""

from __future__ import annotations

from otel_tokenomics.model.usage import TOKEN_COMPONENTS, component_of
from otel_tokenomics.pricing import vendors
from otel_tokenomics.pricing.cards import Card, Period, Rate, Rates

_MOST_BUCKETS = 256

Charge = tuple[str, Rate]
"""The component that a bucket is billed as, and its rate."""


class Sheet:
    """The rates in force at one instant. `effective` is the date that they began, where it is known."""

    __slots__ = ("_factor", "_found", "_model", "_provider", "_rates", "effective", "tiered")

    def __init__(
        self, provider: str, model: str, rates: Rates, factor: tuple[int, int], effective: str | None
    ) -> None:
        self._provider = provider
        self._model = model
        self._rates = rates
        self._factor = factor
        self._found: dict[str, Charge | None] = {}
        self.effective = effective
        self.tiered = any(rate.tiers for rate in rates.values())

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
        charge = None if rate is None else (vendors.component_billed(bucket), rate)
        if len(self._found) < _MOST_BUCKETS:
            self._found[bucket] = charge
        return charge


class Tariff:
    """What a provider charges for a model served in one way, and the `price_id` that names it."""

    __slots__ = ("_card", "_factor", "_only", "_overrides", "_provider", "_sheets", "price_id")

    def __init__(
        self, provider: str, card: Card, way: tuple[str, str] | None, factor: tuple[int, int]
    ) -> None:
        self._provider = provider
        self._card = card
        self._overrides = None if way is None else card.overrides(way)
        self._factor = factor
        self._sheets: dict[tuple[int, ...], Sheet] = {}
        marks = ([] if way is None else [way[1]]) + ([] if factor == (1, 1) else ["geo:us"])
        self.price_id = "/".join([provider, card.id, *marks])
        always = way is None and len(card.periods) == 1
        self._only = self._sheet(card.periods[0], ()) if always else None

    def at(self, at_ns: int) -> Sheet | None:
        """The rates at an instant; `None` when this way of being served had no published price then."""
        if self._only is not None:
            return self._only
        period = self._card.period(at_ns)
        overrides: tuple[Period, ...] = ()
        if self._overrides is not None:
            overrides = tuple([override for override in self._overrides if override.active(at_ns)])
            if not overrides:
                return None
        key = (id(period), *map(id, overrides))
        if (sheet := self._sheets.get(key)) is None:
            sheet = self._sheets[key] = self._sheet(period, overrides)
        return sheet

    def _sheet(self, period: Period, overrides: tuple[Period, ...]) -> Sheet:
        rates = dict(period.rates)
        for override in reversed(overrides):
            rates.update(override.rates)
        starts = [part.start for part in (period, *overrides) if part.start is not None]
        return Sheet(self._provider, self._card.id, rates, self._factor, max(starts, default=None))
