"""The governor: holds the worst case of a call on every budget that it matches, and settles what it cost."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from otel_tokenomics.budgets.budget import OF_RUN, VELOCITY, Budget
from otel_tokenomics.budgets.errors import BudgetExceededError, Reason, Refusal
from otel_tokenomics.budgets.keeper import Keeper
from otel_tokenomics.budgets.loops import Loops
from otel_tokenomics.budgets.names import names, owner_key
from otel_tokenomics.budgets.plan import Plan
from otel_tokenomics.budgets.protocol import UNLIMITED, Answer, Balance, Line, Store, StoreDownError
from otel_tokenomics.budgets.suggest import Suggest, fitted_output
from otel_tokenomics.budgets.thresholds import Thresholds, is_ample, is_over
from otel_tokenomics.budgets.ticket import Listener, Part, Silence, Spent, Ticket
from otel_tokenomics.budgets.windows import Slot, Window
from otel_tokenomics.budgets.worst import GENERATING, Asked, Count, Estimate, Need, choices, output_cap
from otel_tokenomics.model.attribution import Attribution

_MOST_MATCHES = 4096
_MOST_MOVES = 4
_NOTHING = Need(0, 0, 0, 0, capped=True)

Matches = tuple[Part, ...]


class Owner(NamedTuple):
    """Who is charged: owners, which are trusted, and the budgets of the runs that the call is made in."""

    attribution: Attribution
    run: str | None = None
    own: tuple[tuple[Budget, str], ...] = ()
    runs: tuple[str, ...] = ()


class Governor:
    """Admits calls and settles them. Holds no lock while it waits for the store.

    `labels` are what every call of this process is: service, environment. `count` counts a text's tokens; it
    is asked only when the upper bound by bytes does not fit. `catch_up` settles what this process has put
    off: it is called before anything is refused.
    """

    def __init__(
        self,
        plan: Plan,
        store: Store,
        estimate: Estimate,
        *,
        listener: Listener | None = None,
        labels: Mapping[str, str] | None = None,
        count: Count | None = None,
        suggest: Suggest | None = None,
        catch_up: Callable[[], None] = lambda: None,
    ) -> None:
        self.plan = plan
        self.keeper = Keeper(store, plan, listener or Silence())
        self._estimate = estimate
        self._listener: Listener = listener or Silence()
        self._labels = dict(labels or {})
        self._count = count
        self._suggest = suggest or Suggest(estimate)
        self._catch_up = catch_up
        self._settlements = 0
        self._matched: dict[tuple[object, ...], Matches] = {}
        self._slots: dict[Window, Slot] = {}
        self._loops = Loops()
        self._thresholds = Thresholds()
        self._names = names()
        os.register_at_fork(after_in_child=self._rename)

    def admit(self, asked: Asked, owner: Owner) -> Ticket | None:
        """Hold the worst case of a call; `None` when it is no budget's.

        Raises:
            BudgetExceededError: when an enforced budget has no room for it.
        """
        if asked.facts.billing != "metered":
            return None
        if self.plan.broken is not None and self.plan.mode == "enforce":
            raise BudgetExceededError(Refusal("budgets", "configuration", detail=self.plan.broken))
        parts = self._parts(asked, owner)
        if not parts:
            return None
        self._guard_loops(asked, parts)
        cap = self._cap(asked, parts)
        need = self._estimate.need(asked, cap)
        parts = self._priced(parts, need)
        if not parts:
            return None
        return self._hold(asked, parts, need, cap)

    def again(self, ticket: Ticket) -> None:
        """Hold another attempt of the same call, which may be billed too. Raises `BudgetExceededError`."""
        if ticket.kept == "store":
            try:
                answer = self.keeper.top_up(ticket.hold, ticket.lines)
            except StoreDownError:
                return self._down(ticket.asked, ticket.parts, ticket.need, ticket.lines)
            if not answer.granted:
                raise self._refused(ticket.asked, ticket.parts, ticket.need, ticket.lines, answer)
        ticket.attempts += 1
        return None

    def owe(self, asked: Asked, owner: Owner) -> Ticket | None:
        """A ticket that holds nothing: its budgets are charged what was spent, whether it fits or not."""
        parts = self._parts(asked, owner)
        if not parts:
            return None
        return Ticket(asked, _NOTHING, parts, self.lines(parts, None, self.keeper.now()), "", kept="nowhere")

    def settle(self, ticket: Ticket, spent: Spent) -> None:
        """Turn a hold into what was spent. Only the first settlement of a ticket counts."""
        if ticket.settled:
            return
        ticket.settled = True
        self._settlements += 1
        actual = [self._actual(part, ticket, spent) for part in ticket.parts]
        balances: Sequence[Balance] = ()
        if ticket.kept == "store":
            balances = self.keeper.settle(ticket.hold, actual).balances
        elif ticket.kept == "local":
            self.keeper.settle_locally(ticket.hold, ticket.lines, actual)
        else:
            self.keeper.charge(ticket.lines, actual)
        for index, (part, line) in enumerate(zip(ticket.parts, ticket.lines, strict=True)):
            balance = balances[index] if index < len(balances) else None
            self._listener.settled(part, line.amount * ticket.attempts, actual[index], balance)

    def listen(self, listener: Listener) -> None:
        """From now on this one is told."""
        self._listener = self.keeper.listener = listener

    def lines(self, parts: Sequence[Part], need: Need | None, now: float) -> tuple[Line, ...]:
        """What a call needs of each account at an instant."""
        return tuple([self._line(part, need, int(now)) for part in parts])

    def _hold(self, asked: Asked, parts: Matches, need: Need, cap: int | None) -> Ticket:
        hold = next(self._names)
        try:
            lines, answer = self._reserve(hold, parts, need)
            if not answer.granted and self._settled_more():
                lines, answer = self._reserve(hold, parts, need)
            if not answer.granted and self._count is not None:
                need = self._estimate.need(asked, cap, self._count)
                lines, answer = self._reserve(hold, parts, need)
            if not answer.granted:
                less = fitted_output(self._estimate, asked, parts, need, lines, answer)
                if less is not None:
                    need, cap = less, less.output_tokens // choices(asked.body or {})
                    lines, answer = self._reserve(hold, parts, need)
        except StoreDownError:
            return self._without_store(asked, parts, need, cap)
        if not answer.granted:
            raise self._refused(asked, parts, need, lines, answer)
        self._told(parts, lines, answer)
        ample = all(map(is_ample, parts, answer.balances))
        return Ticket(asked, need, parts, lines, hold, cap=cap, ample=ample)

    def _settled_more(self) -> bool:
        """Settle what waits for that in this process; whether there was anything."""
        before = self._settlements
        self._catch_up()
        return self._settlements != before

    def _reserve(self, hold: str, parts: Matches, need: Need) -> tuple[tuple[Line, ...], Answer]:
        now = self.keeper.now()
        for _ in range(_MOST_MOVES):
            lines = self.lines(parts, need, now)
            answer = self.keeper.reserve(hold, lines, self.plan.hold)
            if answer.moved is None:
                break
            now = answer.moved
        return lines, answer

    def _without_store(self, asked: Asked, parts: Matches, need: Need, cap: int | None) -> Ticket:
        lines = self.lines(parts, need, self.keeper.now())
        if self.plan.store_down == "local":
            hold = next(self._names)
            answer = self.keeper.reserve_locally(hold, lines, self.plan.hold)
            if not answer.granted:
                raise self._refused(asked, parts, need, lines, answer)
            self._decide(parts, "fail_local", "store_unavailable")
            return Ticket(asked, need, parts, lines, hold, kept="local", cap=cap)
        self._down(asked, parts, need, lines)
        return Ticket(asked, need, parts, lines, "", kept="nowhere", cap=cap)

    def _down(self, asked: Asked, parts: Matches, need: Need, lines: Sequence[Line]) -> None:
        """What the policy says of a call that the store cannot be asked about."""
        if self.plan.store_down != "closed" or not any(part.enforced for part in parts):
            return self._decide(parts, "fail_open", "store_unavailable")
        self._decide(parts, "fail_closed", "store_unavailable")
        part = next(part for part in parts if part.enforced)
        raise self._error(
            part,
            "store_unavailable",
            "the store of budgets is down, and store_down is closed: see the log for what it said",
        )

    def _parts(self, asked: Asked, owner: Owner) -> Matches:
        facts, who = asked.facts, owner.attribution
        key = (*owner_key(who), facts.request_model, facts.provider, facts.operation, owner.runs)
        found = self._matched.get(key)
        if found is None:
            if len(self._matched) >= _MOST_MATCHES:
                self._matched.clear()
            found = self._matched[key] = tuple(self._match(asked, owner))
        return found

    def _match(self, asked: Asked, owner: Owner) -> Iterator[Part]:
        subject = dict(self._labels)
        subject.update(owner.attribution.owners())
        subject.update({f"tag.{key}": value for key, value in owner.attribution.tags.items()})
        facts = asked.facts
        subject.update(provider=facts.provider, operation=facts.operation)
        if facts.request_model is not None:
            subject["model"] = facts.request_model
        if owner.run is not None:
            subject["run"] = owner.run
        if self.plan.mode != "off":
            for budget in self.plan.budgets:
                yield from self._parts_of(budget, subject, owner)
        for budget, account in owner.own:
            yield Part(budget, account, self.plan.mode != "observe")

    def _parts_of(self, budget: Budget, subject: Mapping[str, str], owner: Owner) -> Iterator[Part]:
        account = budget.account(subject)
        mode = budget.mode or "enforce"
        if account is None or mode == "off":
            return
        enforced = mode == "enforce" and self.plan.mode == "enforce"
        accounts = [account]
        if budget.window.kind == "run":
            accounts = [f"{account}{OF_RUN}{run}" for run in owner.runs]
        for name in accounts:
            yield Part(budget, name, enforced)
            if budget.velocity is not None:
                yield Part(budget, f"{name}{VELOCITY}", enforced, velocity=True)

    def _line(self, part: Part, need: Need | None, now: int) -> Line:
        window = part.window
        slot = self._slots.get(window)
        if slot is None or not slot.start <= now < (slot.ends or now + 1):
            slot = self._slots[window] = window.slot(now)
        limit = part.limit if part.enforced else UNLIMITED
        amount = 0 if need is None else max(_amount(part, need), limit == 0)
        return Line(part.account, slot.start, slot.since, slot.step, slot.until, limit, amount)

    def _cap(self, asked: Asked, parts: Matches) -> int | None:
        """The output cap that a request without one is given, or refused for want of."""
        caring = [part for part in parts if part.cares_for_output]
        if not caring or asked.facts.operation not in GENERATING or output_cap(asked.body or {}) is not None:
            return None
        for part in caring:
            if part.budget.unbounded_output != "refuse" or part.velocity:
                continue
            if part.enforced:
                why = "it names no output cap, and unbounded_output is refuse: set max_tokens"
                raise self._error(part, "unbounded_output", why)
            self._listener.decided(part, "would_deny", "unbounded_output", None)
        if asked.body is None:
            return None  # Nobody can put a cap into what is not in memory: it may take the model's maximum.
        caps = [part.budget.clamp for part in caring if part.enforced and part.budget.clamp is not None]
        return min(caps) if caps else None

    def _priced(self, parts: Matches, need: Need) -> Matches:
        """The parts that can be held. What has no price is refused, unless the budget says otherwise."""
        if need.cost is not None:
            return parts
        for part in parts:
            if part.unit != "cost" or part.budget.on_unpriced == "allow" or part.limit == 0:
                continue
            if part.budget.on_unpriced == "tokens" and any(other.unit == "token" for other in parts):
                continue
            if part.enforced:
                raise self._error(part, "unpriced", f"what it may cost is not known ({need.why})")
            self._listener.decided(part, "would_deny", "unpriced", None)
        # A limit of nothing needs no price to refuse.
        return tuple([part for part in parts if part.unit != "cost" or part.limit == 0])

    def _guard_loops(self, asked: Asked, parts: Matches) -> None:
        for part in parts:
            loop = part.budget.loop
            if loop is None or part.velocity or not self._loops.repeats(part.account, asked, loop):
                continue
            if part.enforced:
                often = f"more than {loop.calls} times in {loop.seconds} s"
                raise self._error(part, "loop", f"the same call was sent {often}: a loop?")
            self._listener.decided(part, "would_deny", "loop", None)

    def _actual(self, part: Part, ticket: Ticket, spent: Spent) -> int:
        """What a part is charged: the truth where it is known, the worst case where it is not."""
        worst = _amount(part, ticket.need)
        presumed = spent.presumed * self._presumed(part, ticket, worst) if spent.presumed else 0
        if not spent.billed:
            return presumed
        if part.unit == "request":
            return presumed + 1
        known = spent.cost if part.unit == "cost" else spent.tokens
        return presumed + (worst if known is None else known)

    def _presumed(self, part: Part, ticket: Ticket, worst: int) -> int:
        """What an attempt that nobody saw the end of is taken to have cost."""
        if self.plan.presume == "full" or part.unit == "request":
            return worst
        if self.plan.presume == "nothing":
            return 0
        return _amount(part, self._estimate.again(ticket.asked, ticket.need, 0))

    def _told(self, parts: Matches, lines: Sequence[Line], answer: Answer) -> None:
        """Tell of a call that was let through, by each budget."""
        if self._is_plain(parts, answer):
            for part, balance in zip(parts, answer.balances, strict=True):
                self._listener.decided(part, "allow", None, balance)
            return
        for part, balance in zip(parts, self._once_settled(lines, answer), strict=True):
            if is_over(part, balance):
                self._listener.decided(part, "would_deny", "velocity" if part.velocity else "limit", balance)
            elif self._thresholds.warns(part, balance, self._slots):
                self._listener.decided(part, "warn", None, balance)
            else:
                self._listener.decided(part, "allow", None, balance)

    def _is_plain(self, parts: Matches, answer: Answer) -> bool:
        """Whether no budget is over its limit, or past a threshold that it was not past before."""
        for part, balance in zip(parts, answer.balances, strict=True):
            if is_over(part, balance) or self._thresholds.passed(part, balance, self._slots):
                return False
        return True

    def _once_settled(self, lines: Sequence[Line], answer: Answer) -> Sequence[Balance]:
        """The balances, where they may say something worth telling only because a settlement was put off."""
        try:
            return self.keeper.standing(lines) if self._settled_more() else answer.balances
        except StoreDownError:
            return answer.balances

    def _decide(self, parts: Matches, decision: str, reason: Reason) -> None:
        for part in parts:
            self._listener.decided(part, decision, reason, None)

    def _refused(
        self, asked: Asked, parts: Matches, need: Need, lines: Sequence[Line], answer: Answer
    ) -> BudgetExceededError:
        """The error of the part that lacks most."""
        short = [
            (balance.spent + balance.held + line.amount - line.limit, part, line, balance)
            for part, line, balance in zip(parts, lines, answer.balances, strict=True)
            if line.limit != UNLIMITED
        ]
        _, part, line, balance = max(short, key=lambda each: each[0])
        reason: Reason = "velocity" if part.velocity else "limit"
        self._listener.decided(part, "deny", reason, balance)
        refusal = Refusal(
            budget=part.account.removesuffix(VELOCITY),
            reason=reason,
            unit=part.unit,
            limit=line.limit,
            spent=balance.spent,
            held=balance.held,
            requested=line.amount,
            resets_at=part.window.resets(int(self.keeper.now())),
            in_flight_only=balance.spent + line.amount <= line.limit,
            owner=part.budget.owner,
            fitting_model=self._suggest.model(asked, parts, need, lines, answer),
        )
        return BudgetExceededError(refusal)

    def _error(self, part: Part, reason: Reason, detail: str) -> BudgetExceededError:
        if reason != "store_unavailable":
            self._listener.decided(part, "deny", reason, None)
        return BudgetExceededError(
            Refusal(part.account, reason, part.unit, limit=part.limit, owner=part.budget.owner, detail=detail)
        )

    def _rename(self) -> None:
        self._names = names()


def _amount(part: Part, need: Need) -> int:
    if part.unit == "cost":
        return need.cost or 0
    return need.tokens if part.unit == "token" else 1
