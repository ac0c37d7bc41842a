"""Names of models: rewriting is allowed, guessing is not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_tokenomics.pricing.book import bundled
from otel_tokenomics.pricing.names import Match, Names

FOUND = [
    ("openai", "gpt-4o", "gpt-4o", "id"),
    ("openai", "gpt-4o-2024-08-06", "gpt-4o", "alias"),
    ("openai", "gpt-4o-2024-05-13", "gpt-4o-2024-05-13", "id"),
    ("openai", "GPT-4o", "gpt-4o", "case"),
    ("openai", "gpt-5-20250807", "gpt-5", "date"),
    ("openai", "gpt-4o-realtime-preview-2024-12-17", "gpt-4o-realtime-preview", "date"),
    ("openai", "ft:gpt-4o-mini-2024-07-18:acme::abc123", "ft:gpt-4o-mini", "fine_tune+date"),
    ("openai", "ft:gpt-3.5-turbo-0125:acme:suffix:abc", "ft:gpt-3.5-turbo-", "fine_tune+fine_tune_date"),
    ("anthropic", "claude-haiku-4-5-20251001", "claude-haiku-4-5", "date"),
    ("anthropic", "claude-3-5-haiku-20241022", "claude-3-5-haiku-latest", "date"),
    ("anthropic", "claude-opus-4-20250514", "claude-opus-4-0", "alias"),
    ("gcp.x", "claude-sonnet-4-5@20250929", "claude-sonnet-4-5", "version"),
    ("anthropic", "claude-sonnet-4-5@20250929", "claude-sonnet-4-5", "version"),
    ("gcp.x", "claude-sonnet-4-5@default", "claude-sonnet-4-5", "version"),
    ("gcp.x", "models/gemini-2.5-pro", "gemini-2.5-pro", "path"),
    ("gcp.x", "publishers/google/models/gemini-2.5-pro", "gemini-2.5-pro", "path"),
    ("gcp.x", "google/gemini-2.5-pro", "gemini-2.5-pro", "publisher"),
    (
        "aws",
        "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
        "regional.anthropic.claude-sonnet-4-5-20250929-v1:0",
        "revision",
    ),
    (
        "aws",
        "arn:aws:bedrock:us-east-1:1:inference-profile/us.anthropic.claude-sonnet-4-5-20250929-v1:0",
        "regional.anthropic.claude-sonnet-4-5-20250929-v1:0",
        "path+revision",
    ),
    (
        "aws",
        "global.anthropic.claude-sonnet-4-5-20250929-v1:0",
        "global.anthropic.claude-sonnet-4-5-20250929-v1:0",
        "id",
    ),
    (
        "aws",
        "anthropic.claude-sonnet-4-5-20250929-v1:0",
        "regional.anthropic.claude-sonnet-4-5-20250929-v1:0",
        "alias",
    ),
    ("aws", "eu.meta.llama3-2-1b-instruct-v1:0", "meta.llama3-2-1b-instruct-v1:0", "region"),
]


@pytest.mark.parametrize(("provider", "name", "id", "rule"), FOUND)
def test_a_name_stands_for_a_card(provider: str, name: str, id: str, rule: str) -> None:
    assert bundled().match(provider.replace("gcp.x", "google"), name) == Match(id, rule)


@pytest.mark.parametrize(
    ("provider", "name"),
    [
        ("openai", "gpt-5-turbo"),
        ("openai", "gpt-50"),
        ("openai", "gpt"),
        ("openai", ""),
        ("openai", "ft:gpt-4.1-mini-2025-04-14:acme::abc"),
        ("openai", "ft:gpt-4-0613:acme::abc"),
        ("openai", "gpt-4o-v2"),
        ("openai", "gpt-4o-v1:0"),
        ("openai", "us.gpt-4o"),
        ("openai", "gpt-4o@x"),
        ("openai", "models/gpt-4o"),
        ("openai", "google/gpt-4o"),
        ("azure", "o1-v2"),
        ("x-ai", "grok-4-v2"),
        ("groq", "us.whisper-large-v3"),
        ("google", "gemini-2.5-pro-v2"),
        ("google", "us.gemini-2.5-pro"),
        ("anthropic", "us.claude-opus-5-5"),
        ("anthropic", "claude-opus-5-5-v1:0"),
        ("anthropic", "models/claude-opus-5-5"),
        ("aws", "us.anthropic.claude-sonnet-4-5@20250929"),
        ("aws", "models/deepseek.r1-v1:0"),
        ("openai", "gpt-4o-2024-13-45"),
        ("anthropic", "claude-opus-6"),
        ("anthropic", "claude-opus-5-5-20261301"),
        ("aws", "arn:aws:bedrock:us-east-1:1:application-inference-profile/a1b2c3"),
        ("aws", "global.anthropic.claude-3-opus-20240229-v1:0"),
        ("nobody", "gpt-5"),
    ],
)
def test_what_only_looks_alike_is_unknown(provider: str, name: str) -> None:
    assert bundled().match(provider, name) is None
    assert bundled().card(provider, name) is None


def test_an_assumed_provider_is_held_to_the_letter() -> None:
    names = Names({"gpt-9": 0}, {"gpt-nine": "gpt-9"})
    assert names.dated("gpt-9") == Match("gpt-9", "id")
    assert names.dated("gpt-nine") == Match("gpt-9", "alias")
    assert names.dated("gpt-9-2027-01-31") == Match("gpt-9", "date")
    for name in ("GPT-9", "models/gpt-9", "gpt-9@1", "gpt-9-v1:0", " gpt-9", "gpt"):
        assert names.dated(name) is None


@given(st.text(max_size=80))
def test_any_text_is_a_name_or_is_not(text: str) -> None:
    match = bundled().match("openai", text)
    assert match is None or match.id in bundled().section("openai").ids()  # type: ignore[union-attr]


def test_every_id_and_every_other_name_finds_a_card() -> None:
    book = bundled()
    for provider in book.providers():
        section = book.section(provider)
        assert section is not None
        for id in section.ids():
            assert book.match(provider, id) == Match(id, "id")
            assert section.card(id).periods
