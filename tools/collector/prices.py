"""The price table of the collector: the engine's own answers, as statements of the transform processor.

For each model the engine is asked what one token of each kind costs; what the collector computes from that
is then compared with the engine on whole usages, and a model on which they differ is left out. Left out are
also models whose price depends on the hour. Money is whole femto-USD here as there.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Final, NamedTuple

from tools.collector import foreign
from tools.collector.foreign import span

from otel_tokenomics.model.call import Facts, Reading
from otel_tokenomics.model.money import FEMTO
from otel_tokenomics.model.usage import Usage
from otel_tokenomics.pricing.book import PriceBook, bundled
from otel_tokenomics.pricing.cards import DAY, Card, unix_ns
from otel_tokenomics.pricing.price import price
from otel_tokenomics.pricing.vendors import catalogued

PROVIDERS: Final = (
    "openai",
    "anthropic",
    "gcp.gemini",
    "gcp.vertex_ai",
    "aws.bedrock",
    "mistral_ai",
    "x_ai",
    "deepseek",
    "groq",
    "cohere",
)
BUCKETS: Final = ("input", "cache_read", "cache_write", "output")
NONE: Final = -1
DATE: Final = r"-20\\d\\d-?(0[1-9]|1[0-2])-?(0[1-9]|[12]\\d|3[01])$"
"""The end of a snapshot's name, as OTTL writes it."""
USAGES: Final = ((1, 0, 0, 1), (907, 0, 0, 311), (907, 401, 0, 311), (907, 401, 89, 311))
"""Counts by bucket on which the collector and the engine must agree."""

RATE: Final = "tokenomics.rate"
MARK: Final = "collector"
"""Stands in `tokenomics.cost.assumption`: standard tier, caches of five minutes, text."""


class Level(NamedTuple):
    """Femto-USD of a token by bucket, `NONE` where there is no price, of inputs of more than `above`."""

    above: int
    rates: tuple[int, ...]


Levels = tuple[Level, ...]


def now_ns(book: PriceBook) -> int:
    """The instant that the table is for: the day of the catalogue."""
    return unix_ns(book.date) + DAY // 2


def ask(provider: str, model: str, buckets: dict[str, int], book: PriceBook) -> int | None:
    """What the engine says these tokens cost, or `None`."""
    facts = Facts(provider, "chat", "openai", "chat", request_model=model)
    reading = Reading(Usage(buckets), response_model=model)
    cost = price(facts, reading, now_ns(book), book)
    return cost.amount_femto if cost.status == "complete" else None


def steady(card: Card, at_ns: int) -> bool:
    """Whether a card's prices depend on nothing but the model: no hours, no change that is known to come."""
    return all(period.window_ns is None and period.start_ns <= at_ns for period in card.periods)


def levels(provider: str, model: str, book: PriceBook) -> Levels | None:
    """The prices of a model by length of input, lowest first; `None` if the collector cannot have them."""
    card = book.card(catalogued(provider), model)
    if card is None or not steady(card, now_ns(book)):
        return None
    rates = card.period(now_ns(book)).rates.values()
    starts = sorted({0, *(start for rate in rates for start, _ in rate.tiers)})
    found = tuple([level(provider, model, start, book) for start in starts])
    if all(of.rates[0] == NONE for of in found):
        return None
    return found if agrees(provider, model, found, book) else None


def level(provider: str, model: str, above: int, book: PriceBook) -> Level:
    """What one more token of each bucket adds to a request whose input is longer than `above`."""
    few = ask(provider, model, {"input": above + 1}, book)
    rates = []
    for bucket in BUCKETS:
        more = Counter({"input": above + 1}) + Counter({bucket: 1000})
        many = ask(provider, model, dict(more), book)
        whole = few is not None and many is not None and (many - few) % 1000 == 0
        rates.append((many - few) // 1000 if whole and few is not None and many is not None else NONE)
    return Level(above, tuple(rates))


def computed(found: Levels, tokens: dict[str, int]) -> int | None:
    """What the collector computes; `None` where it finds no price."""
    given = sum(tokens[bucket] for bucket in BUCKETS[:3])
    rates = next(level.rates for level in reversed(found) if given > level.above or not level.above)
    if any(rate == NONE and tokens[bucket] for rate, bucket in zip(rates, BUCKETS, strict=True)):
        return None
    return sum(rate * tokens[bucket] for rate, bucket in zip(rates, BUCKETS, strict=True))


def agrees(provider: str, model: str, found: Levels, book: PriceBook) -> bool:
    """Whether the engine says the same of short and long requests, with and without caches."""
    for of in found:
        for counts in USAGES:
            tokens = dict(zip(BUCKETS, counts, strict=True))
            tokens["input"] += of.above
            mine = computed(found, tokens)
            engine = ask(provider, model, {key: count for key, count in tokens.items() if count}, book)
            if mine is not None and mine != engine:
                return False
    return True


def table(book: PriceBook | None = None) -> dict[str, dict[Levels, list[str]]]:
    """Models by provider and price, every name that the catalogue gives them included."""
    book = book or bundled()
    made: dict[str, dict[Levels, list[str]]] = {}
    for provider in PROVIDERS:
        by_price: dict[Levels, list[str]] = defaultdict(list)
        section = book.section(catalogued(provider))
        if section is None:
            raise LookupError(f"the catalogue has no prices of {provider}")
        for model in sorted({*section.ids(), *section.names._aliases}):
            if (found := levels(provider, model, book)) is not None:
                by_price[found].append(model)
        made[provider] = dict(by_price)
    return made


def pricing(provider: str, by_price: dict[Levels, list[str]]) -> Iterator[str]:
    """Statements that put the rates of its model on a span of a provider."""
    yield from undating(provider, bundled())
    for found, models in by_price.items():
        is_one = f"ContainsValue([{foreign.quoted(models)}], {span('tokenomics.model')})"
        for of in found:
            rates = ", ".join(f'"{key}": {rate}' for key, rate in zip(BUCKETS, of.rates, strict=True))
            longer = [f"{span(foreign.INPUT)} > {of.above}"] if of.above else []
            yield foreign.put(RATE, f"{{{rates}}}", is_one, *longer)


def naming() -> Iterator[str]:
    """Statements that say which model is billed: the served one, at Bedrock the requested one."""
    model, asked = span("tokenomics.model"), span(foreign.REQUEST_MODEL)
    yield f'set({model}, {asked}) where {span(foreign.PROVIDER)} == "aws.bedrock"'
    yield f"set({model}, {span(foreign.RESPONSE_MODEL)}) where {model} == nil"
    yield f"set({model}, {asked}) where {model} == nil"


def undating(provider: str, book: PriceBook) -> Iterator[str]:
    """Statements that drop the date of a snapshot, unless the catalogue lists it with a price of its own."""
    model, listed = span("tokenomics.model"), foreign.quoted(dated(provider, book))
    other = f" where not ContainsValue([{listed}], {model})" if listed else ""
    yield f'replace_pattern({model}, "-(20\\\\d\\\\d)(\\\\d\\\\d)(\\\\d\\\\d)$", "-$1-$2-$3"){other}'
    yield f'replace_pattern({model}, "{DATE}", ""){other}'


def dated(provider: str, book: PriceBook) -> list[str]:
    """The dated snapshots that the catalogue lists by themselves."""
    section = book.section(catalogued(provider))
    names = {*section.ids(), *section.names._aliases} if section else set()
    return sorted(name for name in names if re.search(DATE.replace("\\\\", "\\"), name))


def settling(version: str) -> Iterator[str]:
    """Statements that turn counts and rates into money, or into the reason why there is none."""
    reason = "tokenomics.cost.unpriced_reason"
    open_ = f"{span(foreign.STATUS)} == nil"
    complete = f'{span(foreign.STATUS)} == "complete"'
    put, given, femto = foreign.put, span(foreign.INPUT), "tokenomics.cost.femto"
    yield put(foreign.STATUS, '"complete"', f"{span(foreign.AMOUNT)} != nil")
    yield put("tokenomics.cost.method", '"gateway_reported"', complete)
    yield put(foreign.OUTPUT, "0", f"{span(foreign.OUTPUT)} == nil", f"{given} != nil")
    for why, when in reasons():
        yield put(reason, f'"{why}"', open_, f"{span(reason)} == nil", when)
    yield put(foreign.STATUS, '"unpriced"', f"{span(reason)} != nil")
    yield put(femto, amount(), open_)
    yield put(foreign.AMOUNT, f"Double({span(femto)}) / {FEMTO}.0", open_)
    yield put("tokenomics.cost.method", '"catalog"', open_)
    yield put("tokenomics.price.catalog.version", f'"{version}"', open_)
    yield put(foreign.STATUS, '"complete"', open_)
    yield put("gen_ai.usage.cost.currency", '"USD"', complete)
    yield put("gen_ai.usage.cost.source", '"local"', complete)
    yield f'set({span("tokenomics.cost.assumption")}, "{MARK}")'
    for key in (RATE, "tokenomics.model", femto):
        yield f'delete_key(span.attributes, "{key}")'


def rate(bucket: str) -> str:
    """The path of a bucket's rate."""
    return f'{span(RATE)}["{bucket}"]'


def amount() -> str:
    """The femto-USD of a span that has counts and rates."""
    given, read, write = span(foreign.INPUT), span(foreign.CACHE_READ), span(foreign.CACHE_WRITE)
    fresh = f"({given} - {read} - {write}) * {rate('input')}"
    cached = f"{read} * {rate('cache_read')} + {write} * {rate('cache_write')}"
    return f"{fresh} + {cached} + {span(foreign.OUTPUT)} * {rate('output')}"


def reasons() -> Iterator[tuple[str, str]]:
    """Why a span has no price, and when."""
    yield "missing_usage", f"{span(foreign.INPUT)} == nil"
    yield "unknown_model", f"{span(RATE)} == nil"
    for key in foreign.TIERS:
        served = f"ContainsValue([{foreign.quoted(foreign.STANDARD)}], {span(key)})"
        yield "unknown_tier", f"{span(key)} != nil and not {served}"
    counts = {"cache_read": foreign.CACHE_READ, "cache_write": foreign.CACHE_WRITE, "output": foreign.OUTPUT}
    for bucket, key in counts.items():
        yield "unsupported_modality", f"{rate(bucket)} == {NONE} and {span(key)} > 0"
