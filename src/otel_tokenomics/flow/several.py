"""Responses that hold several which are billed: the results of a batch, the requests of an agent's session.

Each part is one usage record, made on the late thread, once however often it is seen; what holds them bills
nothing. Its span opens with its first part and says what all of them come to, so that a file without any
leaves no trace. Whoever created the work in this process is charged, else whoever asks for what came of it.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Iterable
from contextvars import Context, copy_context
from functools import partial
from itertools import chain

from otel_tokenomics.flow import late
from otel_tokenomics.flow.contracts import Part, SeveralMeter
from otel_tokenomics.flow.desk import Credential, Desk, Entry
from otel_tokenomics.flow.guard import attempt, fault, guarded
from otel_tokenomics.flow.sums import Sum
from otel_tokenomics.model.call import Ended, Facts, Reading, Responded, Retried

_MOST_GROUPS = 1_000
_MOST_WORKS = 10_000
_MOST_IDS = 500_000
"""Ids remembered of groups that were not seen to their end, as numbers. A batch has 100,000 at most."""
_EXIT_SECONDS = 60.0
"""The longest that an exit waits for results that are still being told: a large batch takes seconds."""


class Held:
    """One response that may hold several. `context` is the caller's, in which its span opens."""

    __slots__ = ("context", "entry", "sum")

    def __init__(self, entry: Entry, context: Context) -> None:
        self.entry = entry
        self.context = context
        self.sum = Sum()

    def retried(self, word: Retried) -> None:
        """One attempt failed and another follows."""
        self.entry.retried(word)


class Several:
    """The desk of such responses, beside the one that tells their parts."""

    budgets = None
    """What holds several is itself never billed; its parts are charged when they are seen."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._lock = threading.Lock()
        self._ids = 0
        self._groups: OrderedDict[str, set[int] | None] = OrderedDict()
        self._works: OrderedDict[str, Entry] = OrderedDict()

    def admit(self, facts: Facts, credential: Credential) -> Held:
        """Note the start, the owner and the context of a call, which may turn out to be none."""
        # A span of the client library's own is over before the last part is read.
        facts.self_traced = False
        late.start()
        _Use.ever = True
        return Held(self._desk.admit(facts, credential, told=False), copy_context())

    def enter(self, held: Held) -> None:
        """Nothing: there is no span before the first part."""

    def leave(self, token: None) -> None:
        """Nothing was entered."""

    def responded(self, held: Held, meter: SeveralMeter, word: Responded) -> None:
        """A response arrived."""
        held.entry.status_code = getattr(word.response, "status_code", None)

    def chunk(self, held: Held, meter: SeveralMeter) -> None:
        """Bytes of a body passed by: what they completed is told later, in order."""
        if found := tuple(meter.parts()):
            late.submit(partial(self._tell, held, meter, found))

    def settle(self, held: Held, meter: SeveralMeter, ending: Ended) -> None:
        """Close the response's account, later. Called once for each; raises nothing."""
        try:
            duration = time.perf_counter_ns() - held.entry.started
            late.submit(partial(self._settle, held, meter, ending, duration))
        except Exception as error:
            fault("several.settle", error)

    def _settle(self, held: Held, meter: SeveralMeter, ending: Ended, duration: int) -> None:
        entry = held.entry
        if entry.status_code is None or entry.status_code >= 300:
            return
        self._tell(held, meter, chain(meter.parts(), meter.rest()))
        reading = attempt("meter.reading", meter.reading, None) or Reading()
        if reading.pending and reading.response_id is not None:
            self._started(_key(entry.facts, reading.response_id), entry)
        if meter.group is not None and meter.whole and ending.error is None:
            self._seen_whole(_key(entry.facts, meter.group))
        if held.sum.count:
            self._desk.close(entry, held.sum.record(entry), ending, duration)

    def _tell(self, held: Held, meter: SeveralMeter, parts: Iterable[Part]) -> None:
        """Make a record of each part that is new. A fault in one costs no other."""
        before = held.sum.count
        with guarded("several.parts"):
            for part in parts:
                with guarded("several.part"):
                    if meter.group is not None and self._first(_key(held.entry.facts, meter.group), part.id):
                        self._tell_one(held, part, self._work(held.entry, meter.origin))
        if held.sum.count > before:
            self._desk.pay()

    def _tell_one(self, held: Held, part: Part, work: Entry) -> None:
        if not held.sum.count:
            held.context.run(self._desk.open, held.entry)
        entry = Entry(part.facts, work.attribution)
        entry.run, entry.owner, entry.status_code = work.run, work.owner, 200
        entry.started_ns = part.made_ns or held.entry.started_ns
        token = self._desk.enter(held.entry)
        try:
            held.sum.add(self._desk.part(entry, part.reading))
        finally:
            self._desk.leave(token)

    def _first(self, group: str, id: str) -> bool:
        """Whether a part of a group is seen for the first time; it is not, once the group was seen whole."""
        with self._lock:
            seen = self._groups.setdefault(group, set())
            self._groups.move_to_end(group)
            if seen is None or hash(id) in seen:
                return False
            seen.add(hash(id))
            self._ids += 1
            while len(self._groups) > _MOST_GROUPS or self._ids > _MOST_IDS:
                self._ids -= len(self._groups.popitem(last=False)[1] or ())
        return True

    def _seen_whole(self, group: str) -> None:
        with self._lock:
            self._ids -= len(self._groups.get(group) or ())
            self._groups[group] = None

    def _started(self, key: str, entry: Entry) -> None:
        with self._lock:
            self._works[key] = entry
            while len(self._works) > _MOST_WORKS:
                self._works.popitem(last=False)

    def _work(self, entry: Entry, origin: str | None) -> Entry:
        """Whose work it is: of who created it here, if that was seen."""
        known = None if origin is None else self._works.get(_key(entry.facts, origin))
        return known or entry


class _Use:
    ever = False


def _tell_all() -> None:
    """At exit: results that were downloaded are told, however many."""
    if _Use.ever:
        late.drain(_EXIT_SECONDS)


late.at_exit(_tell_all)


def _key(facts: Facts, id: str) -> str:
    return f"{facts.provider}:{id}"
