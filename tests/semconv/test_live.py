"""The live check catches each kind of fault, in this process and in those that a test starts."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from opentelemetry._logs import LogRecord
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanKind
from tests.support.live import KINDS, Check, Finding
from tools.semconv.registry import Registry, load

ROOT = Path(__file__).parents[2]
REGISTRY = load()

SPAN: dict[str, Any] = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "openai",
    "gen_ai.request.model": "gpt-4o",
    "tokenomics.usage.source": "provider",
    "tokenomics.cost.status": "complete",
    "gen_ai.usage.cost.amount": 0.5,
    "gen_ai.usage.cost.currency": "USD",
    "gen_ai.usage.cost.source": "local",
    "tokenomics.usage.cache_write.5m": 7,
}
EVENT: dict[str, Any] = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "openai",
    "tokenomics.usage.source": "missing",
    "tokenomics.cost.status": "unpriced",
    "tokenomics.attempt.outcome": "success",
    "tokenomics.record.key": "openai:1",
}
BODY: dict[str, Any] = {
    "tokenomics.cost.unpriced_reason": "missing_usage",
    "tokenomics.attempt.count": 1,
    "gen_ai.request.stream": False,
    "tokenomics.record.sequence": 1,
    "tokenomics.record.duration": 0.5,
}
POINT: dict[str, Any] = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "openai",
    "gen_ai.usage.cost.currency": "USD",
    "gen_ai.usage.cost.source": "local",
    "tokenomics.cost.component": "input",
}
OWNED = {"gen_ai.provider.name": "openai", "tokenomics.team.id": "a", "gen_ai.usage.cost.currency": "USD"}
COST = "tokenomics.client.inference.usage.cost"
MONEY = "{currency_unit}"


def without(known: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {key: value for key, value in known.items() if key not in names}


def span(
    attributes: Mapping[str, Any], name: str = "chat gpt-4o", kind: SpanKind = SpanKind.CLIENT
) -> Callable[[Check], list[Finding]]:
    def look(check: Check, scope: str = "otel_tokenomics") -> list[Finding]:
        made = ReadableSpan(
            name, attributes=attributes, kind=kind, instrumentation_scope=InstrumentationScope(scope)
        )
        return list(check.span(made))

    return look


def event(
    attributes: Mapping[str, Any], body: Any = BODY, name: str = "tokenomics.usage.recorded"
) -> Callable[[Check], list[Finding]]:
    def look(check: Check) -> list[Finding]:
        record = LogRecord(event_name=name, body=body, attributes=attributes)
        return list(check.log(record, "otel_tokenomics"))

    return look


def metric(
    attributes: Mapping[str, Any],
    name: str = COST,
    unit: str = MONEY,
    value: float = 0.5,
    make: str = "counter",
) -> Callable[[Check], list[Finding]]:
    def look(check: Check) -> list[Finding]:
        reader = InMemoryMetricReader()
        meter = MeterProvider([reader], shutdown_on_exit=False).get_meter("planted")
        instrument: Any = getattr(meter, f"create_{make}")(name, unit)
        (instrument.record if make == "histogram" else instrument.add)(value, attributes)
        data = reader.get_metrics_data()
        assert data is not None
        found = data.resource_metrics[0].scope_metrics[0].metrics
        return [finding for one in found for finding in check.metric(one, "otel_tokenomics")]

    return look


def resource(attributes: Mapping[str, Any]) -> Callable[[Check], list[Finding]]:
    def look(check: Check) -> list[Finding]:
        return list(check.resource(attributes))

    return look


RESOURCE = {"service.name": "shop", "tokenomics.run.id": "run-1", "tokenomics.team.id": "search", "other": 1}
GOOD = {
    "span": span(SPAN),
    "event": event(EVENT),
    "metric": metric(POINT),
    "resource": resource(RESOURCE),
}

PLANTED: list[tuple[str, Callable[[Check], list[Finding]]]] = [
    ("undeclared_signal", event(EVENT, name="tokenomics.usage.noted")),
    ("undeclared_signal", metric(POINT, name="tokenomics.cost")),
    ("undeclared_attribute", span({**SPAN, "tokenomics.team": "search"})),
    ("undeclared_attribute", span({**SPAN, "tokenomics.record.key": "of an event"})),
    ("undeclared_attribute", event(EVENT, {**BODY, "tokenomics.usage.total": 1})),
    ("undeclared_attribute", metric({**POINT, "tokenomics.cost.status": "complete"})),
    ("wrong_type", span({**SPAN, "gen_ai.usage.cost.amount": 1})),
    ("wrong_type", span({**SPAN, "tokenomics.usage.flags": "mismatch"})),
    ("wrong_type", span({**SPAN, "tokenomics.usage.cache_write.5m": 7.0})),
    ("wrong_type", metric(POINT, value=1)),
    ("unknown_value", span({**SPAN, "tokenomics.cost.status": "whole"})),
    ("unknown_value", span({**SPAN, "tokenomics.usage.source": "_OTHER"})),
    ("unknown_value", metric({**POINT, "tokenomics.cost.component": "prompt"})),
    ("missing_attribute", span(without(SPAN, "gen_ai.provider.name"))),
    ("missing_attribute", span(without(SPAN, "gen_ai.usage.cost.currency"))),
    ("missing_attribute", event(without(EVENT, "tokenomics.record.key"))),
    ("missing_attribute", event(EVENT, without(BODY, "tokenomics.record.sequence"))),
    ("missing_attribute", metric(without(POINT, "gen_ai.usage.cost.currency"))),
    ("wrong_unit", metric(POINT, unit="USD")),
    ("wrong_instrument", metric(POINT, make="histogram")),
    ("wrong_instrument", metric(POINT, make="up_down_counter")),
    ("wrong_tier", metric({**POINT, "tokenomics.team.id": "search"})),
    ("wrong_tier", metric({**POINT, "gen_ai.response.id": "chatcmpl-1"})),
    ("wrong_tier", metric({**OWNED, "user.id": "u1"}, name="tokenomics.allocation.cost")),
    ("undeclared_attribute", resource({**RESOURCE, "tokenomics.run": "run-1"})),
    ("wrong_type", resource({**RESOURCE, "tokenomics.run.id": 1})),
    ("wrong_tier", resource({**RESOURCE, "tokenomics.record.key": "openai:1"})),
    ("wrong_tier", span({**SPAN, "tokenomics.run.id": "run-1"})),
    ("wrong_span", span(SPAN, name="POST /v1/chat/completions")),
    ("wrong_span", span(SPAN, kind=SpanKind.INTERNAL)),
    (
        "wrong_carrier",
        event({**EVENT, "tokenomics.attempt.count": 1}, without(BODY, "tokenomics.attempt.count")),
    ),
    ("wrong_carrier", event(EVENT, "a text")),
]


@pytest.mark.parametrize("emitted", GOOD.values(), ids=GOOD)
def test_what_is_right_passes(emitted: Callable[[Check], list[Finding]]) -> None:
    assert emitted(Check(REGISTRY)) == []


@pytest.mark.parametrize(
    ("kind", "emitted"), PLANTED, ids=[f"{i}-{kind}" for i, (kind, _) in enumerate(PLANTED)]
)
def test_a_planted_fault_is_caught(kind: str, emitted: Callable[[Check], list[Finding]]) -> None:
    assert kind in {finding.kind for finding in emitted(Check(REGISTRY))}


def test_every_kind_of_finding_has_a_planted_fault() -> None:
    assert {kind for kind, _ in PLANTED} | {"never_emitted", "not_pending"} == set(KINDS)


def test_an_overflowed_label_is_other() -> None:
    assert metric({**POINT, "tokenomics.cost.component": "_OTHER"})(Check(REGISTRY)) == []


def test_of_a_foreign_span_only_our_names_are_looked_at() -> None:
    foreign: Any = span(
        {"llm.model_name": "x", "gen_ai.usage.input_tokens": "many", "tokenomics.cost.status": "?"}
    )
    found = foreign(Check(REGISTRY), "somebody.else")
    assert [one.what for one in found] == ["tokenomics.cost.status is '?'"]


def test_a_name_that_nothing_emits_needs_a_reason() -> None:
    check = Check(load())
    span(SPAN)(check)
    gaps = {(gap.kind, gap.where) for gap in check.gaps()}
    assert ("never_emitted", COST) in gaps
    assert ("never_emitted", "tokenomics.cost.status=partial") in gaps
    assert ("never_emitted", "tokenomics.cost.status=complete") not in gaps
    assert "tokenomics.routing.selection" not in {where for _, where in gaps}


def test_a_reason_that_no_longer_holds_is_found() -> None:
    check = Check(_with_pending(load(), "tokenomics.cost.status"))
    span(SPAN)(check)
    assert ("not_pending", "tokenomics.cost.status") in {(gap.kind, gap.where) for gap in check.gaps()}


def _with_pending(registry: Registry, key: str) -> Registry:
    registry.attributes[key].about["pending"] = "Nothing sets it."
    return registry


PLANT = """
from tests.support.telemetry import Telemetry
telemetry = Telemetry()
tracer = telemetry.tracer_provider.get_tracer("otel_tokenomics")
tracer.start_span("chat", attributes={"tokenomics.cost.status": "whole"}).end()
"""

UNAWARE = """
from opentelemetry import metrics, trace
meter = metrics.get_meter("otel_tokenomics")
meter.create_counter("tokenomics.self.faults", "{fault}").add(1, {"tokenomics.cause": "planted"})
trace.get_tracer("otel_tokenomics").start_span("chat", attributes={"tokenomics.cost.bound": "about"}).end()
"""

WRONG = f"""
import os, subprocess, sys, sysconfig
from pathlib import Path
import pytest
from opentelemetry.trace import SpanKind
from tests.support.telemetry import Telemetry

def test_it_emits():
{textwrap.indent(PLANT.strip(), "    ")}

def test_after_it():
    assert True

def test_a_process_emits():
    assert subprocess.run([sys.executable, "-c", {PLANT!r}], check=True)

def test_an_instrumented_program_emits():
    command = [Path(sysconfig.get_path("scripts")) / "opentelemetry-instrument", sys.executable, "-c"]
    none = {{f"OTEL_{{signal}}_EXPORTER": "none" for signal in ("TRACES", "METRICS", "LOGS")}}
    resource = {{"OTEL_RESOURCE_ATTRIBUTES": "tokenomics.squad=search"}}
    environment = {{**os.environ, **none, **resource}}
    assert subprocess.run([*command, {UNAWARE!r}], check=True, env=environment)

@pytest.mark.partial_telemetry("plants a fault")
def test_it_breaks_the_emission():
    tracer = Telemetry().tracer_provider.get_tracer("otel_tokenomics")
    known = {{"gen_ai.operation.name": "embeddings"}}
    tracer.start_span("embeddings", attributes=known, kind=SpanKind.CLIENT).end()
"""


@pytest.mark.parametrize("workers", ["0", "1"])
def test_the_test_that_emitted_it_fails(tmp_path: Path, workers: str) -> None:
    (tmp_path / "conftest.py").write_text((ROOT / "tests" / "conftest.py").read_text("utf-8"))
    (tmp_path / "test_planted.py").write_text(WRONG)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "no:cacheprovider",
        "-n",
        workers,
        "--rootdir",
        str(tmp_path),
    ]
    chosen = ["-c", str(ROOT / "pyproject.toml"), "-v", str(tmp_path)]
    ran = subprocess.run([*command, *chosen], capture_output=True, text=True, check=False, cwd=ROOT)
    errors = {
        line.split("::")[1].split(" ")[0] for line in ran.stdout.splitlines() if line.startswith("ERROR ")
    }
    emitted = {"test_it_emits", "test_a_process_emits", "test_an_instrumented_program_emits"}
    assert errors == emitted, ran.stdout + ran.stderr
    for what in ("tokenomics.cause", "tokenomics.cost.bound is 'about'", "resource: tokenomics.squad"):
        assert what in ran.stdout
    assert "unknown_value: gen_ai.client.inference: tokenomics.cost.status is 'whole'" in ran.stdout
    assert "declared names were emitted" in ran.stdout
    assert ran.returncode == 1
