"""Attribute dictionaries of a call, each built once."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from opentelemetry.util.types import AttributeValue

from otel_tokenomics.model.call import Facts, Reading
from otel_tokenomics.model.money import Cost, as_double
from otel_tokenomics.model.place import NOWHERE
from otel_tokenomics.model.record import UsageRecord
from otel_tokenomics.model.usage import INPUT_COMPONENTS, OUTPUT_COMPONENTS, Usage, together
from otel_tokenomics.telemetry import names

Labels = dict[str, AttributeValue]

_TIERS = {
    None: "standard",
    "default": "standard",
    "auto": "standard",
    "standard": "standard",
    "on_demand": "standard",
    "flex": "flex",
    "batch": "batch",
    "priority": "priority",
    "fast": "priority",
    "reserved": "provisioned",
    "provisioned_throughput": "provisioned",
}
_OPENAI: Final = ("openai", "azure.ai.openai")
_MODALITIES: Final = {
    ("input", "image"): (names.GEN_AI_USAGE_IMAGE_INPUT_TOKENS,),
    ("input", "audio"): (names.GEN_AI_USAGE_AUDIO_INPUT_TOKENS,),
    ("cache_read", "image"): (
        names.GEN_AI_USAGE_IMAGE_INPUT_TOKENS,
        names.GEN_AI_USAGE_IMAGE_CACHE_READ_INPUT_TOKENS,
    ),
    ("cache_read", "audio"): (
        names.GEN_AI_USAGE_AUDIO_INPUT_TOKENS,
        names.GEN_AI_USAGE_AUDIO_CACHE_READ_INPUT_TOKENS,
    ),
    ("cache_write", "image"): (names.GEN_AI_USAGE_IMAGE_INPUT_TOKENS,),
    ("cache_write", "audio"): (names.GEN_AI_USAGE_AUDIO_INPUT_TOKENS,),
    ("output", "image"): (names.GEN_AI_USAGE_IMAGE_OUTPUT_TOKENS,),
    ("output", "audio"): (names.GEN_AI_USAGE_AUDIO_OUTPUT_TOKENS,),
}
"""The inclusive counts that a disjoint bucket of a modality is part of. OpenTelemetry has none of video."""


def operation_of(facts: Facts) -> str:
    """The operation a span tells: asking for a response again is not making one."""
    return "fetch_response" if facts.billing == "polled" else facts.operation


def tier_of(reading: Reading) -> str:
    """The tier at which the response was served, in the convention's words."""
    if reading.speed == "fast":
        return "priority"
    return _TIERS.get(reading.service_tier, "unknown")


def region_of(reading: Reading) -> str | None:
    """Where the response says it was made."""
    return None if reading.inference_geo == "not_available" else reading.inference_geo


def request_labels(facts: Facts) -> Labels:
    """What a span says from its start."""
    labels: Labels = {names.OPERATION: operation_of(facts), names.PROVIDER: facts.provider}
    if facts.request_model is not None:
        labels[names.REQUEST_MODEL] = facts.request_model
    if facts.stream:
        labels[names.REQUEST_STREAM] = True
    if facts.server_address is not None:
        labels[names.SERVER_ADDRESS] = facts.server_address
        if facts.server_port is not None:
            labels[names.SERVER_PORT] = facts.server_port
    return labels


def record_labels(record: UsageRecord) -> Labels:
    """What a span says at its end. What this call is not billed for carries no usage and no cost."""
    labels: Labels = {}
    reading = record.reading
    if reading.response_model is not None:
        labels[names.RESPONSE_MODEL] = reading.response_model
    if reading.response_id is not None:
        labels[names.RESPONSE_ID] = reading.response_id
    if reading.finish_reason is not None:
        labels[names.FINISH_REASONS] = (reading.finish_reason,)
    if record.first_chunk_ns is not None and record.facts.stream:
        labels[names.TIME_TO_FIRST_CHUNK] = record.first_chunk_ns / 1e9
    if record.billed or record.possibly_billed:
        _put_usage(labels, reading.usage)
        _put_cost(labels, record.cost)
        _put_service(labels, record.facts.provider, reading)
        if record.attempts > 1:
            labels[names.ATTEMPT_COUNT] = record.attempts
        _put_who_and_where(labels, record)
    if record.possibly_billed:
        labels[names.ATTEMPTS_POSSIBLY_BILLED] = record.possibly_billed
    return labels


def _put_who_and_where(labels: Labels, record: UsageRecord) -> None:
    for owner, value in record.attribution.owners().items():
        labels[names.OWNER_ATTRIBUTES[owner]] = value
    if record.attribution.claimed:
        labels[names.CLAIMED] = record.attribution.claimed
    if record.place is not NOWHERE:
        for name, value in record.place.names().items():
            labels[names.PLACE_ATTRIBUTES[name]] = value


def _put_service(labels: Labels, provider: str, reading: Reading) -> None:
    if reading.service_tier is not None or reading.speed is not None:
        labels[names.SERVICE_TIER] = tier_of(reading)
        if reading.service_tier is not None and provider in _OPENAI:
            labels[names.OPENAI_SERVICE_TIER] = reading.service_tier
    if (region := region_of(reading)) is not None:
        labels[names.INFERENCE_REGION] = region


def _put_usage(labels: Labels, usage: Usage) -> None:
    labels[names.USAGE_SOURCE] = usage.source
    if usage.estimator is not None:
        labels[names.USAGE_ESTIMATOR] = usage.estimator
    tokens = usage.tokens()
    if (total := together(tokens, INPUT_COMPONENTS)) is not None:
        labels[names.INPUT_TOKENS] = total
    if (total := together(tokens, OUTPUT_COMPONENTS)) is not None:
        labels[names.OUTPUT_TOKENS] = total
    if (part := tokens.get("cache_read")) is not None:
        labels[names.CACHE_READ_TOKENS] = part
    if (part := tokens.get("cache_write")) is not None:
        labels[names.CACHE_WRITE_TOKENS] = part
        labels[names.CACHE_CREATION_TOKENS] = part
    if (part := tokens.get("reasoning")) is not None:
        labels[names.REASONING_TOKENS] = part
    if usage.details or not usage.buckets.keys() <= tokens.keys():
        _put_details(labels, usage)
    if usage.flags:
        labels[names.USAGE_FLAGS] = usage.flags


def _put_details(labels: Labels, usage: Usage) -> None:
    inclusive: dict[str, int] = {}
    for bucket, quantity in usage.buckets.items():
        component, _, detail = bucket.partition(".")
        if "@" in bucket:
            continue
        if component == "cache_write" and detail:
            labels[names.USAGE_CACHE_WRITE + detail] = quantity
        elif component == "tool":
            labels[names.USAGE_TOOL_REQUEST + detail] = quantity
        for name in _MODALITIES.get((component, detail), ()):
            inclusive[name] = inclusive.get(name, 0) + quantity
    labels.update(inclusive)
    if (rejected := usage.details.get("rejected_prediction")) is not None:
        labels[names.USAGE_REJECTED_PREDICTION] = rejected


def _put_cost(labels: Labels, cost: Cost) -> None:
    labels[names.COST_STATUS] = cost.status
    if cost.unpriced_reason is not None:
        labels[names.COST_UNPRICED_REASON] = cost.unpriced_reason
    if cost.amount_femto is None:
        return
    labels[names.COST_AMOUNT] = as_double(cost.amount_femto)
    labels[names.COST_CURRENCY] = cost.currency
    labels[names.COST_SOURCE] = cost_source(cost)
    for component, amount in component_amounts(cost).items():
        labels[names.COST_COMPONENT_AMOUNT + component] = as_double(amount)
    if cost.contracted_femto is not None:
        labels[names.COST_CONTRACTED_AMOUNT] = as_double(cost.contracted_femto)
    if cost.list_femto is not None:
        labels[names.COST_LIST_AMOUNT] = as_double(cost.list_femto)
    labels.update(price_labels(cost))


def price_labels(cost: Cost) -> Labels:
    """How an amount is explained: the same for most calls of a model, so that it is kept, and not changed."""
    return _explained(
        cost.method,
        cost.bound,
        cost.assumption,
        cost.price_id,
        cost.catalog,
        cost.catalog_version,
        cost.effective_date,
        cost.tier,
    )


@lru_cache(maxsize=512)
def _explained(*explained: str | None) -> Labels:
    return {name: value for name, value in zip(_EXPLAINED, explained, strict=True) if value is not None}


_EXPLAINED: Final = (
    names.COST_METHOD,
    names.COST_BOUND,
    names.COST_ASSUMPTION,
    names.PRICE_ID,
    names.PRICE_CATALOG,
    names.PRICE_CATALOG_VERSION,
    names.PRICE_EFFECTIVE_DATE,
    names.PRICE_TIER,
)


def cost_source(cost: Cost) -> str:
    """`provider` when the amount came over the wire, else `local`."""
    return "provider" if cost.method in ("vendor_reported", "gateway_reported") else "local"


def component_amounts(cost: Cost) -> dict[str, int]:
    """Femto-amounts by cost component; they sum to the cost. A reported cost is one `request`."""
    amounts: dict[str, int] = {}
    for line in cost.lines:
        amounts[line.component] = amounts.get(line.component, 0) + line.amount_femto
    if not amounts and cost.amount_femto:
        amounts["request"] = cost.amount_femto
    return amounts


def modality_of(bucket: str) -> str:
    """The modality of a token bucket, where the provider gives one and OpenTelemetry has a word for it."""
    detail = bucket.partition("@")[0].partition(".")[2]
    return detail if detail in ("audio", "image", "text") else "unknown"


def ttl_of(bucket: str) -> str:
    """The time to live of a bucket of tokens written to a cache, `unknown` where the provider gives none."""
    detail = bucket.partition("@")[0].partition(".")[2]
    return "unknown" if detail in ("", "audio", "image", "text", "video") else detail
