"""The outbox: usage records on their way to a ledger in this process, so that a burst loses none.

OpenTelemetry's batch processor silently drops its oldest record when its queue (2,048 by default) is
full. A ledger exporter therefore keeps an `Outbox`; `post` puts every record into each one, and the
exporter writes the union of what the processor hands it and what its outbox holds.

The outbox holds the very attributes that were emitted, taken after the emission, so whatever a log
processor of the application redacted or the SDK truncated is so here as well.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections import deque
from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

BOUND = 65_536
"""Records an outbox holds while its ledger cannot be written; beyond it the oldest are lost, and counted."""

UNCLAIMED_BOUND = 4_096
"""Records kept of a source that no batch has shown to be routed to this outbox's exporter."""


class Entry(NamedTuple):
    """One emitted record. `source` identifies its emitter, `key` the record; ids are 0 without a span."""

    source: int
    key: str
    attributes: Mapping[str, Any]
    started_ns: int
    trace_id: int
    span_id: int


class Outbox:
    """A bounded queue of emitted records, from any thread to one exporter.

    `lost` counts records that had to be dropped since the process began, `unwritten` those that the
    exporter has taken and could not write yet.
    """

    def __init__(self, bound: int = BOUND) -> None:
        self.lost = 0
        self.unwritten = 0
        self._bound = bound
        self._queue: deque[Entry] = deque()
        self._unclaimed: deque[Entry] = deque(maxlen=UNCLAIMED_BOUND)
        self._sources: set[int] = set()
        self._lock = threading.Lock()
        _outboxes.add(self)
        _refresh()

    @property
    def pending(self) -> int:
        """How many records wait to be written."""
        return len(self._queue) + len(self._unclaimed) + self.unwritten

    def put(self, entry: Entry) -> None:
        """Append a record. On the caller's path: a deque append, no lock unless the bound is reached."""
        self._queue.append(entry)
        if len(self._queue) > self._bound:
            self._shed()

    def take(self, handed: Collection[str]) -> list[Entry]:
        """Remove and return what waits here, beside the records with the keys `handed` in a batch.

        A source is proven to be routed to this exporter when one of its records is in a batch. Records
        of other sources belong to another pipeline of the process; they wait, few, for a proof.
        """
        with self._lock:
            waiting = [*self._unclaimed, *self._drain()]
            self._unclaimed.clear()
            self._sources.update(entry.source for entry in waiting if entry.key in handed)
            self._unclaimed.extend(entry for entry in waiting if entry.source not in self._sources)
            return [e for e in waiting if e.source in self._sources and e.key not in handed]

    def close(self) -> None:
        """Take no further records."""
        _outboxes.discard(self)
        _refresh()

    def _drain(self) -> list[Entry]:
        drained = []
        while self._queue:
            drained.append(self._queue.popleft())
        return drained

    def _shed(self) -> None:
        with self._lock:
            while len(self._queue) > self._bound:
                shed = self._queue.popleft()
                self.lost += shed.source in self._sources or not self._sources

    def _after_fork(self) -> None:
        """The child starts empty: what waits here is the parent's to write."""
        self._lock = threading.Lock()
        self._queue.clear()
        self._unclaimed.clear()
        self.lost = self.unwritten = 0


_outboxes: weakref.WeakSet[Outbox] = weakref.WeakSet()
_open: tuple[weakref.ref[Outbox], ...] = ()


def post(entry: Entry) -> None:
    """Put an emitted record into every outbox of this process."""
    for reference in _open:
        outbox = reference()
        if outbox is not None:
            outbox.put(entry)


def wanted() -> bool:
    """Whether any ledger's exporter lives in this process."""
    return bool(_open)


def lost() -> int:
    """Records lost by every open outbox of this process."""
    return sum(outbox.lost for outbox in list(_outboxes))


def pending() -> int:
    """Records that wait in every open outbox of this process."""
    return sum(outbox.pending for outbox in list(_outboxes))


def _refresh() -> None:
    global _open
    _open = tuple(weakref.ref(outbox) for outbox in _outboxes)


def _after_fork_in_child() -> None:
    for outbox in list(_outboxes):
        outbox._after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
