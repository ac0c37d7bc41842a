"""Our prices against the run time of the catalogue that they are compiled from, model by model."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from types import ModuleType
from typing import Any

import pytest
from tests._required import require
from tests.pricing._cases import cost_of
from tools.prices import overlay

from otel_tokenomics.model.money import FEMTO
from otel_tokenomics.pricing.book import bundled

# Quantities in thousands: input, cache read, cache write, write for an hour, output.
USAGES = [(1, 0, 0, 0, 1), (7, 3, 0, 0, 2), (5, 90, 4, 0, 1), (3, 100, 2, 5, 9), (300, 50, 0, 0, 20)]
INSTANTS = [
    "2025-06-01T00:00",
    "2026-03-13T00:00",
    "2026-08-20T23:59",
    "2026-10-13T12:00",
    "2026-11-24T12:00",
]
WAYS: list[dict[str, str]] = [{}, {"service_tier": "flex"}, {"service_tier": "batch"}, {"speed": "fast"}]


@pytest.fixture(scope="module")
def catalogue() -> ModuleType:
    return require("genai_prices", "prices are compared with its calculation")


@pytest.fixture(scope="module")
def models(catalogue: ModuleType) -> dict[str, Any]:
    from genai_prices.data import providers

    return {
        f"{provider.id}/{model.id}": (provider, model)
        for provider in providers
        if provider.id in ("openai", "anthropic")
        for model in provider.models
        if (provider.id, model.id) not in overlay.changed()
    }


def buckets_of(quantities: tuple[int, ...], prices: dict[str, Any]) -> dict[str, int]:
    """A usage of what the model has prices for: what lacks one is not free here, as it may be there."""
    fresh, read, write, hour, output = (1_000 * quantity for quantity in quantities)
    buckets = {"input": fresh if "input_mtok" in prices else 0}
    buckets["cache_read"] = read if "cache_read_mtok" in prices else 0
    buckets["cache_write"] = write if "cache_write_mtok" in prices else 0
    buckets["cache_write.1h"] = hour if "cache_write_1h_mtok" in prices else 0
    buckets["output"] = output if "output_mtok" in prices else 0
    buckets["tool.web_search"] = 3 if "web_searches_kcount" in prices else 0
    return buckets


def theirs(provider: Any, model: Any, buckets: dict[str, int], at: str, way: dict[str, str]) -> Decimal:
    from genai_prices import Usage

    written = buckets["cache_write"] + buckets["cache_write.1h"]
    usage = Usage(
        input_tokens=buckets["input"] + buckets["cache_read"] + written,
        cache_read_tokens=buckets["cache_read"],
        cache_write_tokens=written,
        cache_write_1h_tokens=buckets["cache_write.1h"],
        output_tokens=buckets["output"],
        web_searches=buckets["tool.web_search"],
    )
    context = {"processing": "batch"} if way.get("service_tier") == "batch" else way
    moment = dt.datetime.fromisoformat(at).replace(tzinfo=dt.UTC)
    price = model.calc_price(usage, provider, genai_request_timestamp=moment, price_context=context)
    total: Decimal = price.total_price
    return total


def standard(model: Any, at: str) -> dict[str, Any]:
    moment = dt.datetime.fromisoformat(at).replace(tzinfo=dt.UTC)
    return {key: value for key, value in vars(model.get_prices(moment)).items() if value is not None}


def has_way(model: Any, at: str, way: dict[str, str]) -> bool:
    moment = dt.datetime.fromisoformat(at).replace(tzinfo=dt.UTC)
    context = {"processing": "batch"} if way.get("service_tier") == "batch" else way
    return any(
        variant.when == context and (variant.constraint is None or variant.constraint.active(moment))
        for variant in model.price_variants or ()
    )


@pytest.mark.parametrize("at", INSTANTS)
@pytest.mark.parametrize("way", WAYS, ids=str)
def test_every_model_of_two_vendors(models: dict[str, Any], at: str, way: dict[str, str]) -> None:
    compared = 0
    for provider, model in models.values():
        for quantities in USAGES:
            buckets = buckets_of(quantities, standard(model, at))
            served: dict[str, Any] = {**way}
            ours = cost_of(provider.id, model.id, buckets, at, **served)
            if way and not has_way(model, at, way):
                assert ours.unpriced_reason == "unknown_tier"
                continue
            expected = theirs(provider, model, buckets, at, way) * FEMTO
            assert (model.id, ours.amount_femto) == (model.id, int(expected.to_integral_value()))
            compared += 1
    assert compared or way


def test_every_name_of_ours_is_theirs_too(catalogue: ModuleType) -> None:
    """A name that we know stands for the model that the catalogue finds by it."""
    from genai_prices.data import providers

    for provider in providers:
        if provider.id == "azure":
            continue
        section = bundled().section(provider.id)
        assert section is not None
        for name, id in section.names._aliases.items():
            found = provider.find_model(name)
            assert found is not None
            assert (name, found.id) == (name, id)
