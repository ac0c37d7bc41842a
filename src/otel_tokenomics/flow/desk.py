"""The desk: admits a call, and settles it into one record that is priced, owned and told once."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from otel_tokenomics.attribution import places, runs
from otel_tokenomics.flow import late
from otel_tokenomics.flow.billing import Bill, Verdict, possibly_billed
from otel_tokenomics.flow.contracts import Budgets, Draft, Meter, Teller
from otel_tokenomics.flow.estimate import Estimator
from otel_tokenomics.flow.guard import attempt, fault, guarded
from otel_tokenomics.model.attribution import NOBODY, Attribution, Payers
from otel_tokenomics.model.call import Ended, Facts, Outcome, Reading, Responded, Retried
from otel_tokenomics.model.money import Cost, unpriced
from otel_tokenomics.model.place import NOWHERE, Place
from otel_tokenomics.model.record import UsageRecord

Pricer = Callable[[Facts, Reading, int], Cost]
Credential = Callable[[], str | None]
"""By what the key of a call is known, when that is asked for: never the key."""
Who = Callable[[Facts, Credential | None], Payers]
"""Who pays for a call that is made in this context."""
_UNKNOWN = unpriced("missing_usage")


class Entry:
    """One admitted call, from its start to its settlement."""

    __slots__ = (
        "attempts",
        "attribution",
        "facts",
        "first_chunk_ns",
        "owner",
        "page",
        "place",
        "possibly_billed",
        "previewed",
        "run",
        "started",
        "started_ns",
        "status_code",
        "ticket",
    )

    def __init__(self, facts: Facts, attribution: Attribution, ago_ns: int = 0) -> None:
        self.facts = facts
        self.attribution = attribution
        self.started_ns = time.time_ns() - ago_ns
        self.started = time.perf_counter_ns() - ago_ns
        self.page: Any = None
        self.place = NOWHERE
        self.attempts = 1
        self.possibly_billed = 0
        self.first_chunk_ns: int | None = None
        self.status_code: int | None = None
        self.previewed = False
        self.owner: Any = None
        self.run: runs.Run | None = None
        self.ticket: Any = None

    @property
    def awaits_preview(self) -> bool:
        """Whether the span is somebody else's, and its usage is not written on it yet."""
        return self.page is not None and self.page.foreign and not self.previewed

    def retried(self, word: Retried) -> None:
        """One attempt failed and another follows."""
        self.attempts += 1
        self.possibly_billed += word.timed_out


class Desk:
    """Where calls are admitted and settled. Its neighbours may all fail; a settlement still happens."""

    def __init__(
        self,
        price: Pricer,
        teller: Teller,
        who: Who,
        estimator: Estimator | None = None,
        budgets: Budgets | None = None,
        where: Callable[[], Place] = places.here,
    ) -> None:
        self._price = price
        self._teller = teller
        self._who = who
        self._where = where
        self._estimator = estimator
        self.budgets = budgets
        self._bill = Bill()

    def admit(
        self, facts: Facts, credential: Credential | None = None, told: bool = True, ago_ns: int = 0
    ) -> Entry:
        """Note the start and the owner of a call, and open its span unless nobody is to be `told` of it.

        `ago_ns`: it began so many nanoseconds ago.
        """
        payers = attempt("attribution", self._who, NOBODY, facts, credential)
        entry = Entry(facts, payers.recorded, ago_ns)
        entry.place = attempt("place", self._where, NOWHERE)
        entry.run = attempt("run", runs.current, None)
        if self.budgets is not None:
            entry.owner = attempt("budgets.owner", self.budgets.owner, None, payers.trusted)
        if not told:
            return entry
        try:
            entry.page = self._teller.open(facts, entry.started_ns)
        except Exception as error:
            fault("teller.open", error)
        return entry

    def enter(self, entry: Entry) -> Any:
        """Make the call's span current."""
        return None if entry.page is None else self._teller.enter(entry.page)

    def leave(self, token: Any) -> None:
        """Undo `enter`."""
        if token is not None:
            self._teller.leave(token)

    def responded(self, entry: Entry, meter: Meter, word: Responded) -> None:
        """A response arrived, in the context in which the client library reads it."""
        entry.status_code = getattr(word.response, "status_code", None)
        entry.attempts = max(entry.attempts, word.retries_taken + 1)
        if entry.page is not None:
            try:
                self._teller.responded(entry.page)
            except Exception as error:
                fault("teller.responded", error)
        if entry.awaits_preview and meter.complete:
            self._preview(entry, meter)

    def chunk(self, entry: Entry, meter: Meter) -> None:
        """Bytes of a body passed by, while its usage was still to come."""
        if entry.first_chunk_ns is None:
            entry.first_chunk_ns = time.perf_counter_ns() - entry.started
        if entry.awaits_preview and meter.complete:
            self._preview(entry, meter)

    def settle(self, entry: Entry, meter: Meter, ending: Ended) -> None:
        """Close the call's account. Called exactly once for each admitted call; raises nothing."""
        try:
            duration = time.perf_counter_ns() - entry.started
            if ending.collected or late.collecting():
                late.submit(partial(self._settle, entry, meter, ending, duration))
            elif ending.error is None and meter.keeps and self._waits(entry):
                late.put_off(partial(self._settle, entry, meter, ending, duration), briefly=True)
            else:
                if entry.facts.billing == "polled":
                    # Who started the work may be waiting to be remembered.
                    late.catch_up()
                self._settle(entry, meter, ending, duration)
        except Exception as error:
            fault("desk.settle", error)

    def _waits(self, entry: Entry) -> bool:
        """Whether nobody asks what it cost when it returns: no run, no tight budget, no eager span."""
        if entry.run is not None:
            return False
        try:
            if self.budgets is not None and not self.budgets.may_wait(entry.ticket):
                return False
            return self._teller.waits(entry.page)
        except Exception as error:
            fault("teller.waits", error)
            return False

    def open(self, entry: Entry) -> None:
        """Open the span of a call that was admitted without one."""
        with guarded("teller.open"):
            entry.page = self._teller.open(entry.facts, entry.started_ns)

    def part(self, entry: Entry, reading: Reading) -> UsageRecord:
        """Tell one of several responses that came in one: billed, without a span, and without a hold."""
        self.owe(entry)
        return self._finish(entry, reading, Verdict.BILLED, Ended(), None)

    def owe(self, entry: Entry) -> None:
        """Have the owner's budgets charged for what was never held, when `pay` is called."""
        if self.budgets is not None:
            asked = entry.facts, entry.owner, time.time_ns()
            entry.ticket = attempt("budgets.owe", self.budgets.owe, None, *asked)

    def pay(self) -> None:
        """Have budgets charged for all that is owed."""
        if self.budgets is not None:
            with guarded("budgets.pay"):
                self.budgets.pay()

    def close(self, entry: Entry, total: UsageRecord, ending: Ended, duration: int) -> None:
        """End the span of a response that held several, with what they come to; it bills nothing itself."""
        with guarded("teller.annotate"):
            self._teller.annotate(entry.page, total)
        self._finish(entry, Reading(), Verdict.NOT_BILLED, ending, duration)

    def _settle(self, entry: Entry, meter: Meter, ending: Ended, duration: int) -> None:
        reading = attempt("meter.reading", meter.reading, None) or Reading()
        verdict = self._bill.judge(entry.facts, reading, entry.status_code, ending.error)
        if verdict is Verdict.BILLED and self._estimator is not None:
            draft = attempt("meter.draft", meter.draft, None)
            if draft is not None:
                return self._estimate_later(entry, reading, draft, ending, duration)
        self._finish(entry, reading, verdict, ending, duration)
        return None

    def _estimate_later(
        self, entry: Entry, reading: Reading, draft: Draft, ending: Ended, duration: int
    ) -> None:
        def job() -> None:
            with guarded("estimate"):
                assert self._estimator is not None
                reading.usage = self._estimator.usage(draft)
            self._finish(entry, reading, Verdict.BILLED, ending, duration)

        late.soon(job)

    def _finish(
        self, entry: Entry, reading: Reading, verdict: Verdict, ending: Ended, duration: int | None
    ) -> UsageRecord:
        if verdict is Verdict.NOT_BILLED:
            entry.possibly_billed = _unseen(entry, ending.error)
        record = self._record(entry, reading, duration, ending.error)
        record.billed = verdict is Verdict.BILLED
        if entry.run is not None:
            with guarded("run"):
                entry.run.add(record)
        if self.budgets is not None:
            with guarded("budgets.settle"):
                self.budgets.settle(entry.ticket, record, verdict is Verdict.PENDING)
        if record.billed:
            record.attribution = self._bill.owner(record)
        elif verdict is Verdict.PENDING:
            self._bill.started(record)
        try:
            self._teller.close(entry.page, record, entry.started_ns + (duration or 0))
        except Exception as error:
            fault("teller.close", error)
        return record

    def _preview(self, entry: Entry, meter: Meter) -> None:
        """Let the teller write on a span that is not ours while it still records."""
        entry.previewed = True
        with guarded("teller.annotate"):
            reading = meter.reading()
            if not reading.pending and entry.facts.billing != "polled":
                self._teller.annotate(entry.page, self._record(entry, reading, 0, None))

    def _record(
        self, entry: Entry, reading: Reading, duration: int | None, error: BaseException | None
    ) -> UsageRecord:
        cost = _UNKNOWN
        try:
            cost = self._price(entry.facts, reading, entry.started_ns)
        except Exception as trouble:
            fault("pricing", trouble)
        if entry.possibly_billed and cost.bound is None and cost.amount_femto is not None:
            cost.bound = "lower"
        return UsageRecord(
            key=_key(entry.facts, reading),
            facts=entry.facts,
            reading=reading,
            cost=cost,
            started_ns=entry.started_ns,
            duration_ns=duration,
            attribution=entry.attribution,
            place=entry.place,
            outcome=_outcome(error, entry.status_code),
            error_type=_error_type(error, entry.status_code),
            status_code=entry.status_code,
            attempts=entry.attempts,
            possibly_billed=entry.possibly_billed,
            first_chunk_ns=entry.first_chunk_ns,
        )


def _unseen(entry: Entry, error: BaseException | None) -> int:
    """Attempts that may be billed although nobody saw their answer.

    None where there was an answer, which is then billed by another sight of it, nor of what never bills:
    to count such a one as well would count its money twice.
    """
    answered = entry.status_code is not None and entry.status_code < 400
    if answered or entry.facts.billing != "metered":
        return 0
    return entry.possibly_billed + possibly_billed(error)


def _key(facts: Facts, reading: Reading) -> str:
    name = reading.response_id or f"generated:{os.urandom(12).hex()}"
    return f"{facts.provider}:{name}"


def _error_type(error: BaseException | None, status: int | None) -> str | None:
    """The error's class; the status, where the client library makes an error of it above where it is seen."""
    if error is not None:
        return type(error).__name__
    return str(status) if status is not None and status >= 400 else None


def _outcome(error: BaseException | None, status: int | None) -> Outcome:
    if error is None:
        return "error" if status is not None and status >= 400 else "success"
    return "error" if isinstance(error, Exception) else "cancelled"
