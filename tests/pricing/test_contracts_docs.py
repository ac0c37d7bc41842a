"""The documented price files are price files, and every key that there is is documented."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.pricing._cases import femto
from tests.pricing._terms import agreed

from otel_tokenomics.pricing import contracts_parse
from otel_tokenomics.pricing.contracts import Contracts

DOCS = Path(__file__).parents[2] / "docs"
EXAMPLES = sorted(DOCS.glob("examples/*.toml"))


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.stem)
def test_an_example_can_be_used(file: Path) -> None:
    terms = Contracts.load(file).terms
    assert terms.discounts or terms.models


def test_the_examples_price_calls() -> None:
    negotiated, hosted = map(Contracts.load, EXAMPLES)
    usage = {"input": 10**6}
    assert agreed(negotiated, "anthropic", "claude-opus-5-5", usage).amount_femto == femto("3.5")
    assert agreed(hosted, "openai", "ft:gpt-4.1-mini:acme::x1", usage).amount_femto == femto("0.8")


@pytest.mark.parametrize(
    "keys",
    [
        contracts_parse._DISCOUNT,
        contracts_parse._MODEL,
        contracts_parse._COMMITMENT,
        contracts_parse._HOSTED,
        contracts_parse._SUBSCRIPTION,
        contracts_parse._RATE,
    ],
)
def test_every_key_is_documented(keys: tuple[str, ...]) -> None:
    page = (DOCS / "own-prices.md").read_text("utf-8")
    assert [key for key in keys if f"`{key}`" not in page] == []
