"""Rates that were found for what is asked alike, and for which inputs they are known to hold.

Pricing looks at everything that may change a price. Where the same rates held for fewer and for more input
tokens a moment ago, they hold for what is between: a context tier is an interval. Then a cost is a sum of
products.
"""

from __future__ import annotations

from collections.abc import Mapping

from otel_tokenomics.model.money import Cost

MINUTE = 60_000_000_000
"""Nanoseconds after which rates are looked for anew. Daily windows begin at whole minutes; a price list that
begins within one is late by its rest here, in what is held and not in what is settled."""

Rates = tuple[object, ...]


class Known:
    """The rates of a cost: `of` is all that its amount depends on but for its quantities."""

    __slots__ = ("_held", "_units", "of")

    def __init__(self, cost: Cost) -> None:
        self.of = rates_of(cost)
        whole = all(line.rate_femto % line.per == 0 for line in cost.lines)
        self._units = {line.bucket: line.rate_femto // line.per for line in cost.lines} if whole else {}
        self._held = (0, 1, 0)

    def amount(self, buckets: Mapping[str, int], n_in: int, at_ns: int) -> int | None:
        """Femto-USD of these quantities, if the rates are known to hold for so much input at this instant."""
        minute, least, most = self._held
        if minute != at_ns // MINUTE or not least <= n_in <= most:
            return None
        return self._sum(buckets)

    def hold(self, cost: Cost, buckets: Mapping[str, int], n_in: int, at_ns: int) -> None:
        """These rates were found again: remember for which input and when, if a sum is all that they make."""
        if self._sum(buckets) != cost.amount_femto:
            return
        minute, least, most = self._held
        now = at_ns // MINUTE
        # One tuple, since other threads read it meanwhile.
        self._held = (now, min(least, n_in), max(most, n_in)) if now == minute else (now, n_in, n_in)

    def _sum(self, buckets: Mapping[str, int]) -> int | None:
        units, total = self._units, 0
        for bucket, quantity in buckets.items():
            if bucket not in units:
                return None
            total += quantity * units[bucket]
        return total


def rates_of(cost: Cost) -> Rates:
    """What the amount of a cost depends on but for its quantities."""
    lines = [(line.bucket, line.rate_femto, line.per) for line in cost.lines]
    return (cost.status, cost.currency, cost.price_id, cost.effective_date, cost.tier, *lines)
