"""The price book in the package, and the build that makes it."""

from __future__ import annotations

import datetime as dt
import hashlib
import io
import json
import subprocess
import sys
import threading
import zipfile
from collections import Counter
from decimal import Decimal
from importlib.metadata import version
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
from tests._required import require
from tools import build_cards
from tools.prices import conflicts, overlay

from otel_tokenomics.pricing.book import SCHEMA, CardsError, PriceBook, bundled, read_book
from otel_tokenomics.pricing.cards import Period, Rate, read_card

COMMITTED = build_cards.CARDS.read_bytes()


@pytest.fixture(scope="module")
def catalogue() -> ModuleType:
    """genai-prices, in the version that the committed cards are built from."""
    module = require("genai_prices", "the cards are built from it")
    built_from = bundled().version.partition("+")[0]
    if version("genai-prices") != built_from:
        pytest.skip(f"genai-prices {version('genai-prices')} is installed, the cards are from {built_from}")
    return module


def test_the_book_names_its_version_and_source() -> None:
    book = bundled()
    with zipfile.ZipFile(io.BytesIO(COMMITTED)) as archive:
        manifest = json.loads(archive.read("manifest.json"))
        bodies = {name: archive.read(name) for name in archive.namelist() if name != "manifest.json"}
    digest = build_cards.digest_of(bodies)
    assert (book.name, book.version.split(":")[1]) == ("genai-prices", digest[:12])
    assert (manifest["licence"], manifest["sha256"], manifest["schema"]) == ("MIT", digest, SCHEMA)
    assert dt.date.fromisoformat(book.date) >= dt.date(2026, 1, 1)
    assert "MIT" in build_cards.LICENCE.read_text("utf-8")


def with_schema(schema: object) -> bytes:
    """The committed cards, of another form; `None` is for those of before the form was written."""
    with zipfile.ZipFile(io.BytesIO(COMMITTED)) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    manifest = {**json.loads(files["manifest.json"]), "schema": schema}
    if schema is None:
        del manifest["schema"]
    return build_cards.packed({**files, "manifest.json": build_cards.encoded(manifest)})


@pytest.mark.parametrize("schema", [SCHEMA + 1, 0, -1, "1", True, 1.0])
def test_another_form_is_refused(schema: object) -> None:
    said = f"it is of form {schema!r}, and this version reads {SCHEMA}: upgrade the package"
    with pytest.raises(CardsError, match=said):
        read_book(with_schema(schema))


def test_cards_of_before_the_form_was_written_are_read() -> None:
    assert read_book(with_schema(None)).version == bundled().version


def test_providers_are_read_when_they_are_asked_for() -> None:
    book = read_book(COMMITTED)
    assert {"openai", "anthropic", "aws", "azure", "google"} <= set(book.providers())
    assert not book._sections
    assert book.card("openai", "gpt-5") is not None
    assert list(book._sections) == ["openai"]
    assert book.section("nobody") is None


def test_many_threads_read_a_provider_once() -> None:
    reads: list[str] = []
    entered = threading.Event()

    def read(name: str) -> dict[str, object]:
        reads.append(name)
        entered.wait(0.05)
        return {"cards": {"m": {"prices": [{"rates": {"input": 5}}]}}, "names": {}}

    manifest = {"name": "n", "version": "v", "date": "d", "providers": ["p"], "units": {"input": 1}}
    book = PriceBook(manifest, read)
    threads = [threading.Thread(target=book.card, args=("p", "m")) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert reads == ["p"]


def test_the_build_makes_the_committed_bytes(catalogue: ModuleType) -> None:
    first, _, found = build_cards.build()
    second, counts, _ = build_cards.build()
    assert found == conflicts.CONFLICTS.read_text("utf-8")
    assert first == second == COMMITTED
    assert (counts["providers"], counts["models"] > 2_000, counts["prices"] > 7_000) == (47, True, True)


ULTRAFAST = {"service_tier": "ultrafast"}
"""A tier that the base does not know, so that another source's prices are laid beside it."""


def test_nothing_of_the_catalogue_is_dropped(catalogue: ModuleType) -> None:
    """Every price of every model, read back, is the catalogue's decimal, but where another source won."""
    from genai_prices.data import providers
    from genai_prices.data_units import unit_data

    units = build_cards.units_of(unit_data)
    changed = overlay.changed()
    for provider in providers:
        section = bundled().section(provider.id)
        assert section is not None
        for model in provider.models:
            if provider.id == "azure" or (provider.id, model.id) in changed:
                continue
            card = section.card(model.id)
            listed = model.prices if isinstance(model.prices, list) else [model]
            variants = model.price_variants or []
            laid = [variant for variant in card.variants if variant.when == ULTRAFAST]
            based = [variant for variant in card.variants if variant not in laid]
            assert (len(card.periods), len(based)) == (len(listed), len(variants))
            made = [*card.periods, *(variant.period for variant in based)]
            for item, period in zip([*listed, *variants], made, strict=True):
                assert_same(vars(item.prices), period, units)


def assert_same(prices: dict[str, object], period: Period, units: dict[str, tuple[str, int]]) -> None:
    for key, value in prices.items():
        if value is not None:
            bucket, per = units[key]
            rate = period.rates[bucket.replace("input_audio", "audio")]
            base = getattr(value, "base", value)
            tiers = {tier.start: tier.price for tier in getattr(value, "tiers", ())}
            assert Decimal(rate.femto) * per / rate.per / build_cards.FEMTO == base
            assert {start: Decimal(femto) * per / rate.per for start, femto in rate.tiers} == {
                start: amount * build_cards.FEMTO for start, amount in tiers.items()
            }


def test_an_unknown_price_key_fails_the_build() -> None:
    prices = SimpleNamespace(input_mtok=Decimal(1), input_smells=Decimal(1))
    with pytest.raises(build_cards.UnknownPart, match="input_smells"):
        build_cards.period(None, prices, {"input_mtok": ("input", 10**6)}, Counter())


@pytest.mark.parametrize("part", ["condition", "texts_of"])
def test_an_unknown_condition_or_clause_fails_the_build(part: str) -> None:
    with pytest.raises(build_cards.UnknownPart, match="SimpleNamespace"):
        list(getattr(build_cards, part)(SimpleNamespace()))


@pytest.mark.parametrize("price", [Decimal("NaN"), Decimal(-1), 0.5])
def test_what_is_not_a_price_fails_the_build(price: object) -> None:
    with pytest.raises(build_cards.UnknownPart, match="not a price"):
        build_cards.rate(price, 1)


def test_a_price_with_more_digits_than_a_femto_dollar_stays_exact() -> None:
    assert build_cards.rate(Decimal("0.0416666666666666664"), 10**6) == [10**10, 416666666666666664]


def test_windows_cross_midnight_and_exclude_their_end() -> None:
    hour = 3600 * 10**9
    night = Period({}, window_ns=(22 * hour, 2 * hour))
    assert [night.active(h * hour) for h in (21, 22, 23, 24, 25, 26)] == [
        False,
        True,
        True,
        True,
        True,
        False,
    ]
    day = Period({}, window_ns=(1 * hour, 4 * hour))
    assert [day.active(h * hour) for h in (0, 1, 3, 4)] == [False, True, True, False]


def test_of_several_price_lists_the_last_that_applies_holds() -> None:
    raw = {"prices": [{"start": "2030-01-01", "rates": {"input": 1}}, {"start": "2031-01-01", "rates": {}}]}
    card = read_card("m", raw, {"input": 1_000_000})
    assert card.period(0).rates == {"input": Rate(1, 1_000_000)}
    assert card.period(2 * 10**18).rates == {}


def test_loading_is_small_and_quick() -> None:
    """In a process of its own: what a first price adds in memory. The time is for `make bench` to say."""
    program = (
        "import tracemalloc; tracemalloc.start();"
        "from otel_tokenomics.pricing.book import bundled;"
        "b = bundled(); b.card('openai', 'gpt-5'); b.card('anthropic', 'claude-opus-5-5');"
        "print(tracemalloc.get_traced_memory()[0])"
    )
    source = Path(build_cards.__file__).resolve().parents[1] / "src"
    run = subprocess.run(
        [sys.executable, "-c", program],
        env={"PYTHONPATH": str(source)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert int(run.stdout) < 6_000_000


def test_the_licence_travels_with_the_data(catalogue: ModuleType) -> None:
    text = build_cards.LICENCE.read_text("utf-8")
    assert text == build_cards.licence()
    assert hashlib.sha256(text.encode()).hexdigest()
