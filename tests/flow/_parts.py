"""A desk and its neighbours to test a call with: a teller and a meter that can be told to fail."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

from otel_tokenomics.flow.call import Call
from otel_tokenomics.flow.contracts import Draft
from otel_tokenomics.flow.desk import Credential, Desk
from otel_tokenomics.flow.drivers import drive
from otel_tokenomics.model.attribution import NOBODY, Payers
from otel_tokenomics.model.call import Facts, Reading, Responded
from otel_tokenomics.model.money import Cost
from otel_tokenomics.model.record import UsageRecord
from otel_tokenomics.model.usage import MISSING, Usage


class Page:
    """A span that is somebody else's."""

    foreign = True


class Teller:
    """Keeps what it is told. `broken` names the methods that fail."""

    def __init__(self, *broken: str) -> None:
        self.broken = broken
        self.patient = False
        self.told: list[str] = []
        self.records: list[UsageRecord] = []
        self.threads: list[str] = []

    def _tell(self, what: str) -> None:
        if what in self.broken:
            raise ZeroDivisionError(what)
        self.told.append(what)

    def open(self, facts: Facts, started_ns: int) -> Page:
        self._tell("open")
        return Page()

    def enter(self, page: Any) -> Any:
        self._tell("enter")
        return "token"

    def leave(self, token: Any) -> None:
        self._tell("leave")

    def responded(self, page: Any) -> None:
        self._tell("responded")

    def annotate(self, page: Any, record: UsageRecord) -> None:
        self._tell("annotate")

    def waits(self, page: Any) -> bool:
        if "waits" in self.broken:
            raise ZeroDivisionError("waits")
        return self.patient

    def close(self, page: Any, record: UsageRecord, ended_ns: int) -> None:
        self.records.append(record)
        self.threads.append(threading.current_thread().name)
        self._tell("close")


class Meter:
    """A meter of one response. `broken` names the methods that fail."""

    def __init__(self, *broken: str, draft: Draft | None = None, veils: bool = False) -> None:
        self.broken = broken
        self.veils = veils
        self.keeps = True
        self.complete = False
        self.fed: list[bytes] = []
        self._draft = draft

    def _try(self, what: str) -> None:
        if what in self.broken:
            raise ZeroDivisionError(what)

    def request_body(self) -> dict[str, Any]:
        return {}

    def capped(self, request: Any, tokens: int) -> Any:
        return request

    def prepare(self) -> Any:
        self._try("prepare")
        return "altered" if self.veils else "as given"

    def respond(self, word: Responded) -> None:
        self._try("respond")
        self.complete = not word.body_follows

    def feed(self, data: bytes) -> None:
        self._try("feed")
        self.fed.append(data)
        self.complete = data == b"last"

    def skim(self, data: bytes) -> bool:
        self._try("skim")
        return data == b"quiet"

    def reading(self) -> Reading:
        self._try("reading")
        return Reading(usage=Usage({"input": 1}) if self.complete else MISSING, response_id="r1")

    def draft(self) -> Draft | None:
        self._try("draft")
        return self._draft


class Answer:
    """A response, as far as the desk and the tap look at it."""

    status_code = 200

    def iter_bytes(self) -> Iterator[bytes]:
        yield from (b"first", b"last")

    def close(self) -> None: ...


FACTS = Facts("openai", "chat", "openai", "chat/completions", request_model="gpt-4o")


def free(facts: Facts, reading: Reading, at_ns: int) -> Cost:
    return Cost(0, "complete")


def no_price(facts: Facts, reading: Reading, at_ns: int) -> Cost:
    raise ZeroDivisionError


def nobody(facts: Facts, credential: Credential | None) -> Payers:
    return NOBODY


def desk_of(teller: Teller, **more: Any) -> Desk:
    return Desk(more.pop("price", free), teller, more.pop("who", nobody), more.pop("estimator", None))


def call_of(teller: Teller, meter: Meter | None = None, **more: Any) -> Call:
    desk = desk_of(teller, **more)
    return Call(desk, desk.admit(FACTS), meter or Meter(), "request")


def ask(call: Call, follows: bool = False) -> str:
    """A client library's request through the driver."""

    def original(cast_to: Any, options: Any) -> str:
        call.responded(Answer(), follows, 0)
        return f"sent {options}"

    return str(drive(original, call, None, (), {}))
