"""The metrics of the convention: unit, description, the labels each may have, and the bounds of histograms.

Made by `make semconv` from semconv/, where each is defined; see docs/convention.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from otel_tokenomics.telemetry import names


class Instrument(NamedTuple):
    """What a metric is: `labels` are the attributes it may have, `bounds` a histogram's buckets."""

    unit: str
    brief: str
    labels: frozenset[str]
    bounds: tuple[float, ...] = ()


ALLOCATION_OWNERS: Final = ("team", "project", "feature", "cost_center")
"""The owners that metrics of allocation are split by."""

_LABELS_OF_INPUT_TOKENS: Final = frozenset(
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
_LABELS_OF_OPERATION_INPUT: Final = frozenset(
    {
        names.OPERATION,
        names.PROVIDER,
        names.REQUEST_MODEL,
        names.RESPONSE_MODEL,
    }
)
_LABELS_OF_BUDGET_COST_LIMIT: Final = frozenset(
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
_LABELS_OF_BUDGET_TOKENS_LIMIT: Final = frozenset(
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
_LABELS_OF_BUDGET_COST_OVERSHOOT: Final = frozenset(
    {
        names.BUDGET_NAME,
        names.BUDGET_PERIOD,
        names.BUDGET_SCOPE,
        names.COST_CURRENCY,
    }
)
_LABELS_OF_BUDGET_TOKENS_OVERSHOOT: Final = frozenset(
    {
        names.BUDGET_NAME,
        names.BUDGET_PERIOD,
        names.BUDGET_SCOPE,
    }
)
_LABELS_OF_FAULTS: Final = frozenset({names.SELF_CAUSE})

INSTRUMENTS: Final[Mapping[str, Instrument]] = {
    names.METRIC_INPUT_TOKENS: Instrument(
        "{token}",
        "Input tokens used, cached ones included.",
        _LABELS_OF_INPUT_TOKENS,
    ),
    names.METRIC_OUTPUT_TOKENS: Instrument(
        "{token}",
        "Output tokens used, reasoning included.",
        _LABELS_OF_INPUT_TOKENS,
    ),
    names.METRIC_CACHE_READ: Instrument(
        "{token}",
        "Input tokens read from a provider's cache; part of the input tokens.",
        _LABELS_OF_INPUT_TOKENS,
    ),
    names.METRIC_CACHE_WRITE: Instrument(
        "{token}",
        "Input tokens written to a provider's cache; part of the input tokens.",
        frozenset(
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
        ),
    ),
    names.METRIC_REASONING: Instrument(
        "{token}",
        "Output tokens spent on reasoning; part of the output tokens.",
        _LABELS_OF_INPUT_TOKENS,
    ),
    names.METRIC_OPERATION_INPUT: Instrument(
        "{token}",
        "Input tokens of one operation.",
        _LABELS_OF_OPERATION_INPUT,
        tuple(1 * 4**power for power in range(14)),
    ),
    names.METRIC_OPERATION_OUTPUT: Instrument(
        "{token}",
        "Output tokens of one operation.",
        _LABELS_OF_OPERATION_INPUT,
        tuple(1 * 4**power for power in range(14)),
    ),
    names.METRIC_DURATION: Instrument(
        "s",
        "Duration of one inference operation.",
        frozenset(
            {
                names.ERROR_TYPE,
                names.OPERATION,
                names.PROVIDER,
                names.REQUEST_MODEL,
                names.RESPONSE_MODEL,
            }
        ),
        tuple(0.01 * 2**power for power in range(14)),
    ),
    names.METRIC_FIRST_CHUNK: Instrument(
        "s",
        "Time to the first chunk of a streamed response.",
        _LABELS_OF_OPERATION_INPUT,
        tuple(0.01 * 2**power for power in range(14)),
    ),
    names.METRIC_LEGACY_TOKENS: Instrument(
        "{token}",
        "Tokens of one operation, by type; the metric of before September 2026.",
        frozenset(
            {
                names.OPERATION,
                names.PROVIDER,
                names.REQUEST_MODEL,
                names.RESPONSE_MODEL,
                names.TOKEN_TYPE,
            }
        ),
        tuple(1 * 4**power for power in range(14)),
    ),
    names.METRIC_OPERATION_COST: Instrument(
        "{currency_unit}",
        "Cost of one operation.",
        frozenset(
            {
                names.COST_CURRENCY,
                names.COST_SOURCE,
                names.OPERATION,
                names.PROVIDER,
                names.REQUEST_MODEL,
                names.RESPONSE_MODEL,
            }
        ),
        tuple(1e-06 * 4**power for power in range(14)),
    ),
    names.METRIC_COST: Instrument(
        "{currency_unit}",
        "Money spent on inference, by component.",
        frozenset(
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
        ),
    ),
    names.METRIC_TOOL_REQUESTS: Instrument(
        "{request}",
        "Billed requests of tools that the provider runs.",
        frozenset(
            {
                names.ATTEMPT_OUTCOME,
                names.OPERATION,
                names.PROVIDER,
                names.REQUEST_MODEL,
                names.RESPONSE_MODEL,
                names.SERVICE_TIER,
                names.TOOL_NAME,
            }
        ),
    ),
    names.METRIC_UNPRICED: Instrument(
        "{operation}",
        "Operations whose cost is partial or unknown.",
        frozenset(
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
        ),
    ),
    names.METRIC_ESTIMATED: Instrument(
        "{operation}",
        "Operations whose usage the provider did not report.",
        frozenset(
            {
                names.ATTEMPT_OUTCOME,
                names.OPERATION,
                names.PROVIDER,
                names.REQUEST_MODEL,
                names.RESPONSE_MODEL,
                names.SERVICE_TIER,
                names.USAGE_SOURCE,
            }
        ),
    ),
    names.METRIC_ALLOCATION_COST: Instrument(
        "{currency_unit}",
        "The same money by owner.",
        frozenset(
            {
                names.AGENT,
                names.COST_CENTER,
                names.COST_CURRENCY,
                names.FEATURE,
                names.PROJECT,
                names.PROVIDER,
                names.TEAM,
            }
        ),
    ),
    names.METRIC_ALLOCATION_TOKENS: Instrument(
        "{token}",
        "Input and output tokens by owner.",
        frozenset({names.AGENT, names.COST_CENTER, names.FEATURE, names.PROJECT, names.PROVIDER, names.TEAM}),
    ),
    names.METRIC_BUDGET_COST_LIMIT: Instrument(
        "{currency_unit}",
        "The limit of a budget of money.",
        _LABELS_OF_BUDGET_COST_LIMIT,
    ),
    names.METRIC_BUDGET_COST_USAGE: Instrument(
        "{currency_unit}",
        "What is consumed and reserved of a budget of money.",
        _LABELS_OF_BUDGET_COST_LIMIT,
    ),
    names.METRIC_BUDGET_COST_RESERVED: Instrument(
        "{currency_unit}",
        "What is reserved of a budget of money for calls that are under way.",
        _LABELS_OF_BUDGET_COST_LIMIT,
    ),
    names.METRIC_BUDGET_TOKENS_LIMIT: Instrument(
        "{token}",
        "The limit of a budget of tokens.",
        _LABELS_OF_BUDGET_TOKENS_LIMIT,
    ),
    names.METRIC_BUDGET_TOKENS_USAGE: Instrument(
        "{token}",
        "What is consumed and reserved of a budget of tokens.",
        _LABELS_OF_BUDGET_TOKENS_LIMIT,
    ),
    names.METRIC_BUDGET_TOKENS_RESERVED: Instrument(
        "{token}",
        "What is reserved of a budget of tokens for calls that are under way.",
        _LABELS_OF_BUDGET_TOKENS_LIMIT,
    ),
    names.METRIC_BUDGET_REQUEST_LIMIT: Instrument(
        "{request}",
        "The limit of a budget of requests.",
        _LABELS_OF_BUDGET_TOKENS_LIMIT,
    ),
    names.METRIC_BUDGET_REQUEST_USAGE: Instrument(
        "{request}",
        "What is consumed and reserved of a budget of requests.",
        _LABELS_OF_BUDGET_TOKENS_LIMIT,
    ),
    names.METRIC_BUDGET_REQUEST_RESERVED: Instrument(
        "{request}",
        "What is reserved of a budget of requests for calls that are under way.",
        _LABELS_OF_BUDGET_TOKENS_LIMIT,
    ),
    names.METRIC_BUDGET_UTILIZATION: Instrument(
        "1",
        "Usage over limit of a budget; may exceed 1.",
        frozenset(
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
        ),
    ),
    names.METRIC_BUDGET_DECISIONS: Instrument(
        "{decision}",
        "Checks of a budget, by what they decided.",
        frozenset(
            {
                names.BUDGET_DECISION,
                names.BUDGET_NAME,
                names.BUDGET_PERIOD,
                names.BUDGET_REASON,
                names.BUDGET_SCOPE,
                names.BUDGET_UNIT,
            }
        ),
    ),
    names.METRIC_BUDGET_COST_OVERSHOOT: Instrument(
        "{currency_unit}",
        "Money spent beyond what was reserved for the call.",
        _LABELS_OF_BUDGET_COST_OVERSHOOT,
    ),
    names.METRIC_BUDGET_TOKENS_OVERSHOOT: Instrument(
        "{token}",
        "Tokens spent beyond what was reserved for the call.",
        _LABELS_OF_BUDGET_TOKENS_OVERSHOOT,
    ),
    names.METRIC_BUDGET_COST_ERROR: Instrument(
        "{currency_unit}",
        "Money that was reserved for a call and not spent.",
        _LABELS_OF_BUDGET_COST_OVERSHOOT,
        tuple(1e-06 * 4**power for power in range(14)),
    ),
    names.METRIC_BUDGET_TOKENS_ERROR: Instrument(
        "{token}",
        "Tokens that were reserved for a call and not spent.",
        _LABELS_OF_BUDGET_TOKENS_OVERSHOOT,
        tuple(1 * 4**power for power in range(14)),
    ),
    names.METRIC_BUDGET_STORE_DURATION: Instrument(
        "s",
        "How long a step of the store of budgets took.",
        frozenset({names.BUDGET_STEP, names.ERROR_TYPE}),
        tuple(1e-06 * 4**power for power in range(12)),
    ),
    names.METRIC_BUDGET_EXPIRATIONS: Instrument(
        "{hold}",
        "Holds that were settled in full because their time was over.",
        frozenset(),
    ),
    names.METRIC_FAULTS: Instrument("{fault}", "Faults of the instrumentation itself.", _LABELS_OF_FAULTS),
    names.METRIC_USAGE_FLAGS: Instrument(
        "{operation}",
        "Operations whose usage did not add up.",
        frozenset(
            {
                names.OPERATION,
                names.PROVIDER,
                names.REQUEST_MODEL,
                names.RESPONSE_MODEL,
                names.USAGE_FLAG,
            }
        ),
    ),
    names.METRIC_RECORDS_LOST: Instrument("{record}", "Usage records that no ledger took.", frozenset()),
    names.METRIC_OVERFLOWS: Instrument(
        "{operation}",
        "Operations that lost a value to a bound on cardinality.",
        _LABELS_OF_FAULTS,
    ),
}
