"""Frames: what is nearest holds, whoever closes them and wherever."""

from __future__ import annotations

import contextvars
import threading
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from otel_tokenomics.attribution import places
from otel_tokenomics.attribution.runs import ID, NAME, PARENT, run
from otel_tokenomics.model.place import NOWHERE, Place


def names(place: Place) -> dict[str, str]:
    return place.names()


def test_nowhere() -> None:
    assert places.here() is NOWHERE


def test_the_nearest_of_each_name_holds() -> None:
    outer = places.begin(workflow="triage", conversation="c1")
    inner = places.begin(agent="planner")
    tool = places.begin(tool="search")
    assert names(places.here()) == {
        "agent": "planner",
        "workflow": "triage",
        "tool": "search",
        "conversation": "c1",
    }
    places.end(tool)
    places.end(inner)
    assert names(places.here()) == {"workflow": "triage", "conversation": "c1"}
    places.end(outer)
    assert places.here() is NOWHERE


def test_what_is_no_text_is_no_name() -> None:
    frame = places.begin(agent=7, workflow="", tool=None, step="a\nb", conversation="c" * 1000)
    place = places.here()
    places.end(frame)
    assert names(place) == {"step": "a�b", "conversation": "c" * 256}


def test_a_frame_closed_elsewhere_is_passed_over_here() -> None:
    outer = places.begin(agent="planner")
    inner = places.begin(tool="search")
    thread = threading.Thread(target=places.end, args=(inner,))
    thread.start()
    thread.join()
    assert names(places.here()) == {"agent": "planner"}
    places.end(outer)


def test_a_frame_closed_before_those_in_it() -> None:
    outer = places.begin(workflow="triage")
    inner = places.begin(agent="planner")
    places.end(outer)
    assert names(places.here()) == {"agent": "planner"}
    places.end(inner)
    assert places.here() is NOWHERE


def test_a_copied_context_keeps_what_was_open() -> None:
    frame = places.begin(agent="planner")
    context = contextvars.copy_context()
    assert context.run(places.here).agent == "planner"
    places.end(frame)
    assert context.run(places.here) is NOWHERE, "it is over in every context"


def test_a_framework_may_know_better_what_a_frame_is_in() -> None:
    outer = places.begin(agent="planner")
    place = contextvars.Context().run(_in_a_bare_context, outer)
    assert names(place) == {"agent": "planner", "tool": "search"}
    places.end(outer)


def _in_a_bare_context(outer: places.Frame) -> Place:
    places.begin(inside=outer, tool="search")
    return places.here()


def test_agents_and_workflows_are_runs_and_know_the_run_around() -> None:
    outer = places.begin(workflow="triage")
    inner = places.begin(agent="planner")
    step = places.begin(step="think")
    tags = places.here().tags
    assert tags == {ID: inner.id, NAME: "planner", PARENT: outer.id}
    for frame in (step, inner, outer):
        places.end(frame)


def test_a_run_of_the_application_around_is_the_parent() -> None:
    with run("nightly") as work:
        frame = places.begin(agent="planner")
        tags = places.here().tags
        places.end(frame)
    assert tags == {ID: frame.id, NAME: "planner", PARENT: work.id}


def test_a_run_of_the_application_inside_stays_the_innermost() -> None:
    frame = places.begin(agent="planner")
    with run("lookup"):
        place = places.here()
    places.end(frame)
    assert (place.agent, place.tags) == ("planner", {})


def test_names_are_asked_for_when_a_call_is_made() -> None:
    known: dict[str, Any] = {}
    frame = places.begin(lambda: known)
    assert places.here() is NOWHERE
    known["agent"] = "planner"
    assert places.here().agent == "planner"
    places.end(frame)


@given(st.lists(st.integers(0, 5), max_size=30))
def test_any_order_of_ends_leaves_nothing(steps: list[int]) -> None:
    opened: list[places.Frame] = []
    for step in steps:
        if step < 3 or not opened:
            opened.append(places.begin(agent=f"a{len(opened)}"))
        else:
            places.end(opened.pop(step % len(opened)))
        place = places.here()
        assert place.agent == (names_of(opened[-1]) if opened else None)
    while opened:
        places.end(opened.pop())
    assert places.here() is NOWHERE


def names_of(frame: places.Frame) -> str:
    return str(frame.told()["agent"])
