"""Programs that share a budget, and what of it arrives behind a real collector."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.wire import fleet
from tests.wire.otelcol import Collector
from tests.wire.sink import Sink, mapping, total

from otel_tokenomics.telemetry import names

CALLS, PROCESSES = 20, 2
BUDGETS = """\
[store]
url = "sqlite://{path}"
[[budget]]
name = "money"
match = {{ team = "*" }}
limit = "1000 USD"
window = "lifetime"
[[budget]]
name = "calls"
limit = "1000 requests"
window = "lifetime"
"""


def gauges(sink: Sink, name: str) -> list[tuple[dict[str, Any], float]]:
    """Every point of a gauge that arrived, with its labels."""
    return [
        (mapping(point.attributes), point.as_double or float(point.as_int))
        for message in sink.taken("metrics")
        for resource in message.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
        if metric.name == name
        for point in metric.gauge.data_points
    ]


def most(sink: Sink, name: str) -> float:
    """The largest value of a gauge that arrived."""
    return max((value for _, value in gauges(sink, name)), default=0.0)


def tells(sink: Sink, name: str, wanted: float) -> bool:
    """Whether a gauge has told this value."""
    return any(value == pytest.approx(wanted, rel=1e-4) for _, value in gauges(sink, name))


def test_a_shared_budget_is_told_by_every_process(tmp_path: Path) -> None:
    config = tmp_path / "tokenomics.toml"
    config.write_text(BUDGETS.format(path=tmp_path / "budgets.db"))
    shared = {"OTEL_TOKENOMICS_CONFIG": str(config)}
    with Sink() as sink:
        to = {"TOKENOMICS_OTLP_ENDPOINT": sink.url, "TOKENOMICS_INTERVAL": "1s"}
        with Collector(tmp_path / "queue", "role-laptop", "backend-otlp", settings=to) as collector:
            url = f"http://127.0.0.1:{collector.grpc}"
            # While they wait for their last call, what both have spent is told, and nothing is held.
            started = [
                fleet.start(f"b{n}", CALLS + 1, url, pause_at=CALLS, settings=shared)
                for n in range(PROCESSES)
            ]
            for process in started:
                assert process.stdout is not None
                assert process.stdout.readline() == "half\n"
            spent_by_all = CALLS * PROCESSES
            assert sink.wait(lambda: most(sink, names.METRIC_BUDGET_REQUEST_USAGE) >= spent_by_all)
            bill = fleet.bill(CALLS, PROCESSES) / 1e12
            assert sink.wait(lambda: tells(sink, names.METRIC_BUDGET_COST_USAGE, bill))
            for process in started:
                fleet.finish(process)
            decided = (CALLS + 1) * PROCESSES * 2
            assert sink.wait(lambda: total(sink.points(), names.METRIC_BUDGET_DECISIONS) == decided)
        money = gauges(sink, names.METRIC_BUDGET_COST_USAGE)
        labels, spent = max(money, key=lambda point: point[1])
        assert labels[names.BUDGET_NAME] == "money"
        assert (labels[names.TEAM], labels[names.BUDGET_SCOPE]) == ("search", "team")
        assert spent >= bill
        limits = {value for _, value in gauges(sink, names.METRIC_BUDGET_COST_LIMIT)}
        assert limits == {1000.0}
