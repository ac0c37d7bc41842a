"""Attribute, metric and event names of the proposed convention, each in one place.

`gen_ai.*` and `error.type` are OpenTelemetry's; `gen_ai.usage.cost.*` is its open draft;
`tokenomics.*` is ours until it is taken upstream.
"""

from __future__ import annotations

from typing import Final

SCHEMA_URL: Final = "https://github.com/otel-tokenomics/otel-tokenomics/schemas/0.1.0-dev"
"""Ours, since what is emitted mixes versions that no upstream schema describes."""

OPERATION: Final = "gen_ai.operation.name"
PROVIDER: Final = "gen_ai.provider.name"
REQUEST_MODEL: Final = "gen_ai.request.model"
REQUEST_STREAM: Final = "gen_ai.request.stream"
RESPONSE_MODEL: Final = "gen_ai.response.model"
RESPONSE_ID: Final = "gen_ai.response.id"
FINISH_REASONS: Final = "gen_ai.response.finish_reasons"
TIME_TO_FIRST_CHUNK: Final = "gen_ai.response.time_to_first_chunk"
TOKEN_MODALITY: Final = "gen_ai.token.modality"  # noqa: S105 - a name, no secret
TOKEN_TYPE: Final = "gen_ai.token.type"  # noqa: S105 - a name, no secret
TOOL_NAME: Final = "gen_ai.tool.name"

INPUT_TOKENS: Final = "gen_ai.usage.input_tokens"
OUTPUT_TOKENS: Final = "gen_ai.usage.output_tokens"
CACHE_READ_TOKENS: Final = "gen_ai.usage.cache_read.input_tokens"
CACHE_WRITE_TOKENS: Final = "gen_ai.usage.cache_write.input_tokens"
CACHE_CREATION_TOKENS: Final = "gen_ai.usage.cache_creation.input_tokens"
REASONING_TOKENS: Final = "gen_ai.usage.reasoning.output_tokens"

COST_AMOUNT: Final = "gen_ai.usage.cost.amount"
COST_CURRENCY: Final = "gen_ai.usage.cost.currency"
COST_SOURCE: Final = "gen_ai.usage.cost.source"

COST_COMPONENT: Final = "tokenomics.cost.component"
COST_COMPONENT_AMOUNT: Final = "tokenomics.cost.amount."
COST_STATUS: Final = "tokenomics.cost.status"
COST_UNPRICED_REASON: Final = "tokenomics.cost.unpriced_reason"
COST_METHOD: Final = "tokenomics.cost.method"
COST_BOUND: Final = "tokenomics.cost.bound"
COST_EXACT: Final = "tokenomics.cost.exact"
COST_COMPUTED: Final = "tokenomics.cost.computed"
COST_LIST_AMOUNT: Final = "tokenomics.cost.list.amount"
COST_LIST_EXACT: Final = "tokenomics.cost.list.exact"
COST_CONTRACTED_AMOUNT: Final = "tokenomics.cost.contracted.amount"
COST_CONTRACTED_EXACT: Final = "tokenomics.cost.contracted.exact"
COST_LINES: Final = "tokenomics.cost.lines"
COST_ASSUMPTION: Final = "tokenomics.cost.assumption"

PRICE_CATALOG: Final = "tokenomics.price.catalog.name"
PRICE_CATALOG_VERSION: Final = "tokenomics.price.catalog.version"
PRICE_ID: Final = "tokenomics.price.id"
PRICE_EFFECTIVE_DATE: Final = "tokenomics.price.effective_date"
PRICE_TIER: Final = "tokenomics.price.tier"

USAGE_SOURCE: Final = "tokenomics.usage.source"
USAGE_ESTIMATOR: Final = "tokenomics.usage.estimator"
USAGE_FLAGS: Final = "tokenomics.usage.flags"
USAGE_BUCKET: Final = "tokenomics.usage.bucket."
USAGE_CACHE_WRITE: Final = "tokenomics.usage.cache_write."
USAGE_TOOL_REQUEST: Final = "tokenomics.usage.tool_request."
USAGE_REJECTED_PREDICTION: Final = "tokenomics.usage.rejected_prediction.output_tokens"

SERVICE_TIER: Final = "tokenomics.service_tier"
SERVICE_TIER_REPORTED: Final = "tokenomics.service_tier.reported"
INFERENCE_REGION: Final = "tokenomics.inference.region"
ATTEMPT_COUNT: Final = "tokenomics.attempt.count"
ATTEMPT_OUTCOME: Final = "tokenomics.attempt.outcome"
ATTEMPTS_POSSIBLY_BILLED: Final = "tokenomics.attempt.possibly_billed"

TEAM: Final = "tokenomics.team.id"
PROJECT: Final = "tokenomics.project.id"
FEATURE: Final = "tokenomics.feature.name"
COST_CENTER: Final = "tokenomics.cost_center.id"
TENANT: Final = "tokenomics.tenant.id"
USER: Final = "user.id"
SESSION: Final = "session.id"
TAG: Final = "tokenomics.tag."

OWNER_ATTRIBUTES: Final = {
    "team": TEAM,
    "project": PROJECT,
    "feature": FEATURE,
    "cost_center": COST_CENTER,
    "tenant": TENANT,
    "user": USER,
    "session": SESSION,
}

ERROR_TYPE: Final = "error.type"
STATUS_CODE: Final = "http.response.status_code"
SERVER_ADDRESS: Final = "server.address"
SERVER_PORT: Final = "server.port"

RECORD_KEY: Final = "tokenomics.record.key"
RECORD_SEQUENCE: Final = "tokenomics.record.sequence"
RECORD_DURATION: Final = "tokenomics.record.duration"
RUN_ID: Final = "tokenomics.run.id"

USAGE_RECORDED: Final = "tokenomics.usage.recorded"

METRIC_INPUT_TOKENS: Final = "gen_ai.client.inference.usage.input_tokens"
METRIC_OUTPUT_TOKENS: Final = "gen_ai.client.inference.usage.output_tokens"
METRIC_CACHE_READ: Final = "gen_ai.client.inference.usage.cache_read.input_tokens"
METRIC_CACHE_WRITE: Final = "gen_ai.client.inference.usage.cache_write.input_tokens"
METRIC_REASONING: Final = "gen_ai.client.inference.usage.reasoning.output_tokens"
METRIC_OPERATION_INPUT: Final = "gen_ai.client.inference.operation.input_tokens"
METRIC_OPERATION_OUTPUT: Final = "gen_ai.client.inference.operation.output_tokens"
METRIC_DURATION: Final = "gen_ai.client.inference.duration"
METRIC_FIRST_CHUNK: Final = "gen_ai.client.inference.time_to_first_chunk"
METRIC_OPERATION_COST: Final = "gen_ai.client.operation.cost"
METRIC_LEGACY_TOKENS: Final = "gen_ai.client.token.usage"
METRIC_COST: Final = "tokenomics.client.inference.usage.cost"
METRIC_TOOL_REQUESTS: Final = "tokenomics.client.inference.usage.tool_requests"
METRIC_UNPRICED: Final = "tokenomics.client.inference.unpriced_operations"
METRIC_ESTIMATED: Final = "tokenomics.client.inference.estimated_operations"
METRIC_ALLOCATION_COST: Final = "tokenomics.allocation.cost"
METRIC_ALLOCATION_TOKENS: Final = "tokenomics.allocation.tokens"
METRIC_SELF: Final = "tokenomics.self."
