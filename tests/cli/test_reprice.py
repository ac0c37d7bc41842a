"""`tokenomics reprice`: before, after and difference; the ledger's records stay as they are."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.cli.conftest import Tokenomics
from tests.ledger._support import UNPRICED_CALL, execute, record, row
from tests.pricing._cases import facts

from otel_tokenomics.cli.main import main
from otel_tokenomics.ledger.store import Ledger
from otel_tokenomics.model.call import Reading
from otel_tokenomics.model.money import Cost
from otel_tokenomics.model.usage import Usage
from otel_tokenomics.pricing.book import bundled
from otel_tokenomics.pricing.price import price

AT = 1_795_521_600_000_000_000
"""2026-11-24T12:00:00Z."""
PLAIN = Usage({"input": 10**6, "output": 10**6})


@pytest.fixture
def filled(ledger: Path) -> Path:
    """One call to o3 at its price, $10; one to a model that nobody knows."""
    cost = price(facts(), Reading(PLAIN, response_model="o3"), AT, bundled())
    known = record(key="one", model="o3", served="o3", usage=PLAIN, tier=None, cost=cost, started_ns=AT)
    Ledger(ledger).write([row(known), row(record(key="two", **UNPRICED_CALL, started_ns=AT))])
    return ledger


def told(capsys: pytest.CaptureFixture[str], *arguments: object) -> dict[str, object]:
    assert main(["reprice", "--json", *map(str, arguments)]) == 0
    document: dict[str, object] = json.loads(capsys.readouterr().out)
    return document


def test_json(filled: Path, capsys: pytest.CaptureFixture[str]) -> None:
    document = told(capsys, "--ledger", filled, "--tier", "batch", "--by", "team,model")
    assert document["total"] == {
        "calls": 2,
        "restated_calls": 1,
        "before": "10",
        "after": "5",
        "difference": "-5",
        "not_restated": {"calls": 1, "amount": None, "reasons": {"unknown_model": 1}},
        "newly_priced": {"calls": 0, "amount": None},
    }
    rows = document["rows"]
    assert isinstance(rows, list)
    assert [(one["team"], one["model"], one["after"]) for one in rows] == [
        ("search", "o3", "5"),
        ("search", "acme-large", None),
    ]


def test_table(tokenomics: Tokenomics, filled: Path) -> None:
    done = tokenomics("reprice", "--ledger", filled, "--tier", "flex")
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0].startswith("restated at the prices of each call's time, tier flex; ")
    assert lines[2].split() == ["o3", "1", "100%", "$10.00", "$5.00", "-$5.00", "-50.0%"]
    assert lines[5] == "not restated: 1 call (50%). no price for the model: 1"


def test_another_provider(filled: Path, capsys: pytest.CaptureFixture[str]) -> None:
    document = told(capsys, "--ledger", filled, "--model", "o3=anthropic:claude-opus-5-5")
    assert document["total"]["after"] == "24"  # type: ignore[index]


def test_corrections_are_kept_beside_the_records(filled: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = execute(filled, "SELECT * FROM usage_records")
    assert told(capsys, "--ledger", filled, "--tier", "batch", "--record")["recorded"] == 1
    assert told(capsys, "--ledger", filled, "--tier", "batch", "--record")["recorded"] == 0
    assert execute(filled, "SELECT * FROM usage_records") == before
    assert execute(filled, "SELECT key, cost_femto FROM corrections") == [("openai:one", 5 * 10**15)]
    main(["report", "--json", "--ledger", str(filled)])
    assert json.loads(capsys.readouterr().out)["total"]["cost"] == "10"
    shown = told(capsys, "--ledger", filled, "--recorded")["total"]
    assert isinstance(shown, dict)
    assert (shown["before"], shown["after"]) == ("10", "5")
    assert shown["not_restated"]["reasons"] == {"not_corrected": 1}


def test_what_does_not_change_is_not_corrected(filled: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert told(capsys, "--ledger", filled, "--record")["recorded"] == 0


def test_a_currency_beside_is_left_out_and_told(filled: Path, capsys: pytest.CaptureFixture[str]) -> None:
    euros = Cost(10**15, "complete", "contract", currency="EUR")
    Ledger(filled).write([row(record(key="three", cost=euros))])
    assert main(["reprice", "--ledger", str(filled)]) == 0
    assert "left out: 1 call in EUR" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--model", "o3"), "is not M=N"),
        (("--at", "someday"), "is not a time"),
        (("--recorded", "--tier", "batch"), "goes with --by and a period only"),
    ],
)
def test_rubbish_is_answered_plainly(
    filled: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], words: str
) -> None:
    assert main(["reprice", *arguments, "--ledger", str(filled)]) == 2
    told = capsys.readouterr()
    assert words in told.err
    assert (told.out, told.err.count("\n")) == ("", 1)


def test_an_empty_period(filled: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["reprice", "--until", "2020-01-01", "--ledger", str(filled)]) == 0
    assert capsys.readouterr().out == f"No calls recorded in that period in {filled}\n"


def test_help_teaches_to_reprice(tokenomics: Tokenomics) -> None:
    assert "examples:\n  tokenomics reprice" in tokenomics("reprice", "--help").stdout


def test_under_terms_of_the_users_own(
    filled: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "prices.toml"
    file.write_text('[[discount]]\nprovider = "openai"\npercent = "10"\n', encoding="utf-8")
    total = told(capsys, "--ledger", filled, "--prices", file)["total"]
    assert isinstance(total, dict)
    assert (total["before"], total["after"]) == ("10", "9")
