"""`Contracts`: what a user agreed with vendors, over the list prices. Used only where a price file is set."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields
from operator import attrgetter
from pathlib import Path
from typing import NamedTuple

from otel_tokenomics.model.call import Facts, Reading
from otel_tokenomics.model.money import Cost, Line
from otel_tokenomics.pricing import vendors
from otel_tokenomics.pricing.book import PriceBook
from otel_tokenomics.pricing.contracts_charges import FixedCharge, charges
from otel_tokenomics.pricing.contracts_file import holds
from otel_tokenomics.pricing.contracts_own import CATALOG, line_of, own_cost
from otel_tokenomics.pricing.contracts_parse import read_terms
from otel_tokenomics.pricing.contracts_terms import ANY, Commitment, Discount, OwnModel, Ratio, Sku, Terms
from otel_tokenomics.pricing.price import divided, price

_MOST_PLANS = 4096
_MOST_BUCKETS = 256
_ALWAYS = 1 << 63
_STANDARD = frozenset({None, "", "auto", "default", "standard", "on_demand"})
_REPORTED = ("vendor_reported", "gateway_reported")

_Agreement = tuple[int, int, int | None]
"""A price as `Ratio`, and the same for one unit where that is whole."""
_Agreed = tuple[int, int, str | None, _Agreement | None]
"""A list price, the context tier that set it, and what was agreed for it: `None` when nothing was."""
_NOTHING: _Agreed = (-1, 0, None, None)

_facts_of = attrgetter(*(field.name for field in fields(Facts)))
_reading_of = attrgetter(*(field.name for field in fields(Reading)))
_Key = tuple[str, str, str | None, str | None, str | None, str | None]


# How the catalogue's ids say in what scope Azure sells a model.
_SCOPES: Mapping[Sku, str] = {"global": "global.", "datazone": "data_zone.", "regional": "regional."}


class Mapped(NamedTuple):
    """The model that the user's own name for a call stands for.

    `unknown` is the scope in which it is sold, where no price for that is known.
    """

    requested: str | None
    served: str | None
    deployment: str
    unknown: Sku | None = None


class Plan:
    """The terms that may concern the calls of one provider, model and tier, whenever they are made."""

    __slots__ = ("_agreed", "_discounts", "commitments", "empty", "mapped", "own")

    def __init__(
        self,
        mapped: Mapped | None,
        own: tuple[OwnModel, ...],
        discounts: tuple[Discount, ...],
        commitments: tuple[Commitment, ...],
    ) -> None:
        self.mapped = mapped
        self.own = own
        self.commitments = commitments
        self._discounts = discounts
        self._agreed: tuple[int, int, dict[str, _Agreed]] = (0, 0, {})
        self.empty = not (mapped or own or discounts or commitments)

    def discounted(self, cost: Cost, at_ns: int) -> bool:
        """Put the discounts of an instant on a cost's lines; whether there was any."""
        if not self._discounts:
            return False
        begin, end, known = self._agreed
        if not begin <= at_ns < end:
            known = self._turn(at_ns)
        lines: list[Line] = []
        total, changed, context = 0, False, cost.tier
        for line in cost.lines:
            femto, per, where, rate = known.get(line.bucket, _NOTHING)
            if femto != line.rate_femto or per != line.per or where != context:
                rate = self._agree(known, line, context, at_ns)
            if rate is None:
                lines.append(line)
                total += line.amount_femto
            else:
                # As `line_of`, written out: this is the one place that every discounted charge passes.
                changed = True
                femto, per, unit = rate
                quantity = line.quantity
                amount = divided(quantity * femto, per) if unit is None else quantity * unit
                total += amount
                lines.append(Line(line.component, line.bucket, quantity, femto, per, amount))
        if changed:
            cost.lines, cost.amount_femto = tuple(lines), total
        return changed

    def _turn(self, at_ns: int) -> dict[str, _Agreed]:
        """Begin anew: what was agreed is remembered for as long as the same discounts hold."""
        turns = [turn for rule in self._discounts for turn in rule.span if turn is not None]
        begin = max((turn for turn in turns if turn <= at_ns), default=-_ALWAYS)
        end = min((turn for turn in turns if turn > at_ns), default=_ALWAYS)
        self._agreed = begin, end, {}
        return self._agreed[2]

    def _agree(
        self, known: dict[str, _Agreed], line: Line, context: str | None, at_ns: int
    ) -> _Agreement | None:
        """What is agreed for a line at an instant, remembered while lines of its bucket have its rate."""
        about = [
            rule
            for rule in self._discounts
            if holds(rule.span, at_ns)
            and "@" not in line.bucket
            and rule.rank(line.bucket) is not None
            and (rule.unit is None or rule.context == context)
        ]
        rule = min(about, key=lambda rule: _precedence(rule, line.bucket), default=None)
        rate = None if rule is None else _by_unit(rule.applied(line.rate_femto, line.per))
        if len(known) < _MOST_BUCKETS or line.bucket in known:
            known[line.bucket] = (line.rate_femto, line.per, context, rate)
        return rate


def _by_unit(rate: Ratio) -> _Agreement:
    femto, per = rate
    return femto, per, None if femto % per else femto // per


def _precedence(rule: Discount, bucket: str) -> tuple[bool, bool, int, bool]:
    """A model's own discount first, then that of a bucket, then that of a tier."""
    return (rule.model == ANY, rule.provider == ANY, -(rule.rank(bucket) or 0), rule.tier is None)


class Contracts:
    """The terms of one price file, and prices by them."""

    def __init__(self, terms: Terms) -> None:
        self.terms = terms
        self._plans: dict[_Key, Plan] = {}
        self._version = f"sha256:{terms.digest[:12]}"

    @classmethod
    def load(cls, path: Path) -> Contracts:
        """The terms of the price file at `path`. Raises `PriceFileError`."""
        return cls(read_terms(path))

    def charges(self, since_ns: int, until_ns: int, allocated: Mapping[str, int]) -> list[FixedCharge]:
        """The charges of a period that belong to no call; see `contracts_charges.charges`."""
        return charges(self.terms, since_ns, until_ns, allocated)

    def price(self, facts: Facts, reading: Reading, at_ns: int, book: PriceBook) -> Cost:
        """What a response cost, as `pricing.price.price` says, by the terms of the user's own.

        The user's own models come first, then the catalogue's list prices. Discounts make of these the
        contracted amount, and what a commitment covers adds nothing to the bill. A cost that the vendor put
        on the wire is left alone.
        """
        key = (
            book.version,
            facts.provider,
            reading.response_model,
            facts.request_model,
            reading.service_tier,
            reading.speed,
        )
        plan = self._plans.get(key)
        if plan is None:
            plan = self._remember(key, self._plan(facts, reading, book))
        if plan.empty or facts.billing == "free":
            return price(facts, reading, at_ns, book)
        cost = self._before_discounts(plan, facts, reading, at_ns, book)
        if cost.method not in _REPORTED:
            self._agree(cost, plan, at_ns)
        return cost

    def _remember(self, key: _Key, plan: Plan) -> Plan:
        if len(self._plans) >= _MOST_PLANS:
            self._plans.clear()
        self._plans[key] = plan
        return plan

    def _before_discounts(
        self, plan: Plan, facts: Facts, reading: Reading, at_ns: int, book: PriceBook
    ) -> Cost:
        if plan.own and reading.reported_cost_femto is None:
            for model in plan.own:
                if holds(model.span, at_ns):
                    return own_cost(model, reading.usage, _tier(reading), self._version)
        if plan.mapped is not None:
            facts, reading = _renamed(plan.mapped, facts, reading)
        return price(facts, reading, at_ns, book)

    def _agree(self, cost: Cost, plan: Plan, at_ns: int) -> None:
        """Turn a cost at list prices, which nobody else has seen yet, into what was agreed."""
        listed = None if cost.catalog == CATALOG else cost.amount_femto
        discounted = plan.discounted(cost, at_ns)
        covering = None
        for item in plan.commitments:
            if holds(item.span, at_ns):
                covering = item
        if covering is None and not discounted:
            return
        cost.list_femto, cost.contracted_femto = listed, cost.amount_femto
        if covering is not None:
            _cover(cost, covering)
        if cost.method != "estimated":
            cost.method = "contract"
        if cost.catalog is None:
            cost.catalog, cost.catalog_version = CATALOG, self._version
        elif cost.catalog != CATALOG:
            cost.catalog_version = f"{cost.catalog_version};own:{self._version}"

    def _plan(self, facts: Facts, reading: Reading, book: PriceBook) -> Plan:
        mapped = self._mapped(facts, reading, book)
        provider = facts.provider
        served = (mapped.served or mapped.requested) if mapped else None
        names = _names(served or reading.response_model or facts.request_model, provider, book)
        if mapped is not None:
            names |= {mapped.deployment, *_unscoped(names)}
        providers = (provider, vendors.catalogued(provider), ANY)
        tier = _tier(reading)
        return Plan(
            mapped,
            tuple(item for item in self.terms.models if item.provider in providers and item.id in names),
            tuple(
                item
                for item in self.terms.discounts
                if item.provider in providers
                and (item.model == ANY or item.model in names)
                and item.tier in (None, tier)
            ),
            tuple(
                item
                for item in self.terms.commitments
                if item.provider in providers
                and item.tier in (None, tier)
                and (
                    ANY in item.models
                    or not set(item.models).isdisjoint(names)
                    or (mapped is not None and mapped.deployment in item.deployments)
                    or facts.request_model in item.deployments
                )
            ),
        )

    def _mapped(self, facts: Facts, reading: Reading, book: PriceBook) -> Mapped | None:
        """What `[deployments]` and `[profiles]` say of the names of a call.

        The served model is what is billed, so that a deployment's model is taken only where the response
        names none that the catalogue knows.
        """
        asked = facts.request_model
        for name in (asked, reading.response_model):
            deployment = self.terms.deployments.get(name or "")
            if deployment is not None and name is not None:
                served = reading.response_model
                if served is None or served == name or not _known(facts.provider, served, book):
                    served = deployment.model
                scoped = _scoped(facts.provider, served, deployment.sku, book)
                return Mapped(asked, scoped or served, name, deployment.sku if scoped is None else None)
            profile = self._profile(name)
            if profile is not None and name is not None:
                return Mapped(profile, None, name)
        return None

    def _profile(self, name: str | None) -> str | None:
        """The model of a Bedrock profile, by its whole ARN or by the id that ends it."""
        if name is None or not self.terms.profiles:
            return None
        return self.terms.profiles.get(name) or self.terms.profiles.get(name.rpartition("/")[2])


def _known(provider: str, model: str, book: PriceBook) -> bool:
    return book.match(vendors.catalogued(provider), model) is not None


def _scoped(provider: str, model: str, sku: Sku | None, book: PriceBook) -> str | None:
    """The model as it is sold in a scope; `None` when the catalogue has no price for that."""
    if sku is None:
        return model
    name = vendors.catalogued(provider)
    match = book.match(name, model)
    scoped = None if match is None else book.match(name, _SCOPES[sku] + match.id)
    if scoped is None:
        return model if sku == "global" else None
    return scoped.id


def _unscoped(names: Iterable[str]) -> set[str]:
    return {name.removeprefix(scope) for name in names for scope in _SCOPES.values()}


def _names(model: str | None, provider: str, book: PriceBook) -> set[str]:
    """A model's names: as it was given, and the catalogue's id for it."""
    if model is None:
        return set()
    match = book.match(vendors.catalogued(provider), model)
    return {model} if match is None else {model, match.id}


def _tier(reading: Reading) -> str:
    """The tier that was served, in the provider's own word; the ordinary one is `standard`."""
    if reading.speed not in (None, "", "standard"):
        return str(reading.speed)
    return "standard" if reading.service_tier in _STANDARD else str(reading.service_tier)


def _renamed(mapped: Mapped, facts: Facts, reading: Reading) -> tuple[Facts, Reading]:
    """Copies of a call's words that name the model that its names stand for."""
    if mapped.requested != facts.request_model:
        facts = Facts(*_facts_of(facts))
        facts.request_model = mapped.requested
    reading = Reading(*_reading_of(reading))
    reading.response_model = mapped.served
    if mapped.unknown is not None:
        # No vendor runs there, so that it stays without a price, whatever the model is.
        reading.inference_geo = mapped.unknown
    return facts, reading


def _cover(cost: Cost, commitment: Commitment) -> None:
    """What a commitment covers is paid for already: nothing is added, however little is known of it."""
    cost.price_id = cost.price_id or f"own/commitment/{commitment.name}"
    cost.lines = tuple(
        line_of(line.component, line.bucket, line.quantity, (0, line.per)) for line in cost.lines
    )
    cost.amount_femto = 0
    cost.status, cost.unpriced_reason, cost.bound = "complete", None, None
