"""otel-tokenomics: see, cap and explain what LLM calls cost, in the telemetry you already have."""

from otel_tokenomics.attribution.ambient import attribute
from otel_tokenomics.attribution.runs import Run, run
from otel_tokenomics.budgets.amounts import usd
from otel_tokenomics.budgets.errors import BudgetExceededError
from otel_tokenomics.model.attribution import Attribution
from otel_tokenomics.model.money import Cost
from otel_tokenomics.model.record import UsageRecord
from otel_tokenomics.model.usage import Usage
from otel_tokenomics.version import __version__

__all__ = [
    "Attribution",
    "BudgetExceededError",
    "Cost",
    "Run",
    "Usage",
    "UsageRecord",
    "__version__",
    "attribute",
    "run",
    "usd",
]
