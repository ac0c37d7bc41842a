"""What a guardrail processed beside a model's answer, where the trace was asked for: counted, and priced."""

from __future__ import annotations

from decimal import Decimal

from tests.faults.cases import differential
from tests.faults.test_bedrock import BUCKETS, ONE, spoken
from tests.support.telemetry import buckets_of


async def test_guardrail_units_that_are_told_are_counted() -> None:
    usage = {
        "topicPolicyUnits": 1,
        "contentPolicyUnits": 2,
        "wordPolicyUnits": 0,
        "sensitiveInformationPolicyUnits": 1,
        "sensitiveInformationPolicyFreeUnits": 3,
        "contextualGroundingPolicyUnits": 0,
    }
    metrics = {"invocationMetrics": {"usage": usage}}
    trace = {"guardrail": {"inputAssessment": {"g": metrics}, "outputAssessments": {"g": [metrics]}}}
    record = (await differential(ONE, spoken(trace=trace))).record()
    assert buckets_of(record) == {
        **BUCKETS,
        "tool.guardrail_topic": 2,
        "tool.guardrail_content": 4,
        "tool.guardrail_sensitive_information": 2,
    }
    assert record["tokenomics.cost.status"] == "complete"
    bare = Decimal((await differential(ONE, spoken())).record()["tokenomics.cost.exact"])
    assert Decimal(record["tokenomics.cost.exact"]) - bare == Decimal("0.0011")


async def test_a_policy_whose_price_is_not_known_leaves_the_cost_a_lower_bound() -> None:
    usage = {"contentPolicyImageUnits": 2, "wordPolicyUnits": 3, "automatedReasoningPolicyUnits": 1}
    trace = {"guardrail": {"inputAssessment": {"g": {"invocationMetrics": {"usage": usage}}}}}
    record = (await differential(ONE, spoken(trace=trace))).record()
    assert record["tokenomics.usage.bucket.tool.guardrail_content_image"] == 2
    assert record["tokenomics.cost.status"] == "partial"
