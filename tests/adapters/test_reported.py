"""A vendor's own word for what a response cost, and nobody else's."""

from __future__ import annotations

from typing import Any

import pytest

from otel_tokenomics.adapters.reported import reported_femto

UPSTREAM = {"upstream_inference_cost": 6.3e-06}


@pytest.mark.parametrize(
    ("provider", "usage", "femto"),
    [
        ("openrouter", {"cost": 1.4e-05}, 14 * 10**9),
        ("openrouter", {"cost": 0}, 0),
        ("openrouter", {"cost": 0.00001, "is_byok": True}, None),
        ("openrouter", {"cost": 0, "is_byok": True, "cost_details": UPSTREAM}, 6_300_000_000),
        ("openrouter", {"cost": 0.00001, "is_byok": True, "cost_details": UPSTREAM}, 16_300_000_000),
        ("openrouter", {"cost": 0.00001, "is_byok": False, "cost_details": UPSTREAM}, 10**10),
        ("x_ai", {"cost_in_usd_ticks": 12_345_678}, 1_234_567_800_000),
        ("perplexity", {"cost": {"total_cost": 0.006}}, 6 * 10**12),
        ("deepinfra", {"estimated_cost": 8.775e-06}, 8_775_000_000),
        ("openai", {"cost": 1}, None),
        ("openrouter", {}, None),
        ("openrouter", {"cost": "1"}, None),
        ("openrouter", {"cost": True}, None),
        ("openrouter", {"cost": -1}, None),
        ("openrouter", {"cost": float("nan")}, None),
        ("openrouter", {"cost": float("inf")}, None),
        ("x_ai", {"cost_in_usd_ticks": -1}, None),
        ("x_ai", {"cost_in_usd_ticks": 1.5}, None),
        ("perplexity", {"cost": 3}, None),
    ],
)
def test_a_reported_cost(provider: str, usage: dict[str, Any], femto: int | None) -> None:
    assert reported_femto(provider, usage) == femto
