"""Personal owners leave as a keyed hash, the same everywhere; without a salt they do not leave."""

from __future__ import annotations

import hmac
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_tokenomics.attribution.digests import Digests, digests_of, hashed_by
from otel_tokenomics.model.attribution import Attribution
from otel_tokenomics.model.tables import Document, FileError

SALT = "0123456789abcdef-salt"
TEXT = '[personal]\nhash = ["user", "tenant"]\nsalt_env = "SALT"\n'


def digests(text: str = TEXT, **environ: str) -> Digests | None:
    return digests_of(Document.parse(text, Path("t.toml")), environ or {"SALT": SALT})


def made() -> Digests:
    found = digests()
    assert found is not None
    return found


def test_it_is_the_hmac_of_the_kind_and_the_value() -> None:
    expected = hmac.new(SALT.encode(), b"user\0anna", "sha256").hexdigest()[:20]
    assert made().of("user", "anna") == f"hmac:{expected}"
    assert made().of("tenant", "anna") != f"hmac:{expected}"


@given(st.text(min_size=1))
def test_it_is_the_same_each_time_and_of_itself(value: str) -> None:
    found = made()
    digest = found.of("user", value)
    assert digest is not None and value not in (digest, digest[5:])
    assert found.of("user", digest) == digest
    assert found.apply(Attribution(user=value)) == made().apply(Attribution(user=value))


def test_other_owners_stay_as_they_are() -> None:
    who = Attribution(team="search", session="s1", tags={"user": "kept"})
    assert made().apply(who) is who
    assert made().subject({"team": "search", "user": "anna"}) == {
        "team": "search",
        "user": made().of("user", "anna"),
    }


def test_without_a_salt_nothing_personal_is_known() -> None:
    withheld = Digests()
    who = Attribution(team="search", user="anna", tenant="acme", session="s1")
    assert withheld.apply(who) == Attribution(team="search")
    assert withheld.subject({"user": "anna", "model": "m"}) == {"model": "m"}


def test_the_salt_is_not_shown() -> None:
    assert SALT not in repr(made())


def test_the_salt_may_be_in_a_file(tmp_path: Path) -> None:
    path = tmp_path / "salt"
    path.write_text(SALT + "\n")
    assert digests(f'[personal]\nhash = ["user", "tenant"]\nsalt_file = "{path}"\n') == made()


def test_a_file_without_the_table_hashes_nothing() -> None:
    assert digests("") is None


def test_who_only_compares_needs_no_salt() -> None:
    found = hashed_by(Document.parse(TEXT, Path("t.toml")), {})
    assert found == Digests(("user", "tenant"))


WRONG = [
    ("personal = 5", 1, "must be a table"),
    (
        TEXT + 'sault = "x"',
        4,
        "personal.sault is not known (did you mean salt_env?); known: hash, salt_env",
    ),
    ('[personal]\nsalt_env = "SALT"', 1, 'lacks hash: add hash = ["user"]'),
    (TEXT.replace('"user"', '"usr"'), 2, "names 'usr'; it may name"),
    (TEXT.replace('["user", "tenant"]', '"user"'), 2, "must be a list of strings"),
    ('[personal]\nhash = ["user"]', 1, 'needs one salt: salt_env = "OWNER_SALT"'),
    (TEXT + 'salt_file = "/s"', 1, "needs one salt"),
    (TEXT.replace('"SALT"', '"NONE"'), 3, "names NONE, which is not set: make one"),
    (TEXT.replace('"SALT"', '"SHORT"'), 3, "which is shorter than 16 bytes"),
    (
        '[personal]\nhash = ["user"]\nsalt_file = "/absent/salt"',
        3,
        "names /absent/salt, which cannot be read",
    ),
]


@pytest.mark.parametrize(("text", "line", "said"), WRONG)
def test_what_is_wrong_is_told_without_the_salt(text: str, line: int, said: str) -> None:
    with pytest.raises(FileError) as caught:
        digests(text, SALT=SALT, SHORT="canary")
    assert f"t.toml, line {line}: " in str(caught.value)
    assert said in str(caught.value)
    assert SALT not in str(caught.value) and "canary" not in str(caught.value)
