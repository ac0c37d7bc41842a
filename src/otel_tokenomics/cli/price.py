"""`tokenomics price`: what one response costs, line by line, from the usage that the API returned."""

from __future__ import annotations

import argparse
import difflib
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Context, Decimal
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

from otel_tokenomics.cli import console, terms
from otel_tokenomics.cli.bodies import Served, read
from otel_tokenomics.model.call import Facts, Reading
from otel_tokenomics.model.money import FEMTO, Cost, Line, decimal_string
from otel_tokenomics.model.usage import TOKEN_COMPONENTS, component_of
from otel_tokenomics.pricing import vendors
from otel_tokenomics.pricing.book import PriceBook
from otel_tokenomics.pricing.cards import Card
from otel_tokenomics.pricing.contracts_own import CATALOG
from otel_tokenomics.pricing.installed import current
from otel_tokenomics.pricing.price import price
from otel_tokenomics.report import table
from otel_tokenomics.report.period import EXAMPLES as TIMES
from otel_tokenomics.report.period import instant, unix_ns

EXAMPLES = """\
  tokenomics price --provider openai --model gpt-5.4-mini --usage usage.json
  tokenomics price --provider anthropic --model claude-opus-5-5 --region us --usage response.json
  tokenomics price --provider openai --model o3 --tier flex --at 2026-10-12 --usage - < usage.json
  tokenomics price --provider gcp.gemini --usage response.json --json | jq -r .amount

FILE holds the JSON that the API returned: the usage object, or the whole response with it. What the response
says of model, tier, region and speed counts unless an option says otherwise.

exit code: 0 priced (a part without a price is told), 2 something to put right, 3 no price is known"""

UNPRICED = 3
_DIGITS = Context(prec=30)
_DROPPED_FIRST = ("unit", "multipliers", "quantity", "unit price")
_TIER_WORDS = ("processing", "service_tier")
_STANDARD_WORDS = {"default", "standard"}
_UNITS = {"audio.ms": "millisecond", "characters": "character", "images": "image", "requests": "request"}
_WANTED = " Give the API's usage object or whole response"
_REASONS = {
    "missing_usage": "nothing in it could be read as usage. Give the API's usage object or whole response",
    "unsupported_modality": "the card has no price for any part of this usage",
    "unknown_currency": "the currency of the cost is not known",
}


def add_parser(subparsers: Any) -> None:
    """Add `price` to the command's subparsers."""
    parser = console.new_parser(subparsers, "price", "price one response, line by line", EXAMPLES)
    parser.add_argument("--provider", required=True, metavar="NAME", help="such as openai, gcp.gemini, azure")
    parser.add_argument("--model", metavar="NAME", help="the model as served (default: the response's)")
    parser.add_argument("--tier", metavar="NAME", help="the service tier as served, such as flex or batch")
    parser.add_argument("--region", metavar="NAME", help="where it ran, such as us")
    parser.add_argument("--speed", metavar="NAME", help="the speed as served, such as fast")
    parser.add_argument("--operation", metavar="NAME", help="such as chat, embeddings, image_generation")
    parser.add_argument("--at", default="now", metavar="TIME", help=f"when, UTC unless it says: {TIMES}")
    parser.add_argument("--usage", required=True, metavar="FILE", help="the JSON of the API, - for stdin")
    parser.add_argument("--json", action="store_true", help="print JSON, amounts as exact decimal strings")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the cost and what it is made of; 3 when there is no price."""
    at = _instant(arguments.at)
    served = Served(
        arguments.provider,
        arguments.model,
        arguments.operation,
        arguments.tier,
        arguments.region,
        arguments.speed,
    )
    facts, reading = read(_object(arguments.usage), served)
    book = current()
    cost = terms.pricer()(facts, reading, unix_ns(at), book)
    charges = explained(cost, _before(facts, reading, unix_ns(at), book))
    if arguments.json:
        print(json.dumps(document(cost, charges), indent=2, ensure_ascii=False))
    elif cost.amount_femto is not None:
        console.print_lines(_table(cost, charges, facts, reading, book, at))
    if cost.amount_femto is not None:
        return 0
    print(f"tokenomics: unpriced: {_why(cost, facts, reading, book)}", file=sys.stderr)
    return UNPRICED


@dataclass(frozen=True, slots=True)
class Charge:
    """A line of a cost: the list price of one unit, and the factors that make of it what was charged."""

    line: Line
    unit_price: str
    multipliers: Sequence[str]


def _before(facts: Facts, reading: Reading, at_ns: int, book: PriceBook) -> Sequence[Cost]:
    """The list price wherever it runs, then where it ran: what a place and the user's own terms change."""
    anywhere = price(replace(facts, server_address=None), replace(reading, inference_geo=None), at_ns, book)
    return (anywhere, price(facts, reading, at_ns, book))


def explained(cost: Cost, before: Sequence[Cost]) -> list[Charge]:
    """The lines of a cost with what each step of `before` and the cost itself multiplied."""
    steps = [step.lines for step in before if [line.bucket for line in step.lines] == _buckets(cost)]
    charges = []
    for number, line in enumerate(cost.lines):
        rates = [_rate(lines[number]) for lines in steps] + [_rate(line)]
        factors = [after / start for start, after in pairwise(rates) if start and after != start]
        charges.append(Charge(line, plain(rates[0]), [plain(factor) for factor in factors]))
    return charges


def _buckets(cost: Cost) -> list[str]:
    return [line.bucket for line in cost.lines]


def _rate(line: Line) -> Fraction:
    return Fraction(line.rate_femto, line.per * FEMTO)


def plain(number: Fraction) -> str:
    """A plain decimal string: exact, or 30 digits of what has no end."""
    digits = _DIGITS.divide(Decimal(number.numerator), Decimal(number.denominator))
    return f"{digits.normalize(_DIGITS):f}"


def document(cost: Cost, charges: Sequence[Charge]) -> dict[str, object]:
    """A cost as JSON's own types. An amount that is not known is null."""
    return {
        "amount": None if cost.amount_femto is None else decimal_string(cost.amount_femto),
        "currency": cost.currency,
        "status": cost.status,
        "reason": cost.unpriced_reason,
        "method": cost.method,
        "card": cost.price_id,
        "lines": [_line(charge) for charge in charges],
    }


def _line(charge: Charge) -> dict[str, object]:
    return {
        "component": charge.line.bucket,
        "quantity": charge.line.quantity,
        "unit": unit_of(charge.line.bucket),
        "unit_price": charge.unit_price,
        "multipliers": list(charge.multipliers),
        "amount": decimal_string(charge.line.amount_femto),
    }


def unit_of(bucket: str) -> str:
    """What one of a bucket is."""
    if component_of(bucket) in TOKEN_COMPONENTS:
        return "token"
    return "call" if bucket.startswith("tool.") else _UNITS.get(bucket, component_of(bucket))


def _instant(text: str) -> datetime:
    try:
        return instant(text, datetime.now(UTC), utc=True)
    except (ValueError, OverflowError) as error:
        raise console.CommandError(str(error)) from None


def _object(name: str) -> Mapping[str, Any]:
    """The JSON object in a file. Raises `CommandError`."""
    shown = "stdin" if name == "-" else name
    try:
        content = sys.stdin.buffer.read() if name == "-" else Path(name).expanduser().read_bytes()
        value = json.loads(content)
    except OSError as error:
        raise console.CommandError(f"{shown} cannot be read: {error.strerror}.") from None
    except RecursionError:
        raise console.CommandError(f"{shown} is not readable JSON: it is nested too deeply.") from None
    except ValueError as error:
        raise console.CommandError(f"{shown} is not JSON: {_not_json(content, error)}.{_WANTED}") from None
    if not isinstance(value, dict):
        kind = type(value).__name__
        raise console.CommandError(f"{shown} holds a JSON {kind}; it must be a usage object or a response.")
    return value


def _not_json(content: bytes, error: ValueError) -> str:
    """What is wrong with it, without the words that Python has for its programmers."""
    if not content.strip():
        return "it is empty"
    if isinstance(error, json.JSONDecodeError):
        return str(error)
    return (
        "it is not UTF-8" if isinstance(error, UnicodeDecodeError) else "a number in it is too long to read"
    )


def _table(
    cost: Cost, charges: Sequence[Charge], facts: Facts, reading: Reading, book: PriceBook, at: datetime
) -> Iterator[table.Line]:
    model = reading.response_model or facts.request_model
    yield table.Line(f"{facts.provider} {table.shown(model)} at {at:%Y-%m-%d %H:%M:%S} UTC", "title")
    columns, dropped = table.fit(list(_columns(charges)), console.width_of_output(), _DROPPED_FIRST)
    for number, text in enumerate(table.laid_out(columns) if charges else ()):
        yield table.Line(text, "row" if number else "head")
    assert cost.amount_femto is not None
    yield table.Line(f"total {decimal_string(cost.amount_femto)} {cost.currency}", "total")
    for text in _beside(cost, facts, reading, book, at):
        yield table.Line(text, "row")
    for text in _sources(cost, facts, model, book):
        yield table.Line(text, "row")
    for text in _notes(cost, reading):
        yield table.Line(text, "note")
    yield from table.not_shown(dropped)


def _columns(charges: Sequence[Charge]) -> Iterator[table.Column]:
    lines = [charge.line for charge in charges]
    yield table.Column("component", [line.bucket for line in lines], left=True)
    yield table.Column("quantity", [f"{line.quantity:,}" for line in lines])
    yield table.Column("unit", [unit_of(line.bucket) for line in lines], left=True)
    yield table.Column("unit price", [charge.unit_price for charge in charges])
    factors = [" ".join(f"x{factor}" for factor in charge.multipliers) or "-" for charge in charges]
    yield table.Column("multipliers", factors, left=True)
    yield table.Column("amount", [decimal_string(line.amount_femto) for line in lines])


def _beside(cost: Cost, facts: Facts, reading: Reading, book: PriceBook, at: datetime) -> Iterator[str]:
    """The list price beside an amount that the vendor reported."""
    if cost.method != "vendor_reported" or cost.amount_femto is None:
        return
    listed = price(facts, replace(reading, reported_cost_femto=None), unix_ns(at), book)
    if listed.amount_femto is None:
        yield f"list price: unknown ({listed.unpriced_reason})"
        return
    more = decimal_string(cost.amount_femto - listed.amount_femto)
    yield f"list price: {decimal_string(listed.amount_femto)} {listed.currency}, reported less that: {more}"


def _sources(cost: Cost, facts: Facts, model: str | None, book: PriceBook) -> Iterator[str]:
    if cost.catalog is None:
        yield f"source: {cost.method}"
        return
    for name, amount in (("list", cost.list_femto), ("contracted", cost.contracted_femto)):
        if amount is not None:
            yield f"{name}: {decimal_string(amount)} {cost.currency}"
    if cost.catalog == CATALOG:
        yield f"source: {cost.price_id} of your price file, {cost.catalog_version}"
        return
    name = vendors.catalogued(facts.provider)
    match = None if model is None else book.match(name, model)
    yield f"card: {cost.price_id}" + (f" (matched by {match.rule})" if match else "")
    if cost.tier is not None:
        yield f"context: {cost.tier}, for the whole request"
    since = f", in force since {cost.effective_date}" if cost.effective_date else ""
    yield f"source: list price of {name}, {cost.catalog} {cost.catalog_version}, read {book.date}{since}"


def _notes(cost: Cost, reading: Reading) -> Iterator[str]:
    if cost.assumption:
        yield f"assumed: {cost.assumption}"
    if cost.status == "partial":
        priced = {line.bucket for line in cost.lines}
        left = [name for name, count in reading.usage.buckets.items() if count and name not in priced]
        missing = f"no price for {', '.join(left)}" if left else "a part could not be counted"
        yield f"partial, a lower bound ({cost.unpriced_reason}): {missing}"
    if reading.usage.flags:
        yield f"the usage object contradicts itself: {', '.join(reading.usage.flags)}"


def _why(cost: Cost, facts: Facts, reading: Reading, book: PriceBook) -> str:
    """Why there is no price, and what is known instead. A name that is near is never used."""
    name, model = vendors.catalogued(facts.provider), reading.response_model or facts.request_model
    section = book.section(name)
    if section is None:
        near = _near(facts.provider, book.providers())
        return f"no prices for the provider {facts.provider!r}{near}. Known: {', '.join(book.providers())}"
    if cost.unpriced_reason == "unknown_model":
        if model is None:
            return "the response names no model: say which with --model"
        return f"no price for the model {model!r} of {name}, which has {len(section.ids())}" + _near(
            model, section.ids()
        )
    if cost.unpriced_reason == "unknown_tier":
        return _why_tier(reading, name, model or "", book)
    return _REASONS.get(cost.unpriced_reason or "", str(cost.unpriced_reason))


def _why_tier(reading: Reading, provider: str, model: str, book: PriceBook) -> str:
    said = {"tier": reading.service_tier, "speed": reading.speed, "region": reading.inference_geo}
    asked = " and ".join(f"{word} {value!r}" for word, value in said.items() if value)
    card = book.card(provider, model)
    tiers, speeds = (() if card is None else _named(card, names) for names in (_TIER_WORDS, ("speed",)))
    known = []
    if reading.service_tier:
        known.append(f" Known for it: {', '.join(['standard', *tiers])}")
    if reading.speed:
        known.append(f" Speeds known for it: {', '.join(speeds) or 'none but the standard one'}")
    if reading.inference_geo:
        known.append(" Write the region as the vendor's API does")
    return f"no price for {model!r} with {asked}.{';'.join(known)}"


def _named(card: Card, conditions: Sequence[str]) -> list[str]:
    """The words that a card has prices of its own for."""
    told = {item.when[name] for item in card.variants for name in conditions if name in item.when}
    return sorted(told - _STANDARD_WORDS)


def _near(word: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(word, known, 3, 0.6)
    return f" (near, and not used: {', '.join(close)})" if close else ""
