"""Sums of a ledger in one currency, the others exchanged at the rate of each call's day. For reports only."""

from __future__ import annotations

import dataclasses
import itertools
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from otel_tokenomics.ledger import queries
from otel_tokenomics.ledger.queries import Rollup, Scope
from otel_tokenomics.pricing.contracts_charges import Converted, convert, turns
from otel_tokenomics.pricing.contracts_terms import Exchange


class Money(NamedTuple):
    """The currency of a report, and the rates at which it exchanges others into it."""

    currency: str
    rates: Sequence[Exchange] = ()


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Calls in other money that a report's sums are without.

    `first` is the date of the first rate; `None` when there is none between the two currencies.
    """

    currency: str
    calls: int
    cost_femto: int | None
    first: str | None = None


@dataclass(frozen=True, slots=True)
class Sums:
    """The groups of a ledger in one currency, the scopes that they are of, and what they are without."""

    groups: Sequence[Rollup]
    scopes: Sequence[Scope]
    left_out: Sequence[LeftOut] = ()


def sums(
    connection: sqlite3.Connection, by: Sequence[str], scope: Scope, money: Money, *, utc: bool = False
) -> Sums:
    """The sums by group within `scope`, whose currency is set aside. Raises `sqlite3.Error`."""
    own = dataclasses.replace(scope, currency=money.currency)
    groups = queries.rollups(connection, by, own, utc=utc)
    scopes, left = [own], []
    for currency in queries.currencies(connection, dataclasses.replace(scope, currency=None)):
        if currency == money.currency:
            continue
        for part in _parts(scope, currency, money):
            found = queries.rollups(connection, by, part, utc=utc)
            groups += [_exchanged(group, part, money) for group in found if group.calls]
            scopes.append(part)
        left += _left_out(connection, scope, currency, money)
    return Sums(_merged(groups) if len(scopes) > 1 else groups, scopes, left)


def _parts(scope: Scope, currency: str, money: Money) -> Iterator[Scope]:
    """The parts of a scope in which one rate holds."""
    starts = turns(money.rates, currency, money.currency)
    for start, end in itertools.zip_longest(starts, starts[1:]):
        since = start if scope.since_ns is None else max(start, scope.since_ns)
        until = min((end for end in (end, scope.until_ns) if end is not None), default=None)
        if until is None or since < until:
            yield Scope(since, until, scope.run, currency, strict=True)


def _left_out(connection: sqlite3.Connection, scope: Scope, currency: str, money: Money) -> list[LeftOut]:
    """The calls that were made before the first rate."""
    first = next(iter(turns(money.rates, currency, money.currency)), None)
    ends = [end for end in (first, scope.until_ns) if end is not None]
    before = Scope(scope.since_ns, min(ends, default=None), scope.run, currency, strict=True)
    total = queries.rollups(connection, (), before)[0]
    if not total.calls:
        return []
    known = None if first is None else convert(money.rates, 0, currency, money.currency, first)
    return [LeftOut(currency, total.calls, total.cost_femto, known.date if known else None)]


def amount_of(exchanged: Converted | None) -> int | None:
    """An amount that was exchanged, or `None` where it could not be."""
    return None if exchanged is None else exchanged.amount_femto


def _exchanged(group: Rollup, part: Scope, money: Money) -> Rollup:
    """A group's amounts in the report's currency, with the original beside them."""
    cost = _amount(group.cost_femto, part, money)
    listed, agreed = (_amount(femto, part, money) for femto in (group.list_femto, group.contracted_femto))
    return dataclasses.replace(
        group,
        cost_femto=amount_of(cost),
        list_femto=amount_of(listed),
        contracted_femto=amount_of(agreed),
        exchanged=() if cost is None else (cost,),
    )


def _amount(femto: int | None, part: Scope, money: Money) -> Converted | None:
    if femto is None or part.currency is None:
        return None
    return convert(money.rates, femto, part.currency, money.currency, part.since_ns or 0)


def _merged(groups: Sequence[Rollup]) -> list[Rollup]:
    """One group for each set of keys, the dearest first."""
    same: dict[tuple[str | None, ...], list[Rollup]] = {}
    for group in groups:
        same.setdefault(tuple(group.keys.values()), []).append(group)
    return sorted(
        (queries.total_of(found, found[0].keys) for found in same.values()), key=queries.dearest_first
    )
