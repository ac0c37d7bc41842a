"""Frames: the agents, workflows, steps and tools that a framework is in, in this context.

A framework's hooks open a frame where a piece of its work begins and close it where that ends. Both may
happen in different contexts, as with callbacks and generators, so that a closed frame is marked, and whoever
looks for the innermost one passes it over. Spans of agents are frames too: `spans` knows who tells them.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from functools import partial
from typing import Any

from otel_tokenomics.attribution import ambient, runs
from otel_tokenomics.model.place import NOWHERE, PLACES, Place
from otel_tokenomics.model.text import clean

_MOST_NESTED = 64

Told = Callable[[], Mapping[str, Any]]


class Frame:
    """One piece of work. `told` gives its names when a call asks, for a framework may learn them late.

    `around` is the frame that it is in, `within` the id of the application's own run around it. `spanned`: it
    is a span; `work`: it is a run of its own where it names an agent or a workflow.
    """

    __slots__ = ("around", "before", "id", "over", "spanned", "told", "within", "work")

    def __init__(self, told: Told, around: Frame | None, *, spanned: bool = False, work: bool = True) -> None:
        self.told = told
        self.around = around
        self.before: Frame | None = None
        self.within = ambient.current().tags.get(runs.ID)
        self.spanned = spanned
        self.work = work
        self.id: str | None = None
        self.over = False

    def run_id(self) -> str:
        """The id of its run, made when it is asked for."""
        if self.id is None:
            self.id = os.urandom(16).hex()
        return self.id


_current: ContextVar[Frame | None] = ContextVar("otel_tokenomics_frame", default=None)
spans: list[Callable[[], Frame | None]] = []
"""Who knows the frame of the current span, if anybody does."""


def current() -> Frame | None:
    """The innermost frame that is still open in this context, a span's or a framework's."""
    opened = _alive(_current.get())
    for asked in spans:
        spanned = asked()
        if spanned is not None and (opened is None or any(frame is opened for frame in chain(spanned))):
            return spanned
    return opened


def begin(
    told: Told | None = None, /, *, inside: Frame | None = None, work: bool = True, **names: Any
) -> Frame:
    """Open a frame here. Names are `agent`, `workflow`, `step`, `tool` and `conversation`.

    `inside` is the frame that it is in by the framework's own account, if this context does not know it.
    What is no `work` only names what is around.
    """
    frame = Frame(told or partial(_same, names), innermost(inside), work=work)
    frame.before = _alive(_current.get())
    _current.set(frame)
    return frame


def innermost(known: Frame | None) -> Frame | None:
    """The innermost frame of this context, or `known` where this context is not in it."""
    here = current()
    if known is None or known.over or any(frame is known for frame in chain(here)):
        return here
    return known


def end(frame: Frame) -> None:
    """Close a frame, in whichever context."""
    frame.over = True
    if _current.get() is frame:
        _current.set(_alive(frame.before))


def here() -> Place:
    """Where a call is made that is made here: the nearest of each name holds."""
    frame = current()
    return NOWHERE if frame is None else _place(chain(frame))


def chain(frame: Frame | None) -> Iterator[Frame]:
    """The frame and all open ones around it, the innermost first."""
    for _ in range(_MOST_NESTED):
        if frame is None:
            return
        if not frame.over:
            yield frame
        frame = frame.around


def _alive(frame: Frame | None) -> Frame | None:
    while frame is not None and frame.over:
        frame = frame.before
    return frame


def _same(names: Mapping[str, Any]) -> Mapping[str, Any]:
    return names


def _place(nested: Iterator[Frame]) -> Place:
    found: dict[str, str] = {}
    works: list[tuple[Frame, str]] = []
    for frame in nested:
        told = frame.told()
        names = {name: text for name in PLACES if (text := clean(told.get(name))) is not None}
        known = names.get("agent") or names.get("workflow")
        if known is not None and frame.work:
            _add(works, frame, known)
        found = {**names, **found}
    return Place(**found, tags=_tags(works)) if found else NOWHERE


def _add(works: list[tuple[Frame, str]], frame: Frame, name: str) -> None:
    """Add the run around those that are known. A span and a hook that tell the same agent are one run."""
    if works and works[-1][1] == name and (works[-1][0].spanned or frame.spanned):
        works.pop()
    works.append((frame, name))


def _tags(works: list[tuple[Frame, str]]) -> dict[str, str]:
    """The run's, unless the application opened a run of its own inside the innermost frame."""
    run = ambient.current().tags.get(runs.ID)
    if not works or works[0][0].within != run:
        return {}
    (frame, name), outer = works[0], works[1:2]
    parent = outer[0][0].run_id() if outer and outer[0][0].within == run else run
    return {runs.ID: frame.run_id(), runs.NAME: name, **({runs.PARENT: parent} if parent else {})}
