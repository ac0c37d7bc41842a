"""Inclusive counts from disjoint buckets, tiers in common words, and what else a span says of a call."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.ledger._support import BUCKETS, priced, record

from otel_tokenomics.model.call import Reading
from otel_tokenomics.model.usage import Usage
from otel_tokenomics.pricing.vendors import component_billed
from otel_tokenomics.telemetry.labels import modality_of, record_labels, tier_of, ttl_of

USAGE = "gen_ai.usage."


def labels_of(**buckets: int) -> dict[str, object]:
    usage = Usage({bucket.replace("__", "."): quantity for bucket, quantity in buckets.items()})
    return {name: value for name, value in record_labels(record(usage=usage)).items() if "usage" in name}


def test_totals_take_in_what_the_buckets_divide() -> None:
    told = record_labels(record(usage=Usage(BUCKETS)))
    assert told[f"{USAGE}input_tokens"] == 100 + 50 + 7 + 3
    assert told[f"{USAGE}output_tokens"] == 20 + 5
    assert told[f"{USAGE}cache_write.input_tokens"] == 7 + 3
    assert told["tokenomics.usage.cache_write.5m"] == 7
    assert told["tokenomics.usage.cache_write.1h"] == 3


def test_one_time_to_live_alone_is_told_too() -> None:
    told = labels_of(input=1, cache_write__1h=3, output=2)
    assert told["tokenomics.usage.cache_write.1h"] == 3
    assert told[f"{USAGE}cache_write.input_tokens"] == 3


def test_a_modality_takes_in_what_a_cache_served_of_it() -> None:
    told = labels_of(
        input=60, input__image=200, cache_read=40, cache_read__image=30, output__audio=9, output=1
    )
    assert told[f"{USAGE}input_tokens"] == 330
    assert told[f"{USAGE}cache_read.input_tokens"] == 70
    assert told[f"{USAGE}image.input_tokens"] == 230
    assert told[f"{USAGE}image.cache_read.input_tokens"] == 30
    assert told[f"{USAGE}audio.output_tokens"] == 9


@given(
    st.dictionaries(
        st.sampled_from(
            [
                f"{part}{of}"
                for part in ("input", "cache_read", "output")
                for of in ("", ".audio", ".video", ".image")
            ]
        ),
        st.integers(0, 10**6),
    )
)
def test_no_part_exceeds_what_it_is_part_of(buckets: dict[str, int]) -> None:
    told = record_labels(record(usage=Usage(buckets)))
    for side in ("input_tokens", "cache_read.input_tokens", "output_tokens"):
        parts = [told.get(f"{USAGE}{modality}.{side}", 0) for modality in ("image", "audio")]
        assert sum(part for part in parts if isinstance(part, int)) <= int(str(told.get(USAGE + side, 0)))


def test_no_name_of_opentelemetrys_is_invented() -> None:
    told = labels_of(input__video=5, output__video=3, output=1)
    assert not [name for name in told if "video" in name]
    assert told[f"{USAGE}input_tokens"] == 5


@pytest.mark.parametrize(
    ("tier", "speed", "told"),
    [
        (None, None, "standard"),
        ("default", None, "standard"),
        ("flex", None, "flex"),
        ("fast", None, "priority"),
        ("standard", "fast", "priority"),
        ("reserved", None, "provisioned"),
        ("turbo", None, "unknown"),
    ],
)
def test_a_tier_is_told_in_words_that_all_share(tier: str | None, speed: str | None, told: str) -> None:
    assert tier_of(Reading(service_tier=tier, speed=speed)) == told


@pytest.mark.parametrize(
    ("provider", "told"), [("openai", "flex"), ("azure.ai.openai", "flex"), ("groq", None)]
)
def test_openais_own_word_is_told_of_openai_alone(provider: str, told: str | None) -> None:
    labels = record_labels(record(provider=provider, tier="flex"))
    assert labels.get("openai.response.service_tier") == told
    assert labels["tokenomics.service_tier"] == "flex"


@pytest.mark.parametrize(("geo", "told"), [("us", "us"), ("not_available", None), (None, None)])
def test_a_place_is_told_where_the_response_names_one(geo: str | None, told: str | None) -> None:
    plain = record()
    reading = dataclasses.replace(plain.reading, inference_geo=geo)
    labels = record_labels(dataclasses.replace(plain, reading=reading))
    assert labels.get("tokenomics.inference.region") == told


def test_a_price_names_its_catalogue() -> None:
    told = record_labels(record(cost=priced()))
    assert told["tokenomics.price.catalog.name"] == "cards"


def test_a_rejected_prediction_is_told_without_other_details() -> None:
    usage = Usage({"input": 1, "output": 5}, details={"rejected_prediction": 2})
    told = record_labels(record(usage=usage))
    assert told["tokenomics.usage.rejected_prediction.output_tokens"] == 2


@pytest.mark.parametrize(
    ("bucket", "component"),
    [
        ("input.audio", "input"),
        ("cache_write.1h", "cache_write"),
        ("audio.ms", "input"),
        ("images", "output"),
        ("image.hd", "output"),
        ("container.ms", "tool"),
        ("tool.web_search", "tool"),
        ("search_units", "request"),
        ("requests", "request"),
    ],
)
def test_every_charge_has_a_component_of_the_convention(bucket: str, component: str) -> None:
    assert component_billed(bucket) == component


@pytest.mark.parametrize(
    ("bucket", "modality", "ttl"),
    [
        ("input", "unknown", "unknown"),
        ("input.audio", "audio", "unknown"),
        ("input.video", "unknown", "unknown"),
        ("output.image@gpt-image-1.5", "image", "unknown"),
        ("output@gpt-4.1", "unknown", "unknown"),
        ("cache_write.1h@claude-opus-4.1", "unknown", "1h"),
    ],
)
def test_the_detail_of_a_bucket_whatever_model_used_it(bucket: str, modality: str, ttl: str) -> None:
    assert (modality_of(bucket), ttl_of(bucket)) == (modality, ttl)
