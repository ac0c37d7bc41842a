"""List, contracted and effective amounts: all three are told, and what is not known is absent."""

from __future__ import annotations

from tests.ledger._support import priced, record

from otel_tokenomics.telemetry.events import attributes
from otel_tokenomics.telemetry.labels import record_labels

FEMTO = 10**15
NAMES = ("tokenomics.cost.list", "tokenomics.cost.contracted")


def test_the_three_amounts_are_told() -> None:
    told = record(cost=priced(0, method="contract", list_femto=2 * FEMTO, contracted_femto=FEMTO + 1))
    found, labels = attributes(told), record_labels(told)
    assert found["tokenomics.cost.list.exact"] == "2"
    assert found["tokenomics.cost.contracted.exact"] == "1.000000000000001"
    assert found["tokenomics.cost.exact"] == "0"
    for name, amount in zip(NAMES, (2.0, 1.000000000000001), strict=True):
        assert found[f"{name}.amount"] == labels[f"{name}.amount"] == amount
    assert labels["gen_ai.usage.cost.amount"] == 0.0


def test_without_terms_of_the_users_own_there_is_one_amount() -> None:
    told = record(cost=priced())
    for name in (*attributes(told), *record_labels(told)):
        assert not name.startswith(NAMES)


def test_a_model_of_ones_own_has_no_list_price() -> None:
    found = attributes(record(cost=priced(5, contracted_femto=5)))
    assert "tokenomics.cost.contracted.amount" in found
    assert "tokenomics.cost.list.amount" not in found
