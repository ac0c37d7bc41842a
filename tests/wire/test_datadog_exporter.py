"""Datadog's own exporter: tokens and money are readable in what reaches its API."""

from __future__ import annotations

from pathlib import Path

from tests.wire import feed, vendored
from tests.wire.datadog_api import DatadogApi, series, spans

TOKENS = "gen_ai.client.inference.usage.input_tokens"
SPAN: feed.Values = {"gen_ai.usage.input_tokens": 100, "gen_ai.usage.cost.amount": 0.0625, "app": "x"}


def test_tokens_and_cost_are_readable_in_what_its_api_gets(tmp_path: Path) -> None:
    with DatadogApi() as api:
        urls = {"TOKENOMICS_DATADOG_METRICS_API": api.url, "TOKENOMICS_DATADOG_TRACE_API": api.url}
        names = ("role-laptop", "backend-datadog-exporter")
        with vendored.collector(tmp_path, *names, settings=urls) as collector:
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
