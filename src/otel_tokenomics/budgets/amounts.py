"""Amounts of a budget, exact whole numbers: nano-USD, tokens or requests."""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

Unit = Literal["cost", "token", "request"]

NANO = 10**9
MOST = 2**60
"""The most that an amount may be, so that the sum of any two is still an int64: over a billion USD."""

FEMTO_OF_NANO = 10**6
_DIGITS = 9
_AMOUNT = re.compile(r"([0-9][0-9_]{0,17})(?:\.([0-9]{1,9}))?\s+(USD|tokens?|requests?)")
_UNITS: dict[str, Unit] = {
    "USD": "cost",
    "token": "token",
    "tokens": "token",
    "request": "request",
    "requests": "request",
}


class Amount(NamedTuple):
    """So much of a unit. Money is in nano-USD."""

    unit: Unit
    quantity: int

    def __str__(self) -> str:
        return shown(self.unit, self.quantity)


def parse(text: str) -> Amount:
    """`"2000 USD"`, `"5_000_000 tokens"`, `"1000 requests"`. Raises `ValueError`."""
    found = _AMOUNT.fullmatch(text.strip())
    if found is None:
        raise ValueError(text)
    unit = _UNITS[found[3]]
    whole = int(found[1].replace("_", ""))
    if unit != "cost" and found[2] is not None:
        raise ValueError(text)
    quantity = whole * NANO + int((found[2] or "").ljust(_DIGITS, "0")) if unit == "cost" else whole
    if quantity > MOST:
        raise ValueError(text)
    return Amount(unit, quantity)


def usd(amount: str | int) -> Amount:
    """An amount of US dollars, exact: `usd("0.50")`, `usd(12)`. Raises `ValueError`; a float is refused."""
    if isinstance(amount, bool) or not isinstance(amount, str | int):
        raise ValueError(f'{amount!r} is not exact: write it as a string, usd("{amount}")')  # noqa: TRY004
    try:
        return parse(f"{amount} USD")
    except ValueError:
        raise ValueError(f'{amount!r} is no amount: write it as in usd("0.50")') from None


def nano_of(femto: int) -> int:
    """Femto-USD in nano-USD, rounded up: what is counted is never less than what was billed."""
    return -(-femto // FEMTO_OF_NANO)


def shown(unit: Unit, quantity: int) -> str:
    """An amount as people write it: `1.50 USD`, `5,000 tokens`."""
    if unit != "cost":
        return f"{quantity:,} {unit}{'' if quantity == 1 else 's'}"
    sign, rest = ("-", -quantity) if quantity < 0 else ("", quantity)
    whole, part = divmod(rest, NANO)
    digits = f"{part:09d}".rstrip("0").ljust(2, "0")
    return f"{sign}{whole:,}.{digits} USD"
