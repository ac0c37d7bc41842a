"""`tokenomics price`: a vendor's own usage object in, line items out, exact and explained."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from tests.cli.conftest import Tokenomics

from otel_tokenomics.cli.main import main

CHAT = {
    "prompt_tokens": 10_000,
    "completion_tokens": 100,
    "total_tokens": 10_100,
    "prompt_tokens_details": {"cached_tokens": 2_000},
}
RESPONSES = {
    "input_tokens": 10_000,
    "input_tokens_details": {
        "cached_tokens": 2_000,
        "cache_write_tokens": 5_000,
        "cache_write_tokens_details": {"ttl_30m_tokens": 0, "ttl_12h_tokens": 5_000},
    },
    "output_tokens": 100,
    "output_tokens_details": {"reasoning_tokens": 0},
    "total_tokens": 10_100,
}
CLAUDE = {"input_tokens": 1_000, "output_tokens": 1_000, "cache_read_input_tokens": 0}
GEMINI = {
    "promptTokenCount": 100_000,
    "cachedContentTokenCount": 90_000,
    "candidatesTokenCount": 600,
    "thoughtsTokenCount": 400,
    "totalTokenCount": 101_000,
}
GEMINI_SDK = {
    "prompt_token_count": 100_000,
    "cached_content_token_count": 90_000,
    "candidates_token_count": 600,
    "thoughts_token_count": 400,
    "total_token_count": 101_000,
}
CONVERSE = {
    "inputTokens": 3,
    "outputTokens": 12,
    "totalTokens": 13_256,
    "cacheReadInputTokens": 13_216,
    "cacheWriteInputTokens": 25,
}
US_SONNET = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"

Case = tuple[str, str, dict[str, Any], tuple[str, ...], str]

CASES: dict[str, Case] = {
    "chat": ("openai", "gpt-6-sol", CHAT, (), "0.0174"),
    "chat_whole": ("openai", "gpt-6-sol", {"object": "chat.completion", "usage": CHAT}, (), "0.0174"),
    "responses": ("openai", "gpt-6-sol", RESPONSES, (), "0.0324"),
    "responses_with_a_search": (
        "openai", "gpt-6-sol",
        {"object": "response", "output": [{"type": "web_search_call"}], "usage": RESPONSES}, (), "0.0424",
    ),
    "a_tier": ("openai", "o3", {"prompt_tokens": 10**6, "completion_tokens": 10**6}, ("--tier", "flex"), "5"),
    "a_tier_in_the_body": (
        "openai", "o3",
        {"service_tier": "flex", "usage": {"prompt_tokens": 10**6, "completion_tokens": 10**6}}, (), "5",
    ),
    "embeddings": (
        "openai", "text-embedding-3-small", {"prompt_tokens": 1_000, "total_tokens": 1_000}, (), "0.00002",
    ),
    "transcription": ("openai", "whisper-1", {"type": "duration", "seconds": 60}, (), "0.006"),
    "images": (
        "openai", "gpt-image-1",
        {"input_tokens": 50, "input_tokens_details": {"text_tokens": 50, "image_tokens": 0},
         "output_tokens": 4_160, "total_tokens": 4_210}, (), "0.16665",
    ),
    "free": ("openai", "omni-moderation-latest", {"object": "m"}, ("--operation", "moderation"), "0"),
    "anthropic": ("anthropic", "claude-opus-5-5", CLAUDE, (), "0.024"),
    "anthropic_in_the_us": ("anthropic", "claude-opus-5-5", CLAUDE, ("--region", "us"), "0.0264"),
    "anthropic_geography_in_the_usage": (
        "anthropic", "claude-opus-5-5", {**CLAUDE, "inference_geo": "us"}, (), "0.0264",
    ),
    "anthropic_whole": (
        "anthropic", "claude-opus-5-5", {"type": "message", "model": "claude-x", "usage": CLAUDE}, (),
        "0.024",
    ),
    "fast": (
        "anthropic", "claude-fable-5-2", {"input_tokens": 10**6, "output_tokens": 10**6},
        ("--speed", "fast"), "96",
    ),
    "gemini": ("gcp.gemini", "gemini-3.7-flash", GEMINI, ("--at", "2026-09-02T12:00"), "0.018"),
    "gemini_of_the_sdk": ("gcp.gemini", "gemini-3.7-flash", GEMINI_SDK, ("--at", "2026-09-02"), "0.018"),
    "converse": ("aws.bedrock", US_SONNET, CONVERSE, (), "0.004672305"),
    "before_a_price_cut": (
        "openai", "gpt-5.6-sol", {"prompt_tokens": 1_000, "completion_tokens": 1_000},
        ("--at", "2026-08-20T23:59:59Z"), "0.035",
    ),
    "after_it": (
        "openai", "gpt-5.6-sol", {"prompt_tokens": 1_000, "completion_tokens": 1_000},
        ("--at", "2026-08-21T00:00:00Z"), "0.024",
    ),
}  # fmt: skip


@pytest.fixture
def usage(tmp_path: Path) -> Path:
    return tmp_path / "usage.json"


def call(usage: Path, provider: str, model: str | None, body: object, *options: str) -> int:
    usage.write_text(json.dumps(body), encoding="utf-8")
    named = ("--model", model) if model else ()
    return main(["price", "--provider", provider, *named, *options, "--usage", str(usage)])


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_usage_object(case: Case, usage: Path, capsys: pytest.CaptureFixture[str]) -> None:
    provider, model, body, options, amount = case
    at = () if "--at" in options else ("--at", "2026-11-24T12:00Z")
    assert call(usage, provider, model, body, *options, *at, "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["amount"], told["status"], told["reason"]) == (amount, "complete", None)
    assert sum(Decimal(line["amount"]) for line in told["lines"]) == Decimal(amount)


def test_json_has_these_keys(usage: Path, capsys: pytest.CaptureFixture[str]) -> None:
    call(usage, "openai", "gpt-6-sol", CHAT, "--json")
    told = json.loads(capsys.readouterr().out)
    assert list(told) == ["amount", "currency", "status", "reason", "method", "card", "lines"]
    keys = ["component", "quantity", "unit", "unit_price", "multipliers", "amount"]
    assert all(list(line) == keys for line in told["lines"])
    assert told["lines"][1] == {
        "component": "cache_read",
        "quantity": 2_000,
        "unit": "token",
        "unit_price": "0.0000002",
        "multipliers": [],
        "amount": "0.0004",
    }


def test_the_response_names_the_model(usage: Path, capsys: pytest.CaptureFixture[str]) -> None:
    body = {"object": "chat.completion", "model": "gpt-6-sol", "usage": CHAT}
    assert call(usage, "openai", None, body, "--json") == 0
    assert json.loads(capsys.readouterr().out)["card"] == "openai/gpt-6-sol"


def test_the_table_names_its_source(usage: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(usage, "openai", "gpt-6-sol", CHAT, "--at", "2026-11-24") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "openai gpt-6-sol at 2026-11-24 00:00:00 UTC"
    assert lines[2].split() == ["input", "8,000", "token", "0.000002", "-", "0.016"]
    assert lines[5] == "total 0.0174 USD"
    assert lines[6] == "card: openai/gpt-6-sol (matched by id)"
    assert lines[7].startswith("source: list price of openai, ")


def test_a_part_without_a_price_is_told(usage: Path, capsys: pytest.CaptureFixture[str]) -> None:
    body = {**CHAT, "completion_tokens_details": {"audio_tokens": 40}}
    assert call(usage, "openai", "gpt-6-sol", body) == 0
    told = capsys.readouterr().out
    assert "partial, a lower bound (unsupported_modality): no price for output.audio" in told


@pytest.mark.parametrize(
    ("provider", "model", "options", "words"),
    [
        ("opena", "gpt-6-sol", (), "no prices for the provider 'opena' (near, and not used: openai)"),
        ("openai", "gpt-6-sole", (), "(near, and not used: gpt-6-sol"),
        ("openai", None, (), "say which with --model"),
        ("openai", "gpt-6-sol", ("--tier", "hyper"), "with tier 'hyper'. Known for it: standard, batch"),
        ("openai", "gpt-6-sol", ("--speed", "warp"), "Speeds known for it: none but the standard one"),
        ("anthropic", "claude-opus-5-5", ("--speed", "warp"), "Speeds known for it: fast"),
        ("anthropic", "claude-opus-5-5", ("--region", "mars"), "'mars'. Write the region as the vendor"),
    ],
)
def test_what_is_not_known_has_no_price(
    usage: Path,
    capsys: pytest.CaptureFixture[str],
    provider: str,
    model: str | None,
    options: tuple[str, ...],
    words: str,
) -> None:
    assert call(usage, provider, model, CHAT, *options, "--json") == 3
    told = capsys.readouterr()
    document = json.loads(told.out)
    assert (document["amount"], document["status"], document["lines"]) == (None, "unpriced", [])
    assert document["reason"].startswith("unknown_")
    assert words in told.err
    assert told.err.count("\n") == 1


def test_what_is_no_usage_has_no_price(usage: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(usage, "openai", "gpt-6-sol", {"hello": 1}) == 3
    told = capsys.readouterr()
    assert told.out == ""
    assert "nothing in it could be read as usage" in told.err


@pytest.mark.parametrize("count", [-5, 10**40, 1.5, "many", True])
def test_what_is_no_count_is_not_priced(
    usage: Path, capsys: pytest.CaptureFixture[str], count: object
) -> None:
    body = {"prompt_tokens": count, "completion_tokens": 20, "total_tokens": 20}
    assert call(usage, "openai", "gpt-6-sol", body) == 0
    told = capsys.readouterr().out
    assert [line.split()[0] for line in told.splitlines()[2:3]] == ["output"]
    assert "partial, a lower bound (missing_usage): a part could not be counted" in told
    assert "$0" not in told


@pytest.mark.parametrize("width", [40, 50])
def test_a_narrow_terminal_keeps_what_is_paid(
    usage: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    assert call(usage, "openai", "gpt-6-sol", CHAT) == 0
    head, first = capsys.readouterr().out.splitlines()[1:3]
    assert max(len(head), len(first)) <= width
    assert (first.split()[0], first.split()[-1]) == ("input", "0.016")
    assert "multipliers" not in head


@pytest.mark.parametrize(
    ("content", "options", "words"),
    [
        (b"{", (), "is not JSON: Expecting"),
        (b"", (), "is not JSON: it is empty. Give the API's usage object or whole response"),
        (b" \n", (), "is not JSON: it is empty"),
        (b"\xff\xfe\x00", (), "is not JSON: it is not UTF-8"),
        (b'{"prompt_tokens": ' + b"9" * 5000 + b"}", (), "a number in it is too long to read"),
        (b"[" * 100_000, (), "it is nested too deeply"),
        (b"[1]", (), "holds a JSON list"),
        (b"{}", ("--at", "yesteryear"), "'yesteryear' is not a time"),
    ],
)
def test_rubbish_is_one_line(
    usage: Path,
    capsys: pytest.CaptureFixture[str],
    content: bytes,
    options: tuple[str, ...],
    words: str,
) -> None:
    usage.write_bytes(content)
    assert main(["price", "--provider", "openai", *options, "--usage", str(usage)]) == 2
    told = capsys.readouterr()
    assert words in told.err
    assert (told.out, told.err.count("\n")) == ("", 1)


def test_a_file_that_is_not_there(tokenomics: Tokenomics) -> None:
    done = tokenomics("price", "--provider", "openai", "--model", "o3", "--usage", "missing.json")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "tokenomics: missing.json cannot be read: No such file or directory.\n"


def test_help_teaches_to_price(tokenomics: Tokenomics) -> None:
    assert "examples:\n  tokenomics price" in tokenomics("price", "--help").stdout


@pytest.mark.parametrize(("region", "code"), [("us", 0), ("global", 0), ("mars", 3)])
def test_a_region_of_the_host(
    usage: Path, capsys: pytest.CaptureFixture[str], region: str, code: int
) -> None:
    assert call(usage, "openai", "gpt-6-sol", CHAT, "--region", region) == code


TERMS = '[[discount]]\nprovider = "openai"\npercent = "10"\n'


def test_terms_of_the_users_own(
    usage: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "prices.toml"
    file.write_text(TERMS, encoding="utf-8")
    monkeypatch.setenv("OTEL_TOKENOMICS_PRICES", str(file))
    assert call(usage, "openai", "gpt-6-sol", CHAT, "--json") == 0
    assert json.loads(capsys.readouterr().out)["amount"] == "0.01566"


def test_a_wrong_price_file_is_refused(
    usage: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "prices.toml"
    file.write_text(TERMS.replace('"10"', "10"), encoding="utf-8")
    monkeypatch.setenv("OTEL_TOKENOMICS_PRICES", str(file))
    assert call(usage, "openai", "gpt-6-sol", CHAT) == 2
    assert "line 3: discount.percent" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("provider", "model", "body", "options", "factors"),
    [
        ("anthropic", "claude-opus-5-5", CLAUDE, ("--region", "us"), [["1.1"], ["1.1"]]),
        ("openai", "gpt-6-sol", CHAT, ("--region", "eu"), [["1.1"], ["1.1"], ["1.1"]]),
        ("openai", "gpt-6-sol", CHAT, (), [[], [], []]),
    ],
)
def test_a_place_is_a_multiplier(
    usage: Path,
    capsys: pytest.CaptureFixture[str],
    provider: str,
    model: str,
    body: dict[str, Any],
    options: tuple[str, ...],
    factors: list[list[str]],
) -> None:
    call(usage, provider, model, body, *options, "--json")
    lines = json.loads(capsys.readouterr().out)["lines"]
    assert [line["multipliers"] for line in lines] == factors
    for line in lines:
        made = Decimal(line["quantity"]) * Decimal(line["unit_price"])
        for factor in line["multipliers"]:
            made *= Decimal(factor)
        assert made == Decimal(line["amount"])


def test_a_discount_is_a_multiplier(
    usage: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "prices.toml"
    file.write_text(TERMS, encoding="utf-8")
    monkeypatch.setenv("OTEL_TOKENOMICS_PRICES", str(file))
    call(usage, "openai", "gpt-6-sol", CHAT, "--region", "eu", "--json")
    lines = json.loads(capsys.readouterr().out)["lines"]
    assert (lines[0]["unit_price"], lines[0]["multipliers"]) == ("0.000002", ["1.1", "0.9"])


def test_a_vendors_own_amount_wins(usage: Path, capsys: pytest.CaptureFixture[str]) -> None:
    body = {**CHAT, "cost": 0.02}
    assert call(usage, "openrouter", "acme/unknown", body, "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["amount"], told["method"], told["lines"]) == ("0.02", "vendor_reported", [])
    assert call(usage, "openrouter", "openai/gpt-4o", body) == 0
    assert "list price: 0.0235 USD, reported less that: -0.0035" in capsys.readouterr().out
