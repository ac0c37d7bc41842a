"""What several records come to, for the one span that they share."""

from __future__ import annotations

from collections.abc import Iterable

from otel_tokenomics.flow.desk import Entry
from otel_tokenomics.model.attribution import UNATTRIBUTED, Attribution
from otel_tokenomics.model.call import Reading
from otel_tokenomics.model.money import Cost, Line, UnpricedReason
from otel_tokenomics.model.record import UsageRecord
from otel_tokenomics.model.usage import Usage


class Sum:
    """Adds up usage and cost. What is not the same in all of them is left out of it.

    Where currencies differ there is no amount; where one part has none the sum is a lower bound.
    """

    def __init__(self) -> None:
        self.count = 0
        self._first: UsageRecord | None = None
        self._buckets: dict[str, int] = {}
        self._flags: set[str] = set()
        self._models: set[str | None] = set()
        self._tiers: set[str | None] = set()
        self._currencies: set[str] = set()
        self._lines: dict[tuple[str, str, int, int], tuple[int, int]] = {}
        self._amount = self._priced = self._complete = 0
        self._reason: UnpricedReason | None = None

    def add(self, record: UsageRecord) -> None:
        """Add one record."""
        self.count += 1
        self._first = self._first or record
        reading, cost = record.reading, record.cost
        self._reason = self._reason or cost.unpriced_reason
        self._models.add(reading.response_model)
        self._tiers.add(reading.service_tier)
        self._flags.update(reading.usage.flags)
        for bucket, quantity in reading.usage.buckets.items():
            self._buckets[bucket] = self._buckets.get(bucket, 0) + quantity
        if cost.amount_femto is not None:
            self._priced += 1
            self._complete += cost.status == "complete"
            self._amount += cost.amount_femto
            self._currencies.add(cost.currency)
            self._add_lines(cost.lines)

    def record(self, entry: Entry) -> UsageRecord:
        """The sum as a record that only a span is told of."""
        assert self._first is not None
        reading = Reading(
            usage=Usage(self._buckets, flags=tuple(sorted(self._flags))),
            response_model=_same(self._models),
            service_tier=_same(self._tiers),
        )
        attribution: Attribution = self._first.attribution or UNATTRIBUTED
        return UsageRecord("", entry.facts, reading, self._cost(), entry.started_ns, None, attribution)

    def _add_lines(self, lines: Iterable[Line]) -> None:
        for component, bucket, quantity, rate, per, amount in lines:
            key = (component, bucket, rate, per)
            before = self._lines.get(key, (0, 0))
            self._lines[key] = (before[0] + quantity, before[1] + amount)

    def _cost(self) -> Cost:
        assert self._first is not None
        if not self._priced or len(self._currencies) > 1:
            return Cost(None, "unpriced", unpriced_reason=self._reason or "unknown_model")
        whole = self._complete == self.count
        lines = [
            Line(component, bucket, quantity, rate, per, amount)
            for (component, bucket, rate, per), (quantity, amount) in self._lines.items()
        ]
        return Cost(
            self._amount,
            "complete" if whole else "partial",
            self._first.cost.method or "catalog",
            next(iter(self._currencies)),
            tuple(lines),
            unpriced_reason=None if whole else self._reason,
            bound=None if whole else "lower",
        )


def _same(values: set[str | None]) -> str | None:
    return next(iter(values)) if len(values) == 1 else None
