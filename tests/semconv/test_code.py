"""The program and the registry know the same words."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest
import yaml
from tools.semconv.constants import owners
from tools.semconv.registry import load
from tools.semconv.source import SEMCONV

from otel_tokenomics.ledger.row import COLUMNS
from otel_tokenomics.model.attribution import OWNERS
from otel_tokenomics.model.call import Outcome
from otel_tokenomics.model.money import CostBound, CostMethod, CostStatus, UnpricedReason
from otel_tokenomics.model.usage import UsageSource
from otel_tokenomics.telemetry import names

SOURCES = SEMCONV.parent / "src" / "otel_tokenomics"
REGISTRY = load()


@pytest.mark.parametrize(
    ("attribute", "literal"),
    [
        (names.COST_STATUS, CostStatus),
        (names.COST_METHOD, CostMethod),
        (names.COST_BOUND, CostBound),
        (names.COST_UNPRICED_REASON, UnpricedReason),
        (names.USAGE_SOURCE, UsageSource),
        (names.ATTEMPT_OUTCOME, Outcome),
    ],
)
def test_an_enumeration_has_the_programs_values(attribute: str, literal: object) -> None:
    assert REGISTRY.attributes[attribute].values == set(get_args(literal))


def test_every_column_of_the_ledger_is_described() -> None:
    described = [a.about["column"] for a in REGISTRY.attributes.values() if "column" in a.about]
    others = yaml.safe_load((SEMCONV / "ledger.yaml").read_text("utf-8"))
    assert sorted([*described, *others]) == sorted(COLUMNS)


def test_owners_are_those_of_an_attribution() -> None:
    assert set(owners(REGISTRY)) == set(OWNERS)


def test_no_name_is_written_outside_the_module_of_names() -> None:
    """A literal `tokenomics.…` attribute in the code would escape the registry."""
    written = re.compile(r"\"(tokenomics\.[a-z_]+\.[a-z_.]+|gen_ai\.[a-z_.]+)\"")
    found = {
        (path.name, name)
        for path in SOURCES.rglob("*.py")
        if path != Path(names.__file__)
        for name in written.findall(path.read_text("utf-8"))
    }
    assert found == set()
