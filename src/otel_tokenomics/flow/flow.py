"""The flow: one call, from its facts to its settlement, as a generator that never awaits.

It is told what happened, word by word, and it cannot be left half told: its `finally` settles the call
when the caller breaks off, when a fault of ours ends it, and when the garbage collector drops it.
"""

from __future__ import annotations

from collections.abc import Generator

from otel_tokenomics.flow.contracts import Meter
from otel_tokenomics.flow.desk import Desk, Entry
from otel_tokenomics.model.call import Chunk, Ended, Responded, Retried, Sent, Word

Flow = Generator[Sent | None, Word | None, None]


def flow(desk: Desk, entry: Entry, meter: Meter) -> Flow:
    """Send, hear, settle. The first value yielded is what to send."""
    ending = Ended(early=True)
    try:
        word = yield Sent(meter.prepare())
        while not isinstance(word, Ended):
            _hear(desk, entry, meter, word)
            word = yield None
        ending = word
    except GeneratorExit:
        ending = Ended(early=True, collected=True)
        raise
    finally:
        desk.settle(entry, meter, ending)


def _hear(desk: Desk, entry: Entry, meter: Meter, word: Word | None) -> None:
    if isinstance(word, Chunk):
        known = meter.complete
        meter.feed(word.data)
        if not known:
            desk.chunk(entry, meter)
    elif isinstance(word, Responded):
        meter.respond(word)
        desk.responded(entry, meter, word)
    elif isinstance(word, Retried):
        entry.retried(word)
