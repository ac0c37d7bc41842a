"""The golden cases, to the last digit: published bills, and the edges of what vendors document."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
from tests.pricing._cases import cost_of, femto

CASES: dict[str, dict[str, Any]] = {
    case["id"]: case
    for case in tomllib.loads(Path(__file__).with_name("golden.toml").read_text("utf-8"))["case"]
}
SERVED = ("service_tier", "speed", "inference_geo")


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_golden_case(case: dict[str, Any]) -> None:
    served = {key: case[key] for key in SERVED if key in case}
    if "reported" in case:
        served["reported_cost_femto"] = femto(case["reported"])
    cost = cost_of(
        case["provider"],
        case["model"],
        case["usage"],
        case["at"],
        facts_are={"server_address": case.get("host"), "request_model": case["model"]},
        usage_is={"flags": tuple(case.get("flags", ()))},
        **served,
    )
    usd = case.get("usd")
    assert cost.amount_femto == (None if usd is None else femto(usd))
    assert cost.status == case.get("status", "complete" if usd else "unpriced")
    assert cost.unpriced_reason == case.get("reason")
    if "reported" not in case and usd:
        assert cost.amount_femto == sum(line.amount_femto for line in cost.lines)


def test_each_case_says_where_it_is_from() -> None:
    for case in CASES.values():
        assert case["source"].startswith("https://")
        assert "2025-01-01" <= case["read"] <= "2026-11-24"
        assert "usd" in case or "reason" in case


def test_there_is_a_case_for_each_published_one_and_many_more() -> None:
    published = {name for name in CASES if name.startswith("G")}
    assert len(published) == 33
    assert len(CASES) - len(published) >= 30
