"""The gate between the flow of a call and the governor: what a call is, and how its record settles it."""

from __future__ import annotations

import os
import sys
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from otel_tokenomics.budgets.amounts import nano_of
from otel_tokenomics.budgets.errors import BudgetExceededError
from otel_tokenomics.budgets.governor import Governor, Owner
from otel_tokenomics.budgets.ticket import Spent, Ticket
from otel_tokenomics.budgets.worst import Asked
from otel_tokenomics.model.attribution import Attribution
from otel_tokenomics.model.call import Facts
from otel_tokenomics.model.record import UsageRecord

_MOST_PENDING = 10_000

Whose = Callable[[Attribution], Owner]
Raises = Callable[[BudgetExceededError, str, Any, Any], BudgetExceededError]
"""Makes of a refusal what the application wants raised: by client library, client and request."""


class Aside:
    """One thread for what would make an event loop wait: first in, first out, so that a settlement that was
    handed over before a reservation is made before it."""

    def __init__(self) -> None:
        self._pid = 0
        self._pool: ThreadPoolExecutor | None = None
        self._lock = threading.Lock()

    @property
    def pool(self) -> ThreadPoolExecutor:
        """The thread, in this process."""
        pool = self._pool
        if pool is not None and self._pid == os.getpid():
            return pool
        with self._lock:
            if self._pool is None or self._pid != os.getpid():
                self._pool = ThreadPoolExecutor(1, thread_name_prefix="tokenomics-budgets")
                self._pid = os.getpid()
            return self._pool

    def soon(self, job: Callable[[], None]) -> None:
        """Do a job there, or here if the interpreter takes no more."""
        try:
            self.pool.submit(job)
        except RuntimeError:
            job()


class Gate:
    """Implements the flow's `Budgets`. `whose` says who is charged for a call made in this context."""

    def __init__(self, governor: Governor, whose: Whose = Owner, raises: Raises | None = None) -> None:
        self.governor = governor
        self._raises = raises
        self.aside = Aside()
        self._whose = whose
        self._lock = threading.Lock()
        self._pending: OrderedDict[str, Ticket] = OrderedDict()

    @property
    def waits(self) -> bool:
        """Whether `admit` may wait for a disk or a network."""
        return self.governor.keeper.store.blocks

    def owner(self, attribution: Attribution) -> Owner:
        """Who is charged; asked in the context of the call."""
        return self._whose(attribution)

    def admit(self, facts: Facts, owner: Owner, body: Mapping[str, Any] | None, at_ns: int) -> Ticket | None:
        """Hold the worst case. Raises `BudgetExceededError`."""
        return self.governor.admit(Asked(facts, body, at_ns), owner)

    def again(self, ticket: Ticket) -> None:
        """Hold it once more, for another attempt. Raises `BudgetExceededError`."""
        self.governor.again(ticket)

    def refusal(
        self, error: BudgetExceededError, flavor: str, client: Any, request: Any
    ) -> BudgetExceededError:
        """What to raise for it."""
        return error if self._raises is None else self._raises(error, flavor, client, request)

    def owe(self, facts: Facts, owner: Owner, at_ns: int) -> Ticket | None:
        """A ticket that holds nothing, for what is billed and was never asked for."""
        return self.governor.owe(Asked(facts, None, at_ns), owner)

    def pay(self) -> None:
        """Charge what is owed, where an event loop need not wait for it."""
        self._do(self.governor.keeper.recover)

    def release(self, ticket: Ticket) -> None:
        """Nothing was sent."""
        self.governor.settle(ticket, Spent(billed=False))

    def may_wait(self, ticket: Ticket | None) -> bool:
        """Whether nobody would miss what a ticket holds for a moment longer than its call."""
        return ticket is None or ticket.ample

    def settle(self, ticket: Ticket | None, record: UsageRecord, pending: bool) -> None:
        """Settle what a record says. What is billed later is settled by the record that says so."""
        if pending:
            return self._remember(record.key, ticket)
        if ticket is None:
            ticket = self._recall(record)
        if ticket is not None:
            self._do(partial(self.governor.settle, ticket, spent_of(record)))
        return None

    def _do(self, job: Callable[[], None]) -> None:
        if self.waits and in_event_loop():
            self.aside.soon(job)
        else:
            job()

    def _remember(self, key: str, ticket: Ticket | None) -> None:
        if ticket is None:
            return
        with self._lock:
            self._pending[key] = ticket
            while len(self._pending) > _MOST_PENDING:
                # Its hold expires, and is settled in full.
                self._pending.popitem(last=False)

    def _recall(self, record: UsageRecord) -> Ticket | None:
        if not self._pending or not record.billed:
            return None
        with self._lock:
            return self._pending.pop(record.key, None)


def spent_of(record: UsageRecord) -> Spent:
    """What a record says was spent. A cost that is not whole is not known, but for a stream that was cut."""
    if not record.billed:
        return Spent(False, presumed=record.possibly_billed)
    cost, usage = record.cost, record.reading.usage
    known = cost.amount_femto
    if cost.status != "complete" and usage.source != "stream_partial":
        known = None
    tokens = None
    if usage.source != "missing":
        n_in, n_out = usage.input_tokens, usage.output_tokens
        tokens = None if n_in is None and n_out is None else (n_in or 0) + (n_out or 0)
    return Spent(True, None if known is None else nano_of(known), tokens, record.possibly_billed)


def in_event_loop() -> bool:
    """Whether this thread runs an event loop, which must not wait."""
    asyncio = sys.modules.get("asyncio")
    return asyncio is not None and asyncio.events._get_running_loop() is not None
