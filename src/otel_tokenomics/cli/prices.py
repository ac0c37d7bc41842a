"""`tokenomics prices`: the price cards in force, what they say of a model, and newer ones in their place."""

from __future__ import annotations

import argparse
import difflib
import hashlib
import hmac
import json
import os
import re
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from otel_tokenomics.cli import console
from otel_tokenomics.cli.cards import card_document, changes, parts_of, per_million, price_text, rate_document
from otel_tokenomics.cli.terms import contracts
from otel_tokenomics.pricing import vendors
from otel_tokenomics.pricing.book import CardsError, PriceBook, bundled
from otel_tokenomics.pricing.cards import Card, Rate
from otel_tokenomics.pricing.contracts_terms import OwnModel, Terms
from otel_tokenomics.pricing.installed import cards_path, current, install, verified
from otel_tokenomics.report import table
from otel_tokenomics.report.figures import plural

EXAMPLES = """\
  tokenomics prices list                                   the providers that have price cards
  tokenomics prices list --provider anthropic              what each model costs now, a million tokens
  tokenomics prices show openai/gpt-5                      everything that a card says, with its dates
  tokenomics prices diff cards.zip                         what would change with other cards
  tokenomics prices update --from cards.zip --sha256 HEX   put newer cards in force; nothing is downloaded

`list` and `show` check the price file of your own terms (OTEL_TOKENOMICS_PRICES), and show its models."""

_SHOWN = (
    ("input", "input"),
    ("cache read", "cache_read"),
    ("cache write", "cache_write"),
    ("output", "output"),
)
_DROPPED_FIRST = ("also", "cache write", "cache read")
_HEX = re.compile(r"[0-9a-f]{64}")
_MOST_BYTES = 50_000_000


def add_parser(subparsers: Any) -> None:
    """Add `prices` and its own commands to the command's subparsers."""
    parser = console.new_parser(subparsers, "prices", "list, show, compare and update price cards", EXAMPLES)
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    listing = commands.add_parser("list", help="providers, or the models of one, and what they cost now")
    listing.add_argument("--provider", metavar="P", help="only this provider, with its models")
    listing.add_argument("--json", action="store_true", help="print JSON, amounts as exact decimal strings")
    listing.set_defaults(run=list_prices)
    show = commands.add_parser("show", help="all that is known of the price of one model")
    show.add_argument("model", metavar="P/M", help="provider and model, such as openai/gpt-5")
    show.add_argument("--json", action="store_true", help="print JSON, amounts as exact decimal strings")
    show.set_defaults(run=show_price)
    diff = commands.add_parser("diff", help="how other cards differ from those in force")
    diff.add_argument("other", metavar="OTHER.zip", type=Path)
    diff.add_argument("--json", action="store_true", help="print JSON")
    diff.set_defaults(run=diff_prices)
    update = commands.add_parser("update", help="put newer cards in force, from a file")
    update.add_argument("--from", dest="file", metavar="FILE", type=Path, required=True)
    update.add_argument("--sha256", metavar="HEX", required=True, help="what the file's digest must be")
    update.set_defaults(run=update_prices)


def list_prices(arguments: argparse.Namespace) -> int:
    """Print the providers, or one provider's models."""
    book, terms = current(), _terms()
    if arguments.provider is None:
        _print_providers(book, terms, as_json=arguments.json)
        return 0
    provider, own = vendors.catalogued(arguments.provider), _own(terms, arguments.provider)
    section = book.section(provider)
    if section is None and not own:
        raise console.CommandError(_unknown_provider(arguments.provider, book))
    cards = [] if section is None else [section.card(id) for id in sorted(section.ids())]
    if arguments.json:
        listed = [card_document(card) for card in cards] + [_own_document(model) for model in own]
        print(json.dumps({**_about(book), "provider": provider, "models": listed}, indent=2))
        return 0
    title = f"{provider}: {book.name} {book.version} of {book.date}, USD per million"
    columns, dropped = table.fit(list(_columns(cards, own)), console.width_of_output(), _DROPPED_FIRST)
    parts = ("head", *("row" for _ in (*cards, *own)))
    lines = [table.Line(text, part) for text, part in zip(table.laid_out(columns), parts, strict=True)]
    console.print_lines([table.Line(title, "title"), *lines, *table.not_shown(dropped)])
    return 0


def show_price(arguments: argparse.Namespace) -> int:
    """Print one card, with the rule by which its name was matched."""
    book, terms = current(), _terms()
    asked, slash, name = arguments.model.partition("/")
    if not slash or not name:
        raise console.CommandError(f"{arguments.model!r} must be PROVIDER/MODEL, such as openai/gpt-5.")
    own = [model for model in _own(terms, asked) if model.id == name]
    provider = vendors.catalogued(asked)
    match, card = book.match(provider, name), book.card(provider, name)
    if card is None and not own:
        raise console.CommandError(_unknown_model(asked, name, book))
    if arguments.json:
        document: dict[str, Any] = {
            **_about(book),
            "provider": provider,
            "own": list(map(_own_document, own)),
        }
        document["card"] = None if card is None else card_document(card)
        document["rule"] = None if match is None else match.rule
        print(json.dumps(document, indent=2))
        return 0
    for model in own:
        print(f"{model.provider}/{model.id}: your own price, in {model.currency}")
        for bucket, (femto, per) in model.rates.items():
            print(f"  {bucket:16}  {_own_text(femto, per)}")
    if card is not None and match is not None:
        print(f"{provider}/{card.id} ({match.rule}): {book.name} {book.version} of {book.date}, USD")
        for part, period in parts_of(card):
            print(f"{part}:")
            for bucket, rate in period.rates.items():
                print(f"  {bucket:16}  {price_text(rate)}")
    return 0


def diff_prices(arguments: argparse.Namespace) -> int:
    """Print how another archive differs from the cards in force."""
    book, other = current(), _cards_of(_content(arguments.other), arguments.other)
    found = list(changes(book, other))
    if arguments.json:
        document = {"before": _about(book), "after": _about(other), "changes": list(map(asdict, found))}
        print(json.dumps(document, indent=2))
        return 0
    print(f"{book.version} of {book.date} -> {other.version} of {other.date}: {_counted(len(found))}")
    for change in found:
        print(change.text)
    return 0


def update_prices(arguments: argparse.Namespace) -> int:
    """Put a newer archive in force. What is there stays when anything is wrong with the new one."""
    wanted: str = arguments.sha256.strip().lower()
    if not _HEX.fullmatch(wanted):
        raise console.CommandError(f"--sha256 {arguments.sha256!r} must be 64 hexadecimal digits.")
    data = _content(arguments.file)
    found = hashlib.sha256(data).hexdigest()
    if not hmac.compare_digest(found, wanted):
        raise console.CommandError(
            f"{arguments.file} has the SHA-256 {found}, not {wanted}: the prices stay as they are."
        )
    book, new = current(), _cards_of(data, arguments.file)
    if new.date < book.date:
        raise console.CommandError(
            f"{arguments.file} is of {new.date}, older than the prices in force, of {book.date}: they stay."
        )
    path = cards_path(os.environ)
    try:
        install(data, path)
    except OSError as error:
        raise console.CommandError(f"{path} cannot be written: {error.strerror}. The prices stay.") from None
    print(f"{book.version} of {book.date} -> {new.version} of {new.date}, in {path}")
    return 0


def _terms() -> Terms:
    """The terms of the price file that is set; none when there is no such file. Raises `CommandError`."""
    own = contracts()
    return Terms() if own is None else own.terms


def _content(path: Path) -> bytes:
    try:
        with path.expanduser().open("rb") as file:
            data = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise console.CommandError(f"{path} cannot be read: {error.strerror}.") from None
    if len(data) > _MOST_BYTES:
        raise console.CommandError(f"{path} is larger than {_MOST_BYTES // 10**6} MB: is it a card archive?")
    return data


def _cards_of(data: bytes, path: Path) -> PriceBook:
    try:
        return verified(data)
    except CardsError as error:
        raise console.CommandError(f"{path} cannot be used: {error}. The prices stay as they are.") from None


def _about(book: PriceBook) -> dict[str, Any]:
    place = "package" if book is bundled() else str(cards_path(os.environ))
    return {"catalog": book.name, "version": book.version, "date": book.date, "from": place}


def _own(terms: Terms, provider: str) -> list[OwnModel]:
    names = (provider, vendors.catalogued(provider))
    return [model for model in terms.models if model.provider in names]


def _print_providers(book: PriceBook, terms: Terms, *, as_json: bool) -> None:
    counts = {name: len(section.ids()) for name in book.providers() if (section := book.section(name))}
    for model in terms.models:
        name = vendors.catalogued(model.provider)
        counts[name] = counts.get(name, 0) + 1
    if as_json:
        providers = [{"provider": name, "models": count} for name, count in counts.items()]
        print(json.dumps({**_about(book), "providers": providers}, indent=2))
        return
    columns = [
        table.Column("provider", list(counts), left=True),
        table.Column("models", [f"{count:,}" for count in counts.values()]),
    ]
    print(f"{book.name} {book.version} of {book.date}, from {_about(book)['from']}")
    for text in table.laid_out(columns):
        print(text)


def _columns(cards: list[Card], own: list[OwnModel]) -> Iterator[table.Column]:
    now = time.time_ns()
    rates = [card.period(now).rates for card in cards]
    names = [card.id for card in cards] + [f"{model.id} (own, {model.currency})" for model in own]
    yield table.Column("model", [table.shown(name) for name in names], left=True)
    for name, bucket in _SHOWN:
        listed = [per_million(rate.get(bucket)) for rate in rates]
        yield table.Column(name, listed + [_own_million(model, bucket) for model in own])
    yield table.Column("also", [*map(_also, cards), *("" for _ in own)], left=True)


def _also(card: Card) -> str:
    ways = dict.fromkeys("+".join(variant.when.values()) for variant in card.variants if variant.period.rates)
    starts = {start for rate in card.period(time.time_ns()).rates.values() for start, _ in rate.tiers}
    return ", ".join([*ways, *(f">{start:,}" for start in sorted(starts))])


def _own_million(model: OwnModel, bucket: str) -> str:
    return per_million(Rate(*model.rates[bucket])) if bucket in model.rates else "-"


def _own_text(femto: int, per: int) -> str:
    return price_text(Rate(femto, per))


def _own_document(model: OwnModel) -> dict[str, Any]:
    rates = {bucket: rate_document(Rate(*rate)) for bucket, rate in model.rates.items()}
    return {"id": model.id, "own": True, "currency": model.currency, "rates": rates}


def _unknown_provider(provider: str, book: PriceBook) -> str:
    near = difflib.get_close_matches(provider, book.providers(), 3)
    meant = f" Did you mean {' or '.join(near)}?" if near else ""
    return f"no prices for the provider {provider!r}.{meant} `tokenomics prices list` names all."


def _unknown_model(provider: str, model: str, book: PriceBook) -> str:
    section = book.section(vendors.catalogued(provider))
    if section is None:
        return _unknown_provider(provider, book)
    near = difflib.get_close_matches(model, section.ids(), 3)
    meant = f" Near, and not the same: {', '.join(near)}." if near else ""
    command = f"tokenomics prices list --provider {provider}"
    return f"no price for the model {model!r} of {provider}.{meant} `{command}` names all."


def _counted(differences: int) -> str:
    return plural(differences, "difference") if differences else "no difference"
