"""Figures for people: columns of money and counts with the same digits in every row."""

from __future__ import annotations

from collections.abc import Sequence

from otel_tokenomics.model.money import FEMTO

ABSENT = "-"

_SYMBOLS = {"USD": "$"}
_MOST_DECIMALS = 6
_WHOLE_BELOW = 10_000_000
_SCALES = ((10**9, "B"), (10**6, "M"))


def money_column(amounts: Sequence[int | None], currency: str) -> list[str]:
    """Femto-amounts as text: cents, or so many digits that the smallest amount shows two of its own."""
    smallest = min((abs(amount) for amount in amounts if amount), default=FEMTO)
    decimals = next(
        (digits for digits in range(2, _MOST_DECIMALS) if smallest * 10**digits >= 10 * FEMTO), _MOST_DECIMALS
    )
    if smallest >= FEMTO // 10:
        decimals = 2
    return [_money(amount, currency, decimals) for amount in amounts]


def money(amount_femto: int | None, currency: str) -> str:
    """One amount, by the rule of `money_column`."""
    return money_column([amount_femto], currency)[0]


def count_column(counts: Sequence[int | None]) -> list[str]:
    """Counts in full, or in millions or billions of one decimal when any needs it."""
    largest = max((count for count in counts if count is not None), default=0)
    if largest < _WHOLE_BELOW:
        return [ABSENT if count is None else f"{count:,}" for count in counts]
    scale, unit = next((pair for pair in _SCALES if largest >= 10 * pair[0]), _SCALES[-1])
    return [_scaled(count, scale, unit) for count in counts]


def share(part: int, whole: int) -> str:
    """A percentage without a decimal, rounded away from 100 and 0 unless it is exactly that."""
    if not whole:
        return ABSENT
    percent = round(100 * part / whole)
    return f"{min(99, max(1, percent)) if 0 < part < whole else percent}%"


def plural(count: int, noun: str) -> str:
    """`1 call`, `2,000 calls`."""
    return f"{count:,} {noun}" + ("" if count == 1 else "s")


def _money(amount: int | None, currency: str, decimals: int) -> str:
    if amount is None:
        return ABSENT
    sign, unit = "-" if amount < 0 else "", _SYMBOLS.get(currency, f"{currency} ")
    units = _rounded(abs(amount) * 10**decimals, FEMTO)
    if amount and not units:
        return f"<{sign}{unit}{_decimal(1, decimals)}"
    return f"{sign}{unit}{_decimal(units, decimals)}"


def _decimal(units: int, decimals: int) -> str:
    whole, fraction = divmod(units, 10**decimals)
    return f"{whole:,}.{fraction:0{decimals}}"


def _scaled(count: int | None, scale: int, unit: str) -> str:
    if not count:
        return ABSENT if count is None else "0"
    tenths = _rounded(count * 10, scale)
    return f"<0.1{unit}" if not tenths else f"{tenths // 10:,}.{tenths % 10}{unit}"


def _rounded(numerator: int, denominator: int) -> int:
    """The nearest integer, halves to even, without a float."""
    whole, rest = divmod(numerator, denominator)
    return whole + (2 * rest > denominator or (2 * rest == denominator and whole % 2))
