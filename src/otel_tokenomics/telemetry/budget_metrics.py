"""Budgets as metrics: decisions, and how accounts stand.

On a call's path an item is put into a queue. Totals are published through observable instruments; the gauges
ask the store when metrics are collected, once for all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Final

from opentelemetry.metrics import Observation

from otel_tokenomics.budgets.amounts import NANO
from otel_tokenomics.budgets.ticket import Part, Step
from otel_tokenomics.flow import late
from otel_tokenomics.telemetry import names
from otel_tokenomics.telemetry.budget_accounts import BUDGETS, AccountRow, BudgetRow, Stand, Watched
from otel_tokenomics.telemetry.instruments import ALLOCATION_OWNERS
from otel_tokenomics.telemetry.labels import Labels
from otel_tokenomics.telemetry.metrics import Metrics, Observe, further_overflows

_DOWN = {names.ERROR_TYPE: "StoreDownError"}


class BudgetMetrics:
    """What one set of instruments tells of budgets."""

    def __init__(self, metrics: Metrics) -> None:
        metrics.observe(_COUNTERS, _GAUGES)
        self._watched: Watched | None = None
        self._errors = {
            "cost": metrics.histogram(names.METRIC_BUDGET_COST_ERROR),
            "token": metrics.histogram(names.METRIC_BUDGET_TOKENS_ERROR),
        }
        self._durations = metrics.histogram(names.METRIC_BUDGET_STORE_DURATION)

    def watch(self, watched: Watched) -> None:
        """From now on the gauges tell how these accounts stand."""
        self._watched = watched
        BUDGETS.watch(watched)

    def decided(self, part: Part, decision: str, reason: str) -> None:
        """A call was let through, or not."""
        BUDGETS.note(part, decision, reason, self._watched)
        # One job for all that are noted until it is done.
        late.put_off_once(BUDGETS.decide)

    def settled(self, part: Part, held: int, spent: int) -> None:
        """A call cost so much of what was held for it. What cost nothing was given back, and is no error."""
        if spent and part.unit in self._errors and not part.velocity:
            late.put_off(partial(self._settled, part, held, spent))

    def stored(self, step: Step, seconds: float, answered: bool) -> None:
        """A step of the store took so long."""
        late.put_off(partial(self._stored, step, seconds, answered))

    def expired(self, holds: int) -> None:
        """So many holds were over."""
        late.put_off(partial(BUDGETS.expire, holds))

    def _settled(self, part: Part, held: int, spent: int) -> None:
        row = BUDGETS.row(part)
        if spent > held:
            BUDGETS.overshoot(row, spent - held)
        self._errors[part.unit].record(_amount(part.unit, max(held - spent, 0)), _money(row))

    def _stored(self, step: Step, seconds: float, answered: bool) -> None:
        self._durations.record(seconds, {names.BUDGET_STEP: step, **({} if answered else _DOWN)})


class _Reading:
    """How the accounts stand, read anew when an instrument asks that was told already."""

    def __init__(self) -> None:
        self._stands: dict[AccountRow, Stand] = {}
        self._told: set[str] | None = None

    def of(self, instrument: str) -> dict[AccountRow, Stand]:
        """What to tell an instrument."""
        if self._told is None or instrument in self._told:
            self._told, self._stands = set(), BUDGETS.stands()
        self._told.add(instrument)
        return self._stands


_reading = _Reading()


def _amount(unit: str, quantity: int) -> float:
    """Money as a double; tokens and requests are whole."""
    return quantity / NANO if unit == "cost" else quantity


def _labels(row: BudgetRow) -> Labels:
    return {names.BUDGET_NAME: row.name, names.BUDGET_SCOPE: row.scope, names.BUDGET_PERIOD: row.period}


def _money(row: BudgetRow) -> Labels:
    return {**_labels(row), names.COST_CURRENCY: "USD"} if row.unit == "cost" else _labels(row)


def _owned(row: AccountRow, labels: Labels) -> Labels:
    for owner, value in zip(ALLOCATION_OWNERS, row.owners, strict=True):
        if value is not None:
            labels[names.OWNER_ATTRIBUTES[owner]] = value
    return labels


def _gauge(name: str, unit: str, quantity: Callable[[Stand], int]) -> Iterator[Observation]:
    for row, stand in _reading.of(name).items():
        if row.budget.unit == unit:
            yield Observation(_amount(unit, quantity(stand)), _owned(row, _money(row.budget)))


def _utilization() -> Iterator[Observation]:
    for row, stand in _reading.of(names.METRIC_BUDGET_UTILIZATION).items():
        if stand.limit:
            labels = {**_labels(row.budget), names.BUDGET_UNIT: row.budget.unit}
            yield Observation(stand.utilization, _owned(row, labels))


def _decisions() -> Iterator[Observation]:
    for row, quantity in BUDGETS.decisions():
        labels = {
            **_labels(row.budget),
            names.BUDGET_UNIT: row.budget.unit,
            names.BUDGET_DECISION: row.decision,
        }
        if row.reason:
            labels[names.BUDGET_REASON] = row.reason
        yield Observation(quantity, labels)


def _overshoot(unit: str) -> Iterator[Observation]:
    for row, quantity in BUDGETS.overshoots():
        if row.unit == unit:
            yield Observation(_amount(unit, quantity), _money(row))


def _expired() -> Iterator[Observation]:
    yield Observation(BUDGETS.expired())


_COUNTERS: Final[Mapping[str, Observe]] = {
    names.METRIC_BUDGET_DECISIONS: _decisions,
    names.METRIC_BUDGET_COST_OVERSHOOT: partial(_overshoot, "cost"),
    names.METRIC_BUDGET_TOKENS_OVERSHOOT: partial(_overshoot, "token"),
    names.METRIC_BUDGET_EXPIRATIONS: _expired,
}
_QUANTITIES: Final[Mapping[str, tuple[str, Callable[[Stand], int]]]] = {
    names.METRIC_BUDGET_COST_LIMIT: ("cost", lambda stand: stand.limit),
    names.METRIC_BUDGET_COST_USAGE: ("cost", lambda stand: stand.usage),
    names.METRIC_BUDGET_COST_RESERVED: ("cost", lambda stand: stand.held),
    names.METRIC_BUDGET_TOKENS_LIMIT: ("token", lambda stand: stand.limit),
    names.METRIC_BUDGET_TOKENS_USAGE: ("token", lambda stand: stand.usage),
    names.METRIC_BUDGET_TOKENS_RESERVED: ("token", lambda stand: stand.held),
    names.METRIC_BUDGET_REQUEST_LIMIT: ("request", lambda stand: stand.limit),
    names.METRIC_BUDGET_REQUEST_USAGE: ("request", lambda stand: stand.usage),
    names.METRIC_BUDGET_REQUEST_RESERVED: ("request", lambda stand: stand.held),
}
_GAUGES: Final[Mapping[str, Observe]] = {
    **{name: partial(_gauge, name, *how) for name, how in _QUANTITIES.items()},
    names.METRIC_BUDGET_UTILIZATION: _utilization,
}

further_overflows.append(BUDGETS.overflows)
