"""What guardrails on Amazon Bedrock processed: in the trace of an answer, or apart from any model.

After the service model of botocore 1.43 and
https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_GuardrailUsage.html. Each policy is billed
by itself: by text units of up to 1,000 characters, or by image.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from otel_tokenomics.adapters.counts import Counts
from otel_tokenomics.model.usage import Usage

_UNITS = (("PolicyUnits", ""), ("PolicyImageUnits", "Image"))
_CHECKED = "textUnits"


def with_guardrails(usage: Usage, trace: Any) -> Usage:
    """The usage with the units that a guardrail billed, where the trace was asked for and tells them."""
    guard = trace.get("guardrail") if isinstance(trace, dict) else None
    units: dict[str, int] = {}
    for metrics in _metrics(guard):
        for bucket, quantity in guardrail_units(metrics).items():
            if quantity:
                units[bucket] = units.get(bucket, 0) + quantity
    if not units:
        return usage
    return Usage({**usage.buckets, **units}, flags=usage.flags, details=usage.details)


def guardrail_units(metrics: Any) -> dict[str, int]:
    """The units that each policy of a guardrail processed.

    What is free of charge is not among them, nor how many policies there were.
    """
    if not isinstance(metrics, dict):
        return {}
    counts, units = Counts(metrics), {}
    for name in metrics:
        kind = next((name.removesuffix(end) + more for end, more in _UNITS if name.endswith(end)), None)
        quantity = None if kind is None else counts.get(metrics, name)
        if kind is not None and quantity is not None:
            units[f"tool.guardrail_{_snake(kind)}"] = quantity
    return units


def check_units(usage: Any) -> dict[str, int]:
    """The text units that checks without a guardrail processed, which have prices of their own."""
    units: dict[str, int] = {}
    for name, told in usage.items() if isinstance(usage, dict) else ():
        quantity = Counts(told).get(told, _CHECKED) if isinstance(told, dict) else None
        if quantity is not None:
            units[f"tool.guardrail_check_{_snake(name)}"] = quantity
    return units


def _metrics(node: Any) -> Iterator[Mapping[str, Any]]:
    """The usage of every assessment below a guardrail's trace, of the input and of each output."""
    if isinstance(node, dict):
        metrics = node.get("invocationMetrics")
        if isinstance(metrics, dict) and isinstance(metrics.get("usage"), dict):
            yield metrics["usage"]
        for value in node.values():
            yield from _metrics(value)
    elif isinstance(node, list):
        for item in node:
            yield from _metrics(item)


def _snake(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)
