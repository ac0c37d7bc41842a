"""Datadog's own exporter: tokens and money are readable in what reaches its API."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.wire import feed
from tests.wire.datadog_api import DatadogApi, series, spans
from tests.wire.otelcol import CONFIG, Collector
from tools.collector import build

TOKENS = "gen_ai.client.inference.usage.input_tokens"
SPAN: feed.Values = {"gen_ai.usage.input_tokens": 100, "gen_ai.usage.cost.amount": 0.0625, "app": "x"}
# The newest version with this exporter that builds is older, and so are two names.
OLDER = {"cumulative_to_delta": "cumulativetodelta", "delta_to_cumulative": "deltatocumulative"}


def older(folder: Path, name: str) -> Path:
    """A copy of one of our files with the older names."""
    text = (CONFIG / f"{name}.yaml").read_text(encoding="utf-8")
    for new, old in OLDER.items():
        text = text.replace(new, old)
    copy = folder / f"{name}.yaml"
    copy.write_text(text, encoding="utf-8")
    return copy


def test_tokens_and_cost_are_readable_in_what_its_api_gets(tmp_path: Path) -> None:
    if build.find("datadog") is None:
        pytest.skip("the datadog collector is not built: `make collector ARGS=--datadog`")
    names = ("base", "processors", "role-laptop", "backend-datadog-exporter")
    files = [older(tmp_path, name) for name in names]
    with DatadogApi() as api:
        urls = {"TOKENOMICS_DATADOG_METRICS_API": api.url, "TOKENOMICS_DATADOG_TRACE_API": api.url}
        collector = Collector(tmp_path / "queue", settings=urls, kind="datadog")
        collector.arguments = [part for file in files for part in ("--config", str(file))]
        with collector:
            for instance in ("one", "two", "one"):
                feed.post(collector, "metrics", feed.counters(instance, 10, TOKENS))
            told: feed.Values = {
                "gen_ai.usage.input_tokens": 100,
                "gen_ai.usage.cost.amount": 0.0625,
                "app": "x",
            }
            feed.post(collector, "traces", feed.spans(told))
            trace = api.wait("/api/v0.2/traces", b"gen_ai.usage.cost.amount")
            metrics = api.wait("/api/v2/series", TOKENS.encode())
        assert collector.complaints() == []
    texts, numbers = next(spans(trace))
    assert numbers["gen_ai.usage.cost.amount"] == 0.0625
    assert numbers["gen_ai.usage.input_tokens"] == 100
    assert texts["app"] == "x"
    counted = [(tags, value) for name, tags, value in series(metrics) if name == TOKENS]
    assert [value for _, value in counted] == [30]
    assert any(tag.startswith("gen_ai.request.model:") for tag in counted[0][0])
    assert not any("service.instance.id" in tag for tag in counted[0][0])
