"""What the flow asks of its neighbours: an adapter's meter, and the teller that makes telemetry."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from otel_tokenomics.budgets.errors import BudgetExceededError
from otel_tokenomics.model.attribution import Attribution
from otel_tokenomics.model.call import Facts, Reading, Responded
from otel_tokenomics.model.record import UsageRecord
from otel_tokenomics.model.usage import Usage


@dataclass(slots=True)
class Draft:
    """What is left to count when the provider reported no usage, or not all of it.

    `sent` is the request's body as it went over the wire; `received` yields the pieces of text that came
    back, decoded only when asked. Both stay in the process: only numbers leave it. `finished()` says
    whether the response came to its end, so that a count of its text is a count of all of it.
    """

    known: Usage
    sent: bytes | None
    received: Iterable[str]
    finished: Callable[[], bool]


class Meter(Protocol):
    """Reads one response of one provider, as far as it gets."""

    veils: bool
    keeps: bool
    """Whether what it reads is its own, so that `reading` may be asked after the application went on."""

    def request_body(self) -> Mapping[str, Any] | None:
        """The request's body, before it is sent; only plain values of it are looked at."""

    def capped(self, request: Any, tokens: int) -> Any:
        """A copy of the request to send, with this output cap."""

    def prepare(self) -> Any:
        """The request to send: the caller's own, or an altered copy of it. Never mutates it."""

    def respond(self, word: Responded) -> None:
        """A response arrived; its body, unless it follows, is read from memory."""

    def feed(self, data: bytes) -> None:
        """Decoded bytes of the body passed by, split anywhere."""

    def skim(self, data: bytes) -> bool:
        """Whether `feed` need not read these bytes, whole lines without usage. Called for most chunks."""

    @property
    def complete(self) -> bool:
        """Whether the final usage has been seen."""

    def reading(self) -> Reading:
        """What is known so far."""

    def draft(self) -> Draft | None:
        """What must be counted because the provider did not say it, or `None`."""


class Budgets(Protocol):
    """Holds the worst case of a call before it is sent, and settles what its record says."""

    aside: Any
    """Its `pool` is the thread for what an event loop must not wait for."""

    @property
    def waits(self) -> bool:
        """Whether `admit` and `again` may wait for a disk or a network."""

    def owner(self, attribution: Attribution) -> Any:
        """Who is charged; asked in the context of the call."""

    def admit(self, facts: Facts, owner: Any, body: Mapping[str, Any] | None, at_ns: int) -> Any:
        """A ticket, whose `cap` is the output cap that the request must be given, or `None`.

        Raises `BudgetExceededError`, the one error that the application asked for.
        """

    def again(self, ticket: Any) -> None:
        """Another attempt follows one that may be billed. Raises `BudgetExceededError`."""

    def refusal(
        self, error: BudgetExceededError, flavor: str, client: Any, request: Any
    ) -> BudgetExceededError:
        """The error that the application wants raised for one."""

    def may_wait(self, ticket: Any) -> bool:
        """Whether the settlement of a ticket may wait for a moment."""

    def release(self, ticket: Any) -> None:
        """Nothing was sent."""

    def owe(self, facts: Facts, owner: Any, at_ns: int) -> Any:
        """A ticket that holds nothing, for what is billed and was never asked for; `None` if no budget's."""

    def pay(self) -> None:
        """Charge what is owed, as soon as the store takes it."""

    def settle(self, ticket: Any, record: UsageRecord, pending: bool) -> None:
        """The call is over; `pending`: another call's record will say what it was billed."""


class Part(NamedTuple):
    """One billed response inside another. `id` tells it from its neighbours; `made_ns` is when it was made.

    Times are Unix nanoseconds; where it does not say when it was made, its price is that of now.
    """

    id: str
    reading: Reading
    facts: Facts
    made_ns: int | None = None


class SeveralMeter(Meter, Protocol):
    """Reads a response in which there are several that bill.

    `group` is what each part is counted in once, such as a file; `origin` the work that it comes of, if that
    is known by another name, such as a batch; `whole` says that no part is missing.
    """

    whole: bool

    @property
    def group(self) -> str | None:
        """What the parts are counted in once; `None` as long as nothing was found."""

    @property
    def origin(self) -> str | None:
        """The work that this is of, by the id of the response that created it."""

    def parts(self) -> Iterable[Part]:
        """The parts that were found since this was last asked."""

    def rest(self) -> Iterable[Part]:
        """The parts that only the end completes."""


class Adapter(Protocol):
    """One client library: which of its requests are calls to a model, and how their answers are read."""

    def facts(self, client: Any, options: Any, stream: bool) -> Facts | None:
        """What the request says, or `None` if it calls no model."""

    def meter(self, client: Any, options: Any, facts: Facts) -> Meter:
        """A meter for the response to this request."""


class Teller(Protocol):
    """Turns calls into telemetry. Its methods may fail: the desk guards each."""

    def open(self, facts: Facts, started_ns: int) -> Any:
        """Begin a span, or take note of somebody else's. The result is the `page` of all that follows."""

    def enter(self, page: Any) -> Any:
        """Make the span current; the result goes to `leave`."""

    def leave(self, token: Any) -> None:
        """Undo `enter`."""

    def responded(self, page: Any) -> None:
        """The response arrived, in the context that the client library reads it in."""

    def annotate(self, page: Any, record: UsageRecord) -> None:
        """The usage is known while a span that is not ours still records."""

    def waits(self, page: Any) -> bool:
        """Whether nobody could tell if the call were closed a moment later."""

    def close(self, page: Any, record: UsageRecord, ended_ns: int) -> None:
        """The call is over: end the span, and account for the record if it was billed."""
