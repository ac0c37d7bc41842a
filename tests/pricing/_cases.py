"""Words for tests of prices: a response in one line, an instant, an amount in USD."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from otel_tokenomics.model.call import Facts, Reading
from otel_tokenomics.model.money import FEMTO, Cost
from otel_tokenomics.model.usage import Usage
from otel_tokenomics.pricing.book import PriceBook, bundled
from otel_tokenomics.pricing.price import price

NOW = "2026-11-24T12:00"


def instant(text: str) -> int:
    """Unix nanoseconds of a UTC time in ISO 8601."""
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 1_000_000_000


def femto(usd: str) -> int:
    """An exact amount."""
    amount = Decimal(usd) * FEMTO
    assert amount == int(amount)
    return int(amount)


def facts(provider: str = "openai", **changes: Any) -> Facts:
    return Facts(provider, "chat", provider, "chat/completions", **changes)


def cost_of(
    provider: str,
    model: str | None,
    buckets: dict[str, int],
    at: str = NOW,
    *,
    facts_are: dict[str, Any] | None = None,
    usage_is: dict[str, Any] | None = None,
    book: PriceBook | None = None,
    **served: Any,
) -> Cost:
    """What a response with this usage costs."""
    usage = Usage(buckets, **(usage_is or {}))
    reading = Reading(usage, response_model=model, **served)
    return price(facts(provider, **(facts_are or {})), reading, instant(at), book or bundled())
