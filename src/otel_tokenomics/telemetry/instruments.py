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


ALLOCATION_OWNERS: Final = (
    "team",
    "project",
    "feature",
    "cost_center",
)
"""The owners that metrics of allocation are split by."""

INSTRUMENTS: Final[Mapping[str, Instrument]] = {
    names.METRIC_INPUT_TOKENS: Instrument(
        "{token}",
        "Input tokens used, cached ones included.",
        frozenset(
            {
                names.ATTEMPT_OUTCOME,
                names.OPERATION,
                names.PROVIDER,
                names.REQUEST_MODEL,
                names.RESPONSE_MODEL,
                names.SERVICE_TIER,
                names.TOKEN_MODALITY,
            }
        ),
    ),
    names.METRIC_OUTPUT_TOKENS: Instrument(
        "{token}",
        "Output tokens used, reasoning included.",
        frozenset(
            {
                names.ATTEMPT_OUTCOME,
                names.OPERATION,
                names.PROVIDER,
                names.REQUEST_MODEL,
                names.RESPONSE_MODEL,
                names.SERVICE_TIER,
                names.TOKEN_MODALITY,
            }
        ),
    ),
    names.METRIC_CACHE_READ: Instrument(
        "{token}",
        "Input tokens read from a provider's cache; part of the input tokens.",
        frozenset(
            {
                names.ATTEMPT_OUTCOME,
                names.OPERATION,
                names.PROVIDER,
                names.REQUEST_MODEL,
                names.RESPONSE_MODEL,
                names.SERVICE_TIER,
                names.TOKEN_MODALITY,
            }
        ),
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
        frozenset(
            {
                names.ATTEMPT_OUTCOME,
                names.OPERATION,
                names.PROVIDER,
                names.REQUEST_MODEL,
                names.RESPONSE_MODEL,
                names.SERVICE_TIER,
                names.TOKEN_MODALITY,
            }
        ),
    ),
    names.METRIC_OPERATION_INPUT: Instrument(
        "{token}",
        "Input tokens of one operation.",
        frozenset(
            {
                names.OPERATION,
                names.PROVIDER,
                names.REQUEST_MODEL,
                names.RESPONSE_MODEL,
            }
        ),
        tuple(1 * 4**power for power in range(14)),
    ),
    names.METRIC_OPERATION_OUTPUT: Instrument(
        "{token}",
        "Output tokens of one operation.",
        frozenset(
            {
                names.OPERATION,
                names.PROVIDER,
                names.REQUEST_MODEL,
                names.RESPONSE_MODEL,
            }
        ),
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
        frozenset(
            {
                names.OPERATION,
                names.PROVIDER,
                names.REQUEST_MODEL,
                names.RESPONSE_MODEL,
            }
        ),
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
        frozenset(
            {
                names.COST_CENTER,
                names.FEATURE,
                names.PROJECT,
                names.PROVIDER,
                names.TEAM,
            }
        ),
    ),
    names.METRIC_FAULTS: Instrument(
        "{fault}",
        "Faults of the instrumentation itself.",
        frozenset(
            {
                names.SELF_CAUSE,
            }
        ),
    ),
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
    names.METRIC_RECORDS_LOST: Instrument(
        "{record}",
        "Usage records that no ledger took.",
        frozenset(),
    ),
    names.METRIC_OVERFLOWS: Instrument(
        "{operation}",
        "Operations that lost a value to a bound on cardinality.",
        frozenset(
            {
                names.SELF_CAUSE,
            }
        ),
    ),
}
