"""Rules derive who pays, from the top; a wrong rule is told with its line and what would be right."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_tokenomics.attribution.rules import FACTS, Rules, rules_of
from otel_tokenomics.model.attribution import UNATTRIBUTED, Attribution
from otel_tokenomics.model.tables import Document, FileError

RULE = '[[owner]]\nmatch = { service = "search-*" }\nset = { team = "search" }\n'


def rules(text: str) -> Rules:
    made = rules_of(Document.parse(text, Path("t.toml")))
    assert made is not None
    return made


def derived(text: str, said: tuple[str, ...] = (), **known: str) -> Attribution:
    made = rules(text)
    return made.derived(tuple(known.get(key.replace(".", "_")) for key in made.keys), said)


def test_a_call_that_matches_has_the_owner() -> None:
    assert derived(RULE, service="search-api") == Attribution(team="search")


def test_one_that_does_not_has_none() -> None:
    assert derived(RULE, service="mail") == UNATTRIBUTED
    assert derived(RULE) == UNATTRIBUTED


def test_every_key_of_a_rule_must_match() -> None:
    text = RULE.replace('"search-*"', '["search-*", "find"], model = "gpt-*"')
    assert derived(text, service="find", model="gpt-5").team == "search"
    assert derived(text, service="find", model="claude").team is None
    assert derived(text, service="find").team is None


def test_the_first_rule_that_sets_an_owner_wins() -> None:
    text = RULE + RULE.replace('team = "search"', 'team = "other", feature = "all"')
    assert derived(text, service="search-api").owners() == {"team": "search", "feature": "all"}


def test_a_rule_sees_what_those_above_have_set() -> None:
    text = (
        RULE + '[[owner]]\nmatch = { team = "search" }\nset = { cost_center = "4711", "tag.seen" = "yes" }\n'
    )
    made = derived(text, service="search-api")
    assert (made.owners(), made.tags) == ({"team": "search", "cost_center": "4711"}, {"seen": "yes"})
    # What the code says is not set, and so not seen as set.
    assert derived(text, said=("team",), service="search-api", team="core") == UNATTRIBUTED


def test_a_value_may_be_taken_from_the_call() -> None:
    text = (
        '[[owner]]\nmatch = { "resource.k8s.namespace.name" = "*" }\n'
        'set = { team = "team-{resource.k8s.namespace.name}", feature = "{model}" }\n'
    )
    made = derived(text, resource_k8s_namespace_name="search")
    assert made.owners() == {"team": "team-search"}


def test_rules_look_only_at_what_they_name() -> None:
    assert rules(RULE).keys == ("service",)


@given(st.dictionaries(st.sampled_from(FACTS), st.text(min_size=1)))
def test_what_is_derived_of_a_call_depends_on_the_call_alone(known: dict[str, str]) -> None:
    text = '[[owner]]\nmatch = { host = "*" }\nset = { team = "{model}", tenant = "{service}" }\n'
    made = rules(text)
    values = tuple(known.get(key) for key in made.keys)
    once = made.derived(values)
    assert made.derived(values) == once
    assert rules(text).derived(values) == once
    assert once.owners() == {} or "host" in known


def test_a_file_without_rules_has_none() -> None:
    assert rules_of(Document.parse("", Path("t.toml"))) is None


KEY = '[[owner]]\nmatch = { key = "%s" }\nset = { team = "search" }\n'
WRONG = [
    ("owner = 5", 1, "owner must be tables: begin each with [[owner]]"),
    (RULE + 'name = "x"', 4, "owner.name is not known; known: match, set"),
    ('[[owner]]\nset = { team = "x" }', 1, 'lacks match: add match = { service = "search-*" }'),
    ('[[owner]]\nmatch = { service = "x" }', 1, 'lacks set: add set = { team = "search" }'),
    (RULE.replace("service", "servcie"), 2, "match.servcie is not known (did you mean service?)"),
    (RULE.replace("team", "taem"), 3, "set.taem is not known (did you mean team?)"),
    (RULE.replace("team", "model"), 3, "set.model is not known; it must be team, project"),
    (RULE.replace('"search-*"', "5"), 2, "must be a string or a list of strings, not 5"),
    (RULE.replace('"search-*"', "[]"), 2, "must be a string or a list of strings, not []"),
    (RULE.replace('"search"', "7"), 3, "must be a non-empty string, not 7"),
    (RULE.replace('"search"', '"{servce}"'), 3, "has {servce}, which is not known (did you mean service?)"),
    (RULE.replace('"search"', '"{service"'), 3, "with a brace that is not paired"),
    (RULE.replace('"search"', '"a\\nb"'), 3, "must be at most 256 printable characters"),
    (RULE.replace('"search"', '"{user}"') + '[personal]\nhash = ["user"]', 3, "which personal.hash hides"),
    (RULE.replace("service", '"resource."'), 2, "is not known"),
]


@pytest.mark.parametrize(("text", "line", "said"), WRONG)
def test_what_is_wrong_is_told(text: str, line: int, said: str) -> None:
    with pytest.raises(FileError) as caught:
        rules_of(Document.parse(text, Path("t.toml")))
    assert f"t.toml, line {line}: " in str(caught.value)
    assert said in str(caught.value)


@pytest.mark.parametrize("known", ["sha256:3fd4a3e0c1b2d5f6", "*", "AKIAIOSFODNN7EXAMPLE", "sha256:3f*"])
def test_a_key_is_known_by_its_digest(known: str) -> None:
    assert derived(KEY % known, key=known).team == "search"


def test_a_key_itself_is_refused_and_not_told() -> None:
    with pytest.raises(FileError) as caught:
        rules(KEY % "sk-proj-canary-1234567890")
    assert "canary" not in str(caught.value)
    assert "write its digest, never the key" in str(caught.value)
