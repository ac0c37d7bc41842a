"""The metrics of the convention: unit, description, the labels each may have, and the bounds of histograms.

Made by `make semconv` from semconv/, where each is defined; see docs/convention.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from otel_tokenomics.telemetry import label_sets, names


class Instrument(NamedTuple):
    """What a metric is: `labels` are the attributes it may have, `bounds` a histogram's buckets."""

    unit: str
    brief: str
    labels: frozenset[str]
    bounds: tuple[float, ...] = ()


ALLOCATION_OWNERS: Final = ("team", "project", "feature", "cost_center")
"""The owners that metrics of allocation are split by."""

INSTRUMENTS: Final[Mapping[str, Instrument]] = {
    names.METRIC_INPUT_TOKENS: Instrument(
        "{token}",
        "Input tokens used, cached ones included.",
        label_sets.OF_INPUT_TOKENS,
    ),
    names.METRIC_OUTPUT_TOKENS: Instrument(
        "{token}",
        "Output tokens used, reasoning included.",
        label_sets.OF_INPUT_TOKENS,
    ),
    names.METRIC_CACHE_READ: Instrument(
        "{token}",
        "Input tokens read from a provider's cache; part of the input tokens.",
        label_sets.OF_INPUT_TOKENS,
    ),
    names.METRIC_CACHE_WRITE: Instrument(
        "{token}",
        "Input tokens written to a provider's cache; part of the input tokens.",
        label_sets.OF_CACHE_WRITE,
    ),
    names.METRIC_REASONING: Instrument(
        "{token}",
        "Output tokens spent on reasoning; part of the output tokens.",
        label_sets.OF_INPUT_TOKENS,
    ),
    names.METRIC_OPERATION_INPUT: Instrument(
        "{token}",
        "Input tokens of one operation.",
        label_sets.OF_OPERATION_INPUT,
        tuple(1 * 4**power for power in range(14)),
    ),
    names.METRIC_OPERATION_OUTPUT: Instrument(
        "{token}",
        "Output tokens of one operation.",
        label_sets.OF_OPERATION_INPUT,
        tuple(1 * 4**power for power in range(14)),
    ),
    names.METRIC_DURATION: Instrument(
        "s",
        "Duration of one inference operation.",
        label_sets.OF_DURATION,
        tuple(0.01 * 2**power for power in range(14)),
    ),
    names.METRIC_FIRST_CHUNK: Instrument(
        "s",
        "Time to the first chunk of a streamed response.",
        label_sets.OF_OPERATION_INPUT,
        tuple(0.01 * 2**power for power in range(14)),
    ),
    names.METRIC_LEGACY_TOKENS: Instrument(
        "{token}",
        "Tokens of one operation, by type; the metric of before September 2026.",
        label_sets.OF_LEGACY_TOKENS,
        tuple(1 * 4**power for power in range(14)),
    ),
    names.METRIC_OPERATION_COST: Instrument(
        "{currency_unit}",
        "Cost of one operation.",
        label_sets.OF_OPERATION_COST,
        tuple(1e-06 * 4**power for power in range(14)),
    ),
    names.METRIC_COST: Instrument(
        "{currency_unit}",
        "Money spent on inference, by component.",
        label_sets.OF_COST,
    ),
    names.METRIC_TOOL_REQUESTS: Instrument(
        "{request}",
        "Billed requests of tools that the provider runs.",
        label_sets.OF_TOOL_REQUESTS,
    ),
    names.METRIC_UNPRICED: Instrument(
        "{operation}",
        "Operations whose cost is partial or unknown.",
        label_sets.OF_UNPRICED,
    ),
    names.METRIC_ESTIMATED: Instrument(
        "{operation}",
        "Operations whose usage the provider did not report.",
        label_sets.OF_ESTIMATED,
    ),
    names.METRIC_ALLOCATION_COST: Instrument(
        "{currency_unit}",
        "The same money by owner.",
        label_sets.OF_ALLOCATION_COST,
    ),
    names.METRIC_ALLOCATION_TOKENS: Instrument(
        "{token}",
        "Input and output tokens by owner.",
        frozenset({names.AGENT, names.COST_CENTER, names.FEATURE, names.PROJECT, names.PROVIDER, names.TEAM}),
    ),
    names.METRIC_BUDGET_COST_LIMIT: Instrument(
        "{currency_unit}",
        "The limit of a budget of money.",
        label_sets.OF_BUDGET_COST_LIMIT,
    ),
    names.METRIC_BUDGET_COST_USAGE: Instrument(
        "{currency_unit}",
        "What is consumed and reserved of a budget of money.",
        label_sets.OF_BUDGET_COST_LIMIT,
    ),
    names.METRIC_BUDGET_COST_RESERVED: Instrument(
        "{currency_unit}",
        "What is reserved of a budget of money for calls that are under way.",
        label_sets.OF_BUDGET_COST_LIMIT,
    ),
    names.METRIC_BUDGET_TOKENS_LIMIT: Instrument(
        "{token}",
        "The limit of a budget of tokens.",
        label_sets.OF_BUDGET_TOKENS_LIMIT,
    ),
    names.METRIC_BUDGET_TOKENS_USAGE: Instrument(
        "{token}",
        "What is consumed and reserved of a budget of tokens.",
        label_sets.OF_BUDGET_TOKENS_LIMIT,
    ),
    names.METRIC_BUDGET_TOKENS_RESERVED: Instrument(
        "{token}",
        "What is reserved of a budget of tokens for calls that are under way.",
        label_sets.OF_BUDGET_TOKENS_LIMIT,
    ),
    names.METRIC_BUDGET_REQUEST_LIMIT: Instrument(
        "{request}",
        "The limit of a budget of requests.",
        label_sets.OF_BUDGET_TOKENS_LIMIT,
    ),
    names.METRIC_BUDGET_REQUEST_USAGE: Instrument(
        "{request}",
        "What is consumed and reserved of a budget of requests.",
        label_sets.OF_BUDGET_TOKENS_LIMIT,
    ),
    names.METRIC_BUDGET_REQUEST_RESERVED: Instrument(
        "{request}",
        "What is reserved of a budget of requests for calls that are under way.",
        label_sets.OF_BUDGET_TOKENS_LIMIT,
    ),
    names.METRIC_BUDGET_UTILIZATION: Instrument(
        "1",
        "Usage over limit of a budget; may exceed 1.",
        label_sets.OF_BUDGET_UTILIZATION,
    ),
    names.METRIC_BUDGET_DECISIONS: Instrument(
        "{decision}",
        "Checks of a budget, by what they decided.",
        label_sets.OF_BUDGET_DECISIONS,
    ),
    names.METRIC_BUDGET_COST_OVERSHOOT: Instrument(
        "{currency_unit}",
        "Money spent beyond what was reserved for the call.",
        label_sets.OF_BUDGET_COST_OVERSHOOT,
    ),
    names.METRIC_BUDGET_TOKENS_OVERSHOOT: Instrument(
        "{token}",
        "Tokens spent beyond what was reserved for the call.",
        label_sets.OF_BUDGET_TOKENS_OVERSHOOT,
    ),
    names.METRIC_BUDGET_COST_ERROR: Instrument(
        "{currency_unit}",
        "Money that was reserved for a call and not spent.",
        label_sets.OF_BUDGET_COST_OVERSHOOT,
        tuple(1e-06 * 4**power for power in range(14)),
    ),
    names.METRIC_BUDGET_TOKENS_ERROR: Instrument(
        "{token}",
        "Tokens that were reserved for a call and not spent.",
        label_sets.OF_BUDGET_TOKENS_OVERSHOOT,
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
    names.METRIC_FAULTS: Instrument("{fault}", "Faults of the instrumentation itself.", label_sets.OF_FAULTS),
    names.METRIC_USAGE_FLAGS: Instrument(
        "{operation}",
        "Operations whose usage did not add up.",
        label_sets.OF_USAGE_FLAGS,
    ),
    names.METRIC_RECORDS_LOST: Instrument("{record}", "Usage records that no ledger took.", frozenset()),
    names.METRIC_OVERFLOWS: Instrument(
        "{operation}",
        "Operations that lost a value to a bound on cardinality.",
        label_sets.OF_FAULTS,
    ),
}
