"""Budgets as OpenTelemetry: metrics, and an event for each check that did not simply allow a call.

A budget's account may have a user in its name, so that events, which are few, carry the budget's name alone.
"""

from __future__ import annotations

from opentelemetry._logs import LoggerProvider, LogRecord, SeverityNumber, get_logger

from otel_tokenomics.budgets.amounts import NANO
from otel_tokenomics.budgets.errors import Reason
from otel_tokenomics.budgets.protocol import Balance
from otel_tokenomics.budgets.ticket import Part, Step
from otel_tokenomics.flow.guard import fault, guarded
from otel_tokenomics.telemetry import names
from otel_tokenomics.telemetry.budget_accounts import Watched, scope_of
from otel_tokenomics.telemetry.budget_metrics import BudgetMetrics
from otel_tokenomics.telemetry.events import SCOPE
from otel_tokenomics.telemetry.metrics import Metrics
from otel_tokenomics.version import __version__

_GRAVE = frozenset({"deny", "would_deny", "fail_open", "fail_local", "fail_closed"})


class BudgetTeller:
    """Implements the governor's `Listener`. Without a provider of logs the global one is used."""

    def __init__(self, logger_provider: LoggerProvider | None, metrics: Metrics) -> None:
        self._logger = get_logger(SCOPE, __version__, logger_provider, names.SCHEMA_URL)
        self._metrics = BudgetMetrics(metrics)

    def watch(self, watched: Watched) -> None:
        """From now on the gauges tell how these accounts stand."""
        self._metrics.watch(watched)

    def decided(self, part: Part, decision: str, reason: Reason | None, balance: Balance | None) -> None:
        """Count it, and emit whatever is not a plain `allow`."""
        try:
            why = "threshold" if decision == "warn" else reason or ""
            self._metrics.decided(part, decision, why)
            if decision != "allow":
                self._emit(part, decision, why, balance)
        except Exception as error:
            fault("budgets.decided", error)

    def settled(self, part: Part, held: int, spent: int, balance: Balance | None) -> None:
        """Count what was held for nothing, or too little."""
        with guarded("budgets.settled"):
            self._metrics.settled(part, held, spent)

    def stored(self, step: Step, seconds: float, answered: bool) -> None:
        """Count how long the store took."""
        with guarded("budgets.stored"):
            self._metrics.stored(step, seconds, answered)

    def expired(self, holds: int) -> None:
        """Count what was over."""
        with guarded("budgets.expired"):
            self._metrics.expired(holds)

    def _emit(self, part: Part, decision: str, reason: str, balance: Balance | None) -> None:
        grave = decision in _GRAVE
        record = LogRecord(
            severity_text="WARN" if grave else "INFO",
            severity_number=SeverityNumber.WARN if grave else SeverityNumber.INFO,
            attributes=_attributes(part, decision, reason, balance),
            event_name=names.EVENT_BUDGET_CHECK,
        )
        self._logger.emit(record)


def _attributes(part: Part, decision: str, reason: str, balance: Balance | None) -> dict[str, str | float]:
    budget = part.budget
    known: dict[str, str | float] = {
        names.BUDGET_NAME: budget.name,
        names.BUDGET_SCOPE: scope_of(budget),
        names.BUDGET_UNIT: part.unit,
        names.BUDGET_PERIOD: str(part.window),
        names.BUDGET_DECISION: decision,
        names.BUDGET_REASON: reason,
    }
    per = NANO if part.unit == "cost" else 1
    known[names.BUDGET_LIMIT] = part.limit / per
    if part.unit == "cost":
        known[names.COST_CURRENCY] = "USD"
    if balance is not None:
        known[names.BUDGET_CONSUMED] = balance.spent / per
        known[names.BUDGET_RESERVED] = balance.held / per
        known[names.BUDGET_REMAINING] = (part.limit - balance.spent - balance.held) / per
    return known
