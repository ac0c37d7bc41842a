"""What was billed is what arrives: through three tiers, sampling at 1 %, crashes and refusals."""

from __future__ import annotations

import itertools
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import pytest
from tests.wire import fleet, load
from tests.wire.otelcol import Collector
from tests.wire.sink import LATE, Request, Sink, mapping, total, value

from otel_tokenomics.ledger.queries import Scope, rollups
from otel_tokenomics.ledger.row import row_of
from otel_tokenomics.ledger.store import Ledger, reading
from otel_tokenomics.telemetry import names

CALLS, PROCESSES = 200, 3
INPUT, CACHED, OUTPUT = (PROCESSES * sum(load.tokens(i)[n] for i in range(CALLS)) for n in range(3))
NAMES = [f"p{number}" for number in range(PROCESSES)]


@dataclass
class Tiers:
    """agent -> gateway -> sampling and metrics -> one sink."""

    sink: Sink
    agent: Collector
    gateway: Collector
    sampling: Collector
    metrics: Collector

    @property
    def url(self) -> str:
        """Where applications send."""
        return f"http://127.0.0.1:{self.agent.grpc}"

    def settle(self) -> None:
        """Stop the tiers in the order of the flow, so that each hands over what it holds."""
        for tier in (self.agent, self.gateway, self.sampling, self.metrics):
            tier.stop()


@contextmanager
def tiers(folder: Path, timeout: str = "30s") -> Iterator[Tiers]:
    """The four collectors and their sink, which they wait for so long."""
    with ExitStack() as stack:
        sink = stack.enter_context(Sink())
        to = {
            "TOKENOMICS_OTLP_ENDPOINT": sink.url,
            "TOKENOMICS_OTLP_TIMEOUT": timeout,
            "TOKENOMICS_SAMPLING_PERCENT": "1",
        }
        sampling = Collector(folder / "sampling", "role-sampling", "backend-otlp", settings=to)
        metrics = Collector(folder / "metrics", "role-metrics", "backend-otlp", settings=to)
        gateway = Collector(
            folder / "gateway",
            "role-gateway",
            "backend-otlp",
            settings={
                "TOKENOMICS_SAMPLING": f"127.0.0.1:{sampling.grpc}",
                "TOKENOMICS_METRICS": f"127.0.0.1:{metrics.grpc}",
                **to,
            },
        )
        agent = Collector(
            folder / "agent", "role-agent", settings={"TOKENOMICS_GATEWAY": f"127.0.0.1:{gateway.grpc}"}
        )
        for tier in (sampling, metrics, gateway, agent):
            stack.enter_context(tier)
        yield Tiers(sink, agent, gateway, sampling, metrics)


def arrived(sink: Sink) -> set[str]:
    """The response ids of the records at the sink."""
    return {record[names.RESPONSE_ID] for record in sink.records()}


def ledger(sink: Sink) -> dict[str, Decimal]:
    """What a ledger holds: one amount for each idempotency key, whatever was delivered twice."""
    rows: dict[str, Decimal] = {}
    for record in sink.records():
        amount = Decimal(record[names.COST_EXACT])
        assert rows.setdefault(record[names.RECORD_KEY], amount) == amount
    return rows


def check_records(sink: Sink) -> None:
    """Every call is there, and their sum is the bill to the last unit."""
    assert arrived(sink) == fleet.ids(NAMES, CALLS)
    rows = ledger(sink)
    assert len(rows) == CALLS * PROCESSES
    assert sum(rows.values()) == Decimal(fleet.bill(CALLS, PROCESSES)) / 10**12


def check_sqlite(sink: Sink, path: Path) -> None:
    """The project's own ledger, given all that the sink took, keeps each record once and has the same sum."""
    given = list(sink.logs())
    whole = ({**mapping(log.attributes), **value(log.body)} for log, _ in given)
    rows = [
        row_of(known, started_ns=log.time_unix_nano, resource=resource, process_id=None)
        for known, (log, resource) in zip(whole, given, strict=True)
    ]
    store = Ledger(path)
    # Whether anything came twice depends on what the kill hit; the second writing is of everything twice.
    assert store.write(rows) == CALLS * PROCESSES, "what came twice is written once"
    assert store.write(rows) == 0
    store.close()
    with reading(path) as connection:
        (group,) = rollups(connection, (), Scope())
    assert (group.calls, group.cost_femto) == (CALLS * PROCESSES, fleet.bill(CALLS, PROCESSES) * 1000)


def check_metrics(sink: Sink) -> None:
    """Counters agree: tokens exactly, money to the rounding of a double."""
    found = sink.points()
    assert total(found, names.METRIC_INPUT_TOKENS) == INPUT
    assert total(found, names.METRIC_CACHE_READ) == CACHED
    assert total(found, names.METRIC_OUTPUT_TOKENS) == OUTPUT
    for metric in (names.METRIC_COST, names.METRIC_ALLOCATION_COST):
        assert total(found, metric) == pytest.approx(fleet.bill(CALLS, PROCESSES) / 1e12, rel=1e-12)


@pytest.mark.parametrize("temporality", ["delta", "cumulative"])
def test_what_was_sent_is_what_arrives(tmp_path: Path, temporality: str) -> None:
    prefer = {"OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE": temporality}
    with tiers(tmp_path) as flow:
        for process in [fleet.start(name, CALLS, flow.url, settings=prefer) for name in NAMES]:
            fleet.finish(process)
        flow.sink.wait(lambda: len(flow.sink.records()) >= CALLS * PROCESSES)
        flow.sink.wait(lambda: total(flow.sink.points(), names.METRIC_OUTPUT_TOKENS) >= OUTPUT, 20)
        flow.settle()
        check_records(flow.sink)
        assert len(flow.sink.records()) == CALLS * PROCESSES, "nothing failed, so nothing came twice"
        check_metrics(flow.sink)
        kept = len(flow.sink.spans())
        assert kept < CALLS * PROCESSES * 0.1, "spans were not sampled"
        assert not any(load.SECRET.encode() in request.body for request in flow.sink.requests)
        assert [tier.complaints() for tier in (flow.agent, flow.gateway)] == [[], []]


def trouble() -> Iterator[tuple[int, dict[str, str]]]:
    """A sink's bad day: throttled, unavailable, hung up, taken without an answer, then well for ever."""
    yield from [(429, {"retry-after": "1"})] * 3
    yield from [(503, {})] * 3
    yield from [(0, {})] * 3
    yield from [(LATE, {})] * 2
    yield from [(429, {}), (502, {}), (504, {})]
    yield from itertools.repeat((200, {}))


def test_kill_9_and_a_failing_sink_lose_nothing_and_count_nothing_twice(tmp_path: Path) -> None:
    with tiers(tmp_path, timeout="1s") as flow:
        sink, bad_day = flow.sink, trouble()

        def judge(request: Request) -> tuple[int, dict[str, str]]:
            return next(bad_day) if request.signal == "logs" else (200, {})

        sink.judge = judge
        processes = [fleet.start(name, CALLS, flow.url, pause_at=CALLS // 2) for name in NAMES]
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "half\n"
        assert process.stdin is not None
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("go on\n")
            process.stdin.flush()
        flow.agent.stop(signal.SIGKILL)
        flow.agent.start()
        flow.gateway.stop(signal.SIGKILL)
        flow.gateway.start()
        for process in processes:
            fleet.finish(process)
        flow.agent.stop(signal.SIGKILL)
        flow.gateway.stop(signal.SIGKILL)
        flow.agent.start()
        flow.gateway.start()
        everything = fleet.ids(NAMES, CALLS)
        assert sink.wait(lambda: arrived(sink) >= everything, 90), f"{len(everything - arrived(sink))} lost"
        flow.settle()
        check_records(sink)
        check_sqlite(sink, tmp_path / "ledger.db")
        refused = [request.status for request in sink.requests if request.status != 200]
        assert {429, 503, 0} <= set(refused), "the sink's bad day did not happen"
        assert len(sink.records()) >= CALLS * PROCESSES, "how much came twice depends on what the kill hit"


@pytest.mark.soak
@pytest.mark.timeout(900)
def test_a_sink_that_is_down_for_minutes_is_given_everything_when_it_comes_back(tmp_path: Path) -> None:
    with tiers(tmp_path) as flow:
        back = time.monotonic() + 240
        flow.sink.judge = lambda _: (200, {}) if time.monotonic() > back else (503, {})
        for process in [fleet.start(name, CALLS, flow.url) for name in NAMES]:
            fleet.finish(process)
        flow.agent.stop(signal.SIGKILL)
        flow.gateway.stop(signal.SIGKILL)
        flow.agent.start()
        flow.gateway.start()
        everything = fleet.ids(NAMES, CALLS)
        assert not arrived(flow.sink), "the sink was not down"
        assert flow.sink.wait(lambda: arrived(flow.sink) >= everything, 600)
        # The longest pause between two tries, after which metrics too have come.
        flow.sink.quiet(65, at_most=300)
        flow.settle()
        check_records(flow.sink)
        check_metrics(flow.sink)
