"""Figures: absent is `-`, small sums show their digits, every row of a column has the same."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Context, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_tokenomics.model.money import FEMTO
from otel_tokenomics.report.figures import count_column, money, money_column, plural, share


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        (None, "-"),
        (0, "$0.00"),
        (118_420_000_000_000_000, "$118.42"),
        (1_234_567 * FEMTO, "$1,234,567.00"),
        (4_200_000_000_000, "$0.0042"),
        (120_000_000_000_000, "$0.12"),
        (99_000_000_000_000, "$0.099"),
        (1_000_000_000, "$0.000001"),
        (1, "<$0.000001"),
        (-1_200_000_000_000_000, "-$1.20"),
        (10**40, "$10,000,000,000,000,000,000,000,000.00"),
    ],
)
def test_money(amount: int | None, text: str) -> None:
    assert money(amount, "USD") == text


def test_another_currency() -> None:
    assert money(1_200_000_000_000_000, "EUR") == "EUR 1.20"


def test_a_column_has_the_digits_of_its_smallest() -> None:
    assert money_column([118 * FEMTO, 4_200_000_000_000, None, 0], "USD") == [
        "$118.0000",
        "$0.0042",
        "-",
        "$0.0000",
    ]


@given(st.integers(min_value=FEMTO, max_value=10**30))
def test_money_is_rounded_half_to_even(amount: int) -> None:
    cents = (
        Context(prec=60)
        .divide(Decimal(amount), FEMTO)
        .quantize(Decimal("0.01"), ROUND_HALF_EVEN, Context(prec=60))
    )
    assert money(amount, "USD") == f"${cents:,f}"


@pytest.mark.parametrize(
    ("counts", "texts"),
    [
        ([41_203, 9, 0, None], ["41,203", "9", "0", "-"]),
        ([92_100_000, 300_000, 4, 0, None], ["92.1M", "0.3M", "<0.1M", "0", "-"]),
        ([123_000_000_000, 9_000_000], ["123.0B", "<0.1B"]),
        ([], []),
    ],
)
def test_counts(counts: list[int | None], texts: list[str]) -> None:
    assert count_column(counts) == texts


@pytest.mark.parametrize(
    ("part", "whole", "text"),
    [(0, 0, "-"), (0, 5, "0%"), (5, 5, "100%"), (999, 1_000, "99%"), (1, 1_000, "1%"), (1, 2, "50%")],
)
def test_a_share_is_100_only_if_it_is_all(part: int, whole: int, text: str) -> None:
    assert share(part, whole) == text


def test_plural() -> None:
    assert [plural(n, "call") for n in (0, 1, 2_000)] == ["0 calls", "1 call", "2,000 calls"]
