"""What comes from outside and becomes a label: attribution, text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_tokenomics.model.attribution import OWNERS, UNATTRIBUTED, Attribution
from otel_tokenomics.model.text import LONGEST_LABEL, clean

ATTRIBUTIONS = st.builds(
    Attribution,
    **{name: st.none() | st.sampled_from(["a", "b"]) for name in OWNERS},
    tags=st.dictionaries(st.sampled_from(["x", "y"]), st.sampled_from(["1", "2"])),
)


@pytest.mark.parametrize("value", [None, "", 0, 7, True, b"team", ["team"], {"team": 1}, 1.5])
def test_what_is_not_text_is_no_label(value: object) -> None:
    assert clean(value) is None


@pytest.mark.parametrize(
    ("value", "label"),
    [
        ("search", "search"),
        ("Größe 大", "Größe 大"),
        ("a\nb", "a\ufffdb"),
        ("a\0b", "a\ufffdb"),
        ("\ud800", "\ufffd"),
        ("x" * (LONGEST_LABEL + 1), "x" * LONGEST_LABEL),
    ],
)
def test_a_label_is_bounded_and_printable(value: str, label: str) -> None:
    assert clean(value) == label


@given(st.text(st.characters(codec=None, categories=None), min_size=1))
def test_every_label_can_be_exported(text: str) -> None:
    label = clean(text)
    assert label
    assert len(label) <= LONGEST_LABEL
    assert label.isprintable()
    label.encode()


def test_the_upper_attribution_holds_and_the_lower_fills_in() -> None:
    upper = Attribution(team="search", tags={"env": "prod"})
    lower = Attribution(team="core", user="u1", tags={"env": "dev", "region": "eu"})
    merged = upper.over(lower)
    assert merged.owners() == {"team": "search", "user": "u1"}
    assert merged.tags == {"env": "prod", "region": "eu"}


@given(ATTRIBUTIONS, ATTRIBUTIONS, ATTRIBUTIONS)
def test_laying_over_is_associative(a: Attribution, b: Attribution, c: Attribution) -> None:
    assert a.over(b).over(c) == a.over(b.over(c))
    assert a.over(UNATTRIBUTED) == UNATTRIBUTED.over(a) == a


def test_owners_by_name_leave_out_what_is_not_known() -> None:
    assert Attribution.of({"team": "search", "colour": "red", "user": None, "project": ""}) == Attribution(
        team="search"
    )
    assert Attribution.of({}) is UNATTRIBUTED
