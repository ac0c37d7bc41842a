"""Price cards as text and as JSON: what a model costs, and in what two books differ."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from otel_tokenomics.model.money import decimal_string
from otel_tokenomics.pricing.book import PriceBook
from otel_tokenomics.pricing.cards import Card, Period, Rate

_MILLION = 1_000_000
_HOUR_MS = 3_600_000
_MILLIARD = 10**9


def parts_of(card: Card) -> Iterator[tuple[str, Period]]:
    """The price lists of a card, each with what sets it apart: `list`, a date, hours, a tier."""
    for period in card.periods:
        yield _named("list", period), period
    for variant in card.variants:
        if variant.period.rates:
            yield _named("+".join(variant.when.values()), variant.period), variant.period


def _named(name: str, period: Period) -> str:
    marks = [name]
    if period.start is not None:
        marks.append(f"from {period.start}")
    if period.window_ns is not None:
        begin, end = (_clock(instant) for instant in period.window_ns)
        marks.append(f"{begin}-{end} UTC{' on working days' if period.calendar is not None else ''}")
    return " ".join(marks)


def _clock(instant_ns: int) -> str:
    minutes = instant_ns // 60_000_000_000
    return f"{minutes // 60:02d}:{minutes % 60:02d}"


def price_text(rate: Rate) -> str:
    """`1.25 per 1M`, and from where on in a request it is another price."""
    unit = _unit(rate.per)
    steps = [f"{decimal_string(femto)} above {start:,}" for start, femto in reversed(rate.tiers)]
    return "; ".join([f"{decimal_string(rate.femto)} per {unit}", *steps])


def _unit(per: int) -> str:
    return {_MILLION: "1M", _HOUR_MS: "hour", 1: "1"}.get(per, f"{per:,}")


def per_million(rate: Rate | None) -> str:
    """The price of a million units; `-` when there is none, and `~` before one that has no end."""
    if rate is None:
        return "-"
    femto, rest = divmod(rate.femto * _MILLION, rate.per)
    return f"~{decimal_string(femto // _MILLIARD * _MILLIARD)}" if rest else decimal_string(femto)


def rate_document(rate: Rate) -> dict[str, Any]:
    """A rate as JSON's own types, amounts as exact decimal strings."""
    above = {str(start): decimal_string(femto) for start, femto in rate.tiers}
    return {"price": decimal_string(rate.femto), "per": rate.per, **({"above": above} if above else {})}


def card_document(card: Card) -> dict[str, Any]:
    """A card as JSON's own types: its lists by what sets them apart."""
    return {
        "id": card.id,
        "lists": [
            {"list": name, "rates": {bucket: rate_document(rate) for bucket, rate in period.rates.items()}}
            for name, period in parts_of(card)
        ],
    }


@dataclass(frozen=True, slots=True)
class Change:
    """A difference between two books. `bucket` is `None` when the whole model came or went."""

    provider: str
    model: str
    list: str | None = None
    bucket: str | None = None
    before: str | None = None
    after: str | None = None

    @property
    def text(self) -> str:
        """One line: `+` came, `-` went, `~` changed."""
        name = f"{self.provider}/{self.model}"
        if self.bucket is None:
            return f"{'+' if self.after else '-'} {name}"
        return f"~ {name} {self.list} {self.bucket}: {self.before or '-'} -> {self.after or '-'}"


def changes(before: PriceBook, after: PriceBook) -> Iterator[Change]:
    """In what one book differs from another, model by model and price by price."""
    for provider in sorted({*before.providers(), *after.providers()}):
        old, new = _cards(before, provider), _cards(after, provider)
        for model in sorted({*old, *new}):
            if model not in new:
                yield Change(provider, model, before="listed")
            elif model not in old:
                yield Change(provider, model, after="listed")
            elif old[model] != new[model]:
                yield from _changed(provider, model, _prices(old[model]), _prices(new[model]))


def _cards(book: PriceBook, provider: str) -> dict[str, Card]:
    section = book.section(provider)
    return {} if section is None else {id: section.card(id) for id in section.ids()}


def _prices(card: Card) -> Mapping[tuple[str, str], str]:
    return {
        (name, bucket): price_text(rate)
        for name, period in parts_of(card)
        for bucket, rate in period.rates.items()
    }


def _changed(
    provider: str,
    model: str,
    old: Mapping[tuple[str, str], str],
    new: Mapping[tuple[str, str], str],
) -> Iterator[Change]:
    for name, bucket in dict.fromkeys([*old, *new]):
        before, after = old.get((name, bucket)), new.get((name, bucket))
        if before != after:
            yield Change(provider, model, name, bucket, before, after)
