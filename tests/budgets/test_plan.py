"""A wrong budget is refused at start, with the line, the key and what would be right."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_tokenomics.budgets.amounts import NANO, Amount, nano_of, parse, shown, usd
from otel_tokenomics.budgets.plan import BudgetConfigError, Plan, plan_of, read_plan
from otel_tokenomics.budgets.windows import Window
from otel_tokenomics.model.tables import Document

FILE = Path("tokenomics.toml")
ISSUE = """\
[store]
url = "sqlite:///var/lib/tokenomics/budgets.db"   # or redis://...

[[budget]]
name = "search-monthly"
match = { team = "search" }        # "*" makes one budget per value
limit = "2000 USD"                 # or "5_000_000 tokens", "1000 requests"
window = "month"                   # hour, day, week, month, "rolling 24h", "lifetime", "run"
timezone = "Europe/Berlin"
warn_at = [0.5, 0.8, 0.95]
on_unpriced = "deny"
unbounded_output = "model_max"
"""
HASHED = '[personal]\nhash = ["user"]\nsalt_env = "OWNER_SALT"\n'
BUDGET = '[[budget]]\nname = "b"\nlimit = "5 USD"\nwindow = "day"\n'


def plan(text: str) -> Plan:
    return plan_of(Document.parse(text, FILE, BudgetConfigError))


def test_the_documented_budget_reads_as_it_says() -> None:
    made = plan(ISSUE)
    (budget,) = made.budgets
    assert made.store.url == "sqlite:///var/lib/tokenomics/budgets.db"
    assert budget.limit == Amount("cost", 2000 * NANO)
    assert budget.window == Window("month", 0, "Europe/Berlin")
    assert budget.match == (("team", ("search",)),)
    assert budget.warn_at == (500_000, 800_000, 950_000)
    assert (budget.on_unpriced, budget.unbounded_output, budget.line) == ("deny", "model_max", 4)


def test_everything_may_be_said() -> None:
    text = (
        '[store]\nurl = "redis://localhost/0"\ntimeout = "2s"\nlease = "0.5%"\nprocesses = 4\n'
        'shard = "tenant"\n'
        '[budgets]\nmode = "observe"\nstore_down = "closed"\nraise_as = "client"\npresume = "input"\n'
        'hold = "10m"\ninput_margin = 0\nimage_tokens = 900\noutput_tokens = 4096\ntool_calls = 3\n'
        'trust_baggage = ["tenant"]\n'
        '[[budget]]\nname = "each"\nmatch = { tenant = "*", model = ["gpt-5*", "o3"] }\n'
        'limit = "1000 requests"\nwindow = "rolling 24h"\nvelocity = "20 requests/minute"\n'
        'loop = { calls = 5, within = "30s" }\nunbounded_output = "clamp:8192"\nmode = "enforce"\n'
        'fit = true\nleast_output = 64\nowner = "ada"\nmodels = ["gpt-5-mini"]\n'
    )
    made = plan(text)
    (budget,) = made.budgets
    assert (made.store.lease, made.store.processes, made.store.timeout) == (5000, 4, 2)
    assert (made.mode, made.store_down, made.presume, made.hold) == ("observe", "closed", "input", 600)
    assert (made.trust_baggage, made.raise_as) == (("tenant",), "client")
    assert budget.velocity == (Amount("request", 20), Window("rolling", 60))
    assert budget.loop is not None and (budget.loop.calls, budget.loop.seconds) == (5, 30)
    assert (budget.unbounded_output, budget.clamp, budget.fit) == ("clamp", 8192, True)
    assert budget.account({"tenant": "acme", "model": "gpt-5-mini"}) == "each|tenant=acme"
    assert budget.account({"tenant": "acme", "model": "gpt-4o"}) is None
    assert budget.account({"model": "o3"}) is None


WRONG = [
    (BUDGET + 'limits = "1 USD"', 5, "budget.limits is not known (did you mean limit?); known: name, match"),
    ('[[budget]]\nlimit = "5 USD"\nwindow = "day"', 1, 'budget lacks name: add name = "search-monthly"'),
    ('[[budget]]\nname = "b"\nwindow = "day"', 1, 'budget lacks limit: add limit = "2000 USD"'),
    ('[[budget]]\nname = "b"\nlimit = "5 USD"', 1, 'budget lacks window: add window = "month"'),
    ('[[budget]]\nname = "a|b"\nlimit = "5 USD"\nwindow = "day"', 2, "none of them |"),
    (BUDGET + BUDGET, 6, "budget.name is 'b' a second time"),
    (BUDGET.replace('"5 USD"', "5"), 3, 'is the number 5; write it with its unit, as "2000 USD"'),
    (BUDGET.replace("5 USD", "-5 USD"), 3, 'must not be negative: "0 USD" blocks every call'),
    (BUDGET.replace("5 USD", "5 EUR"), 3, "is '5 EUR'; it must be as \"2000 USD\""),
    (BUDGET.replace("5 USD", "5"), 3, "is '5'; it must be as"),
    (BUDGET.replace("5 USD", "1.5 tokens"), 3, "is '1.5 tokens'; it must be as"),
    (BUDGET.replace('"day"', '"dya"'), 4, "(did you mean day?)"),
    (BUDGET.replace('"day"', '"rolling 3y"'), 4, 'it must be "hour", "day"'),
    (BUDGET + 'timezone = "Europe/Berlni"', 5, "must be a name of the IANA database"),
    (BUDGET + 'timezone = "../etc/passwd"', 5, "must be a name of the IANA database"),
    (BUDGET.replace('"day"', '"run"') + 'timezone = "UTC"', 5, "only calendar windows have a zone"),
    (BUDGET + 'match = { taem = "x" }', 5, "budget.match.taem is not known (did you mean team?)"),
    (BUDGET + "match = { team = 5 }", 5, "must be a string or a list of strings, not 5"),
    (BUDGET + 'match = { team = ["*", "a"] }', 5, 'holds "*" beside others'),
    (BUDGET + "match = {}", 5, "must be a table, not {}"),
    (BUDGET + "warn_at = [80]", 5, "must be parts of the limit, not [80]: warn_at = [0.5"),
    (BUDGET + "warn_at = 0.5", 5, "must be parts of the limit, not 0.5"),
    (BUDGET + 'on_unpriced = "ignore"', 5, "it must be deny, tokens or allow"),
    (BUDGET + 'unbounded_output = "clamp"', 5, 'it must be "model_max", "refuse" or "clamp:8192"'),
    (BUDGET + 'unbounded_output = "clamp:0"', 5, 'it must be "model_max", "refuse" or "clamp:8192"'),
    (BUDGET + 'velocity = "1 USD"', 5, 'it must be as "0.50 USD/minute"'),
    (BUDGET + 'velocity = "9 requests/minute"', 5, "counts requests where limit counts costs"),
    (BUDGET + "loop = 5", 5, 'must be a table: loop = { calls = 5, within = "1m" }'),
    (BUDGET + 'loop = { calls = 5, within = "soon" }', 5, "is 'soon'; it must be a time as \"2s\""),
    (BUDGET + "fit = 1", 5, "must be true or false, not 1"),
    (BUDGET + 'mode = "warn"', 5, "it must be off, observe or enforce"),
    ('[store]\nurl = "postgres://x"', 2, "it must begin with sqlite:///, redis://, rediss://"),
    ('[store]\nuri = "memory:"', 2, "store.uri is not known (did you mean url?)"),
    ('[store]\nlease = "200%"', 2, 'lease = "1%"'),
    ('[store]\nshard = "tenant"\n' + BUDGET, 3, "does not match by tenant, by which store.shard divides"),
    ('[store]\nurl = "redis://h"\n' + BUDGET.replace("5 USD", "9007200 USD"), 5, "exact up to 9,007,199 USD"),
    ('[budgets]\nstore_down = "ignore"', 2, "it must be local, open or closed"),
    ('[budgets]\nraise_as = "clinet"', 2, "it must be ours or client (did you mean client?)"),
    ('[budgets]\ntrust_baggage = ["tenent"]', 2, "(did you mean tenant?)"),
    (HASHED + BUDGET + 'match = { user = "ann*" }', 8, 'name each, or "*"'),
    (HASHED.replace("user", "usr") + BUDGET, 2, "names 'usr'; it may name"),
    ("[budgets]\ninput_margin = -1", 2, "must be a whole number from 0"),
    ("budget = 5", 1, "budget must be tables: begin each with [[budget]]"),
    ("store = 5", 1, "store must be a table: begin it with [store]"),
]


@pytest.mark.parametrize(("text", "line", "said"), WRONG)
def test_what_is_wrong_is_told(text: str, line: int, said: str) -> None:
    with pytest.raises(BudgetConfigError) as caught:
        plan(text)
    assert f"tokenomics.toml, line {line}: " in str(caught.value)
    assert said in str(caught.value)


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(BudgetConfigError, match="absent\\.toml cannot be read"):
        read_plan(tmp_path / "absent.toml")


@given(st.text(min_size=1), st.text(min_size=1), st.text(min_size=1), st.text(min_size=1))
def test_an_account_is_one_users_alone(user: str, tenant: str, other: str, another: str) -> None:
    (budget,) = plan(BUDGET + 'match = { user = "*", tenant = "*" }').budgets
    one, two = {"user": user, "tenant": tenant}, {"user": other, "tenant": another}
    account = budget.account(one)
    assert (account == budget.account(two)) == (one == two)
    assert account is not None and not account.endswith("|velocity")
    assert budget.values(account) == one


def test_names_do_not_run_into_one_another() -> None:
    (budget,) = plan(BUDGET + 'match = { user = "*" }').budgets
    names = ["x", "x|velocity", "x%7Cvelocity", "x|run:1", "x%"]
    accounts = [str(budget.account({"user": name})) for name in names]
    assert len(set(accounts)) == len(names)
    assert [budget.values(account)["user"] for account in accounts] == names


def test_a_budget_of_a_hashed_owner_matches_its_digest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OWNER_SALT", "0123456789abcdef")
    made = plan(HASHED + BUDGET + 'match = { user = ["anna", "ben"], team = "se*" }')
    assert made.hashed is not None
    anna = made.hashed.of("user", "anna")
    assert made.budgets[0].account({"user": str(anna), "team": "search"}) == "b"
    assert made.budgets[0].account({"user": "anna", "team": "search"}) is None


def test_without_the_salt_a_hashed_owner_is_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OWNER_SALT", raising=False)
    made = plan(HASHED + BUDGET + 'match = { user = "anna" }')
    assert made.budgets[0].match == (("user", ("hmac:",)),)


def test_a_limit_of_nothing_is_a_limit() -> None:
    assert plan(BUDGET.replace("5 USD", "0 USD")).budgets[0].limit == Amount("cost", 0)


@given(st.integers(0, 2**60))
def test_an_amount_is_read_as_it_is_shown(nano: int) -> None:
    assert parse(shown("cost", nano).replace(",", "")) == Amount("cost", nano)


@pytest.mark.parametrize(
    ("given", "nano"), [("0.50", 500_000_000), (12, 12 * NANO), ("0.000000001", 1), ("5_000", 5000 * NANO)]
)
def test_usd_is_exact(given: str | int, nano: int) -> None:
    assert usd(given) == Amount("cost", nano)


@pytest.mark.parametrize("given", [0.5, True, "-1", "1e3", "0.0000000001", ""])
def test_usd_refuses_what_is_not(given: object) -> None:
    with pytest.raises(ValueError, match="usd"):
        usd(given)  # type: ignore[arg-type]


@given(st.integers(0, 10**24))
def test_a_cost_is_never_counted_for_less(femto: int) -> None:
    assert 0 <= nano_of(femto) * 10**6 - femto < 10**6
