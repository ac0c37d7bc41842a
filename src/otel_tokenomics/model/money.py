"""Money: exact integers in femto-USD (1e-15 of the currency unit), and what a `Cost` says about itself.

Of the token prices that providers publish some are not whole nano- or pico-dollars; all are whole
femto-dollars. An amount becomes a float only where OpenTelemetry needs a double.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

FEMTO = 10**15

CostMethod = Literal["vendor_reported", "gateway_reported", "catalog", "contract", "estimated"]
CostStatus = Literal["complete", "partial", "unpriced"]
UnpricedReason = Literal[
    "unknown_provider",
    "unknown_model",
    "unknown_tier",
    "missing_usage",
    "unsupported_modality",
    "unknown_currency",
]
CostBound = Literal["lower", "upper"]


class Line(NamedTuple):
    """One charge: `quantity` of `bucket` at a rate, in femto-units of the cost's currency.

    `rate_femto` is the price of `per` units (tokens are priced per million, so that every
    published rate is a whole number); `amount_femto` is `quantity * rate_femto / per`,
    rounded half to even, once.
    """

    component: str
    bucket: str
    quantity: int
    rate_femto: int
    per: int
    amount_femto: int


@dataclass(slots=True)
class Cost:
    """What one response cost, and how that is known. Treat as immutable.

    `amount_femto` is `None` when nothing could be priced: unknown is not zero. With status
    `partial` it covers only the lines present and is a lower bound.

    Under terms of the user's own, `amount_femto` is the effective amount, what the response adds to the
    bill; `contracted_femto` what it would cost at negotiated prices, before commitments that are paid for
    anyway; and `list_femto` the vendor's list price, `None` where there is none. Otherwise both are `None`.

    `computed_femto` stands beside an amount that the vendor reported: what the list prices make of the same
    usage, `None` where they cannot price it whole.
    """

    amount_femto: int | None
    status: CostStatus
    method: CostMethod | None = None
    currency: str = "USD"
    lines: tuple[Line, ...] = ()
    price_id: str | None = None
    catalog: str | None = None
    catalog_version: str | None = None
    effective_date: str | None = None
    tier: str | None = None
    unpriced_reason: UnpricedReason | None = None
    bound: CostBound | None = None
    assumption: str | None = None
    list_femto: int | None = None
    contracted_femto: int | None = None
    computed_femto: int | None = None


def unpriced(reason: UnpricedReason) -> Cost:
    """A cost that is not known, and why."""
    return Cost(amount_femto=None, status="unpriced", unpriced_reason=reason)


def decimal_string(amount_femto: int) -> str:
    """An exact plain decimal string: `2_500_000_000` femto is `"0.0000025"`, zero is `"0"`."""
    whole, rest = divmod(abs(amount_femto), FEMTO)
    digits = f"{whole}.{rest:015d}".rstrip("0").rstrip(".")
    return f"-{digits}" if amount_femto < 0 else digits


def as_double(amount_femto: int) -> float:
    """The nearest double, for OpenTelemetry attributes and metrics only."""
    return amount_femto / FEMTO
