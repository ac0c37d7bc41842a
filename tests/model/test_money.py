"""Money is whole femto-dollars: exact as text, and a double only where OpenTelemetry needs one."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_tokenomics.model.money import FEMTO, Cost, as_double, decimal_string, unpriced

# Decimal's context holds 28 digits: ten trillion dollars, to the femto-dollar.
AMOUNTS = st.integers(min_value=0, max_value=10**28 - 1)


@pytest.mark.parametrize(
    ("femto", "text"),
    [
        (0, "0"),
        (1, "0.000000000000001"),
        (2_500_000_000, "0.0000025"),
        (FEMTO, "1"),
        (10 * FEMTO, "10"),
        (1_000_000 * FEMTO, "1000000"),
        (FEMTO + 1, "1.000000000000001"),
        (-FEMTO // 2, "-0.5"),
    ],
)
def test_an_amount_is_a_plain_decimal(femto: int, text: str) -> None:
    assert decimal_string(femto) == text


@given(AMOUNTS)
def test_a_decimal_string_loses_nothing(femto: int) -> None:
    text = decimal_string(femto)
    assert "E" not in text.upper()
    assert Decimal(text) * FEMTO == femto


@given(AMOUNTS)
def test_a_double_is_the_nearest_one(femto: int) -> None:
    assert as_double(femto) == float(Decimal(femto) / FEMTO)


def test_unpriced_is_not_zero() -> None:
    cost = unpriced("unknown_model")
    assert (cost.amount_femto, cost.status, cost.unpriced_reason) == (None, "unpriced", "unknown_model")
    assert cost != Cost(0, "complete")
