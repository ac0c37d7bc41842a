"""Results of a batch as providers give them out: one JSON object a line, one billed response in each."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from otel_tokenomics.adapters.dialect import Told
from otel_tokenomics.adapters.sse import USAGE, UsageLines
from otel_tokenomics.adapters.stainless import StainlessMeter
from otel_tokenomics.flow.contracts import Draft, Part
from otel_tokenomics.flow.guard import attempt
from otel_tokenomics.model.call import Facts, Reading, Responded
from otel_tokenomics.model.text import clean

Read = Callable[[Mapping[str, Any]], Part | None]
"""Reads one line; `None` for one that bills nothing, or that is none of a batch's."""
_PIECE = 1 << 20
_LONGEST = 60 * 86_400 * 10**9
"""How long ago a result may have been made and still be told as of that time: 60 days, in nanoseconds."""


class LinesMeter:
    """Reads the lines of one response, whole or as they arrive. Only what carries usage is parsed."""

    veils = False
    keeps = True
    complete = False
    """Never: another line may follow."""

    def __init__(
        self,
        read: Read,
        options: Any,
        group: str | None,
        origin: str | None,
        needle: re.Pattern[bytes] = USAGE,
    ) -> None:
        self.origin = origin
        self._group = group
        self._read = read
        self._options = options
        self._lines: UsageLines | None = UsageLines(needle, prefix=b"{")
        self._content: bytes | None = None
        self._begun = False
        self._found: list[Part] = []
        self._any = False
        self.whole = False
        """Whether every line was given out: of a body in memory. Who breaks off a stream tells nobody."""

    @property
    def group(self) -> str | None:
        """What the lines are of, once one was a batch's."""
        return self._group if self._any else None

    def prepare(self) -> Any:
        """The request as it is."""
        return self._options

    def request_body(self) -> None:
        """None: results are asked for without one."""

    def capped(self, request: Any, tokens: int) -> Any:
        """The request as it is: what is billed was made before."""
        return request

    def respond(self, word: Responded) -> None:
        """A response arrived. A body in memory is read later, off the caller's path."""
        if not word.body_follows:
            self._content = word.response.content

    def skim(self, data: bytes) -> bool:
        """Nothing is passed over."""
        return False

    def feed(self, data: bytes) -> None:
        """Take what parts are completed by these bytes."""
        self._found.extend(self._taken(data))

    def parts(self) -> Iterator[Part]:
        """What was found since; of a body in memory everything, line by line."""
        found, self._found = self._found, []
        yield from found
        content, self._content = self._content, None
        if content is not None:
            for start in range(0, len(content), _PIECE):
                yield from self._taken(content[start : start + _PIECE])
            self.whole = True

    def rest(self) -> Iterator[Part]:
        """A last line that was never ended."""
        if self._lines is not None:
            yield from self._parsed(self._lines.rest())

    def reading(self) -> Reading:
        """Nothing: the response itself bills nothing."""
        return Reading()

    def draft(self) -> Draft | None:
        """Nothing is estimated."""
        return None

    def _taken(self, data: bytes) -> Iterator[Part]:
        if not self._begun and (start := data.lstrip()):
            self._begun = True
            if not start.startswith(b"{"):
                self._lines = None
        if self._lines is not None:
            yield from self._parsed(self._lines.feed(data))

    def _parsed(self, payloads: list[bytes]) -> Iterator[Part]:
        for payload in payloads:
            part = attempt("batch.line", partial(self._part, payload), None)
            if part is not None:
                self._any = True
                yield part

    def _part(self, payload: bytes) -> Part | None:
        try:
            line = json.loads(payload)
        except ValueError:
            return None
        return self._read(line) if isinstance(line, dict) else None


class WorkMeter(StainlessMeter):
    """Reads work that is done later, such as a batch: its id, and whether it was `created` just now."""

    whole = False

    def __init__(
        self, options: Any, facts: Facts, created: bool, learn: Callable[[Mapping[str, Any]], None] | None
    ) -> None:
        super().__init__(_Work(created, learn), options, facts)

    def respond(self, word: Responded) -> None:
        """Read the body at once: what is learnt of it tells what the next request is."""
        super().respond(word)
        self._conclude()

    @property
    def group(self) -> str | None:
        """Nothing is counted in it."""
        return None

    @property
    def origin(self) -> str | None:
        """It comes of nothing."""
        return None

    def parts(self) -> tuple[Part, ...]:
        """None: what it bills is in its results."""
        return ()

    def rest(self) -> tuple[Part, ...]:
        """None."""
        return ()


class _Work:
    """Reads nothing but what the work is called. What it says of usage is told by its results."""

    def __init__(self, created: bool, learn: Callable[[Mapping[str, Any]], None] | None) -> None:
        self._created = created
        self._learn = learn

    def body(self, told: Told, body: Mapping[str, Any], facts: Facts) -> None:
        """The work as it stands."""
        told.response_id, told.final = clean(body.get("id")), True
        if self._learn is not None:
            self._learn(body)

    def event(self, told: Told, event: Mapping[str, Any]) -> None:
        """It is not streamed."""

    def reading(self, told: Told, facts: Facts) -> Reading:
        """Its id."""
        return Reading(response_id=told.response_id, pending=self._created)

    def texts(self, event: Mapping[str, Any]) -> tuple[str, ...]:
        """None."""
        return ()

    def ended(self, event: Mapping[str, Any]) -> bool:
        """It is not streamed."""
        return True


def instant(seconds: Any) -> int | None:
    """When a result says that it was made, in Unix nanoseconds; `None` for what cannot be true."""
    if type(seconds) not in (int, float):
        return None
    made = int(seconds * 10**9)
    return made if 0 <= time.time_ns() - made < _LONGEST else None
