"""Dashboards and alerts: their names are the registry's, and the vendors' own tools read them."""

from __future__ import annotations

import json
import re
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import yaml
from datadog_api_client.configuration import Configuration
from datadog_api_client.model_utils import validate_and_convert_types
from datadog_api_client.v1.model.dashboard import Dashboard
from datadog_api_client.v1.model.monitor import Monitor
from tests._required import require_tool
from tests.budgets._calls import ANSWER, House, create, governed
from tests.support.replies import chat, dumps
from tests.support.wire import Reply
from tests.wire import fleet, load
from tests.wire.otelcol import Collector, free_port
from tools.collector import alerts, boards, build, panels

from otel_tokenomics.budgets.errors import BudgetExceededError
from otel_tokenomics.telemetry import names
from otel_tokenomics.telemetry.instruments import INSTRUMENTS

ALERTS = boards.ROOT / "alerts.yaml"
CALLS = 50
OTHERS = {"otelcol_exporter_queue_size", "otelcol_exporter_queue_capacity"}


def test_the_generated_files_are_fresh() -> None:
    assert boards.main(["--check"]) == 0


@pytest.mark.parametrize(
    ("sum_", "error"),
    [
        (panels.Sum("tokenomics.renamed.cost"), KeyError),
        (panels.Sum(names.METRIC_COST, (names.TEAM,)), ValueError),
        (panels.Sum(names.METRIC_OPERATION_COST), ValueError),
        (panels.part("prompt"), ValueError),
    ],
    ids=["metric", "label", "histogram", "value"],
)
def test_a_name_that_the_registry_does_not_have_breaks_the_build(
    sum_: panels.Sum, error: type[Exception]
) -> None:
    with pytest.raises(error):
        boards.promql(panels.Panel("x", sum_))


def unparsed(node: Any) -> Iterator[Any]:
    """Every part of a Datadog model that its client did not understand; it does not raise for one."""
    if getattr(node, "_unparsed", False):
        yield node
    inside = getattr(node, "_data_store", None) or (node if isinstance(node, dict) else {})
    for value in inside.values():
        for item in value if isinstance(value, list) else [value]:
            yield from unparsed(item)


def read_by_datadog(content: Any, as_: Any = Dashboard) -> list[Any]:
    """What Datadog's client does not understand of a dashboard, or of a monitor."""
    read: Any = validate_and_convert_types
    configuration: Any = Configuration
    model = read(content, (as_,), ["it"], True, True, configuration())
    return list(unparsed(model))


def test_datadogs_own_models_understand_every_part() -> None:
    content = json.loads((boards.ROOT / "datadog.json").read_text("utf-8"))
    assert read_by_datadog(content) == []
    content["widgets"][0]["definition"]["type"] = "query_valeu"
    assert read_by_datadog(content) != []


def test_datadogs_own_models_understand_every_monitor() -> None:
    monitors = json.loads((boards.ROOT / "datadog-monitors.json").read_text("utf-8"))
    assert len(monitors) == len(alerts.ALERTS)
    for monitor in monitors:
        assert read_by_datadog(monitor, Monitor) == []
        end = re.search(r"[<>] ([0-9.]+)$", monitor["query"])
        assert end is not None
        assert float(end[1]) == monitor["options"]["thresholds"]["critical"]
    assert read_by_datadog({**monitors[0], "type": "query alarm"}, Monitor) != []


def test_every_condition_of_new_relic_asks_for_names_of_the_registry() -> None:
    conditions = json.loads((boards.ROOT / "newrelic-conditions.json").read_text("utf-8"))
    assert [one["name"] for one in conditions] == [alert.name for alert in alerts.ALERTS]
    known = {*panels.REGISTRY.metrics, *panels.REGISTRY.attributes}
    for one in conditions:
        asked = set(re.findall(r"`([^`]+)`", one["nrql"]["query"]))
        assert asked
        assert asked <= known
        assert (one["kind"] == "baseline") == ("baselineDirection" in one)
        assert one["terms"][0]["thresholdDuration"] % one["signal"]["aggregationWindow"] == 0
    silent = [one["name"] for one in conditions if "expiration" in one]
    assert silent == ["TokenTelemetryStopped"]


def test_every_name_in_a_traceql_query_is_the_registrys() -> None:
    shown = json.loads((boards.ROOT / "grafana.json").read_text("utf-8"))["panels"]
    queries = [panel["targets"][0]["query"] for panel in shown if panel["datasource"]["type"] == "tempo"]
    assert len(queries) == len(boards.TEMPO)
    for query in queries:
        asked = set(re.findall(r"(?:span|resource)\.([a-z_.]+)", query))
        assert asked
        assert asked <= panels.REGISTRY.attributes.keys()


# Per minute: 1,000 input tokens, 400 of them cached; 0.5 for the fresh ones, 0.125 for the cached.
SAVED = """
evaluation_interval: 1m
tests:
  - interval: 1m
    input_series:
      - series: 'gen_ai_client_inference_usage_input_tokens_total{gen_ai_response_model="m"}'
        values: 0+1000x60
      - series: 'gen_ai_client_inference_usage_cache_read_input_tokens_total{gen_ai_response_model="m"}'
        values: 0+400x60
      - series: 'COST{gen_ai_response_model="m", tokenomics_cost_component="input"}'
        values: 0+0.5x60
      - series: 'COST{gen_ai_response_model="m", tokenomics_cost_component="cache_read"}'
        values: 0+0.125x60
    promql_expr_test:
      - expr: QUERY
        eval_time: 60m
        exp_samples: [{labels: '{gen_ai_response_model="m"}', value: WORTH}]
"""


def test_what_a_cache_saved_is_the_price_of_fresh_input_less_what_it_cost(tmp_path: Path) -> None:
    promtool = require_tool("promtool", "on Debian and Ubuntu the package prometheus")
    panel = next(panel for panel in panels.PANELS if panel.title.startswith("Saved"))
    text = SAVED.replace("QUERY", json.dumps(f"round({boards.promql(panel, '1h')}, 0.001)"))
    # A fresh token costs 0.5 / 600, so 400 a minute would have cost 1/3; they did cost 1/8.
    text = text.replace("WORTH", "12.5").replace("COST", "tokenomics_client_inference_usage_cost_total")
    (tmp_path / "test.yaml").write_text(text, encoding="utf-8")
    ran = subprocess.run(
        [promtool, "test", "rules", str(tmp_path / "test.yaml")], capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_every_name_in_a_nrql_query_is_the_registrys() -> None:
    known = {
        *INSTRUMENTS,
        *(label for about in INSTRUMENTS.values() for label in about.labels),
        names.COST_AMOUNT,
        names.RUN_ID,
    }
    pages = json.loads((boards.ROOT / "newrelic.json").read_text("utf-8"))["pages"]
    queries = [
        query["query"]
        for page in pages
        for widget in page["widgets"]
        for query in widget["rawConfiguration"]["nrqlQueries"]
    ]
    assert len(queries) == len(panels.PANELS) + 3
    for query in queries:
        assert re.match(r"SELECT .+ FROM (Metric|Span|NrIntegrationError)\b", query)
        assert set(re.findall(r"`([^`]+)`", query)) <= known, query
        assert query.count("(") == query.count(")")


def declared() -> set[str]:
    """Every metric and label of the registry as Prometheus writes it, those not emitted yet included."""
    text = "\n".join(path.read_text("utf-8") for path in (build.ROOT / "semconv").rglob("*.yaml"))
    found = set(re.findall(r"(?:key|name|ref|id): ([a-z_]+(?:\.[a-z_]+)+)", text))
    return {boards.underscored(name) for name in found} | OTHERS


def test_every_name_in_an_alert_is_the_registrys() -> None:
    rules = yaml.safe_load(ALERTS.read_text("utf-8"))["groups"][0]["rules"]
    known = declared()
    for rule in rules:
        used = set(re.findall(r"\b(?:tokenomics|gen_ai|otelcol)_[a-z_]+", rule["expr"]))
        assert used, rule["alert"]
        assert {re.sub(r"_(total|sum|count|ratio)$", "", name) for name in used} <= known, rule["alert"]


def test_every_alert_fires_when_it_should_and_not_before(tmp_path: Path) -> None:
    promtool = require_tool("promtool", "on Debian and Ubuntu the package prometheus")
    text = Path(__file__).with_name("alerts.test.yaml").read_text("utf-8").replace("RULES", str(ALERTS))
    fired = [rule["alert"] for rule in yaml.safe_load(ALERTS.read_text("utf-8"))["groups"][0]["rules"]]
    assert [name for name in fired if text.count(f"alertname: {name}") < 2] == []
    (tmp_path / "test.yaml").write_text(text, encoding="utf-8")
    ran = subprocess.run(
        [promtool, "test", "rules", str(tmp_path / "test.yaml")], capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr


@pytest.fixture
def prometheus(tmp_path: Path) -> Iterator[str]:
    """The URL of a real Prometheus that takes remote write."""
    with serving(tmp_path) as url:
        yield url


@contextmanager
def serving(tmp_path: Path, past: str = "") -> Iterator[str]:
    """A real Prometheus for the block, which holds a past in OpenMetrics' form."""
    if past:
        promtool = require_tool("promtool", "on Debian and Ubuntu the package prometheus")
        (tmp_path / "past").write_text(past, encoding="utf-8")
        command = [promtool, "tsdb", "create-blocks-from", "openmetrics"]
        subprocess.run([*command, tmp_path / "past", tmp_path / "data"], check=True, capture_output=True)
    program = require_tool("prometheus", "on Debian and Ubuntu the package prometheus")
    (tmp_path / "prometheus.yml").write_text("global: {}\n", encoding="utf-8")
    address = f"127.0.0.1:{free_port()}"
    process = subprocess.Popen(
        [
            program,
            f"--config.file={tmp_path / 'prometheus.yml'}",
            f"--storage.tsdb.path={tmp_path / 'data'}",
            f"--web.listen-address={address}",
            "--web.enable-remote-write-receiver",
        ],
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    for line in process.stderr:
        if "ready to receive web requests" in line:
            break
    yield f"http://{address}"
    process.terminate()
    process.communicate(timeout=30)


def ask(url: str, query: str) -> list[Any]:
    """The answer to an instant query; an error in it is a failure."""
    address = f"{url}/api/v1/query?query={urllib.parse.quote(query)}"
    try:
        with urllib.request.urlopen(address, timeout=30) as response:
            answer: list[Any] = json.load(response)["data"]["result"]
    except urllib.error.HTTPError as error:
        pytest.fail(f"{query}: {error.read().decode()}")
    return answer


def rules() -> list[str]:
    """Every alert's expression."""
    return [rule["expr"] for rule in yaml.safe_load(ALERTS.read_text("utf-8"))["groups"][0]["rules"]]


def test_a_real_prometheus_takes_every_promql(prometheus: str) -> None:
    for query in [*(boards.promql(panel, "1h") for panel in panels.PANELS), *rules()]:
        ask(prometheus, query)


def test_every_promql_runs_on_a_real_prometheus_with_real_data(tmp_path: Path, prometheus: str) -> None:
    if build.find("full") is None:
        pytest.skip("remote write is in the full collector alone: `make collector ARGS=--full`")
    settings = {"PROMETHEUS_URL": prometheus}
    names_ = ("role-laptop", "backend-prometheus-remote-write")
    with Collector(tmp_path / "queue", *names_, settings=settings, kind="full") as collector:
        fleet.finish(fleet.start("pm", CALLS, f"http://127.0.0.1:{collector.grpc}"))
    total = ask(prometheus, "sum(gen_ai_client_inference_usage_output_tokens_total)")
    assert float(total[0]["value"][1]) == sum(load.tokens(i)[2] for i in range(CALLS))
    money = ask(prometheus, "sum(tokenomics_client_inference_usage_cost_total)")
    assert float(money[0]["value"][1]) == pytest.approx(fleet.bill(CALLS, 1) / 1e12)
    for panel in panels.PANELS:
        ask(prometheus, boards.promql(panel, "1h"))
    for rule in rules():
        ask(prometheus, rule)
    for metric in {panel.above.metric for panel in panels.PANELS} - NOT_HERE:
        sum_ = panels.Sum(metric, part="count" if INSTRUMENTS[metric].bounds else "")
        name = boards.prometheus(sum_, "1h").partition("increase(")[2].partition("[")[0]
        assert ask(prometheus, f"count({name})"), f"no series called {name}"


BUDGETS = [panel for panel in panels.PANELS if panel.above.metric.startswith("tokenomics.budget.")]
# What a run without estimates and without unpriced calls has nothing to say about.
# Budgets have a test of their own.
NOT_HERE = {names.METRIC_UNPRICED, names.METRIC_ESTIMATED, *(panel.above.metric for panel in BUDGETS)}


def told(house: House, at: int) -> Iterator[str]:
    """What a house tells of budgets, as samples of an instant, under the names that Prometheus gives."""
    data = house.telemetry.reader.get_metrics_data()
    assert data is not None
    for metric in data.resource_metrics[0].scope_metrics[0].metrics:
        if not metric.name.startswith("tokenomics.budget."):
            continue
        instrument = panels.REGISTRY.metrics[metric.name].instrument
        for point in metric.data.data_points:
            labels = ",".join(f'{boards.underscored(k)}="{v!s}"' for k, v in (point.attributes or {}).items())
            ends = {"histogram": ("_sum", "_count"), "counter": ("_total",), "gauge": ("",)}[instrument]
            for end, field in zip(ends, ("sum", "count") if len(ends) == 2 else ("value",), strict=True):
                yield f"{boards.named(metric.name)}{end}{{{labels}}} {getattr(point, field)} {at}"


def budget(name: str, limit: str) -> str:
    return f'[[budget]]\nname = "{name}"\nwindow = "lifetime"\nlimit = "{limit}"\n'


def spent(folder: Path, instants: list[int]) -> str:
    """What budgets told at some instants, between calls of a real client library: one of them is refused."""
    text = budget("wide", "1 USD") + budget("narrow", "0.008 USD")
    samples: dict[str, list[str]] = {}
    dear = Reply(dumps(chat({"prompt_tokens": 900, "completion_tokens": 300, "total_tokens": 1200})))
    with governed(text, f"sqlite://{folder / 'budgets.db'}", ANSWER, dear) as house:
        for at in instants:
            with suppress(BudgetExceededError):
                create(house.client(), cap=10)
            for sample in told(house, at):
                samples.setdefault(sample.rpartition(" ")[0].rpartition(" ")[0], []).append(sample)
    return "\n".join([line for series in samples.values() for line in series] + ["# EOF", ""])


def test_every_panel_of_budgets_has_an_answer_for_what_budgets_told(tmp_path: Path) -> None:
    now = int(time.time())
    past = spent(tmp_path, [now - 600 * ago for ago in (5, 4, 3, 2, 1, 0)])
    with serving(tmp_path, past) as url:
        answers = {panel.title: ask(url, boards.promql(panel, "1h")) for panel in BUDGETS}
    assert [title for title, answer in answers.items() if not answer] == []
    assert len(answers) == 10
    (days,) = [
        float(answer["value"][1])
        for answer in answers["Forecast: days until a budget of money is spent, at the pace of the last day"]
        if answer["metric"]["tokenomics_budget_name"] == "wide"
    ]
    # About half a cent in fifty minutes, of a dollar.
    assert 1 < days < 50
