"""`run`: everything that one piece of work calls, with all its subagents, and what it may cost.

    with run("triage", budget=usd("0.50")) as work:
        agent.handle(ticket)
    print(work.cost, work.calls)

Runs nest: what an inner one spends, all around it spend as well, once. A run travels with the context, into
tasks and coroutines; while one is open it also follows the threads and the child processes that are started
inside it. Its calls carry its id as tags, so that `tokenomics runs` finds them whichever process made them.
"""

from __future__ import annotations

import contextlib
import json
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ContextDecorator
from contextvars import ContextVar
from functools import lru_cache
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast

from otel_tokenomics.attribution import ambient
from otel_tokenomics.attribution.frames import Frame, innermost
from otel_tokenomics.model.attribution import UNATTRIBUTED, Attribution
from otel_tokenomics.model.money import decimal_string
from otel_tokenomics.model.record import UsageRecord
from otel_tokenomics.model.text import clean

if TYPE_CHECKING:
    from decimal import Decimal

ENVIRONMENT = "OTEL_TOKENOMICS_RUN"
"""In a child process: the runs that it was started in, as JSON."""

ID, NAME, PARENT = "run.id", "run.name", "run.parent"
_MOST_NESTED = 64
_Function = TypeVar("_Function", bound=Callable[..., Any])


class Limit(Protocol):
    """An amount of a unit, as `usd("0.50")` makes it."""

    @property
    def unit(self) -> Any:
        """`cost`, `token` or `request`."""

    @property
    def quantity(self) -> int:
        """So much of it; money in nano-USD."""


class Run:
    """One run. Its totals are those of calls that this process made and settled, inner runs included.

    `cost_femto` is exact; calls without a known price are counted in `unpriced` and add nothing.
    `presumed` counts attempts that got no answer and may be billed.
    """

    def __init__(self, name: str, limit: Limit | None, parent: Run | None, id: str | None = None) -> None:
        self.name = name
        self.id = id or os.urandom(16).hex()
        self.limit = limit
        self.parent = parent
        self.children: list[Run] = []
        self.owners = UNATTRIBUTED
        self.cost_femto = self.calls = self.tokens = self.attempts = self.unpriced = self.presumed = 0
        self.first_tokens: int | None = None
        self._lock = threading.Lock()
        if parent is not None and len(parent.children) < 10_000:
            parent.children.append(self)

    @property
    def cost(self) -> Decimal:
        """What its calls cost so far, in USD, exact."""
        from decimal import Decimal

        return Decimal(decimal_string(self.cost_femto))

    @property
    def amplification(self) -> Decimal | None:
        """Tokens of the run for each token of its first call; `None` before that is known."""
        from decimal import Decimal

        return Decimal(self.tokens) / self.first_tokens if self.first_tokens else None

    def chain(self) -> list[Run]:
        """This run and all that it is in, the innermost first."""
        runs: list[Run] = [self]
        while (parent := runs[-1].parent) is not None and len(runs) < _MOST_NESTED:
            runs.append(parent)
        return runs

    def tree(self, depth: int = 0) -> str:
        """The run and those within it, a line each."""
        line = f"{'  ' * depth}{self.name}: {self.cost} USD, {self.calls} calls, {self.tokens} tokens"
        return "\n".join([line, *[child.tree(depth + 1) for child in self.children]])

    def environment(self) -> dict[str, str]:
        """What a child process needs in its environment to be part of this run."""
        told = [[run.name, run.id, _told(run.limit)] for run in self.chain()]
        return {ENVIRONMENT: json.dumps(told)}

    def add(self, record: UsageRecord) -> None:
        """Count one record, here and in every run around."""
        for run in self.chain():
            with run._lock:
                run._count(record)

    def _count(self, record: UsageRecord) -> None:
        self.attempts += record.attempts
        self.presumed += record.possibly_billed
        if not record.billed:
            return
        usage = record.reading.usage
        tokens = (usage.input_tokens or 0) + (usage.output_tokens or 0)
        self.calls += 1
        self.tokens += tokens
        if self.first_tokens is None:
            self.first_tokens = tokens
        if record.cost.amount_femto is None or record.cost.currency != "USD":
            self.unpriced += 1
        else:
            self.cost_femto += record.cost.amount_femto


wanted: list[Callable[[], None]] = []
"""What is to be done before the first run with a budget: whoever can hold it makes ready."""


def ready() -> None:
    """A run has a budget, or may have one: whoever can hold it makes ready."""
    while wanted:
        wanted.pop()()


_frames: ContextVar[tuple[Frame, ...]] = ContextVar("otel_tokenomics_run", default=())


def current() -> Run | None:
    """The innermost run of this context, or the one that started this process."""
    frames = _frames.get()
    return (frames[-1].holds if frames else None) or _inherited()


class run(ContextDecorator):
    """A run for a block, or for each call of a function that this decorates.

    Args:
        name: what the work is called, such as `triage`.
        budget: the most that it may cost, as `usd("0.50")`; what would exceed it is refused with a
            `BudgetExceededError`, where budgets are not switched off.
    """

    def __init__(self, name: str, *, budget: Limit | None = None) -> None:
        self._name = clean(name) or "run"
        self._budget = budget

    def __enter__(self) -> Run:
        from otel_tokenomics.attribution.following import follow

        follow()
        if self._budget is not None:
            ready()
        parent = current()
        made = Run(self._name, self._budget, parent)
        tags = {ID: made.id, NAME: made.name, **({PARENT: parent.id} if parent else {})}
        named = ambient.attribute(tags=tags)
        named.__enter__()
        made.owners = ambient.current()
        _frames.set((*_frames.get(), Frame(self, made, made, undo=named)))
        return made

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _leave(self)

    @contextlib.contextmanager
    def resumed(self, entered: Run) -> Iterator[None]:
        """The run again, for the next step of a generator."""
        work, owners = enter(entered), ambient.enter(entered.owners)
        try:
            yield
        finally:
            leave(work)
            ambient.leave(owners)

    def _recreate_cm(self) -> run:
        return run(self._name, budget=self._budget)

    def __call__(self, function: _Function) -> _Function:
        """Decorate a function, a coroutine function or a generator: each call is a run of its own."""
        return cast(_Function, ambient.decorated(self, function, super().__call__))


@lru_cache(maxsize=1)
def _inherited() -> Run | None:
    """The run that this process was started in."""
    told = os.environ.get(ENVIRONMENT)
    return None if told is None else told_of(told)


def inherit(told: Mapping[str, str]) -> None:
    """This process is part of a run, as its starter told after it was started."""
    os.environ.update(told)
    _inherited.cache_clear()
    work = _inherited()
    if work is not None and any(run.limit is not None for run in work.chain()):
        ready()


@lru_cache(maxsize=64)
def told_of(told: str) -> Run | None:
    """The innermost of the runs that `environment` tells; `None` where that is not what it tells."""
    try:
        made: Run | None = None
        for name, id, limit in reversed(json.loads(told)[:_MOST_NESTED]):
            known = None if limit is None else _Told(str(limit[0]), int(limit[1]))
            made = Run(str(name), known, made, str(id))
        return made
    except (ValueError, TypeError, IndexError, KeyError):
        return None


class _Told:
    """A limit as a parent process told it."""

    def __init__(self, unit: str, quantity: int) -> None:
        self.unit = unit
        self.quantity = quantity


def _told(limit: Limit | None) -> list[Any] | None:
    return None if limit is None else [limit.unit, limit.quantity]


def enter(work: Run | None) -> object:
    """Make a run current, or none, in another thread. What it returns goes to `leave`."""
    block = object()
    _frames.set((*_frames.get(), Frame(block, work, work)))
    return block


def leave(block: object) -> None:
    """Undo `enter`."""
    _leave(block)


@contextlib.contextmanager
def part_of(work: Run | None, owners: Attribution) -> Iterator[None]:
    """A block, in another thread or process, that is in a run or in none; ours may fail, it goes on."""
    blocks: list[tuple[Callable[[object], None], object]] = []
    with contextlib.suppress(Exception):
        blocks.append((leave, enter(work)))
        blocks.append((ambient.leave, ambient.enter(owners)))
    try:
        yield
    finally:
        for end, block in reversed(blocks):
            with contextlib.suppress(Exception):
                end(block)


def _leave(block: object) -> None:
    frames = _frames.get()
    at = innermost(frames, block)
    if at is not None:
        _frames.set(frames[:at] + frames[at + 1 :])
        if frames[at].undo is not None:
            frames[at].undo.__exit__(None, None, None)
