"""The registry keeps its rules, and each rule is shown to catch a fault planted in a copy."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from tools.semconv import check
from tools.semconv.shape import Finding
from tools.semconv.source import SEMCONV

COST, METRICS, USAGE = "model/cost.yaml", "model/metrics.yaml", "model/usage.yaml"

PLANTED = [
    ("format", COST, "file_format: definition/2", "file_format: definition/1"),
    ("format", COST, "attributes:\n", "attributes: [\n"),
    ("shape", COST, "attributes:\n", "attribute:\n"),
    ("shape", COST, "    brief: The component that an amount is charged for.\n", ""),
    (
        "shape",
        COST,
        "    brief: The component that",
        "    summary: No such key.\n    brief: The component that",
    ),
    ("shape", COST, "type: template[double]", "type: template[money]"),
    (
        "shape",
        COST,
        "stability: development\n    examples: [0.0012]",
        "stability: mature\n    examples: [0.0012]",
    ),
    ("shape", METRICS, "instrument: counter", "instrument: meter"),
    ("shape", COST, "value: input, stability: development, brief: Input", "value: input, brief: Input"),
    ("level", METRICS, "requirement_level: required}", "requirement_level: mandatory}"),
    ("level", METRICS, "{conditionally_required: If available.}", '{conditionally_required: ""}'),
    ("level", METRICS, "    requirement_level: opt_in", "    requirement_level: required"),
    ("manifest", "model/manifest.yaml", "schemas/0.1.0-dev", "schemas/0.1.0"),
    ("manifest", "model/manifest.yaml", "semconv/vendored/opentelemetry", "semconv/vendored/otel"),
    ("manifest", "vendored/genai-cost-draft/manifest.yaml", "draft/0.1.0-dev", "draft/0.2.0-dev"),
    ("name", COST, "key: tokenomics.cost.exact", "key: tokenomics.cost.Exact"),
    ("name", COST, "key: tokenomics.cost.exact", "key: tokenomics.cost-exact"),
    ("namespace", COST, "key: tokenomics.cost.exact", "key: gen_ai.usage.cost.exact"),
    ("namespace", METRICS, "name: tokenomics.allocation.cost", "name: gen_ai.allocation.cost"),
    ("twice", COST, "key: tokenomics.cost.exact", "key: tokenomics.cost.lines"),
    ("clash", USAGE, "key: tokenomics.response.service_tier", "key: tokenomics.service_tier.reported"),
    ("clash", COST, "key: tokenomics.cost.exact", "key: tokenomics.cost.amount.exact"),
    ("clash", METRICS, "name: tokenomics.outcomes", "name: tokenomics.outcome"),
    ("dangling", METRICS, "{ref: tokenomics.cost.component,", "{ref: tokenomics.cost.part,"),
    ("dangling", METRICS, "ref_group: tokenomics.metric.served", "ref_group: tokenomics.metric.server"),
    (
        "dangling",
        METRICS,
        "    ref: gen_ai.client.inference.usage.input_tokens",
        "    ref: gen_ai.client.tokens",
    ),
    ("dangling", METRICS, "- gen_ai.client.operation.cost", "- gen_ai.client.operation.price"),
    ("enum", COST, "{id: cache_read, value: cache_read,", "{id: cache_read, value: input,"),
    ("enum", COST, "{id: cache_read, value: cache_read,", "{id: input, value: cache_read,"),
    ("unused", "model/upstream.yaml", "      - ref: tokenomics.run.id\n", ""),
    ("brief", COST, "brief: How an amount was come by.", "brief: Method"),
    ("tier", COST, "{tier: M, column: cost_status}", "{column: cost_status}"),
    ("tier", COST, "{tier: M, column: cost_status}", "{tier: S, column: cost_status}"),
    ("tier", COST, "{tier: S, column: cost_bound}", "{tier: E, column: cost_bound}"),
    ("tier", METRICS, "ref: tokenomics.tenant.id, requirement_level: opt_in", "ref: tokenomics.tenant.id"),
    ("unit", COST, "In units of `gen_ai.usage.cost.currency`. Over", "Over"),
    ("unit", METRICS, 'unit: "{currency_unit}"', 'unit: "USD"'),
    ("unit", METRICS, 'unit: "J"', 'unit: "kJ"'),
    ("unit", METRICS, "name: tokenomics.client.inference.energy", "name: tokenomics.client.inference.joules"),
    ("counter", METRICS, "name: tokenomics.self.faults", "name: tokenomics.self.faults_total"),
    ("value_type", METRICS, "{metric_value_type: double}", "{metric_value_type: float}"),
    ("value_type", METRICS, "{metric_value_type: double}", "{metric_value_type: int}"),
    ("formula", METRICS, "brief: (vendor - internal) / vendor of", "brief: The difference of"),
    (
        "currency",
        METRICS,
        "cost.currency, requirement_level: required}",
        "cost.currency, requirement_level: recommended}",
    ),
    ("histogram", METRICS, "instrument: counter", "instrument: histogram"),
    ("keys", COST, "{tier: S, keys: tokenomics.cost.component}", "{tier: S}"),
    ("example", COST, "examples: [0.0012]", "examples: [cheap]"),
    ("example", COST, "    examples: [0.0012]\n", ""),
    (
        "pending",
        "model/attempt.yaml",
        "{tier: M, column: outcome}",
        "{tier: M, pending: Later., column: outcome}",
    ),
]


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    copy = tmp_path_factory.mktemp("registry") / "semconv"
    shutil.copytree(SEMCONV, copy)
    return copy


def test_the_registry_keeps_every_rule() -> None:
    assert [str(finding) for finding in check.findings()] == []


@pytest.mark.parametrize(("rule", "file", "old", "new"), PLANTED)
def test_a_planted_fault_is_caught(copied: Path, rule: str, file: str, old: str, new: str) -> None:
    path = copied / file
    whole = path.read_text("utf-8")
    assert old in whole, "the fault cannot be planted"
    try:
        path.write_text(whole.replace(old, new), "utf-8")
        assert rule in {finding.rule for finding in check.findings(copied)}
    finally:
        path.write_text(whole, "utf-8")


def test_every_rule_has_a_planted_fault() -> None:
    rules = {
        word
        for path in (SEMCONV.parent / "tools" / "semconv").glob("*.py")
        for word in _rules(path.read_text("utf-8"))
    }
    assert rules == {rule for rule, *_ in PLANTED}


def _rules(code: str) -> list[str]:
    return [part.partition('"')[0] for part in code.split('Finding("')[1:]]


def test_the_command_prints_what_is_wrong(
    copied: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert check.main() == 0
    monkeypatch.setattr(check, "findings", lambda: [Finding("unit", "here", "what is wrong")])
    assert check.main() == 1
    assert "here: what is wrong [unit]" in capsys.readouterr().out


def test_weaver_accepts_the_registry() -> None:
    weaver = shutil.which("weaver")
    if weaver is None:
        pytest.skip("OpenTelemetry Weaver is not on PATH; our own checks stand for it")
    command = [weaver, "registry", "check", "--v2", "-r", "semconv/model"]
    done = subprocess.run(
        command, cwd=SEMCONV.parent, capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
