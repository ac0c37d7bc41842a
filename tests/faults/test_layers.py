"""Row 54 and the neighbours: however many layers and tracers see a call, it is one record, priced once."""

from __future__ import annotations

import importlib
import importlib.util
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests._required import require
from tests.faults.cases import BUCKETS, CASES, Case, call
from tests.faults.rivals import package
from tests.support import replies
from tests.support.either import items, value
from tests.support.telemetry import Telemetry, buckets_of, instrumented
from tests.support.wire import SSE, Reply, Wire

COST = "gen_ai.usage.cost.amount"
claude = pytest.mark.parametrize("case", [case for case in CASES if case.library == "anthropic"], ids=str)
RIVALS = {
    "openai": ("official", "openllmetry", "openinference"),
    "anthropic": ("official", "openllmetry"),
}
ORDERS = ("we first", "we last")
INSIDE = [
    ("anthropic", "openllmetry", "we first"),
    ("anthropic", "openllmetry", "we last"),
    ("openai", "openinference", "we last"),
]
"""Rivals whose span cannot be found: current nowhere, or begun inside ours because they patched first."""


Beside = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def beside() -> Iterator[Beside]:
    """Ask what each case of a library gives beside others, in a process of its own."""
    command = [sys.executable, "-W", "ignore", "-m", "tests.faults.rivals"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        ask, answer = server.stdin, server.stdout

        def beside(library: str, *rivals: str, order: str, **more: Any) -> dict[str, Any]:
            for rival in rivals:
                if not _installed(package(rival, library)):
                    pytest.skip(f"{package(rival, library)} is not installed")
            ask.write(json.dumps({"library": library, "rivals": rivals, "order": order, **more}) + "\n")
            ask.flush()
            told: dict[str, Any] = json.loads(answer.readline())
            assert "failed" not in told, told["failed"]
            return told

        yield beside
        ask.close()


def _installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False


def priced(spans: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Spans that carry our figures."""
    return [span for span in spans if "tokenomics.cost.status" in span]


def counted_once(library: str, told: dict[str, Any]) -> None:
    """One record with the usage, and no metric of ours counted twice."""
    assert told["same"], "the application saw something else"
    assert told["buckets"] == [BUCKETS[library]]
    (record,) = told["records"]
    for side in ("input", "output"):
        for name in (f"usage.{side}_tokens", f"operation.{side}_tokens"):
            assert told["metrics"][f"gen_ai.client.inference.{name}"] == record[f"gen_ai.usage.{side}_tokens"]
    assert told["metrics"]["tokenomics.client.inference.usage.cost"] == pytest.approx(record[COST])
    assert record[COST] > 0


def own_client(case: Case, telemetry: Telemetry) -> Any:
    """A client that traces itself."""
    wire = Wire(case.reply())
    return case.client(wire, open_telemetry={"tracer_provider": telemetry.tracer_provider})


@claude
async def test_54_the_clients_own_span_takes_our_cost(case: Case) -> None:
    with instrumented() as telemetry:
        await call(case, own_client(case, telemetry))
    assert buckets_of(telemetry.record()) == BUCKETS["anthropic"]
    (span,) = telemetry.spans()
    assert (span.attributes or {})[COST] == telemetry.record()[COST]
    assert span.instrumentation_scope is not None
    assert span.instrumentation_scope.name.startswith("com.anthropic")
    (log,) = telemetry.log_exporter.get_finished_logs()
    assert span.context is not None
    assert (log.log_record.trace_id, log.log_record.span_id) == (span.context.trace_id, span.context.span_id)


@claude
async def test_54_the_clients_own_span_of_a_refused_call_stays_its_own(case: Case) -> None:
    with instrumented() as telemetry:
        refusal = Reply(b'{"type":"error","error":{"type":"invalid_request_error","message":"no"}}', 400)
        traced = {"tracer_provider": telemetry.tracer_provider}
        await call(case, case.client(case.wire(refusal), open_telemetry=traced))
    assert telemetry.records() == []
    assert [COST in (span.attributes or {}) for span in telemetry.spans()] == [False]


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize(
    "rivals",
    [
        ("openllmetry",),
        ("official",),
        RIVALS["anthropic"],
    ],
    ids="+".join,
)
def test_54_own_tracer_and_rivals_and_ours(beside: Beside, rivals: tuple[str, ...], order: str) -> None:
    for case, told in beside("anthropic", *rivals, order=order, own_tracer=True).items():
        counted_once("anthropic", told)
        (span,) = priced(told["spans"])
        assert span["scope"].startswith("com.anthropic"), f"{case}: the client's own span is nearest the wire"
        assert span[COST] > 0
        assert len(told["spans"]) == len(rivals) + 1


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize(
    ("library", "rival"), [(library, rival) for library, rivals in RIVALS.items() for rival in rivals]
)
def test_54_a_rivals_span_takes_our_cost(beside: Beside, library: str, rival: str, order: str) -> None:
    for case, told in beside(library, rival, order=order).items():
        counted_once(library, told)
        (span,) = priced(told["spans"])
        assert span[COST] > 0
        if (library, rival, order) in INSIDE:
            continue
        assert span["scope"] != "otel_tokenomics", f"{case}: no second inference span"
        assert len(told["spans"]) == 1


@pytest.mark.parametrize("library", RIVALS)
@pytest.mark.parametrize("mode", ["own", "annotate", "off"])
def test_54_the_span_mode_is_obeyed(beside: Beside, library: str, mode: str) -> None:
    ours = {"own": [True], "annotate": [False] if library == "openai" else [], "off": []}[mode]
    environment = {"OTEL_TOKENOMICS_SPANS": mode}
    for told in beside(library, "openllmetry", order="we last", environment=environment).values():
        counted_once(library, told)
        assert [span["scope"] == "otel_tokenomics" for span in priced(told["spans"])] == ours


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("asynchronous", [False, True])
@pytest.mark.parametrize("responses", [False, True])
async def test_54_langchain_over_openai_is_one_record(
    asynchronous: bool, streamed: bool, responses: bool
) -> None:
    require("langchain_openai", "a layer above openai must not count twice")
    chain = importlib.import_module("langchain_openai")
    wire = Wire(_langchain_reply(responses, streamed))
    with instrumented() as telemetry:
        model = chain.ChatOpenAI(
            model="gpt-4o",
            api_key="none",
            http_client=wire.client(),
            http_async_client=wire.aclient(),
            use_responses_api=responses,
        )
        if streamed:
            stream = model.astream("hi") if asynchronous else model.stream("hi")
            assert [chunk async for chunk in items(stream)]
        else:
            assert await value(model.ainvoke("hi") if asynchronous else model.invoke("hi"))
        assert wire.calls == 1
    assert buckets_of(telemetry.record()) == replies.OPENAI_BUCKETS
    assert len(telemetry.spans()) == 1


def _langchain_reply(responses: bool, streamed: bool) -> Reply:
    if responses:
        if streamed:
            return Reply(replies.sse(replies.response_events(), done=False, named=True), headers=SSE)
        return Reply(replies.dumps(replies.response(replies.RESPONSES_USAGE)))
    if streamed:
        return Reply(replies.sse(replies.chat_chunks(usage=replies.OPENAI_USAGE, nulls=True)), headers=SSE)
    return Reply(replies.dumps(replies.chat()))
