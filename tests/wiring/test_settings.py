"""Settings: every key, every variable, the environment over the file, and mistakes told by their line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from otel_tokenomics.attribution.digests import Digests
from otel_tokenomics.ledger.location import default_path
from otel_tokenomics.model.attribution import OWNERS
from otel_tokenomics.wiring.owner_tables import Baggage
from otel_tokenomics.wiring.settings import (
    FIELDS,
    PREFIX,
    BudgetsError,
    ConfigError,
    OwnersError,
    Settings,
    load,
)

Write = Callable[[str], dict[str, str]]

VARIABLES = [
    ("DISABLED", "true", "disabled", True),
    ("LEDGER", "/var/lib/costs.sqlite3", "ledger", Path("/var/lib/costs.sqlite3")),
    ("LEDGER", "OFF", "ledger", None),
    ("PRICES", "/etc/prices.toml", "prices", Path("/etc/prices.toml")),
    ("SPANS", "annotate", "spans", "annotate"),
    ("ESTIMATE", "heuristic", "estimate", "heuristic"),
    ("STRICT", "on", "strict", True),
    ("COMPAT", "none", "compat", frozenset()),
    (
        "COMPAT",
        "cache_creation, legacy_token_usage",
        "compat",
        frozenset({"cache_creation", "legacy_token_usage"}),
    ),
    ("FLUSH_ON_SIGTERM", "YES", "flush_on_sigterm", True),
    ("RAW_HTTP", "true", "raw_http", True),
    ("BUDGET_MODE", "observe", "budget_mode", "observe"),
]
KEYS = [
    ('[ledger]\npath = "/x.db"', "ledger", Path("/x.db")),
    ('[ledger]\npath = "off"', "ledger", None),
    ('[prices]\npath = "/p.toml"', "prices", Path("/p.toml")),
    ('[spans]\nmode = "own"', "spans", "own"),
    ('[estimate]\nmode = "off"', "estimate", "off"),
    ('[telemetry]\ncompat = ["legacy_token_usage"]', "compat", frozenset({"legacy_token_usage"})),
    ("[telemetry]\ncompat = []", "compat", frozenset()),
    ("[shutdown]\nflush_on_sigterm = true", "flush_on_sigterm", True),
    ("[http]\nraw = true", "raw_http", True),
    ('[hosts]\n"*.llm.corp" = "openai"', "hosts", {"*.llm.corp": "openai"}),
    ('[attribution]\nteam = "search"', "attribution", {"team": "search"}),
]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(text: str) -> dict[str, str]:
        path = tmp_path / "tokenomics.toml"
        path.write_text(text, "utf-8")
        return {PREFIX + "CONFIG": str(path), "HOME": "/home/ada"}

    return write


def test_without_anything_the_defaults_hold() -> None:
    settings = load({"HOME": "/home/ada"})
    assert settings == Settings(ledger=Path("/home/ada/.local/state/otel-tokenomics/ledger.sqlite3"))
    assert settings.sources == {}


@pytest.mark.parametrize(("name", "value", "field", "expected"), VARIABLES)
def test_each_variable(name: str, value: str, field: str, expected: Any) -> None:
    settings = load({PREFIX + name: f" {value} "})
    assert getattr(settings, field) == expected
    assert settings.sources == {field: PREFIX + name}


@pytest.mark.parametrize(("text", "field", "expected"), KEYS)
def test_each_key_and_where_it_stands(write: Write, text: str, field: str, expected: Any) -> None:
    environ = write(f"# ours\n\n{text}\n")
    settings = load(environ)
    assert getattr(settings, field) == expected
    line = 3 if field in ("hosts", "attribution") else 4
    assert settings.sources == {field: f"{environ[PREFIX + 'CONFIG']}:{line}"}


def test_every_field_can_be_set() -> None:
    tables = {"budgets", "owners", "personal", "baggage"}
    assert {field for *_, field, _ in VARIABLES} | {field for _, field, _ in KEYS} | tables == set(FIELDS)


def test_the_tables_of_owners_are_read_whole(write: Write) -> None:
    text = (
        '[[owner]]\nmatch = { service = "*" }\nset = { team = "search" }\n'
        '[personal]\nhash = ["user"]\nsalt_env = "SALT"\n'
        '[baggage]\naccept = ["tenant"]\nsend = ["team", "user"]\nhosts = ["*.example"]\n'
    )
    settings = load(write(text) | {"SALT": "0123456789abcdef"})
    assert settings.owners is not None and settings.owners.keys == ("service",)
    assert settings.personal == Digests(("user",), b"0123456789abcdef")
    assert settings.baggage == Baggage(("tenant",), ("team", "user"), ("*.example",))


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ('[baggage]\nsent = ["team"]', 2, "baggage.sent is not known (did you mean send?); known: accept"),
        ('[baggage]\nsend = ["taem"]', 2, "names 'taem'; it may name team"),
        ('[baggage]\naccept = "team"', 2, "must be a list of strings"),
        ('[[owner]]\nmatch = { service = "x" }\nset = { taem = "x" }', 3, "(did you mean team?)"),
        ("[attribution]\nteam = 5", 2, "attribution.team must be a non-empty string"),
    ],
)
def test_wrong_owners_are_told(write: Write, text: str, line: int, said: str) -> None:
    with pytest.raises(OwnersError) as caught:
        load(write(text))
    assert f"line {line}: " in str(caught.value) or "attribution" in text
    assert said in str(caught.value)


def test_what_is_personal_is_withheld_until_it_can_be_hashed(write: Write) -> None:
    for text in (
        '[personal]\nhash = ["user"]\nsalt_env = "NONE"',
        "[personal]\nhsah = 1",
        "[personal]\nhash = [",
    ):
        problems: list[ConfigError] = []
        assert load(write(text), problems).personal == Digests()
        assert len(problems) == 1


@pytest.mark.parametrize(
    ("text", "kind", "near"),
    [
        ('[[budgett]]\nname = "b"', BudgetsError, "(did you mean budget?)"),
        ("[bugdets]\nmode = 1", BudgetsError, "(did you mean budgets?)"),
        ("[[owners]]\nmatch = {}", OwnersError, "(did you mean owner?)"),
        ('[atribution]\nteam = "x"', OwnersError, "(did you mean attribution?)"),
    ],
)
def test_a_table_that_is_nearly_one_of_limits_is_not_passed_over(
    write: Write, text: str, kind: type[ConfigError], near: str
) -> None:
    with pytest.raises(kind) as caught:
        load(write(text))
    assert near in str(caught.value)


@pytest.mark.parametrize("text", ['[[budget]]\nname = "b', "[budgets]\nmode = enforce"])
def test_budgets_in_a_file_that_is_not_toml_are_broken_budgets(write: Write, text: str) -> None:
    with pytest.raises(BudgetsError, match="is not TOML"):
        load(write(text))


def test_who_enforces_budgets_wants_to_have_read_them(tmp_path: Path) -> None:
    environ = {PREFIX + "CONFIG": str(tmp_path / "absent.toml")}
    with pytest.raises(BudgetsError, match="cannot be read"):
        load(environ | {PREFIX + "BUDGET_MODE": "enforce"})
    with pytest.raises(ConfigError) as caught:
        load(environ)
    assert not isinstance(caught.value, BudgetsError)


def test_budgets_are_read_whole(write: Write) -> None:
    environ = write('[[budget]]\nname = "b"\nlimit = "5 USD"\nwindow = "day"\n')
    settings = load(environ)
    assert settings.budgets is not None
    assert [budget.name for budget in settings.budgets.budgets] == ["b"]
    assert settings.sources == {"budgets": environ[PREFIX + "CONFIG"]}


def test_a_wrong_budget_is_refused_with_its_line(write: Write) -> None:
    environ = write('[spans]\nmode = "own"\n[[budget]]\nname = "b"\nlimit = "-5 USD"\nwindow = "day"\n')
    problems: list[ConfigError] = []
    assert load(environ, problems).spans == "own"
    assert [str(problem).partition(": ")[2] for problem in problems] == [
        "budget.limit is '-5 USD'; it must not be negative: \"0 USD\" blocks every call"
    ]
    assert "line 5" in str(problems[0])


def test_the_environment_overrides_the_file(write: Write) -> None:
    environ = write('[spans]\nmode = "own"\n[estimate]\nmode = "off"') | {PREFIX + "SPANS": "off"}
    settings = load(environ)
    assert (settings.spans, settings.estimate) == ("off", "off")
    assert settings.sources["spans"] == PREFIX + "SPANS"
    assert settings.sources["estimate"].endswith("tokenomics.toml:4")


def test_an_empty_file_changes_nothing(write: Write) -> None:
    assert load(write("")) == load({"HOME": "/home/ada"})


@pytest.mark.parametrize("owner", OWNERS)
def test_each_owner_may_stand(write: Write, owner: str) -> None:
    assert load(write(f'[attribution]\n{owner} = "x"')).attribution == {owner: "x"}


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ('[ledger]\npaht = "x"', 2, ["ledger.paht", "did you mean ledger.path?"]),
        ('\n[spans]\n# why\nmod = "own"', 4, ["spans.mod", "did you mean spans.mode?"]),
        ("[colour]\nx = 1", 2, ["colour.x is not known", "known: ledger.path"]),
        ("[colour]", 1, ["colour is not known"]),
        ("colour = 1", 1, ["colour is not known"]),
        ("\n\n[telemetry]\ncompact = []", 4, ["did you mean telemetry.compat?"]),
        ('[attribution]\nteam = "x"\ntaem = "x"', 3, ["attribution.taem is not known", "did you mean team?"]),
    ],
)
def test_an_unknown_key_is_told_with_its_line(write: Write, text: str, line: int, words: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        load(write(text))
    message = str(caught.value)
    assert f"tokenomics.toml, line {line}: " in message
    for word in words:
        assert word in message


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[spans]\nmode = "ann"', ["line 2: spans.mode is 'ann'", "auto, own, annotate or off"]),
        ('[spans]\nmode = "anotate"', ["did you mean annotate?"]),
        ("[spans]\nmode = 1", ["spans.mode is 1"]),
        ("[ledger]\npath = 7", ["ledger.path must be a non-empty string, not 7"]),
        ('[ledger]\npath = ""', ["ledger.path must be a non-empty string"]),
        ("[telemetry]\ncompat = 3", ["must be a list of cache_creation, legacy_token_usage,"]),
        ('[telemetry]\ncompat = ["legacy"]', ["is 'legacy'"]),
        ('[shutdown]\nflush_on_sigterm = "perhaps"', ["must be true or false, not 'perhaps'"]),
        ("[shutdown]\nflush_on_sigterm = 1", ["must be true or false, not 1"]),
        ("hosts = 3", ["line 1: hosts must be a table"]),
        ('[hosts]\n"a.b" = 4', ["hosts.a.b must be a non-empty string"]),
        ("[attribution]\nteam = true", ["attribution.team must be a non-empty string"]),
    ],
)
def test_a_value_that_cannot_be(write: Write, text: str, words: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        load(write(text))
    for word in ["tokenomics.toml", *words]:
        assert word in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("DISABLED", "maybe", "must be true or false, not 'maybe'"),
        ("STRICT", "2", "must be true or false, not '2'"),
        ("SPANS", "owm", "must be auto, own, annotate or off (did you mean own?)"),
        ("ESTIMATE", "guess", "must be tokenizer, heuristic or off"),
        ("COMPAT", "cache_creation,legacy", "is 'legacy'"),
        ("FLUSH_ON_SIGTERM", "t", "must be true or false"),
    ],
)
def test_a_variable_that_cannot_be(name: str, value: str, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load({PREFIX + name: value})
    assert str(caught.value).startswith(PREFIX + name)
    assert words in str(caught.value)


@pytest.mark.parametrize("value", ["", "0", "false", "No", "OFF"])
def test_a_switch_can_be_off(value: str) -> None:
    assert load({PREFIX + "DISABLED": value, PREFIX + "STRICT": value}).disabled is False


def test_what_is_not_toml_is_told_with_its_place(write: Write) -> None:
    with pytest.raises(ConfigError, match=r"tokenomics\.toml is not TOML: .*line 2"):
        load(write("[spans]\nmode = own\n"))


def test_an_absent_file_names_the_variable(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=f"from {PREFIX}CONFIG\\) cannot be read"):
        load({PREFIX + "CONFIG": str(tmp_path / "absent.toml")})


@pytest.mark.parametrize("kind", ["folder", "binary"])
def test_a_file_that_cannot_be_read(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "settings.toml"
    if kind == "folder":
        path.mkdir()
    else:
        path.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="cannot be read"):
        load({PREFIX + "CONFIG": str(path)})


def test_a_file_that_may_not_be_read(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> str:
        raise PermissionError(13, "Permission denied")

    environ = write("")
    monkeypatch.setattr(Path, "read_text", refuse)
    with pytest.raises(ConfigError, match=r"cannot be read: .*Permission denied"):
        load(environ)


@pytest.mark.parametrize(
    ("environ", "path"),
    [
        ({"XDG_STATE_HOME": "/state", "HOME": "/home/ada"}, "/state/otel-tokenomics/ledger.sqlite3"),
        ({"HOME": "/home/ada"}, "/home/ada/.local/state/otel-tokenomics/ledger.sqlite3"),
        ({"XDG_STATE_HOME": "", "HOME": "/h"}, "/h/.local/state/otel-tokenomics/ledger.sqlite3"),
    ],
)
def test_where_the_ledger_is_by_default(environ: dict[str, str], path: str) -> None:
    assert default_path(environ) == Path(path)
    assert load(environ).ledger == Path(path)


def test_a_path_may_begin_at_home() -> None:
    assert load({PREFIX + "LEDGER": "~/x.db"}).ledger == Path("~/x.db").expanduser()
