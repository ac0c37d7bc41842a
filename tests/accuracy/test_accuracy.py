"""The accuracy page: fair to the others, and honest about what is right."""

from __future__ import annotations

from decimal import Decimal

import pytest
from tools import accuracy_peers
from tools.accuracy import PAGE, Case, Score, cases, ours, page, verdict


@pytest.mark.parametrize(
    ("expected", "told", "word"),
    [
        ("1", "1", "right"),
        ("1", "1.0000000001", "right"),
        ("1", "0.5", "x0.500"),
        ("1", "0.9999", "x0.9999000"),
        ("1", "0", "zero"),
        ("1", None, "none"),
        ("0", "0", "right"),
        (None, None, "right"),
        (None, "0", "zero"),
        (None, "3", "made up"),
    ],
)
def test_a_verdict(expected: str | None, told: str | None, word: str) -> None:
    assert verdict(expected and Decimal(expected), told and Decimal(told)) == word  # type: ignore[arg-type]


def test_a_score() -> None:
    score = Score.of(["right", "x0.5", "zero", "x2.0", "none", "made up", "right"])
    assert (score.right, score.zero, score.none, score.made_up) == (2, 1, 1, 1)
    assert score.factors == [Decimal("0.5"), Decimal("2.0")]


def test_our_engine_is_right_on_every_case() -> None:
    wrong = [case.name for case in cases() if verdict(case.expected, ours(case)) != "right"]
    assert wrong == []


def test_the_page_has_every_case() -> None:
    """`make accuracy` writes it anew; a case that is new has to be in it."""
    told = PAGE.read_text(encoding="utf-8")
    assert [case.name for case in cases() if f"\n| {case.name} | " not in told] == []


def test_a_page_says_when_a_tool_was_not_measured() -> None:
    case = Case("one", "openai", "o3", {"input": 1}, "2026-11-24T12:00", {}, Decimal("0.1"))
    told = page([case], {"ours": ["right"]}, {"ours": "1"})
    assert "openlit was not measured" in told
    assert "| one | o3 | 0.1 | right |" in told


def test_the_others_are_told_disjoint_sums() -> None:
    buckets = {
        "input": 1,
        "input.audio": 2,
        "cache_read": 3,
        "cache_write.1h": 4,
        "output": 5,
        "reasoning": 6,
    }
    assert accuracy_peers.sums({**buckets, "audio.ms": 99, "tool.web_search": 9}) == (10, 3, 4, 11)


def test_only_azures_models_lose_their_mark() -> None:
    assert accuracy_peers.bare({"catalogued": "azure", "model": "data_zone.gpt-4o"}) == "gpt-4o"
    assert accuracy_peers.bare({"catalogued": "aws", "model": "global.x"}) == "global.x"


def test_openlits_rule() -> None:
    peer = accuracy_peers.openlit(
        {"chat": {"m": {"promptPrice": 1, "completionPrice": 2}}, "embeddings": {"e": 3}}
    )
    usage = {"input": 1_000, "output": 1_000}
    told = [peer({"catalogued": "x", "model": model, "buckets": usage}) for model in ("m", "e", "unknown")]
    assert told == [3, 3, 0]


def test_an_error_is_an_answer() -> None:
    def fails(case: accuracy_peers.Case) -> Decimal:
        raise LookupError

    assert accuracy_peers.answer(fails, {}) == {"amount": None, "error": "LookupError"}
