"""Datadog's and New Relic's rules: our files keep them; each bites when the part that keeps it is gone."""

from __future__ import annotations

import random
import string
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.wire import feed
from tests.wire.otelcol import CONFIG, Collector
from tests.wire.sink import Sink, mapping
from tests.wire.vendors import Datadog, NewRelic

TOKENS = "gen_ai.client.inference.usage.input_tokens"
SPAN: dict[str, str | int | float | bool] = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "openai",
    "gen_ai.request.model": "gpt-4o",
    "gen_ai.usage.input_tokens": 10,
    "gen_ai.usage.output_tokens": 5,
    "gen_ai.usage.cost.amount": 0.5,
}
URLS = {
    "backend-datadog": "TOKENOMICS_DATADOG_METRICS_URL",
    "backend-datadog-llmobs": "TOKENOMICS_DATADOG_TRACES_URL",
    "backend-newrelic": "NEW_RELIC_OTLP_ENDPOINT",
}
PATHS = {"backend-datadog": "/v1/metrics", "backend-datadog-llmobs": "/v1/traces", "backend-newrelic": ""}
Part = tuple[str, str, str]


def patched(folder: Path, part: Part) -> Path:
    """A copy of a configuration file with a piece replaced."""
    name, old, new = part
    text = (CONFIG / f"{name}.yaml").read_text(encoding="utf-8")
    assert old in text, f"{name}.yaml does not hold {old!r} any more"
    folder.mkdir(exist_ok=True)
    copy = folder / f"{name}.yaml"
    copy.write_text(text.replace(old, new), encoding="utf-8")
    return copy


@contextmanager
def running(
    folder: Path, backend: str, sink: Sink, without: Part | None, interval: str = "1100ms"
) -> Iterator[Collector]:
    """A collector of the laptop's role with one backend, whose intake is the sink."""
    files = ["role-laptop", backend]
    extra = []
    if without is not None:
        extra = [patched(folder, without)]
        files.remove(without[0])
    order = [CONFIG / f"{name}.yaml" for name in files]
    settings = {URLS[backend]: sink.url + PATHS[backend], "TOKENOMICS_INTERVAL": interval}
    with Collector(folder, extra=[*order, *extra], settings=settings) as collector:
        yield collector


def two_writers(collector: Collector) -> None:
    """Two processes add 10 to one counter, thrice each."""
    for _ in range(3):
        for instance in ("one", "two"):
            feed.post(collector, "metrics", feed.counters(instance, 10, TOKENS))


KEEP = "processors: [cumulative_to_delta/out], "
QUEUE = "max_size: 450000"


def test_datadog_takes_everything_and_shows_the_sum_of_all_writers(tmp_path: Path) -> None:
    judge = Datadog()
    with Sink(judge) as sink, running(tmp_path, "backend-datadog", sink, None) as collector:
        two_writers(collector)
        assert sink.wait(lambda: judge.total(TOKENS) >= 60, 30)
        feed.post(collector, "metrics", feed.counters("one", 10, TOKENS))
        assert sink.wait(lambda: judge.total(TOKENS) >= 70, 30)
        for number in range(3):
            feed.post(collector, "metrics", feed.counters("one", 1, f"{TOKENS}.{number}", series=9000))
        names = [f"{TOKENS}.{number}" for number in range(3)]
        assert sink.wait(lambda: all(judge.total(name) == 9000 for name in names), 30)
        assert judge.total(TOKENS) == 70
    assert judge.refusals == []
    assert len(sink.requests) > 3, "a large payload was to be split"


@pytest.mark.parametrize(
    ("without", "refusal"),
    [
        (("backend-datadog", "dd-api-key:", "x-api-key:"), "no valid dd-api-key"),
        (("backend-datadog", KEEP, ""), "cumulative temporality"),
        (("backend-datadog", QUEUE, "max_size: 90000000"), "payload too large"),
        (("backend-datadog", '"histograms":', '"histogrammes":'), "unknown metric configuration"),
    ],
    ids=["key", "delta", "size", "configuration"],
)
def test_each_of_datadogs_rules_bites(tmp_path: Path, without: Part, refusal: str) -> None:
    judge = Datadog()
    with Sink(judge) as sink, running(tmp_path, "backend-datadog", sink, without) as collector:
        two_writers(collector)
        feed.post(collector, "metrics", feed.counters("one", 1, TOKENS, series=40000))
        assert sink.wait(lambda: refusal in judge.refusals, 30), judge.refusals


ONE_WRITER = (
    "role-laptop",
    """        - batch/one_writer
        - transform/one_writer
        - delta_to_cumulative
        - interval
        - filter/tokens
        - transform/interval_end
""",
    "        - filter/tokens\n",
)


def test_without_one_writer_the_last_write_wins_and_money_is_lost(tmp_path: Path) -> None:
    judge = Datadog()
    with Sink(judge) as sink, running(tmp_path, "backend-datadog", sink, ONE_WRITER) as collector:
        two_writers(collector)
        sink.wait(lambda: len(sink.points()) >= 6, 10)
        assert sum(point.value for point in sink.points() if point.metric == TOKENS) == 60
        assert judge.total(TOKENS) < 60


def test_llm_observability_takes_spans_with_its_header_only(tmp_path: Path) -> None:
    judge = Datadog()
    with Sink(judge) as sink, running(tmp_path / "a", "backend-datadog-llmobs", sink, None) as collector:
        feed.post(collector, "traces", feed.spans(SPAN))
        assert sink.wait(lambda: len(sink.spans()) == 1, 30)
        assert mapping(sink.spans()[0].attributes) == SPAN
    assert judge.refusals == []
    header = ("backend-datadog-llmobs", "dd-otlp-source:", "dd-source:")
    with Sink(judge) as sink, running(tmp_path / "b", "backend-datadog-llmobs", sink, header) as collector:
        feed.post(collector, "traces", feed.spans(SPAN))
        assert sink.wait(lambda: "no dd-otlp-source" in judge.refusals, 30)


NOTES = {f"app.note.{number}": "x" for number in range(200)}
FULL_SPAN: dict[str, str | int | float | bool] = {**NOTES, **SPAN}
WIDE = {f"host.note.{number}": "x" for number in range(100)}
SPANS = 6


def noise(seed: int, length: int) -> str:
    """Text that does not compress."""
    return "".join(random.Random(seed).choices(string.ascii_letters + string.digits, k=length))


def big(collector: Collector) -> None:
    """Spans with too much of everything, and more than one body's worth of them in one request."""
    feed.post(collector, "traces", feed.spans(FULL_SPAN, resource=WIDE))
    feed.post(collector, "traces", feed.spans({**SPAN, "app.long": noise(0, 5000)}))
    much = feed.spans(SPAN, count=0)
    for span in range(SPANS - 2):
        parts = {f"app.part.{part}": noise(100 * span + part, 3900) for part in range(110)}
        much.MergeFrom(feed.spans({**SPAN, **parts}))
    feed.post(collector, "traces", much)
    two_writers(collector)


def test_new_relic_takes_everything_within_its_limits(tmp_path: Path) -> None:
    judge = NewRelic()
    with Sink(judge) as sink, running(tmp_path, "backend-newrelic", sink, None) as collector:
        big(collector)
        assert sink.wait(lambda: len(sink.spans()) == SPANS and bool(sink.points()), 30)
        widest = next(mapping(span.attributes) for span in sink.spans() if len(span.attributes) == 128)
        assert SPAN.items() <= widest.items(), "what is ours was dropped first"
    assert (judge.refusals, judge.errors) == ([], [])


@pytest.mark.parametrize(
    ("without", "said"),
    [
        (("backend-newrelic", "api-key:", "x-key:"), "no valid api-key"),
        (("backend-newrelic", "compression: gzip", "compression: none"), ""),
        (("backend-newrelic", "limit(span.attributes, 128,", "limit(span.attributes, 999,"), "more than 128"),
        (
            ("backend-newrelic", "limit(resource.attributes, 64,", "limit(resource.attributes, 500,"),
            "than 64",
        ),
        (("backend-newrelic", "- truncate_all(span.attributes, 4095)", ""), "a value longer than 4095"),
        (("backend-newrelic", "processors: [cumulative_to_delta/out, ", "processors: ["), "cumulative temp"),
        (("backend-newrelic", "max_size: 900000", "max_size: 90000000"), "payload too large"),
    ],
    ids=["key", "uncompressed", "span", "resource", "value", "delta", "size"],
)
def test_each_of_new_relics_rules_bites(tmp_path: Path, without: Part, said: str) -> None:
    judge = NewRelic()
    with Sink(judge) as sink, running(tmp_path, "backend-newrelic", sink, without) as collector:
        big(collector)
        if said:
            assert sink.wait(lambda: said in " ".join(judge.refusals + judge.errors), 30)
        else:
            assert sink.wait(lambda: len(sink.spans()) == SPANS, 30)
            assert judge.refusals == [], "below 1 MB also uncompressed"
