"""What overflows a label or a metric keeps its sum, its provider and its currency."""

from __future__ import annotations

import math
import threading
from collections import Counter
from collections.abc import Mapping
from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from tests.ledger._support import priced, record

from otel_tokenomics.flow import late
from otel_tokenomics.model.attribution import Attribution
from otel_tokenomics.model.money import FEMTO, unpriced
from otel_tokenomics.model.record import UsageRecord
from otel_tokenomics.model.usage import Usage
from otel_tokenomics.telemetry import metrics as room
from otel_tokenomics.telemetry import names
from otel_tokenomics.telemetry.accounts import Accounts
from otel_tokenomics.telemetry.cubes import MOST_MODELS, OTHER, Overflow, Values
from otel_tokenomics.telemetry.metrics import Metrics

VALUES = 5_000
SDK_LIMIT = 2_000
SUMS = ("gen_ai.usage.cost.currency", "gen_ai.provider.name")

Point = tuple[Mapping[str, Any], float]


@pytest.fixture
def accounts(monkeypatch: pytest.MonkeyPatch) -> Accounts:
    """Totals of this test alone; what calls of earlier tests left waiting is told before."""
    late.catch_up()
    fresh = Accounts()
    monkeypatch.setattr(room, "ACCOUNTS", fresh)
    return fresh


class Told:
    """Metrics under the SDK's default limits, and their points."""

    def __init__(self) -> None:
        self._reader = InMemoryMetricReader()
        provider = MeterProvider([self._reader], shutdown_on_exit=False)
        self.metrics = Metrics(provider)
        self.metrics.publish()

    def points(self) -> dict[str, list[Point]]:
        """The points of each metric: attributes and value, or sum of a histogram."""
        late.catch_up()
        data = self._reader.get_metrics_data()
        found: dict[str, list[Point]] = {}
        for resource in data.resource_metrics if data else ():
            for scope in resource.scope_metrics:
                for metric in scope.metrics:
                    found[metric.name] = [
                        (point.attributes or {}, getattr(point, "value", getattr(point, "sum", 0)))
                        for point in metric.data.data_points
                    ]
        return found


def usage(number: int) -> Usage:
    """Tokens of three components, a tool request and a flaw."""
    tokens = {"input": number, "cache_read": 3, "output": 7, "tool.web_search": 1}
    return Usage(tokens, flags=("mismatch",))


def of_model(number: int) -> UsageRecord:
    return record(model=f"ft:{number}", served=f"ft:{number}-1", cost=priced(number), usage=usage(number))


def of_owner(number: int) -> UsageRecord:
    who = Attribution(f"team {number}", f"project {number}", f"feature {number}", f"center {number}")
    return record(attribution=who, cost=priced(number), usage=usage(number))


def of_project(number: int) -> UsageRecord:
    who = Attribution(
        team=f"team {number % 80}", project=f"project {number % 90}", feature=f"f {number % 70}"
    )
    return record(attribution=who, cost=priced(number), usage=usage(number))


def of_tool(number: int) -> UsageRecord:
    tokens = Usage({"input": number, "cache_read": 3, "output": 7, f"tool.{number}": 1}, flags=("mismatch",))
    return record(usage=tokens, cost=priced(number))


def of_error(number: int) -> UsageRecord:
    told = record(cost=priced(number), usage=usage(number), error_type=f"Error{number}", outcome="error")
    told.facts.operation = ("chat", "embeddings", "text_completion")[number % 3]
    return told


def of_everything(number: int) -> UsageRecord:
    """Every closed enumeration crossed with as many models and owners as are told apart."""
    told = of_owner(number)
    told.facts.provider = ("openai", "anthropic", "groq", "azure.ai.openai")[number % 4]
    told.facts.operation = ("chat", "embeddings", "text_completion")[number % 3]
    told.facts.request_model = f"model {number % 190}"
    told.reading.response_model = f"model {number % 170}"
    told.reading.service_tier = (None, "flex", "batch", "priority", "?")[number % 5]
    told.cost.currency = ("USD", "EUR")[number % 2]
    told.outcome = ("success", "error", "cancelled")[number // 7 % 3]
    return told


KINDS = [of_model, of_owner, of_project, of_tool, of_error, of_everything]


@pytest.mark.parametrize("kind", KINDS)
def test_totals_stay_exact_when_labels_overflow(accounts: Accounts, kind: Any) -> None:
    told = Told()
    exact: Counter[tuple[str, str]] = Counter()
    for number in range(1, VALUES + 1):
        one = kind(number)
        exact[one.cost.currency, one.facts.provider] += one.cost.amount_femto
        told.metrics.record(one, None)
    points = told.points()
    for name, rows in points.items():
        assert len(rows) < SDK_LIMIT, name
        assert not any("otel.metric.overflow" in labels for labels, _ in rows), name
    for name in (names.METRIC_COST, names.METRIC_ALLOCATION_COST):
        assert sums(points[name]) == pytest.approx({k: v / FEMTO for k, v in exact.items()}, rel=1e-14), name
    assert sum(amount for _, amount in accounts.cost()) == sum(exact.values())
    assert sum(amount for _, amount in accounts.owner_cost()) == sum(exact.values())
    whole = sum(range(1, VALUES + 1)) + 3 * VALUES
    assert total(points[names.METRIC_INPUT_TOKENS]) == whole
    assert total(points[names.METRIC_OUTPUT_TOKENS]) == 7 * VALUES
    assert total(points[names.METRIC_ALLOCATION_TOKENS]) == whole + 7 * VALUES
    assert total(points[names.METRIC_USAGE_FLAGS]) == VALUES
    assert total(points[names.METRIC_OPERATION_INPUT]) == whole
    assert points[names.METRIC_OVERFLOWS], "nothing overflowed: the test tests nothing"


def sums(points: list[Point]) -> dict[tuple[str, str], float]:
    """Sums by currency and provider; each point must have both."""
    grouped: dict[tuple[str, str], list[float]] = {}
    for labels, value in points:
        grouped.setdefault((str(labels[SUMS[0]]), str(labels[SUMS[1]])), []).append(value)
    return {key: math.fsum(values) for key, values in grouped.items()}


def total(points: list[Point]) -> float:
    return sum(value for _, value in points)


def test_a_label_tells_the_first_values_apart(accounts: Accounts) -> None:
    told = Told()
    for number in range(VALUES):
        told.metrics.record(of_model(number + 1), None)
    points = told.points()
    for name in (names.METRIC_COST, names.METRIC_OPERATION_INPUT):
        shown = {labels["gen_ai.request.model"] for labels, _ in points[name]}
        assert shown == {f"ft:{number + 1}" for number in range(MOST_MODELS)} | {OTHER}, name
    over = {labels["tokenomics.self.cause"]: value for labels, value in points[names.METRIC_OVERFLOWS]}
    assert over == {
        "gen_ai.request.model": VALUES - MOST_MODELS,
        "gen_ai.response.model": VALUES - MOST_MODELS,
    }


def test_a_full_label_leaves_the_others_alone(accounts: Accounts) -> None:
    told = Told()
    for number in range(1, 300):
        who = Attribution(team="search", project=f"project {number}")
        told.metrics.record(record(attribution=who), None)
    assert {labels["tokenomics.team.id"] for labels, _ in told.points()[names.METRIC_ALLOCATION_COST]} == {
        "search"
    }


def test_an_owner_whose_calls_have_no_price_has_no_cost(accounts: Accounts) -> None:
    told = Told()
    told.metrics.record(record(cost=unpriced("unknown_model"), usage=usage(1)), None)
    points = told.points()
    assert names.METRIC_ALLOCATION_COST not in points
    assert total(points[names.METRIC_ALLOCATION_TOKENS]) == 11


def test_a_collection_waits_for_what_another_thread_folds_in(
    accounts: Accounts, monkeypatch: pytest.MonkeyPatch
) -> None:
    told, begun, go_on = Told(), threading.Event(), threading.Event()
    add = accounts.add

    def slow(one: UsageRecord) -> None:
        begun.set()
        assert go_on.wait(10)
        add(one)

    monkeypatch.setattr(accounts, "add", slow)
    late.put_off(lambda: told.metrics.record(of_model(1), None))
    folder = threading.Thread(target=late.catch_up)
    folder.start()
    assert begun.wait(10)
    collected: list[dict[str, list[Point]]] = []
    collector = threading.Thread(target=lambda: collected.append(told.points()))
    collector.start()
    collector.join(0.3)
    assert not collected, "it did not wait"
    go_on.set()
    collector.join(10)
    folder.join(10)
    assert total(collected[0][names.METRIC_OUTPUT_TOKENS]) == 7


def test_an_absent_value_is_no_value() -> None:
    overflow = Overflow()
    models = Values("model", 2, overflow)
    assert [models.admit(value) for value in ("a", None, "b", "c", "a", None)] == [
        *("a", None, "b", OTHER, "a", None),
    ]
    overflow.count()
    assert overflow.operations == {"model": 1}
