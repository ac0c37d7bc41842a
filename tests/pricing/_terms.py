"""Words for tests of price files: terms from text, and what a response costs by them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.pricing._cases import NOW, facts, instant

from otel_tokenomics.model.call import Reading
from otel_tokenomics.model.money import Cost
from otel_tokenomics.model.tables import Document
from otel_tokenomics.model.usage import Usage
from otel_tokenomics.pricing.book import bundled
from otel_tokenomics.pricing.contracts import Contracts
from otel_tokenomics.pricing.contracts_file import PriceFileError
from otel_tokenomics.pricing.contracts_parse import terms_of
from otel_tokenomics.pricing.contracts_terms import Terms

FILE = Path("own-prices.toml")
DIGEST = "0123456789ab" + 52 * "f"


def terms(text: str) -> Terms:
    return terms_of(Document.parse(text, FILE, PriceFileError), DIGEST)


def contracts(text: str) -> Contracts:
    return Contracts(terms(text))


def agreed(
    text: str | Contracts,
    provider: str,
    model: str | None,
    buckets: dict[str, int],
    at: str = NOW,
    *,
    facts_are: dict[str, Any] | None = None,
    usage_is: dict[str, Any] | None = None,
    **served: Any,
) -> Cost:
    """What a response with this usage costs by a price file."""
    own = contracts(text) if isinstance(text, str) else text
    reading = Reading(Usage(buckets, **(usage_is or {})), response_model=model, **served)
    return own.price(facts(provider, **(facts_are or {})), reading, instant(at), bundled())
