"""The program and the registry know the same words."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest
import yaml
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from tests.ledger._support import priced, record
from tools.collector import words
from tools.semconv.constants import owners, places
from tools.semconv.registry import load
from tools.semconv.source import SEMCONV

from otel_tokenomics.ledger.row import COLUMNS
from otel_tokenomics.model.attribution import OWNERS, Attribution
from otel_tokenomics.model.call import Outcome
from otel_tokenomics.model.money import CostBound, CostMethod, CostStatus, UnpricedReason, unpriced
from otel_tokenomics.model.place import PLACES
from otel_tokenomics.model.record import UsageRecord
from otel_tokenomics.model.usage import MISSING, Usage, UsageSource
from otel_tokenomics.telemetry import compat, instruments, label_sets, names
from otel_tokenomics.telemetry.accounts import ACCOUNTS
from otel_tokenomics.telemetry.instruments import INSTRUMENTS
from otel_tokenomics.telemetry.metrics import Metrics

SOURCES = SEMCONV.parent / "src" / "otel_tokenomics"
REGISTRY = load()


@pytest.fixture
def clean() -> Iterator[None]:
    """The process's totals at zero, before and after."""
    ACCOUNTS.reset()
    yield
    ACCOUNTS.reset()


def everything() -> list[UsageRecord]:
    """Records that between them reach every metric."""
    owned = Attribution("t", "p", "f", "c", "tenant", "u", "s", {"tag": "x"})
    streamed = record(attribution=owned, first_chunk_ns=5, error_type="APIError", outcome="error")
    streamed.facts.stream = True
    tool = Usage({"input": 1, "input.audio": 2, "output": 1, "tool.web_search": 1}, flags=("mismatch",))
    return [
        streamed,
        record(usage=tool, attribution=owned),
        record(usage=MISSING, cost=unpriced("missing_usage")),
        record(cost=priced(method="vendor_reported", lines=())),
    ]


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


def test_places_are_those_of_a_call() -> None:
    assert set(places(REGISTRY)) == set(PLACES)


def test_no_name_is_written_outside_the_module_of_names() -> None:
    """A literal `tokenomics.…` attribute in the code would escape the registry."""
    written = re.compile(r"\"(tokenomics\.[a-z_]+\.[a-z_.]+|gen_ai\.[a-z_.]+)\"")
    found = {
        (path.name, name)
        for path in SOURCES.rglob("*.py")
        if path not in (Path(names.__file__), Path(compat.__file__))
        for name in written.findall(path.read_text("utf-8"))
    }
    assert found == set()


@pytest.mark.usefixtures("clean")
def test_no_label_is_outside_what_the_registry_allows() -> None:
    """Every counter and histogram that one of everything makes has only labels that its metric may have."""
    reader = InMemoryMetricReader()
    metrics = Metrics(MeterProvider([reader]), legacy=True)
    metrics.publish()
    for told in everything():
        metrics.record(told, None)
    data = reader.get_metrics_data()
    assert data is not None
    seen: dict[str, set[str]] = {}
    for point_of in data.resource_metrics[0].scope_metrics[0].metrics:
        about = INSTRUMENTS[point_of.name]
        assert (point_of.unit, point_of.description) == (about.unit, about.brief)
        for point in point_of.data.data_points:
            labels = set(point.attributes or {})
            assert labels <= about.labels
            seen.setdefault(point_of.name, set()).update(labels)
    assert names.CACHE_TTL in seen[names.METRIC_CACHE_WRITE]
    assert names.CACHE_TTL not in seen[names.METRIC_INPUT_TOKENS]
    assert names.COST_SOURCE in seen[names.METRIC_OPERATION_COST]
    assert names.COST_CURRENCY not in seen[names.METRIC_ALLOCATION_TOKENS]
    # Faults and overflows are the process's: earlier tests may have made some.
    own = {names.METRIC_FAULTS, names.METRIC_OVERFLOWS}
    # Those of budgets are made where there are budgets: see tests/budgets/test_metrics.py.
    own |= {name for name in INSTRUMENTS if name.startswith("tokenomics.budget.")}
    assert seen.keys() - own == INSTRUMENTS.keys() - own


def test_every_constant_is_used() -> None:
    """What nothing uses is not emitted: it must be marked as pending, and then has no constant."""
    made = {Path(str(module.__file__)) for module in (names, instruments, label_sets)}
    code = "".join(path.read_text("utf-8") for path in SOURCES.rglob("*.py") if path not in made)
    constants = {name for name in vars(names) if name.isupper() and isinstance(getattr(names, name), str)}
    tabled = {*names.OWNER_ATTRIBUTES.values(), *names.PLACE_ATTRIBUTES.values()}
    owned = {name for name in constants if getattr(names, name) in tabled}
    used = set(re.findall(r"\b(?:names\.)?([A-Z][A-Z_]+)\b", code))
    assert constants - owned - used == set()


def test_the_collector_lets_exactly_the_labels_pass() -> None:
    """Of metrics a user opts in to nothing more; its own label tells two collectors apart."""
    allowed = {a.key for a in REGISTRY.attributes.values() if a.label and (a.elsewhere or not a.pending)}
    assert set(words.LABELS) <= allowed
    assert "tokenomics.writer" in words.LABELS


def test_the_collector_emits_what_the_registry_says_it_does() -> None:
    config = yaml.safe_load((SEMCONV.parent / "collector-config" / "foreign.yaml").read_text("utf-8"))
    made = {metric["name"]: metric for metric in config["connectors"]["signal_to_metrics/foreign"]["spans"]}
    declared = {metric.name: metric for metric in REGISTRY.metrics.values() if metric.elsewhere}
    assert made.keys() == declared.keys()
    for name, metric in declared.items():
        assert (made[name]["unit"], made[name]["description"]) == (metric.unit, metric.brief)
        assert {attribute["key"] for attribute in made[name]["attributes"]} == metric.uses.keys()
        assert made[name]["sum"]["monotonic"] is (metric.instrument == "counter")
        written = made[name]["sum"]["value"].startswith("Double")
        assert metric.value_type == ("double" if written else "int")
    assert not any(a.key in words.LABELS for a in REGISTRY.attributes.values() if a.tier in ("S", "E", "M3"))


@pytest.mark.parametrize("key", [a.key for a in REGISTRY.attributes.values() if a.about.get("content")])
def test_the_collector_strips_what_holds_text(key: str) -> None:
    written = f"{key}.customer" if REGISTRY.attributes[key].template else key
    assert any(re.fullmatch(pattern, written) for pattern in words.TEXT)


@pytest.mark.parametrize("key", [a.key for a in REGISTRY.attributes.values() if a.tier])
def test_the_collector_strips_nothing_that_the_convention_needs(key: str) -> None:
    assert not any(re.fullmatch(pattern, key) for pattern in words.TEXT)
