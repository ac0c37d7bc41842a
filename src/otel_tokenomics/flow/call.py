"""`Call`: runs a flow for a driver. If the flow breaks it falls silent, and the call goes on."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar, Token
from types import TracebackType
from typing import Any

from otel_tokenomics.budgets.errors import BudgetExceededError
from otel_tokenomics.flow import tap
from otel_tokenomics.flow.contracts import Meter
from otel_tokenomics.flow.desk import Desk, Entry
from otel_tokenomics.flow.flow import Flow, flow
from otel_tokenomics.flow.guard import attempt, fault, guarded
from otel_tokenomics.model.call import Chunk, Ended, Responded, Retried, Sent, Word

CURRENT: ContextVar[Call | None] = ContextVar("otel_tokenomics_call", default=None)
"""The call whose request is being made in this context, for the hooks inside the client library."""
Cover = Callable[[Any, "Call"], None]
"""Has all that a response's body yields, and its end, told to a call."""


class Call:
    """One call in flight. `request` is what the driver must send, `client` the one that makes it."""

    __slots__ = (
        "__weakref__",
        "_desk",
        "_entry",
        "_flow",
        "_heard",
        "_meter",
        "_span_token",
        "_token",
        "client",
        "followed",
        "governed",
        "request",
        "skim",
        "veils",
    )

    def __init__(self, desk: Desk, entry: Entry, meter: Meter, request: Any, client: Any = None) -> None:
        self.request = request
        self.client = client
        self.followed = False
        self.veils = False
        self._desk, self._entry = desk, entry
        self.skim = meter.skim
        """Whether the flow need not wake for some quiet bytes: the meter's own, for it is asked for most."""
        self.governed = desk.budgets is not None
        """Whether `hold` has anything to ask."""
        self._meter: Meter | None = meter if self.governed else None
        self._heard: int | None = None
        self._token: Token[Call | None] | None = None
        self._span_token: Any = None
        self._flow: Flow | None = flow(desk, entry, meter)
        sent = self._step(None)
        if sent is not None:
            self.request, self.veils = sent.request, meter.veils

    @property
    def answered(self) -> bool:
        """Whether it has heard of its response."""
        return self._heard is not None

    @property
    def over(self) -> bool:
        """Whether it is settled: a task that it left behind may make calls of its own."""
        return self._flow is None

    @property
    def waits(self) -> bool:
        """Whether `hold` may wait for a disk or a network."""
        return self._desk.budgets is not None and self._desk.budgets.waits

    @property
    def pool(self) -> Any:
        """The thread for what an event loop must not wait for."""
        return None if self._desk.budgets is None else self._desk.budgets.aside.pool

    def hold(self) -> None:
        """Hold what the call may cost on the application's budgets, before anything is sent.

        Raises `BudgetExceededError`, and nothing else: it is the one error that the application asked for.
        """
        budgets, meter, self._meter = self._desk.budgets, self._meter, None
        if budgets is None or meter is None:
            return
        entry = self._entry
        try:
            entry.ticket = budgets.admit(entry.facts, entry.owner, meter.request_body(), entry.started_ns)
            if entry.ticket is not None and entry.ticket.cap is not None:
                self.request = meter.capped(self.request, entry.ticket.cap)
            if self._flow is None and entry.ticket is not None:
                # It was cancelled while it waited for the store.
                budgets.release(entry.ticket)
        except BudgetExceededError as refusal:
            self.end(error=refusal)
            raise self._wanted(refusal) from None
        except Exception as error:
            fault("budgets.hold", error)

    def _wanted(self, refusal: BudgetExceededError) -> BudgetExceededError:
        """The refusal as the application wants it."""
        budgets, flavor = self._desk.budgets, self._entry.facts.flavor
        if budgets is None:
            return refusal
        asked = refusal, flavor, self.client, self.request
        return attempt("budgets.refusal", budgets.refusal, refusal, *asked)

    def __enter__(self) -> Call:
        """Make this call and its span current."""
        try:
            self._token = CURRENT.set(self)
            self._span_token = self._desk.enter(self._entry)
        except Exception as error:
            fault("call.enter", error)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Undo that, and end the call unless its body still follows. Never hides an error."""
        try:
            if self._token is not None:
                CURRENT.reset(self._token)
            self._desk.leave(self._span_token)
        except Exception as trouble:
            fault("call.leave", trouble)
        try:
            if error is not None or not self.followed:
                self.end(error=error)
        except Exception as trouble:
            fault("call.end", trouble)

    def retried(self, timed_out: bool) -> None:
        """An attempt failed; the client library makes another.

        Raises `BudgetExceededError` when the failed one may be billed, and a second has no room beside it.
        """
        if timed_out and self.governed and self._desk.budgets is not None and self._entry.ticket is not None:
            try:
                self._desk.budgets.again(self._entry.ticket)
            except BudgetExceededError as refusal:
                raise self._wanted(refusal) from None
            except Exception as error:
                fault("budgets.again", error)
        self._step(Retried(timed_out))

    def responded(self, response: Any, follows: bool, retries: int, cover: Cover | None = None) -> None:
        """A response arrived, and its body is in memory or follows through the tap, or what `cover` puts."""
        if self._heard == id(response):
            return
        self._heard = id(response)
        if follows:
            self._tap(response, cover or tap.install)
        self._step(Responded(response, follows, retries))

    def chunk(self, data: bytes) -> None:
        """Bytes of the body passed by."""
        if self._flow is not None:
            self._step(Chunk(data))

    def end(self, error: BaseException | None = None, early: bool = False) -> None:
        """The call is over. Only the first end counts."""
        if self._flow is not None:
            self._step(Ended(error=error, early=early))
            self._fall_silent()

    def drop(self) -> None:
        """Whoever had its response has dropped it. For finalizers: it is settled elsewhere, later."""
        running = self._flow
        if running is not None:
            self._fall_silent()
            running.close()

    def _tap(self, response: Any, cover: Cover) -> None:
        # Twice, because a chunk that we asked for and could not hide would reach the application.
        for _ in range(2):
            with guarded("tap"):
                cover(response, self)
                self.followed = True
                return

    def _step(self, word: Word | None) -> Sent | None:
        running = self._flow
        if running is None:
            return None
        try:
            return running.send(word)
        except StopIteration:
            self._fall_silent()
        except Exception as error:
            self._fall_silent()
            fault("flow", error)
        return None

    def _fall_silent(self) -> None:
        self._flow = None
        self.skim = _asleep


def _asleep(data: bytes) -> bool:
    """Nobody is there to be woken."""
    return True


class Shield:
    """Stands in for a call where a request that calls no model runs inside one that does."""

    __slots__ = ("_token", "request")

    governed = False
    waits = False
    pool = None

    def __init__(self, request: Any) -> None:
        self.request = request
        self._token: Token[Call | None] | None = None

    def hold(self) -> None:
        """Nothing is billed."""

    def end(self, error: BaseException | None = None) -> None:
        """There is nothing to end."""

    def __enter__(self) -> Shield:
        self._token = CURRENT.set(None)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._token is not None:
            CURRENT.reset(self._token)
