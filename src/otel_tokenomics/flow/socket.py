"""A connection that stays open, over which responses come one after another: each is a call of its own.

A response begins when the server says so and is settled when it says what it took; nothing was held for it,
so that its owner's budgets are charged as it is settled. What is under way when the connection ends was
billed, and nobody says how much.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterable
from typing import Any, NamedTuple, Protocol

from otel_tokenomics.flow import late
from otel_tokenomics.flow.desk import Credential, Desk, Entry
from otel_tokenomics.flow.guard import guarded
from otel_tokenomics.model.call import Ended, Facts, Reading

SWITCHED = 101
"""The status of the one HTTP exchange that the connection began with."""
_MOST_OPEN = 256


class Begun(NamedTuple):
    """A response was begun. `named`: its id is the provider's, and no mere place in the conversation."""

    id: str
    facts: Facts
    named: bool = True


class Done(NamedTuple):
    """A response came to its end. `failed`: it bills nothing unless it says what it took."""

    id: str
    facts: Facts
    reading: Reading
    failed: bool = False


class Listener(Protocol):
    """Reads the messages of one connection."""

    def hear(self, message: Any) -> Iterable[Begun | Done]:
        """What a message says of responses; nothing, for most."""


class ResponseFailed(Exception):
    """A response that the server could not make. The application is told by the server's own event."""


class _Heard:
    """The meter of a response that was read already."""

    veils = False
    complete = keeps = True

    def __init__(self, reading: Reading) -> None:
        self._reading = reading

    def reading(self) -> Reading:
        """What the response said."""
        return self._reading

    def draft(self) -> None:
        """Nothing is estimated."""


_sockets: weakref.WeakSet[Socket] = weakref.WeakSet()


class Socket:
    """One connection. Whoever receives its messages tells it of them; two threads may."""

    def __init__(self, desk: Desk, listener: Listener, credential: Credential) -> None:
        self._desk = desk
        self._listener = listener
        self._credential = credential
        self._open: dict[str, tuple[Entry, str | None]] = {}
        self._last: Any = None
        late.start()
        _sockets.add(self)

    def hear(self, message: Any) -> None:
        """A message arrived. A second wrapper of ours around the same call has nothing new to tell."""
        if message is self._last:
            return
        self._last = message
        for word in self._listener.hear(message.encode() if isinstance(message, str) else message):
            if isinstance(word, Begun):
                if len(self._open) < _MOST_OPEN:
                    entry = self._desk.admit(word.facts, self._credential)
                    self._open[word.id] = entry, word.id if word.named else None
            else:
                begun, _ = self._open.pop(word.id, (None, None))
                self._settle(begun, word)

    def end(self, error: BaseException | None = None) -> None:
        """The connection ended, by an error or not. What was under way is settled without usage."""
        while self._open:
            _, (entry, id) = self._open.popitem()
            entry.status_code = SWITCHED
            reading = Reading(response_id=id, background=True)
            self._close(entry, reading, Ended(error, early=True))

    def _settle(self, begun: Entry | None, word: Done) -> None:
        entry = begun or self._desk.admit(word.facts, self._credential)
        failed = word.failed and word.reading.usage.source == "missing"
        entry.status_code = None if failed else SWITCHED
        # It is counted once by its id, should the server say it again, or this be asked for it later.
        word.reading.background = True
        self._close(entry, word.reading, Ended(ResponseFailed() if failed else None))

    def _close(self, entry: Entry, reading: Reading, ending: Ended) -> None:
        with guarded("socket.settle"):
            self._desk.owe(entry)
            self._desk.settle(entry, _Heard(reading), ending)  # type: ignore[arg-type]
            self._desk.pay()


def _settle_open() -> None:
    """At exit: a response that is under way has cost what it has cost so far."""
    for socket in list(_sockets):
        socket.end()


late.at_exit(_settle_open)
