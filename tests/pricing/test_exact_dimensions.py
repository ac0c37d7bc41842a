"""Sums, scaling, splitting and order, on what is billed by other things than one model's tokens."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.pricing._cases import cost_of
from tests.pricing._terms import agreed, contracts

from otel_tokenomics.model.money import Cost
from otel_tokenomics.model.usage import TOKEN_COMPONENTS, Usage, component_of

OWN = contracts(
    '[[model]]\nprovider = "acme"\nid = "large"\n'
    'rates = { input = "2", "cache_write.1h" = "4", output = "8" }\n'
    'tiers = { batch = { input = "1", output = "4" } }\n'
)


class Kind(NamedTuple):
    price: Callable[[dict[str, int]], Cost]
    buckets: tuple[str, ...]


KINDS = {
    "images": Kind(
        lambda usage: cost_of("azure.ai.openai", "dall-e-3", usage),
        ("images.standard.1024x1024", "images.hd.1024x1024", "images.hd.1024x1792"),
    ),
    "video": Kind(lambda usage: cost_of("openai", "sora-2-pro", usage), ("video.ms.720p", "video.ms.1024p")),
    "storage": Kind(
        lambda usage: cost_of("gcp.gemini", "gemini-3.5-flash", usage),
        ("cache_storage",),
    ),
    "another model": Kind(
        lambda usage: cost_of("anthropic", "claude-sonnet-4-6", usage),
        ("input", "output", "input@claude-opus-4-8", "output@claude-opus-4-8"),
    ),
    "own": Kind(
        lambda usage: agreed(OWN, "acme", "large", usage),
        ("input", "cache_write.1h", "output"),
    ),
    "own, batch": Kind(
        lambda usage: agreed(OWN, "acme", "large", usage, service_tier="batch"), ("input", "output")
    ),
}
kinds = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
counts = st.lists(st.integers(1, 10**5), min_size=4, max_size=4)


def used(kind: Kind, quantities: list[int]) -> dict[str, int]:
    return dict(zip(kind.buckets, quantities, strict=False))


def amount(kind: Kind, usage: dict[str, int]) -> int:
    cost = kind.price(usage)
    assert (cost.status, cost.unpriced_reason) == ("complete", None)
    assert cost.amount_femto is not None
    return cost.amount_femto


@kinds
@given(quantities=counts)
def test_lines_are_every_bucket_once_and_sum_to_the_amount(kind: Kind, quantities: list[int]) -> None:
    usage = used(kind, quantities)
    cost = kind.price(usage)
    assert {line.bucket: line.quantity for line in cost.lines} == usage
    assert sum(line.amount_femto for line in cost.lines) == cost.amount_femto == amount(kind, usage)


@kinds
@given(quantities=counts, shuffle=st.randoms())
def test_order_does_not_matter(kind: Kind, quantities: list[int], shuffle: random.Random) -> None:
    usage = used(kind, quantities)
    items = list(usage.items())
    shuffle.shuffle(items)
    assert amount(kind, dict(items)) == amount(kind, usage)


@kinds
@given(quantities=counts, times=st.integers(1, 50))
def test_scaling_is_exact_but_for_one_rounding_a_line(kind: Kind, quantities: list[int], times: int) -> None:
    usage = used(kind, quantities)
    larger = amount(kind, {bucket: count * times for bucket, count in usage.items()})
    assert 2 * abs(larger - times * amount(kind, usage)) <= (times + 1) * len(usage)


@kinds
@given(one=counts, other=counts)
def test_splitting_is_exact_but_for_one_rounding_a_line(kind: Kind, one: list[int], other: list[int]) -> None:
    first, second = used(kind, one), used(kind, other)
    whole = {bucket: count + second[bucket] for bucket, count in first.items()}
    apart = amount(kind, first) + amount(kind, second)
    assert 2 * abs(amount(kind, whole) - apart) <= 3 * len(whole)


@kinds
@given(quantities=counts)
def test_no_float_is_on_the_path(kind: Kind, quantities: list[int]) -> None:
    cost = kind.price(used(kind, quantities))
    told = [getattr(cost, field.name) for field in fields(cost)]
    assert not [value for value in told if isinstance(value, float)]
    assert all(
        type(number) is int
        for line in cost.lines
        for number in (line.quantity, line.rate_femto, line.per, line.amount_femto)
    )


@given(quantities=counts)
def test_tokens_of_another_model_are_in_the_total_once(quantities: list[int]) -> None:
    buckets: Mapping[str, int] = {**used(KINDS["another model"], quantities), "images.hd": 7, "video.ms": 9}
    usage = Usage(buckets)
    tokens = sum(n for bucket, n in buckets.items() if component_of(bucket) in TOKEN_COMPONENTS)
    assert (usage.input_tokens or 0) + (usage.output_tokens or 0) == tokens == sum(quantities)
