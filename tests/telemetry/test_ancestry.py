"""What the spans around a call say of agents, tools and conversations reaches its record."""

from __future__ import annotations

import gc
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from tests.support import replies
from tests.support.libraries import KITS
from tests.support.telemetry import Telemetry, instrumented
from tests.support.wire import Reply, Wire

from otel_tokenomics.attribution import places
from otel_tokenomics.attribution.runs import ID, NAME, PARENT
from otel_tokenomics.model.place import NOWHERE
from otel_tokenomics.telemetry import ancestry

AGENT = {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "planner"}
TOOL = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "search"}


@pytest.fixture
def tracer() -> trace.Tracer:
    provider = TracerProvider(shutdown_on_exit=False)
    ancestry.watch(provider)
    return provider.get_tracer("framework")


@pytest.mark.parametrize(
    ("attributes", "known"),
    [
        (AGENT, {"agent": "planner"}),
        (TOOL, {"tool": "search"}),
        ({"gen_ai.workflow.name": "triage"}, {"workflow": "triage"}),
        ({"gen_ai.conversation.id": "c1"}, {"conversation": "c1"}),
        ({"openinference.span.kind": "TOOL", "tool.name": "search"}, {"tool": "search"}),
        ({"openinference.span.kind": "AGENT", "agent.name": "planner"}, {"agent": "planner"}),
        ({"graph.node.id": "think", "session.id": "s"}, {"step": "think", "conversation": "s"}),
        ({"traceloop.span.kind": "workflow", "traceloop.workflow.name": "w"}, {"workflow": "w"}),
        ({"http.route": "/"}, {}),
    ],
)
def test_attributes_of_conventions(
    tracer: trace.Tracer, attributes: dict[str, Any], known: dict[str, str]
) -> None:
    with tracer.start_as_current_span("around", attributes=attributes), tracer.start_as_current_span("in"):
        assert places.here().names() == known
    assert places.here() is NOWHERE


def test_attributes_that_are_set_late(tracer: trace.Tracer) -> None:
    with tracer.start_as_current_span("around") as around, tracer.start_as_current_span("in"):
        assert places.here() is NOWHERE
        around.set_attributes(AGENT)
        assert places.here().agent == "planner"


def test_spans_and_frames_are_nested_as_they_are(tracer: trace.Tracer) -> None:
    with tracer.start_as_current_span("a", attributes=AGENT):
        frame = places.begin(agent="researcher")
        assert places.here().agent == "researcher"
        with tracer.start_as_current_span("b", attributes={**AGENT, "gen_ai.agent.name": "writer"}):
            assert places.here().agent == "writer"
        assert places.here().agent == "researcher"
        places.end(frame)
        assert places.here().agent == "planner"


def test_agents_are_runs_and_spans_that_repeat_their_name_are_not(tracer: trace.Tracer) -> None:
    with tracer.start_as_current_span("a", attributes=AGENT):
        outer = places.here().tags
        with tracer.start_as_current_span("chat", attributes={"gen_ai.agent.name": "planner"}):
            assert places.here().tags == outer
        with tracer.start_as_current_span("b", attributes={**AGENT, "gen_ai.agent.name": "writer"}):
            inner = places.here().tags
    assert outer[NAME] == "planner"
    assert (inner[NAME], inner[PARENT]) == ("writer", outer[ID])


def test_a_hook_and_a_span_that_tell_the_same_agent_are_one_run(tracer: trace.Tracer) -> None:
    frame = places.begin(agent="planner")
    alone = places.here().tags
    with tracer.start_as_current_span("a", attributes=AGENT):
        assert places.here().tags == alone
    places.end(frame)


def test_nothing_is_kept_of_spans_that_ended(tracer: trace.Tracer) -> None:
    before = len(ancestry._open)
    for _ in range(100):
        with tracer.start_as_current_span("a", attributes=AGENT):
            pass
    assert len(ancestry._open) == before


def test_spans_that_never_end_are_bounded(tracer: trace.Tracer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ancestry, "_MOST_OPEN", 10)
    monkeypatch.setattr(ancestry, "_open", {})
    for _ in range(100):
        tracer.start_span("a")
    assert len(ancestry._open) == 10


def test_a_span_that_was_dropped_says_nothing(tracer: trace.Tracer) -> None:
    span = tracer.start_span("a", attributes=AGENT)
    with trace.use_span(tracer.start_span("b", trace.set_span_in_context(span))):
        del span
        gc.collect()
        assert places.here() is NOWHERE


def test_spans_that_are_not_recorded_are_not_known() -> None:
    provider = TracerProvider(ALWAYS_OFF, shutdown_on_exit=False)
    ancestry.watch(provider)
    with provider.get_tracer("x").start_as_current_span("a", attributes=AGENT):
        assert places.here() is NOWHERE


def test_a_provider_is_watched_once_and_one_without_processors_not_at_all() -> None:
    provider = TracerProvider(shutdown_on_exit=False)
    for _ in range(3):
        ancestry.watch(provider)
    processors = provider._active_span_processor._span_processors
    assert [type(processor) for processor in processors].count(ancestry.Ancestry) == 1
    ancestry.watch(trace.NoOpTracerProvider())


def test_a_call_knows_the_spans_around_it() -> None:
    telemetry = Telemetry()
    kit = KITS["openai"]
    with instrumented("openai", telemetry=telemetry):
        tracer = telemetry.tracer_provider.get_tracer("framework")
        client = kit.client(Wire(Reply(replies.dumps(replies.chat()))), False, {})
        with tracer.start_as_current_span("agent", attributes=AGENT):
            with tracer.start_as_current_span("tool", attributes=TOOL):
                client.chat.completions.create(**kit.arguments(False))
    record = telemetry.record()
    assert (record["gen_ai.agent.name"], record["gen_ai.tool.name"]) == ("planner", "search")
    own = next(span for span in telemetry.spans() if span.name.startswith("chat"))
    assert (own.attributes or {})["gen_ai.agent.name"] == "planner"


@pytest.mark.parametrize("around", [AGENT, None], ids=["agent", "nothing"])
def test_the_span_of_a_call_stands_for_what_is_around_it(around: dict[str, Any] | None) -> None:
    telemetry, within = Telemetry(), []

    def note(request: Any) -> BaseException:
        with telemetry.tracer_provider.get_tracer("http").start_as_current_span("POST"):
            within.append((trace.get_current_span().parent, places.here()))  # type: ignore[attr-defined]
        return LookupError("noted")

    kit = KITS["openai"]
    with instrumented("openai", telemetry=telemetry):
        client = kit.client(Wire(Reply(error=note)), False, {})
        with telemetry.tracer_provider.get_tracer("framework").start_as_current_span("a", attributes=around):
            outer = places.here()
            with pytest.raises(Exception, match=r"onnection|noted"):
                client.chat.completions.create(**kit.arguments(False))
            assert places.here() == outer, "its end is not the end of what is around it"
    own = next(span for span in telemetry.spans() if span.name.startswith("chat"))
    assert within == [(own.context, outer)]
    assert own.context.span_id not in ancestry._open
