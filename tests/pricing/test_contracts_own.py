"""Models of one's own: context tiers at their boundary, service tiers, cache writes by their time to live."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tests.pricing._cases import femto
from tests.pricing._terms import agreed, contracts

from otel_tokenomics.pricing.contracts_file import PriceFileError

BEGIN = '[[model]]\nprovider = "acme"\nid = "large"\n'
MODEL = (
    BEGIN + 'rates = { input = "2", cache_read = "0.2", "cache_write.1h" = "4", cache_write = "2.5",'
    ' output = "8" }\n'
    'context = [{ above = 200_000, rates = { input = "4", output = "12" } },'
    ' { at_least = 500_000, rates = { input = "5" } }]\n'
    'tiers = { batch = { input = "1", output = "4" } }\n'
)


@pytest.mark.parametrize(
    ("buckets", "usd", "tier"),
    [
        ({"input": 200_000, "output": 1_000}, "0.408", None),
        ({"input": 200_001, "output": 1_000}, "0.812004", "gt_200000"),
        ({"input": 1, "cache_read": 199_999, "output": 1_000}, "0.0480018", None),
        ({"input": 1, "cache_read": 200_000, "output": 1_000}, "0.052004", "gt_200000"),
        ({"input": 499_999, "output": 1_000}, "2.011996", "gt_200000"),
        ({"input": 500_000, "output": 1_000}, "2.508", "gte_500000"),
        ({"cache_write.1h": 1_000, "cache_write.5m": 1_000}, "0.0065", None),
    ],
)
def test_context_and_cache_writes(buckets: dict[str, int], usd: str, tier: str | None) -> None:
    cost = agreed(MODEL, "acme", "large", buckets)
    assert (cost.amount_femto, cost.tier, cost.price_id) == (femto(usd), tier, "own/acme/large")
    assert sum(line.amount_femto for line in cost.lines) == cost.amount_femto


def test_a_service_tier_holds_whatever_the_context() -> None:
    cost = agreed(MODEL, "acme", "large", {"input": 1_000, "cache_read": 10**6}, service_tier="batch")
    assert (cost.amount_femto, cost.price_id) == (femto("0.201"), "own/acme/large/batch")


@pytest.mark.parametrize("tier", [None, "default", "standard", "auto"])
def test_the_ordinary_tier(tier: str | None) -> None:
    assert agreed(MODEL, "acme", "large", {"input": 1_000}, service_tier=tier).amount_femto == femto("0.002")


def test_a_tier_that_is_not_named_has_no_price() -> None:
    cost = agreed(MODEL, "acme", "large", {"input": 1_000}, service_tier="priority")
    assert (cost.amount_femto, cost.status, cost.unpriced_reason) == (None, "unpriced", "unknown_tier")
    plain = BEGIN + 'rates = { input = "2" }\n'
    assert agreed(plain, "acme", "large", {"input": 1_000}, service_tier="priority").amount_femto == femto(
        "0.002"
    )


def test_a_discount_on_a_context_tier_of_ones_own() -> None:
    text = (
        MODEL + '[[discount]]\nprovider = "acme"\nunit_price = "3"\nbucket = "input"\ncontext = "gt_200000"\n'
    )
    assert agreed(text, "acme", "large", {"input": 300_000}).amount_femto == femto("0.9")
    assert agreed(text, "acme", "large", {"input": 100_000}).amount_femto == femto("0.2")


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("context = 3", "line 5: model.context must be tables in a list, not 3"),
        ('context = [{ rates = { input = "1" } }]', "line 5: model.context must have either above"),
        ("context = [{ above = 1, at_least = 1 }]", "line 5: model.context must have either above"),
        ("context = [{ over = 1 }]", "line 5: model.context.over is not known"),
        ("context = [{ above = 1 }]", "line 5: model.context lacks rates"),
        ("context = [{ above = 0, rates = { input = '1' } }]", "model.context.above must be a whole number"),
        ("context = [{ above = 1, rates = { inputs = '1' } }]", "did you mean input"),
        (
            "context = [{ above = 9, rates = { input = '1' } }, { at_least = 10, rates = { input = '1' } }]",
            "begins where another does, above 9 tokens",
        ),
        ("tiers = 3", "line 5: model.tiers must be a table, not 3"),
        ("tiers = { batch = '1' }", "line 5: model.tiers.batch must be a table"),
        (
            "tiers = { batch = { input = 1 } }",
            "model.tiers.batch.input is the number 1; write it as a string",
        ),
    ],
)
def test_a_wrong_tier_is_refused(line: str, told: str) -> None:
    with pytest.raises(PriceFileError, match=re.escape(told)):
        contracts(f'{BEGIN}rates = {{ input = "1" }}\n{line}\n')


def test_the_documented_model() -> None:
    page = (Path(__file__).parents[2] / "docs" / "own-prices.md").read_text("utf-8")
    block = page[page.index('    [[model]]\n    provider = "acme"') :].split("\n\n")[0]
    cost = agreed(block, "acme", "acme-large", {"input": 200_001, "cache_write.1h": 1_000})
    assert cost.amount_femto == femto("0.804004")
