"""Names in a price file that nothing knows. For commands: no application reads every card at its start.

A discount, a commitment or a map on a name that neither the catalogue nor the file knows can never apply, so
that it is an error, unless it has ended. A model of one's own may have any name, so that one that is nearly a
catalogue's is doubted.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from pathlib import Path

from otel_tokenomics.model.tables import Document, Place, Span, either
from otel_tokenomics.pricing import vendors
from otel_tokenomics.pricing.book import PriceBook
from otel_tokenomics.pricing.cards import unix_ns
from otel_tokenomics.pricing.contracts import Contracts
from otel_tokenomics.pricing.contracts_file import PriceFileError
from otel_tokenomics.pricing.contracts_parse import read_terms
from otel_tokenomics.pricing.contracts_terms import ANY, Terms

_SCOPES = ("global.", "data_zone.", "regional.")
_AZURE, _BEDROCK = "azure.ai.openai", "aws.bedrock"
_MOST_NEAR = 3
_NEAR = 0.6
_VERY_NEAR = 0.85


def checked(path: Path, book: PriceBook) -> tuple[Contracts, list[str]]:
    """The terms of a price file whose names were looked up, and what is doubtful in it, a sentence each.

    Raises `PriceFileError`.
    """
    terms = read_terms(path)
    names = Names(Document.read(path, PriceFileError), terms, book)
    names.refuse_unknown()
    return Contracts(terms), list(names.doubts())


class Names:
    """The names in one price file, and who knows them."""

    def __init__(self, document: Document, terms: Terms, book: PriceBook) -> None:
        self._document = document
        self._terms = terms
        self._book = book
        self._own = {(model.provider, model.id) for model in terms.models}
        self._mapped = {*terms.deployments, *terms.profiles}

    def refuse_unknown(self) -> None:
        """Raise `PriceFileError` for the first name that can never apply."""
        for number, discount in enumerate(self._terms.discounts):
            place: Place = ("discount", number)
            self._check(place, "model", discount.provider, (discount.model,), discount.span)
        for number, item in enumerate(self._terms.commitments):
            self._check(("commitment", number), "models", item.provider, item.models, item.span)
        for name, deployment in self._terms.deployments.items():
            if not self._anyone_has(deployment.model):
                self._refuse(("deployments", name), deployment.model, _AZURE)
        for name, model in self._terms.profiles.items():
            if not self._has(_BEDROCK, model):
                self._refuse(("profiles", name), model, _BEDROCK)

    def doubts(self) -> Iterator[str]:
        """What may be mistyped among the models of one's own, which may have any name."""
        for number, model in enumerate(self._terms.models):
            place: Place = ("model", number)
            if model.private or place not in self._document.lines or self._sold(model.provider, model.id):
                continue
            near = self._near(model.provider, model.id, _VERY_NEAR)
            if near:
                yield (
                    f"{self._document.path}, line {self._document.line((*place, 'id'))}: model.id is "
                    f"{model.id!r}, which the price cards do not know{near}; it is the price of responses of "
                    "exactly that name. If that is right, say so: private = true"
                )

    def _check(self, place: Place, key: str, provider: str, models: Iterable[str], span: Span) -> None:
        if span[1] is not None and span[1] <= unix_ns(self._book.date):
            return
        if not self._is_provider(provider):
            known = {*self._book.providers(), *(name for name, _ in self._own)}
            why = f"is {provider!r}, which neither the price cards nor a [[model]] of this file know"
            self._document.refuse((*place, "provider"), why + _meant(provider, known, _NEAR))
        for model in models:
            if model != ANY and model not in self._mapped and not self._has(provider, model):
                self._refuse((*place, key), model, provider)

    def _refuse(self, place: Place, model: str, provider: str) -> None:
        why = f"is {model!r}, which neither the price cards nor a [[model]] of this file know"
        self._document.refuse(place, f"{why}, so it could never apply{self._near(provider, model, _NEAR)}")

    def _is_provider(self, provider: str) -> bool:
        if provider == ANY or vendors.catalogued(provider) in self._book.providers():
            return True
        return any(own in (provider, ANY) for own, _ in self._own)

    def _has(self, provider: str, model: str) -> bool:
        """Whether a provider has a model, sold or of one's own."""
        for own, id in self._own:
            if id == model and (own in (provider, vendors.catalogued(provider), ANY) or provider == ANY):
                return True
        return self._sold(provider, model)

    def _anyone_has(self, model: str) -> bool:
        return self._has(_AZURE, model) or self._has(ANY, model)

    def _sold(self, provider: str, model: str) -> bool:
        providers = self._book.providers() if provider == ANY else (vendors.catalogued(provider),)
        return any(self._book.match(name, model) is not None for name in providers)

    def _near(self, provider: str, model: str, cutoff: float) -> str:
        """` (did you mean x or y?)`, of what the provider sells, or of one's own."""
        providers = self._book.providers() if provider == ANY else (vendors.catalogued(provider),)
        sections = filter(None, map(self._book.section, providers))
        sold = {id for section in sections for id in section.ids() if not id.startswith(_SCOPES)}
        own = {id for name, id in self._own if name in (provider, ANY) and id != model}
        return _meant(model, sold | own, cutoff)


def _meant(word: str, known: Iterable[str], cutoff: float) -> str:
    close = difflib.get_close_matches(word, sorted(known), _MOST_NEAR, cutoff)
    return f" (did you mean {either(tuple(close))}?)" if close else ""
