"""Sets of labels that several metrics have, or that are long; named after the first metric that has each.

Made by `make semconv` from semconv/; see docs/convention.md.
"""

from __future__ import annotations

from typing import Final

from otel_tokenomics.telemetry import names

OF_INPUT_TOKENS: Final = frozenset(
    {
        names.ATTEMPT_OUTCOME,
        names.OPERATION,
        names.PROVIDER,
        names.REQUEST_MODEL,
        names.RESPONSE_MODEL,
        names.SERVICE_TIER,
        names.TOKEN_MODALITY,
    }
)
OF_CACHE_WRITE: Final = frozenset(
    {
        names.ATTEMPT_OUTCOME,
        names.CACHE_TTL,
        names.OPERATION,
        names.PROVIDER,
        names.REQUEST_MODEL,
        names.RESPONSE_MODEL,
        names.SERVICE_TIER,
        names.TOKEN_MODALITY,
    }
)
OF_OPERATION_INPUT: Final = frozenset(
    {
        names.OPERATION,
        names.PROVIDER,
        names.REQUEST_MODEL,
        names.RESPONSE_MODEL,
    }
)
OF_DURATION: Final = frozenset(
    {
        names.ERROR_TYPE,
        names.OPERATION,
        names.PROVIDER,
        names.REQUEST_MODEL,
        names.RESPONSE_MODEL,
    }
)
OF_LEGACY_TOKENS: Final = frozenset(
    {
        names.OPERATION,
        names.PROVIDER,
        names.REQUEST_MODEL,
        names.RESPONSE_MODEL,
        names.TOKEN_TYPE,
    }
)
OF_OPERATION_COST: Final = frozenset(
    {
        names.COST_CURRENCY,
        names.COST_SOURCE,
        names.OPERATION,
        names.PROVIDER,
        names.REQUEST_MODEL,
        names.RESPONSE_MODEL,
    }
)
OF_COST: Final = frozenset(
    {
        names.ATTEMPT_OUTCOME,
        names.COST_COMPONENT,
        names.COST_CURRENCY,
        names.COST_METHOD,
        names.COST_SOURCE,
        names.OPERATION,
        names.PROVIDER,
        names.REQUEST_MODEL,
        names.RESPONSE_MODEL,
        names.SERVICE_TIER,
        names.TOKEN_MODALITY,
        names.USAGE_SOURCE,
    }
)
OF_TOOL_REQUESTS: Final = frozenset(
    {
        names.ATTEMPT_OUTCOME,
        names.OPERATION,
        names.PROVIDER,
        names.REQUEST_MODEL,
        names.RESPONSE_MODEL,
        names.SERVICE_TIER,
        names.TOOL_NAME,
    }
)
OF_UNPRICED: Final = frozenset(
    {
        names.ATTEMPT_OUTCOME,
        names.COST_STATUS,
        names.COST_UNPRICED_REASON,
        names.OPERATION,
        names.PROVIDER,
        names.REQUEST_MODEL,
        names.RESPONSE_MODEL,
        names.SERVICE_TIER,
    }
)
OF_ESTIMATED: Final = frozenset(
    {
        names.ATTEMPT_OUTCOME,
        names.OPERATION,
        names.PROVIDER,
        names.REQUEST_MODEL,
        names.RESPONSE_MODEL,
        names.SERVICE_TIER,
        names.USAGE_SOURCE,
    }
)
OF_ALLOCATION_COST: Final = frozenset(
    {
        names.AGENT,
        names.COST_CENTER,
        names.COST_CURRENCY,
        names.FEATURE,
        names.PROJECT,
        names.PROVIDER,
        names.TEAM,
    }
)
OF_BUDGET_COST_LIMIT: Final = frozenset(
    {
        names.BUDGET_NAME,
        names.BUDGET_PERIOD,
        names.BUDGET_SCOPE,
        names.COST_CENTER,
        names.COST_CURRENCY,
        names.FEATURE,
        names.PROJECT,
        names.TEAM,
    }
)
OF_BUDGET_TOKENS_LIMIT: Final = frozenset(
    {
        names.BUDGET_NAME,
        names.BUDGET_PERIOD,
        names.BUDGET_SCOPE,
        names.COST_CENTER,
        names.FEATURE,
        names.PROJECT,
        names.TEAM,
    }
)
OF_BUDGET_UTILIZATION: Final = frozenset(
    {
        names.BUDGET_NAME,
        names.BUDGET_PERIOD,
        names.BUDGET_SCOPE,
        names.BUDGET_UNIT,
        names.COST_CENTER,
        names.FEATURE,
        names.PROJECT,
        names.TEAM,
    }
)
OF_BUDGET_DECISIONS: Final = frozenset(
    {
        names.BUDGET_DECISION,
        names.BUDGET_NAME,
        names.BUDGET_PERIOD,
        names.BUDGET_REASON,
        names.BUDGET_SCOPE,
        names.BUDGET_UNIT,
    }
)
OF_BUDGET_COST_OVERSHOOT: Final = frozenset(
    {
        names.BUDGET_NAME,
        names.BUDGET_PERIOD,
        names.BUDGET_SCOPE,
        names.COST_CURRENCY,
    }
)
OF_BUDGET_TOKENS_OVERSHOOT: Final = frozenset(
    {
        names.BUDGET_NAME,
        names.BUDGET_PERIOD,
        names.BUDGET_SCOPE,
    }
)
OF_FAULTS: Final = frozenset({names.SELF_CAUSE})
OF_USAGE_FLAGS: Final = frozenset(
    {
        names.OPERATION,
        names.PROVIDER,
        names.REQUEST_MODEL,
        names.RESPONSE_MODEL,
        names.USAGE_FLAG,
    }
)
