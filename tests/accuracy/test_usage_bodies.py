"""Usage as 20 providers really sent it: each body is priced or marked, each difference has a reason."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from tests.accuracy._bodies import CLASSES, DIFFERENCES, bodies, class_of, listed, priced, summary


@pytest.fixture(scope="module")
def recorded() -> list[Mapping[str, Any]]:
    return bodies()


def test_every_body_is_priced_or_marked(recorded: list[Mapping[str, Any]]) -> None:
    assert len(recorded) >= 952
    for item in recorded:
        for one in priced(item):
            if one.cost.amount_femto is None:
                assert one.cost.status == "unpriced"
                assert one.cost.unpriced_reason
            else:
                assert one.cost.status == "complete" or one.cost.unpriced_reason
                if one.cost.method == "vendor_reported":
                    continue
                assert one.cost.amount_femto == sum(line.amount_femto for line in one.cost.lines)


def test_every_body_is_read(recorded: list[Mapping[str, Any]]) -> None:
    """A body in which nothing can be read would be unpriced for want of usage, whatever its price."""
    unread = [one.file for item in recorded for one in priced(item) if one.reading.usage.source == "missing"]
    assert sorted(set(unread)) == []


def test_every_difference_has_a_reason(recorded: list[Mapping[str, Any]]) -> None:
    print("\n".join(summary()))
    unknown = [
        f"{one.file}: {one.provider}/{one.model} ours {one.ours} stored {one.stored}"
        for item in recorded
        for one in priced(item)
        if one.differs and class_of(one) is None
    ]
    assert unknown == []


def test_every_reason_says_who_is_right() -> None:
    assert {right for right, _, _ in CLASSES.values()} <= {"ours", "stored", "neither", "marked"}


def test_every_difference_is_listed(recorded: list[Mapping[str, Any]]) -> None:
    assert listed() == DIFFERENCES.read_text("utf-8"), "python -m tests.accuracy._bodies --write"


def test_the_list_says_for_each_difference_who_is_right() -> None:
    head, *lines = DIFFERENCES.read_text("utf-8").splitlines()
    rows = [dict(zip(head.split("\t"), line.split("\t"), strict=True)) for line in lines]
    assert len(rows) > 300
    assert all(CLASSES[row["reason"]][0] == row["right"] for row in rows)
