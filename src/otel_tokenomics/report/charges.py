"""The charges of a report that are no call's: commitments, idle machines, seats. See docs/own-prices.md."""

from __future__ import annotations

import itertools
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from otel_tokenomics.ledger import queries
from otel_tokenomics.ledger.queries import Scope, known_sum
from otel_tokenomics.pricing import vendors
from otel_tokenomics.pricing.contracts_charges import (
    ChargeKind,
    Converted,
    FixedCharge,
    charges,
    convert,
    together,
)
from otel_tokenomics.pricing.contracts_terms import ANY, SELF_HOSTED, Terms
from otel_tokenomics.report.exchange import Money, amount_of, sums

_Part = tuple[FixedCharge, int | None]
"""A charge of a part of the period, and the usage beside it."""


@dataclass(frozen=True, slots=True)
class Charge:
    """One charge of a period, in the currency in which it arises and in the report's.

    `cost_femto` is `None` when a rate that it needs is not known. `usage_femto` is what stands beside it:
    what calls were charged for the machines that were idle for the rest, or what the calls of a seat's user
    at its provider cost.
    """

    kind: ChargeKind
    name: str
    provider: str
    user: str | None
    since_ns: int
    until_ns: int
    cost_femto: int | None
    original_femto: int
    original_currency: str
    exchanged: Sequence[Converted] = ()
    usage_femto: int | None = None


def fixed(
    connection: sqlite3.Connection, terms: Terms, since_ns: int | None, until_ns: int, money: Money
) -> list[Charge]:
    """The fixed charges of a period; without a beginning, each from that of its term on.

    Raises `sqlite3.Error`.
    """
    begin = min(_starts(terms), default=until_ns) if since_ns is None else since_ns
    found: dict[tuple[str, str, str | None], list[_Part]] = {}
    # Each part of the period has one rate, and charges of parts sum to the charge of the whole.
    cuts = sorted({begin, until_ns, *(r.since_ns for r in terms.exchange if begin < r.since_ns < until_ns)})
    for since, until in itertools.pairwise(cuts):
        for part in _of_part(connection, terms, since, until):
            found.setdefault((part[0].kind, part[0].name, part[0].user), []).append(part)
    return [_whole(connection, parts, money) for parts in found.values()]


def _starts(terms: Terms) -> Iterator[int]:
    for held in (terms.commitments, terms.self_hosted, terms.subscriptions):
        yield from (item.span[0] for item in held)


def total_of(made: Iterable[Charge]) -> int | None:
    """The sum of the charges that are known in the report's currency; `None` when none is."""
    return known_sum(charge.cost_femto for charge in made)


def _of_part(connection: sqlite3.Connection, terms: Terms, since_ns: int, until_ns: int) -> Iterator[_Part]:
    told: dict[tuple[str, str], int] = {}
    if terms.self_hosted:
        told = queries.allocated(connection, Scope(since_ns, until_ns), SELF_HOSTED)
    known = {host.name: told.get((host.price_id, host.currency), 0) for host in terms.self_hosted}
    by_price = {host.price_id: known[host.name] for host in terms.self_hosted}
    for charge in charges(terms, since_ns, until_ns, by_price):
        yield charge, known[charge.name] if charge.kind == "idle" else None


def _whole(connection: sqlite3.Connection, parts: Sequence[_Part], money: Money) -> Charge:
    first, last = parts[0][0], parts[-1][0]
    amounts = [_into(part.amount_femto, part, money) for part, _ in parts]
    usages = [amount_of(_into(usage, part, money)) for part, usage in parts if usage is not None]
    known = [amount for amount in amounts if amount is not None]
    usage = None if None in usages else known_sum(usages)
    if first.kind == "subscription" and first.user is not None:
        usage = _of_user(connection, first, last.until_ns, money)
    return Charge(
        kind=first.kind,
        name=first.name,
        provider=first.provider,
        user=first.user,
        since_ns=first.since_ns,
        until_ns=last.until_ns,
        cost_femto=sum(item.amount_femto for item in known) if len(known) == len(amounts) else None,
        original_femto=sum(part.amount_femto for part, _ in parts),
        original_currency=first.currency,
        exchanged=together(item for item in known if item.original_currency != money.currency),
        usage_femto=usage,
    )


def _into(amount_femto: int, part: FixedCharge, money: Money) -> Converted | None:
    return convert(money.rates, amount_femto, part.currency, money.currency, part.since_ns)


def _of_user(connection: sqlite3.Connection, charge: FixedCharge, until_ns: int, money: Money) -> int | None:
    """What the calls of a seat's user cost at the provider of the seat, as they were priced."""
    groups = sums(connection, ("provider", "user"), Scope(charge.since_ns, until_ns), money).groups
    return known_sum(
        group.cost_femto
        for group in groups
        if group.keys["user"] == charge.user and _is_of(charge.provider, group.keys["provider"] or "")
    )


def _is_of(provider: str, called: str) -> bool:
    return provider in (ANY, called, vendors.catalogued(called))
