"""`report` with a price file: what is paid for beside the calls, and amounts in other money."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.cli.conftest import Tokenomics
from tests.ledger._support import priced, record, row
from tests.pricing._cases import femto, instant
from tests.pricing._terms import agreed

from otel_tokenomics.ledger.store import Ledger
from otel_tokenomics.model.attribution import Attribution
from otel_tokenomics.model.money import Cost
from otel_tokenomics.model.usage import Usage

PRICES = """\
[[commitment]]
name = "ptu"
provider = "azure.ai.openai"
deployments = ["prod-chat"]
price = "1.10"
units = 10
every = "hour"
from = 2025-03-01
until = 2026-03-01

[[self_hosted]]
name = "pool"
provider = "vllm"
models = ["llama"]
hourly = "2.10"
units = 8
from = 2025-03-01
until = 2026-03-01
tokens_per_second = { input = 24000, output = 3200 }

[[subscription]]
name = "plan"
provider = "anthropic"
price = "31.00"
users = ["ada", "grace"]
from = 2025-03-01
until = 2026-03-01

[[discount]]
provider = "anthropic"
percent = "10"
"""
EURO = """
[[rate]]
base = "EUR"
rate = "1.25"
date = 2025-03-01

[[rate]]
base = "EUR"
rate = "1.60"
date = 2025-03-11
"""
DOCS = Path(__file__).parents[2] / "docs" / "own-prices.md"
PERIOD = ("--since", "2025-03-10", "--until", "2025-03-12", "--utc")
NOON = {"one": "2025-03-10T12:00", "two": "2025-03-11T12:00", "before": "2025-02-11T12:00"}
LLAMA = {"input": 24_000 * 3_600, "output": 3_200 * 1_800}
"""An hour and a half of the machines."""
SONNET = "claude-sonnet-4-6"


@pytest.fixture
def prices(tmp_path: Path) -> Path:
    return _written(tmp_path, PRICES)


def _written(folder: Path, text: str) -> Path:
    path = folder / "prices.toml"
    path.write_text(text)
    return path


def _call(
    provider: str,
    model: str,
    buckets: dict[str, int],
    day: str = "one",
    cost: Cost | None = None,
    user: str = "ada",
) -> Any:
    at = NOON[day]
    told = record(
        provider=provider,
        model=model,
        served=model,
        usage=Usage(buckets),
        cost=cost or agreed(PRICES, provider, model, buckets, at, facts_are={"request_model": model}),
        attribution=Attribution(team="search", user=user),
        started_ns=instant(at),
    )
    return row(told)


@pytest.fixture
def filled(ledger: Path) -> Path:
    """Calls of $25.2 of our machines, $0.27 by negotiated prices, and one that a commitment covers."""
    Ledger(ledger).write(
        [
            _call("vllm", "llama", LLAMA),
            _call("anthropic", SONNET, {"input": 10**5}),
            _call("azure.ai.openai", "prod-chat", {"input": 10**6}, "two", user="grace"),
        ]
    )
    return ledger


def _report(tokenomics: Tokenomics, ledger: Path, prices: Path, *more: str) -> dict[str, Any]:
    done = tokenomics("report", "--json", *PERIOD, "--ledger", ledger, "--prices", prices, *more)
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)  # type: ignore[no-any-return]


def test_calls_and_idle_time_are_the_bill_of_the_machines(
    tokenomics: Tokenomics, filled: Path, prices: Path
) -> None:
    charges = {
        item["name"]: item
        for item in _report(tokenomics, filled, prices)["charges"]
        if item["name"] != "plan"
    }
    assert (charges["pool"]["kind"], charges["pool"]["usage_cost"]) == ("idle", "25.2")
    assert femto(charges["pool"]["cost"]) + femto("25.2") == femto("2.10") * 8 * 48
    assert charges["ptu"]["cost"] == "528"
    assert charges["ptu"]["since"] == "2025-03-10T00:00:00+00:00"
    assert charges["ptu"]["usage_cost"] is None


def test_a_seat_stands_beside_what_its_user_used(tokenomics: Tokenomics, filled: Path, prices: Path) -> None:
    seats = [
        item for item in _report(tokenomics, filled, prices)["charges"] if item["kind"] == "subscription"
    ]
    assert [(seat["user"], seat["cost"], seat["usage_cost"]) for seat in seats] == [
        ("ada", "2", "0.27"),
        ("grace", "2", None),
    ]


def test_rows_are_calls_and_the_charges_come_on_top(
    tokenomics: Tokenomics, filled: Path, prices: Path
) -> None:
    found = _report(tokenomics, filled, prices)
    assert found["total"]["cost"] == "25.47"
    assert found["charges_cost"] == "1313.2"
    assert found["total_with_charges"] == "1338.67"
    assert found["charges_until"] == "2025-03-12T00:00:00+00:00"
    bare = json.loads(tokenomics("report", "--json", *PERIOD, "--ledger", filled).stdout)
    assert bare["rows"] == found["rows"]
    assert (bare["charges"], bare["charges_cost"], bare["total_with_charges"]) == ([], None, "25.47")


def test_list_contracted_and_effective_amounts(tokenomics: Tokenomics, filled: Path, prices: Path) -> None:
    rows = {item["model"]: item for item in _report(tokenomics, filled, prices)["rows"]}
    names = ("list_cost", "contracted_cost", "cost", "unlisted_calls")
    assert [rows[SONNET][name] for name in names] == ["0.3", "0.27", "0.27", 0]
    assert [rows["llama"][name] for name in names] == [None, "25.2", "25.2", 1]
    assert [rows["prod-chat"][name] for name in names] == [None, None, "0", 1]


def test_the_charges_are_a_section_of_the_table(tokenomics: Tokenomics, filled: Path, prices: Path) -> None:
    done = tokenomics("report", *PERIOD, "--ledger", filled, OTEL_TOKENOMICS_PRICES=str(prices))
    assert "by your price file, not a bill" in done.stdout.splitlines()[0]
    section = done.stdout.split("\n\n")[1].splitlines()
    assert [line for line in section if line not in DOCS.read_text("utf-8")] == []
    assert section == [
        "fixed charges until 2025-03-12 00:00 UTC, which are no call's",
        "charge        name  provider         user         from   usage       cost",
        "commitment    ptu   azure.ai.openai  -      2025-03-10       -    $528.00",
        "idle          pool  vllm             -      2025-03-10  $25.20    $781.20",
        "subscription  plan  anthropic        ada    2025-03-10   $0.27      $2.00",
        "subscription  plan  anthropic        grace  2025-03-10       -      $2.00",
        "total                                                           $1,313.20",
        "with calls                                              $25.47  $1,338.67",
        "idle: the bill of the machines less usage, which is what calls were charged for them",
        "subscription: usage is what the user's calls there cost, even if the seat pays for them",
    ]


def test_the_section_fits_a_narrow_terminal(tokenomics: Tokenomics, filled: Path, prices: Path) -> None:
    done = tokenomics("report", *PERIOD, "--ledger", filled, "--prices", prices, COLUMNS="60")
    lines = done.stdout.split("\n\n")[1].splitlines()[1:8]
    assert max(map(len, lines)) <= 60
    assert lines[-1].endswith("$1,338.67")


def test_charges_without_any_call(tokenomics: Tokenomics, filled: Path, prices: Path) -> None:
    period = ("--since", "2025-04-01", "--until", "2025-05-01", "--utc")
    done = tokenomics("report", *period, "--ledger", filled, "--prices", prices)
    assert done.stdout.startswith("No calls recorded in that period")
    assert "$7,920.00" in done.stdout
    found = json.loads(tokenomics("report", "--json", *period, "--ledger", filled, "--prices", prices).stdout)
    assert found["total"]["cost"] is None
    assert found["total_with_charges"] == found["charges_cost"] == "20078"


def test_without_a_beginning_charges_begin_with_their_terms(
    tokenomics: Tokenomics, filled: Path, prices: Path
) -> None:
    until = ("--until", "2025-03-12", "--utc")
    found = json.loads(tokenomics("report", "--json", *until, "--ledger", filled, "--prices", prices).stdout)
    assert {item["since"] for item in found["charges"]} == {"2025-03-01T00:00:00+00:00"}
    assert femto(found["charges"][0]["cost"]) == femto("11") * 24 * 11


def test_charges_do_not_accrue_before_their_time(
    tokenomics: Tokenomics, filled: Path, tmp_path: Path
) -> None:
    path = _written(tmp_path, PRICES.replace("2026-03-01", "2999-03-01").replace("2025-03-01", "2998-03-01"))
    found = json.loads(
        tokenomics("report", "--json", "--until", "2999-01-01", "--ledger", filled, "--prices", path).stdout
    )
    assert [item["name"] for item in found["charges"]] == []


def test_fixed_charges_are_no_run_s(tokenomics: Tokenomics, filled: Path, prices: Path) -> None:
    assert _report(tokenomics, filled, prices, "--run", "abc")["charges"] == []
    done = tokenomics("report", "--run", "abc", "--ledger", filled, "--prices", prices)
    assert "fixed charges belong to no run" in done.stdout


def test_other_money_at_the_rate_of_the_day(tokenomics: Tokenomics, filled: Path, tmp_path: Path) -> None:
    Ledger(filled).write(
        [_call("openai", "gpt-5", {"input": 1}, day, priced(femto("8"))) for day in ("one", "two")]
    )
    found = _report(tokenomics, filled, _written(tmp_path, PRICES + EURO), "--currency", "eur")
    assert found["currency"] == "EUR"
    row = next(item for item in found["rows"] if item["model"] == "gpt-5")
    assert (row["calls"], row["cost"], row["list_cost"]) == (2, "11.4", "11.4")
    assert row["exchanged"] == [
        {
            "cost": "6.4",
            "original_cost": "8",
            "original_currency": "USD",
            "rate": "1/1.25",
            "date": "2025-03-01",
        },
        {
            "cost": "5",
            "original_cost": "8",
            "original_currency": "USD",
            "rate": "1/1.6",
            "date": "2025-03-11",
        },
    ]
    charge = next(item for item in found["charges"] if item["name"] == "ptu")
    assert (charge["cost"], charge["original_cost"]) == ("376.2", "528")
    assert [item["cost"] for item in charge["exchanged"]] == ["211.2", "165"]
    assert sum(femto(item["cost"]) for item in found["rows"]) == femto(found["total"]["cost"])
    assert found["left_out"] == []


def test_the_file_says_in_which_currency_reports_are(
    tokenomics: Tokenomics, filled: Path, tmp_path: Path
) -> None:
    text = PRICES + EURO + '[report]\ncurrency = "EUR"\n'
    done = tokenomics("report", *PERIOD, "--ledger", filled, "--prices", _written(tmp_path, text))
    assert "EUR 20.38" in done.stdout
    assert (
        "exchanged: $25.47 is EUR 20.38 at the rate 1/1.25 of 2025-03-01" not in done.stdout
    )  # with charges
    assert " at the rate 1/1.25 of 2025-03-01" in done.stdout
    assert " at the rate 1/1.6 of 2025-03-11" in done.stdout


def test_a_rate_that_is_missing_is_said(tokenomics: Tokenomics, filled: Path, tmp_path: Path) -> None:
    Ledger(filled).write([_call("openai", "gpt-5", {"input": 1}, "before", priced(femto("8")))])
    prices = _written(tmp_path, PRICES.replace("2025-03-01", "2025-02-01") + EURO)
    asked = (
        "report",
        "--until",
        "2025-03-12",
        "--utc",
        "--currency",
        "EUR",
        "--ledger",
        filled,
        "--prices",
        prices,
    )
    found = json.loads(tokenomics(*asked, "--json").stdout)
    assert found["left_out"] == [{"currency": "USD", "calls": 1, "cost": "8", "first_rate": "2025-03-01"}]
    assert [item["model"] for item in found["rows"]] == ["llama", SONNET, "prod-chat"]
    charge = next(item for item in found["charges"] if item["name"] == "ptu")
    assert (charge["cost"], charge["original_cost"]) == (None, str(11 * 24 * 39))
    assert found["charges_cost"] is None
    told = tokenomics(*asked).stdout
    assert "left out: 1 call in USD (--currency USD)" in told
    assert "no rate from USD to EUR for those: the first rate is of 2025-03-01" in told
    assert "not in the sums: commitment ptu, $10,296.00: the price file has no rate from USD to EUR" in told


def test_without_rates_one_currency_is_summed(tokenomics: Tokenomics, filled: Path, prices: Path) -> None:
    Ledger(filled).write([_call("openai", "gpt-5", {"input": 1}, "one", priced(femto("8"), currency="EUR"))])
    found = _report(tokenomics, filled, prices)
    assert (found["currency"], found["total"]["cost"]) == ("USD", "25.47")
    assert found["left_out"] == [{"currency": "EUR", "calls": 1, "cost": "8", "first_rate": None}]


def test_a_wrong_file_ends_the_report(tokenomics: Tokenomics, filled: Path, tmp_path: Path) -> None:
    path = _written(tmp_path, '[report]\ncurency = "EUR"\n')
    done = tokenomics("report", "--ledger", filled, "--prices", path)
    assert done.returncode == 2
    assert "line 2: report.curency is not known (did you mean currency?)" in done.stderr


def test_a_name_that_nothing_knows_ends_it_and_a_doubtful_one_is_said(
    tokenomics: Tokenomics, filled: Path, tmp_path: Path
) -> None:
    wrong = '[[discount]]\nprovider = "openai"\nmodel = "gpt-5-mni"\npercent = "10"\n'
    done = tokenomics("report", "--ledger", filled, "--prices", _written(tmp_path, wrong))
    assert done.returncode == 2
    told = done.stderr.split(": ", 1)[1].replace(str(tmp_path) + "/", "").strip().removesuffix(".")
    assert told.startswith("prices.toml, line 3: discount.model is 'gpt-5-mni'")
    assert told in DOCS.read_text("utf-8")
    own = '[[model]]\nprovider = "openai"\nid = "gpt-5-mni"\nrates = { input = "1" }\n'
    done = tokenomics("report", "--ledger", filled, "--prices", _written(tmp_path, own))
    assert done.returncode == 0
    assert "line 3: model.id is 'gpt-5-mni'" in done.stderr
