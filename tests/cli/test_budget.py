"""`tokenomics budget` and `tokenomics runs`, on a real store and a real ledger."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from otel_tokenomics.budgets.history import Past, forecast, replay
from otel_tokenomics.budgets.plan import BudgetConfigError, plan_of
from otel_tokenomics.budgets.protocol import Line
from otel_tokenomics.budgets.stores.sqlite import SQLiteStore
from otel_tokenomics.cli import budget as command
from otel_tokenomics.cli.main import main
from otel_tokenomics.cli.runs import trees
from otel_tokenomics.model.attribution import OWNERS
from otel_tokenomics.model.tables import Document
from otel_tokenomics.model.usage import TOKEN_COMPONENTS

BUDGETS = """\
# ours
[[budget]]
name = "each"      # one for each team
match = { team = "*" }
limit = "5 USD"    # agreed in May
window = "lifetime"
owner = "ada"

[[budget]]
name = "tokens"
limit = "1000 tokens"
window = "day"
"""


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A configuration whose store has one account."""
    monkeypatch.delenv("COLUMNS", raising=False)
    path = tmp_path / "tokenomics.toml"
    database = tmp_path / "budgets.db"
    path.write_text(f'[store]\nurl = "sqlite://{database}"\n{BUDGETS}')
    monkeypatch.setenv("OTEL_TOKENOMICS_CONFIG", str(path))
    monkeypatch.setenv("OTEL_TOKENOMICS_LEDGER", str(tmp_path / "ledger.sqlite3"))
    store = SQLiteStore(database)
    line = Line("each|team=search", 0, 0, 0, 0, 5 * 10**9, 10**9)
    store.reserve("spent", [line], 1000)
    store.settle("spent", [600_000_000])
    store.reserve("held", [line], 1000)
    store.close()
    return path


def test_status_says_what_is_left(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["budget", "status"]) == 0
    head, each, tokens = capsys.readouterr().out.splitlines()
    assert head.split() == ["budget", "limit", "spent", "held", "left", "resets", "runs", "out"]
    assert each.split()[:9] == [
        "each|team=search",
        "5.00",
        "USD",
        "0.60",
        "USD",
        "1.00",
        "USD",
        "3.40",
        "USD",
    ]
    assert "1,000 tokens" in tokens and "00:00Z" in tokens


def test_status_is_json(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["budget", "status", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["mode"] == "enforce"
    assert told["budgets"][0] == {
        "budget": "each|team=search",
        "unit": "cost",
        "window": "lifetime",
        "limit": 5_000_000_000,
        "spent": 600_000_000,
        "held": 1_000_000_000,
        "left": 3_400_000_000,
        "resets": None,
        "runs_out": None,
        "owner": "ada",
    }


def test_a_limit_is_set_where_it_stands(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = config.read_text()
    assert main(["budget", "set", "each", "7.50 USD"]) == 0
    assert capsys.readouterr().out.startswith("each: 5.00 USD is now 7.50 USD.")
    assert config.read_text() == before.replace('limit = "5 USD"', 'limit = "7.50 USD"')


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["set", "eech", "1 USD"], "has no budget 'eech'; it has each, tokens."),
        (["set", "each", "-1 USD"], "'-1 USD' is no limit"),
        (["status", "--config", "absent.toml"], "absent.toml cannot be read"),
    ],
)
def test_what_cannot_be_is_told(
    config: Path, arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = config.read_text()
    assert main(["budget", *arguments]) == 2
    assert said in capsys.readouterr().err
    assert config.read_text() == before


def test_without_a_configuration(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.delenv("OTEL_TOKENOMICS_CONFIG", raising=False)
    assert main(["budget", "status"]) == 2
    assert "set OTEL_TOKENOMICS_CONFIG" in capsys.readouterr().err


def call(at: int, nano: int | None = 10**9, team: str = "search") -> Past:
    return Past(at, {"team": team}, nano, 300)


def test_a_replay_says_what_would_be_refused() -> None:
    plan = plan_of(Document.parse(BUDGETS, Path("t.toml"), BudgetConfigError))
    past = [call(3600 * hour) for hour in range(9)] + [call(90_000, team="mail"), call(90_001, None)]
    found = replay(plan, past)
    tokens, each = found["tokens"], found["each"]
    assert (tokens.calls, tokens.refused, tokens.spent, tokens.saved) == (11, 6, 1500, 1800)
    assert (each.calls, each.refused, each.spent, each.unpriced) == (11, 0, 4 * 10**9, 1)
    assert each.accounts == {"each|team=search", "each|team=mail"}
    assert tokens.first_refused == 3 * 3600


def test_a_replay_counts_no_claim_and_knows_who_is_hashed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OWNER_SALT", "0123456789abcdef")
    text = '[personal]\nhash = ["user"]\nsalt_env = "OWNER_SALT"\n[budgets]\ntrust_baggage = ["team"]\n'
    plan = plan_of(Document.parse(text, Path("t.toml"), BudgetConfigError))
    recorded: dict[str, Any] = dict.fromkeys(
        ("provider", "operation", "request_model", "response_model", "service"), "x"
    )
    recorded |= dict.fromkeys([*OWNERS, "cost_currency", "cost_femto"]) | {"tags": "{}", "started_ns": 0}
    recorded |= {f"{part}_tokens": None for part in TOKEN_COMPONENTS}
    recorded |= {"user": "anna", "tenant": "acme", "team": "search", "claimed": '["tenant", "team"]'}
    subject = command._call(plan, recorded).subject
    assert plan.hashed is not None
    assert (subject["user"], subject["team"]) == (plan.hashed.of("user", "anna"), "search")
    assert "tenant" not in subject


def test_an_even_past_runs_out_when_it_does() -> None:
    made = forecast([10] * 24, 100, 0)
    assert made == (36_000, 36_000, 36_000)


def test_an_uneven_past_has_an_interval() -> None:
    made = forecast([0, 20] * 12, 100, 0)
    assert made is not None
    assert made.likely == 36_000
    assert made.earliest is not None and made.latest is not None
    assert 0 < made.earliest < 36_000 < made.latest


def test_what_nobody_spends_never_runs_out() -> None:
    assert forecast([0, 0, 0], 5, 0) == (None, None, None)
    assert forecast([5, 5], 5, 0) is None
    assert forecast([5, 5, 5], 0, 7) == (7, 7, 7)


def row(name: str, parent: str | None = None, femto: int = 10**15) -> dict[str, Any]:
    tags = {"run.id": name, "run.name": name, **({"run.parent": parent} if parent else {})}
    tokens = {f"{part}_tokens": 5 for part in ("input", "cache_read", "cache_write", "output", "reasoning")}
    return {"tags": json.dumps(tags), "attempts": 2, "cost_femto": femto, "cost_currency": "USD", **tokens}


def test_a_run_has_what_is_within_it_once() -> None:
    (root,) = trees([row("outer"), row("inner", "outer"), row("inner", "outer"), {"tags": "{}"}])
    assert root.told() == {
        "id": "outer",
        "name": "outer",
        "cost": "3",
        "calls": 3,
        "tokens": 75,
        "attempts": 6,
        "unpriced": 0,
        "amplification": 3.0,
        "runs": [{**root.children[0].told()}],
    }
    assert root.children[0].told()["calls"] == 2
