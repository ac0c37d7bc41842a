"""Budgets as OpenTelemetry: an event for each check that did not simply allow a call.

A budget's account may have a user in its name, so that events, which are few, carry the budget's name alone.
"""

from __future__ import annotations

from opentelemetry._logs import LoggerProvider, LogRecord, SeverityNumber, get_logger

from otel_tokenomics.budgets.amounts import NANO
from otel_tokenomics.budgets.budget import Budget
from otel_tokenomics.budgets.errors import Reason
from otel_tokenomics.budgets.protocol import Balance
from otel_tokenomics.budgets.ticket import Part
from otel_tokenomics.flow.guard import guarded
from otel_tokenomics.model.attribution import OWNERS
from otel_tokenomics.telemetry import names
from otel_tokenomics.telemetry.events import SCOPE
from otel_tokenomics.version import __version__

_TOLD = {"fail_local": "fail_open"}
_GRAVE = frozenset({"deny", "would_deny", "fail_open", "fail_closed"})


class BudgetEvents:
    """Implements the governor's `Listener`. Without a provider the global one is used."""

    def __init__(self, logger_provider: LoggerProvider | None = None) -> None:
        self._logger = get_logger(SCOPE, __version__, logger_provider, names.SCHEMA_URL)

    def decided(self, part: Part, decision: str, reason: Reason | None, balance: Balance | None) -> None:
        """Emit whatever is not a plain `allow`."""
        if decision == "allow":
            return
        with guarded("budgets.event"):
            told = _TOLD.get(decision, decision)
            grave = told in _GRAVE
            record = LogRecord(
                severity_text="WARN" if grave else "INFO",
                severity_number=SeverityNumber.WARN if grave else SeverityNumber.INFO,
                attributes=_attributes(part, told, balance),
                event_name=names.EVENT_BUDGET_CHECK,
            )
            self._logger.emit(record)

    def settled(self, part: Part, held: int, spent: int, balance: Balance | None) -> None:
        """Settlements are in the usage records."""

    def stored(self, seconds: float) -> None:
        """Not told."""

    def expired(self, holds: int) -> None:
        """Not told."""


def _attributes(part: Part, decision: str, balance: Balance | None) -> dict[str, str | float]:
    budget = part.budget
    known: dict[str, str | float] = {
        names.BUDGET_NAME: budget.name,
        names.BUDGET_SCOPE: _scope(budget),
        names.BUDGET_UNIT: part.unit,
        names.BUDGET_PERIOD: str(part.window),
        names.BUDGET_DECISION: decision,
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


def _scope(budget: Budget) -> str:
    """What a budget limits, by the first owner that it matches."""
    if budget.window.kind == "run":
        return "agent_run"
    keys = [key for key, _ in budget.match if key in OWNERS and key != "cost_center"]
    return keys[0] if keys else "organization"
