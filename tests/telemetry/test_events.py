"""The usage record on the wire: exactly the convention's attributes, and nothing that is unknown."""

from __future__ import annotations

import decimal
import json
import os
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry._logs import SeverityNumber
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags
from tests.ledger._support import STARTED_NS, priced, record

from otel_tokenomics.model.attribution import UNATTRIBUTED, Attribution
from otel_tokenomics.model.money import unpriced
from otel_tokenomics.model.usage import MISSING, Usage
from otel_tokenomics.telemetry import outbox
from otel_tokenomics.telemetry.events import UsageEvents, attributes
from otel_tokenomics.telemetry.outbox import Entry, Outbox


@pytest.fixture
def box() -> Iterator[Outbox]:
    box = Outbox(bound=10)
    yield box
    box.close()


def entry(key: str, source: int = 1) -> Entry:
    return Entry(source, key, {}, 1, 0, 0)


def test_a_full_record_has_the_conventions_attributes() -> None:
    told = record(
        key="r1",
        attribution=Attribution(team="search", user="u1", session="s1", tags={"ticket": "A-1"}),
        usage=Usage({"input": 100, "cache_read": 50, "output": 20, "reasoning": 5}, flags=("mismatch",)),
        possibly_billed=1,
        attempts=3,
        outcome="error",
        error_type="APIError",
    )
    found = attributes(told)
    assert found.pop("tokenomics.record.sequence")
    lines = found.pop("tokenomics.cost.lines")
    assert isinstance(lines, str)
    assert json.loads(lines) == [["input", "input", 10, 250_000_000_000_000, 1_000_000, 2_500_000_000]]
    assert found == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-5.4-mini",
        "gen_ai.request.stream": False,
        "gen_ai.response.model": "gpt-5.4-mini-2026-03-01",
        "gen_ai.response.id": "r1",
        "gen_ai.usage.input_tokens": 150,
        "gen_ai.usage.output_tokens": 25,
        "tokenomics.usage.bucket.input": 100,
        "tokenomics.usage.bucket.cache_read": 50,
        "tokenomics.usage.bucket.output": 20,
        "tokenomics.usage.bucket.reasoning": 5,
        "tokenomics.usage.source": "provider",
        "tokenomics.usage.flags": ("mismatch",),
        "gen_ai.usage.cost.amount": 0.0000025,
        "gen_ai.usage.cost.currency": "USD",
        "gen_ai.usage.cost.source": "local",
        "tokenomics.cost.exact": "0.0000025",
        "tokenomics.cost.status": "complete",
        "tokenomics.cost.method": "catalog",
        "tokenomics.price.id": "openai:gpt-5.4-mini",
        "tokenomics.price.catalog.name": "cards",
        "tokenomics.price.catalog.version": "1",
        "tokenomics.price.effective_date": "2026-01-01",
        "tokenomics.price.tier": "standard",
        "tokenomics.response.service_tier": "default",
        "tokenomics.attempt.count": 3,
        "tokenomics.attempt.outcome": "error",
        "tokenomics.attempt.possibly_billed": 1,
        "error.type": "APIError",
        "http.response.status_code": 200,
        "tokenomics.team.id": "search",
        "user.id": "u1",
        "session.id": "s1",
        "tokenomics.tag.ticket": "A-1",
        "server.address": "api.openai.com",
        "server.port": 443,
        "tokenomics.record.key": "openai:r1",
        "tokenomics.record.duration": 1.5,
    }


def test_what_is_unknown_is_absent() -> None:
    told = record(
        usage=MISSING,
        cost=unpriced("missing_usage"),
        attribution=UNATTRIBUTED,
        model=None,
        served=None,
        tier=None,
        status_code=None,
    )
    assert set(attributes(told)) == {
        "gen_ai.operation.name",
        "gen_ai.provider.name",
        "gen_ai.request.stream",
        "gen_ai.response.id",
        "tokenomics.usage.source",
        "tokenomics.cost.status",
        "tokenomics.cost.unpriced_reason",
        "tokenomics.attempt.count",
        "tokenomics.attempt.outcome",
        "server.address",
        "server.port",
        "tokenomics.record.key",
        "tokenomics.record.sequence",
        "tokenomics.record.duration",
    }


def test_zero_is_there() -> None:
    found = attributes(record(usage=Usage({"input": 0, "output": 0}), cost=priced(0, lines=())))
    assert found["gen_ai.usage.input_tokens"] == 0
    assert found["tokenomics.usage.bucket.output"] == 0
    assert found["tokenomics.cost.exact"] == "0"
    assert found["gen_ai.usage.cost.amount"] == 0.0
    assert "tokenomics.cost.lines" not in found


@pytest.mark.parametrize(
    ("method", "source"),
    [("vendor_reported", "provider"), ("gateway_reported", "provider"), ("contract", "local")],
)
def test_the_costs_source(method: str, source: str) -> None:
    assert attributes(record(cost=priced(method=method)))["gen_ai.usage.cost.source"] == source


def test_lines_are_json_whatever_a_tool_is_called() -> None:
    bucket = 'tool."quoted"\\\n'
    line = priced().lines[0]
    told = attributes(record(cost=priced(lines=(line, type(line)("tool", bucket, 1, 2, 3, 4)))))
    lines = told["tokenomics.cost.lines"]
    assert isinstance(lines, str)
    assert json.loads(lines)[1] == ["tool", bucket, 1, 2, 3, 4]


def test_the_exact_amount_does_not_depend_on_the_applications_decimal_context() -> None:
    with decimal.localcontext(prec=3):
        assert attributes(record(cost=priced(123_456_789)))["tokenomics.cost.exact"] == "0.000000123456789"


def emitted(told: Any, context: Any = None) -> Any:
    exporter = InMemoryLogRecordExporter()  # type: ignore[no-untyped-call]
    provider = LoggerProvider(shutdown_on_exit=False)
    provider.add_log_record_processor(SimpleLogRecordProcessor(exporter))
    UsageEvents(provider).emit(told, context)
    (item,) = exporter.get_finished_logs()
    return item


def test_the_event() -> None:
    item = emitted(record())
    event = item.log_record
    assert event.event_name == "tokenomics.usage.recorded"
    assert event.timestamp == STARTED_NS
    assert event.severity_number is SeverityNumber.INFO
    assert {**event.body, **event.attributes}.keys() == attributes(record()).keys()
    assert not event.body.keys() & event.attributes.keys()
    assert item.instrumentation_scope.name == "otel_tokenomics"
    assert item.instrumentation_scope.version
    assert item.instrumentation_scope.schema_url


def test_the_event_belongs_to_the_given_span() -> None:
    span = NonRecordingSpan(SpanContext(7, 8, is_remote=False, trace_flags=TraceFlags(1)))
    event = emitted(record(trace_id="1f" * 16, span_id="2e" * 8), trace.set_span_in_context(span)).log_record
    assert (event.trace_id, event.span_id) == (7, 8)


def test_without_a_context_it_belongs_to_the_span_that_the_record_names() -> None:
    event = emitted(record(trace_id="1f" * 16, span_id="2e" * 8)).log_record
    assert (f"{event.trace_id:032x}", f"{event.span_id:016x}") == ("1f" * 16, "2e" * 8)


def test_sequences_count_up() -> None:
    numbers = [attributes(record())["tokenomics.record.sequence"] for _ in range(3)]
    assert isinstance(numbers[0], int)
    assert numbers == [numbers[0], numbers[0] + 1, numbers[0] + 2]


def in_child(action: Any) -> str:
    """What `action` returns in a forked child."""
    readable, writable = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.write(writable, str(action()).encode())
        finally:
            os._exit(0)
    os.close(writable)
    os.waitpid(pid, 0)
    with os.fdopen(readable) as told:
        return told.read()


def test_a_forked_child_starts_its_own_sequence_and_an_empty_outbox(box: Outbox) -> None:
    attributes(record())
    box.put(entry("a"))
    box.take({"a"})
    box.put(entry("b"))
    assert in_child(lambda: attributes(record())["tokenomics.record.sequence"]) == "1"
    assert in_child(lambda: (box.pending, box.lost)) == "(0, 0)"
    assert box.pending == 1


def test_records_of_a_source_are_taken_once_a_batch_had_one_of_them(box: Outbox) -> None:
    for key in ("a", "b", "c"):
        box.put(entry(key))
    box.put(entry("x", source=2))
    assert [taken.key for taken in box.take({"other"})] == []
    assert [taken.key for taken in box.take({"b"})] == ["a", "c"]
    box.put(entry("d"))
    assert [taken.key for taken in box.take(())] == ["d"]
    assert box.pending == 1


def test_what_does_not_fit_is_counted(box: Outbox) -> None:
    for number in range(25):
        box.put(entry(str(number)))
    assert box.lost == 15
    assert box.pending == 10
    assert [taken.key for taken in box.take({"24"})] == [str(number) for number in range(15, 24)]


def test_a_closed_outbox_gets_nothing(box: Outbox) -> None:
    outbox.post(entry("a"))
    assert box.pending == 1
    box.close()
    outbox.post(entry("b"))
    assert box.pending == 1


def test_no_outbox_no_entries() -> None:
    if not outbox.wanted():
        emitted(record())
        assert outbox.pending() == 0


def test_many_threads_lose_nothing() -> None:
    box = Outbox(bound=100_000)
    box.put(entry("first"))
    taken = [*box.take({"first"})]

    def put(name: str) -> None:
        for number in range(2_000):
            outbox.post(entry(f"{name}-{number}"))

    threads = [threading.Thread(target=put, args=(str(n),)) for n in range(4)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        taken += box.take(())
    taken += box.take(())
    box.close()
    assert len({item.key for item in taken}) == 8_000
    assert box.lost == 0
