"""Every word of the convention that a record can bring about is told by spans, metrics and events alike.

The live check looks at each; here it is made sure that there is something to look at.
"""

from __future__ import annotations

from typing import Any, get_args

import pytest
from tests.ledger._support import priced, record
from tests.support.telemetry import Telemetry, told

from otel_tokenomics.model.attribution import Attribution
from otel_tokenomics.model.money import CostMethod, Line, UnpricedReason, unpriced
from otel_tokenomics.model.place import Place
from otel_tokenomics.model.record import UsageRecord
from otel_tokenomics.model.usage import Usage, UsageSource
from otel_tokenomics.telemetry import names
from otel_tokenomics.telemetry.events import UsageEvents
from otel_tokenomics.telemetry.metrics import Metrics
from otel_tokenomics.telemetry.spans import Spans
from otel_tokenomics.telemetry.teller import OpenTelemetryTeller

TIERS = {
    "flex": "flex",
    "batch": "batch",
    "priority": "priority",
    "reserved": "provisioned",
    "new": "unknown",
}
MODAL = {"input.image": 3, "input.audio": 5, "cache_read.image": 7, "cache_read.audio": 11}
OUTPUT = {"output.image": 13, "output.audio": 17, "output": 19}


class Made:
    """What one record became."""

    def __init__(self, one: UsageRecord) -> None:
        telemetry = Telemetry()
        metrics = Metrics(telemetry.meter_provider)
        metrics.publish()
        telemetry.mark()
        spans = Spans(telemetry.tracer_provider, "own")
        teller = OpenTelemetryTeller(spans, metrics, UsageEvents(telemetry.logger_provider))
        teller.close(teller.open(one.facts, one.started_ns), one, one.started_ns + (one.duration_ns or 0))
        self.metrics = telemetry.metrics()
        self.span = dict(telemetry.spans()[0].attributes or {})
        self.event = told(telemetry.log_exporter.get_finished_logs()[0].log_record)

    def labels(self, metric: str) -> list[dict[str, Any]]:
        """The attributes of each point of a metric."""
        return [dict(labels) for labels in self.metrics[metric]]


def test_every_owner() -> None:
    who = Attribution("a-team", "a-project", "a-feature", "a-center", "a-tenant", "a-user", "a-session")
    made = Made(record(attribution=who))
    for owner, value in who.owners().items():
        assert made.span[names.OWNER_ATTRIBUTES[owner]] == value
        assert made.event[names.OWNER_ATTRIBUTES[owner]] == value
    (labels,) = made.labels(names.METRIC_ALLOCATION_COST)
    assert {labels[key] for key in (names.TEAM, names.PROJECT, names.FEATURE, names.COST_CENTER)} == {
        *("a-team", "a-project", "a-feature", "a-center"),
    }
    assert not {names.TENANT, names.USER, names.SESSION} & set(labels)


def test_every_place() -> None:
    where = Place("a-agent", "a-workflow", "a-step", "a-tool", "a-conversation", {"run.id": "r"})
    made = Made(record(place=where))
    for name, value in where.names().items():
        assert made.span[names.PLACE_ATTRIBUTES[name]] == made.event[names.PLACE_ATTRIBUTES[name]] == value
    assert made.event["tokenomics.tag.run.id"] == "r"
    (labels,) = made.labels(names.METRIC_ALLOCATION_COST)
    assert labels[names.AGENT] == "a-agent"
    assert not {names.WORKFLOW, names.STEP, names.TOOL_NAME, names.CONVERSATION} & set(labels)


@pytest.mark.parametrize("reason", get_args(UnpricedReason))
def test_every_reason_for_no_price(reason: UnpricedReason) -> None:
    made = Made(record(cost=unpriced(reason)))
    assert made.span[names.COST_UNPRICED_REASON] == made.event[names.COST_UNPRICED_REASON] == reason
    assert {labels[names.COST_UNPRICED_REASON] for labels in made.labels(names.METRIC_UNPRICED)} == {reason}


@pytest.mark.parametrize("method", sorted({*get_args(CostMethod)} - {"gateway_reported"}))
def test_every_method(method: CostMethod) -> None:
    made = Made(record(model=f"by-{method}", cost=priced(method=method)))
    assert made.span[names.COST_METHOD] == made.event[names.COST_METHOD] == method
    assert {labels[names.COST_METHOD] for labels in made.labels(names.METRIC_COST)} == {method}


def test_the_other_amounts() -> None:
    made = Made(
        record(cost=priced(list_femto=4 * 10**15, contracted_femto=3 * 10**15, computed_femto=10**15))
    )
    assert made.span[names.COST_LIST_AMOUNT] == made.event[names.COST_LIST_AMOUNT] == 4.0
    assert made.span[names.COST_CONTRACTED_AMOUNT] == made.event[names.COST_CONTRACTED_AMOUNT] == 3.0
    assert (made.event[names.COST_LIST_EXACT], made.event[names.COST_CONTRACTED_EXACT]) == ("4", "3")
    assert made.event[names.COST_COMPUTED] == "1"


@pytest.mark.parametrize("component", ["tool", "request"])
def test_components_beside_tokens(component: str) -> None:
    line = Line(component, component, 1, 10**15, 1, 10**15)
    made = Made(record(model=f"for-{component}", cost=priced(10**15, lines=(line,))))
    assert made.span[names.COST_COMPONENT_AMOUNT + component] == 1.0
    assert {labels[names.COST_COMPONENT] for labels in made.labels(names.METRIC_COST)} == {component}


@pytest.mark.parametrize("source", get_args(UsageSource))
def test_every_source_of_counts(source: UsageSource) -> None:
    made = Made(record(model=f"from-{source}", usage=Usage({"input": 1}, source)))
    assert made.span[names.USAGE_SOURCE] == made.event[names.USAGE_SOURCE] == source
    assert (names.METRIC_ESTIMATED in made.metrics) is (source != "provider")


@pytest.mark.parametrize("flag", ["mismatch", "negative", "not_a_count", "not_all_counted"])
def test_every_flag(flag: str) -> None:
    made = Made(record(usage=Usage({"input": 1}, flags=(flag,))))
    assert made.span[names.USAGE_FLAGS] == made.event[names.USAGE_FLAGS] == (flag,)
    assert {labels[names.USAGE_FLAG] for labels in made.labels(names.METRIC_USAGE_FLAGS)} == {flag}


@pytest.mark.parametrize(("reported", "tier"), TIERS.items())
def test_every_tier(reported: str, tier: str) -> None:
    made = Made(record(tier=reported))
    assert made.span[names.SERVICE_TIER] == tier
    assert made.event[names.SERVICE_TIER_REPORTED] == reported
    assert {labels[names.SERVICE_TIER] for labels in made.labels(names.METRIC_INPUT_TOKENS)} == {tier}


def test_a_region() -> None:
    one = record()
    one.reading.inference_geo = "eu"
    made = Made(one)
    assert made.span[names.INFERENCE_REGION] == made.event[names.INFERENCE_REGION] == "eu"


def test_modalities_and_tools() -> None:
    details = {"rejected_prediction": 2}
    made = Made(record(usage=Usage({**MODAL, **OUTPUT, "tool.web_search": 2}, details=details)))
    assert made.span["gen_ai.usage.image.input_tokens"] == 3 + 7
    assert made.span["gen_ai.usage.audio.input_tokens"] == 5 + 11
    assert made.span["gen_ai.usage.image.output_tokens"] == 13
    assert made.span["gen_ai.usage.audio.output_tokens"] == 17
    assert made.span["tokenomics.usage.tool_request.web_search"] == 2
    assert made.span[names.USAGE_REJECTED_PREDICTION] == 2
    assert {labels[names.TOOL_NAME] for labels in made.labels(names.METRIC_TOOL_REQUESTS)} == {"web_search"}
    modalities = {labels[names.TOKEN_MODALITY] for labels in made.labels(names.METRIC_OUTPUT_TOKENS)}
    assert modalities == {"image", "audio", "unknown"}
