"""Money is exact: no order, no sum and no million of records makes it drift."""

from __future__ import annotations

import random
from decimal import ROUND_HALF_EVEN, Decimal
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st
from tests.pricing._cases import cost_of

from otel_tokenomics.pricing.cards import Rate
from otel_tokenomics.pricing.price import divided

BUCKETS = (
    "input",
    "cache_read",
    "cache_write.5m",
    "cache_write.1h",
    "output",
    "reasoning",
    "tool.web_search",
)
MODELS = ("claude-opus-5-5", "claude-haiku-5-5", "claude-sonnet-4-5", "claude-fable-5-2")

usages = st.dictionaries(st.sampled_from(BUCKETS), st.integers(0, 10**7), min_size=1)
models = st.sampled_from(MODELS)


def amount(model: str, buckets: dict[str, int], geo: str | None = None) -> int:
    cost = cost_of("anthropic", model, buckets, inference_geo=geo)
    assert cost.amount_femto is not None
    assert cost.status == "complete"
    return cost.amount_femto


@given(models, usages, st.sampled_from([None, "us"]))
def test_the_amount_is_the_sum_of_its_lines(model: str, buckets: dict[str, int], geo: str | None) -> None:
    cost = cost_of("anthropic", model, buckets, inference_geo=geo)
    assert cost.amount_femto == sum(line.amount_femto for line in cost.lines)
    assert {line.bucket: line.quantity for line in cost.lines} == {k: n for k, n in buckets.items() if n}
    for line in cost.lines:
        exact = Fraction(line.quantity * line.rate_femto, line.per)
        assert abs(line.amount_femto - exact) <= Fraction(1, 2)


@given(models, usages, st.randoms())
def test_order_does_not_matter(model: str, buckets: dict[str, int], shuffle: random.Random) -> None:
    items = list(buckets.items())
    shuffle.shuffle(items)
    assert amount(model, dict(items)) == amount(model, buckets)


@given(models, usages, st.sampled_from(BUCKETS), st.integers(0, 10**6))
def test_more_never_costs_less(model: str, buckets: dict[str, int], bucket: str, more: int) -> None:
    larger = {**buckets, bucket: buckets.get(bucket, 0) + more}
    assert amount(model, larger) >= amount(model, buckets)


@given(models, usages)
def test_a_place_that_costs_a_tenth_more(model: str, buckets: dict[str, int]) -> None:
    tokens = {bucket: count for bucket, count in buckets.items() if bucket != "tool.web_search"}
    if tokens and model != "claude-sonnet-4-5":
        assert amount(model, tokens, "us") * 10 == amount(model, tokens) * 11


@given(st.integers(0, 10**30), st.integers(1, 10**12))
def test_division_rounds_half_to_even(number: int, per: int) -> None:
    assert divided(number, per) == round(Fraction(number, per))


@given(st.integers(0, 10**20), st.integers(1, 50), st.integers(1, 50))
def test_a_multiplied_rate_is_exact(femto: int, numerator: int, denominator: int) -> None:
    made = Rate(femto, 1_000_000, ((9, femto * 2),)).times(numerator, denominator)
    assert Fraction(made.femto, made.per) == Fraction(femto * numerator, 1_000_000 * denominator)
    assert Fraction(made.tiers[0][1], made.per) == Fraction(femto * 2 * numerator, 1_000_000 * denominator)


def test_a_million_records_do_not_drift() -> None:
    """Summed in any order, and as decimals of 28 digits, the total is the same to the last femto-USD."""
    dice = random.Random(20261124)
    kinds = [
        amount("claude-opus-5-5", {bucket: dice.randrange(200_000) for bucket in BUCKETS}) for _ in range(500)
    ]
    amounts = dice.choices(kinds, k=1_000_000)
    total = sum(amounts)
    dice.shuffle(amounts)
    assert sum(amounts) == total
    counted = dict.fromkeys(kinds, 0)
    for one in amounts:
        counted[one] += 1
    exact = sum((Decimal(kind) * count for kind, count in counted.items()), Decimal(0))
    assert exact.quantize(Decimal(1), ROUND_HALF_EVEN) == total
