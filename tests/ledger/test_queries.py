"""Rollups: exact beyond 64 bits, grouped, and open about what they leave out."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.ledger._support import STARTED_NS, execute, priced, record, row

from otel_tokenomics.ledger import queries
from otel_tokenomics.ledger.queries import Missing, Rollup, Scope, Unpriced
from otel_tokenomics.ledger.store import Ledger, Loss, reading
from otel_tokenomics.model.attribution import UNATTRIBUTED, Attribution
from otel_tokenomics.model.money import FEMTO, unpriced
from otel_tokenomics.model.place import PLACES, Place
from otel_tokenomics.model.record import UsageRecord
from otel_tokenomics.model.usage import MISSING, Usage

DAY_NS = 86_400 * 10**9


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.sqlite3"


@pytest.fixture
def in_berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def grouped(
    path: Path,
    told: Sequence[UsageRecord],
    by: Sequence[str],
    scope: Scope | None = None,
    *,
    utc: bool = True,
) -> list[Rollup]:
    Ledger(path).write([row(one) for one in told])
    with reading(path) as connection:
        return queries.rollups(connection, by, scope or Scope(), utc=utc)


def test_a_sum_beyond_64_bits(path: Path) -> None:
    dollars = 9_000 * FEMTO
    (found,) = grouped(path, [record(cost=priced(dollars + n)) for n in range(1_000)], ())
    assert found.cost_femto == 1_000 * dollars + sum(range(1_000))
    assert found.cost_femto > 2**63


def test_amounts_beyond_64_bits(path: Path) -> None:
    wide = 10**24 + 1
    (found,) = grouped(path, [record(cost=priced(amount)) for amount in (wide, wide, -5, 7)], ())
    assert found.cost_femto == 2 * wide + 2


@settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.integers(min_value=-(2**66), max_value=2**66), max_size=20))
def test_sums_are_pythons(tmp_path_factory: pytest.TempPathFactory, amounts: list[int]) -> None:
    path = tmp_path_factory.mktemp("sums") / "ledger.sqlite3"
    (found,) = grouped(path, [record(cost=priced(amount)) for amount in amounts], ())
    assert found.cost_femto == (sum(amounts) if amounts else None)


def test_groups_the_dearest_first_and_unpriced_last(path: Path) -> None:
    told = [
        record(attribution=Attribution(team="a"), cost=priced(1)),
        record(attribution=Attribution(team="b"), cost=priced(5)),
        record(attribution=Attribution(team="a"), cost=priced(2), usage=Usage({"input": 1})),
        record(attribution=UNATTRIBUTED, cost=unpriced("unknown_model"), usage=MISSING),
    ]
    found = grouped(path, told, ("team", "provider"))
    assert [(r.keys, r.calls, r.cost_femto, r.unpriced_calls) for r in found] == [
        ({"team": "b", "provider": "openai"}, 1, 5, 0),
        ({"team": "a", "provider": "openai"}, 2, 3, 0),
        ({"team": None, "provider": "openai"}, 1, None, 1),
    ]
    assert queries.total_of(found) == grouped(path, [], ())[0]
    assert found[1].tokens == {
        "input": 101,
        "cache_read": 50,
        "cache_write": 10,
        "output": 20,
        "reasoning": 5,
    }
    assert set(found[2].tokens.values()) == {None}


def test_every_key_groups(path: Path) -> None:
    owners = {owner: owner for owner in ("team", "project", "feature", "tenant", "user", "session")}
    places: dict[str, Any] = {name: name for name in PLACES}
    known = record(attribution=Attribution.of(owners), place=Place(**places))
    Ledger(path).write([row(known, **{"service.name": "shop", "tokenomics.run.id": "r1"})])
    with reading(path) as connection:
        (found,) = queries.rollups(connection, tuple(queries.KEYS), Scope(), utc=True)
    assert found.keys == {
        **owners,
        **places,
        "provider": "openai",
        "model": "gpt-5.4-mini-2026-03-01",
        "operation": "chat",
        "tier": "standard",
        "day": "2026-11-01",
        "hour": "2026-11-01 12:00",
        "service": "shop",
        "run": "r1",
    }


def test_the_requested_model_where_the_served_one_is_unknown(path: Path) -> None:
    (found,) = grouped(path, [record(served=None)], ("model",))
    assert found.keys == {"model": "gpt-5.4-mini"}


def test_days_are_local_unless_utc(path: Path, in_berlin: None) -> None:
    late = record(started_ns=STARTED_NS + 11 * 3600 * 10**9 + 30 * 60 * 10**9)
    assert [r.keys["day"] for r in grouped(path, [late], ("day",), utc=False)] == ["2026-11-02"]
    assert [r.keys["hour"] for r in grouped(path, [], ("hour",), utc=False)] == ["2026-11-02 00:00"]
    assert [r.keys["day"] for r in grouped(path, [], ("day",), utc=True)] == ["2026-11-01"]


def test_since_is_inclusive_and_until_exclusive(path: Path) -> None:
    told = [record(started_ns=STARTED_NS + n * DAY_NS, cost=priced(n)) for n in range(4)]
    (found,) = grouped(path, told, (), Scope(STARTED_NS + DAY_NS, STARTED_NS + 3 * DAY_NS))
    assert (found.calls, found.cost_femto) == (2, 3)


@pytest.mark.parametrize(
    ("told", "estimated"),
    [
        (record(usage=Usage({"input": 1}, source="tokenizer")), 1),
        (record(usage=Usage({"input": 1}, source="heuristic")), 1),
        (record(usage=Usage({"input": 1}, source="stream_partial")), 1),
        (record(cost=priced(method="estimated")), 1),
        (record(), 0),
        (record(usage=Usage({"input": 1}, source="tokenizer"), cost=unpriced("unknown_model")), 0),
        (record(usage=MISSING, cost=unpriced("missing_usage")), 0),
    ],
)
def test_what_counts_as_estimated(path: Path, told: UsageRecord, estimated: int) -> None:
    (found,) = grouped(path, [told], ())
    assert found.estimated_calls == estimated


def test_what_is_missing(path: Path) -> None:
    told = [
        *(record(cost=unpriced("unknown_model"), served="acme-large") for _ in range(2)),
        record(cost=unpriced("missing_usage"), usage=MISSING),
        record(cost=priced(status="partial", bound="lower")),
        record(usage=Usage({"input": 1}, source="tokenizer")),
        record(cost=priced(currency="EUR")),
    ]
    ledger = Ledger(path)
    ledger.write([row(one) for one in told], [Loss("outbox_full", 5, STARTED_NS), Loss("unreadable", 1, 1)])
    with reading(path) as connection:
        scope = Scope(since_ns=STARTED_NS, currency="USD")
        assert queries.missing(connection, scope) == Missing(
            unpriced=[
                Unpriced("openai", "acme-large", "unknown_model", 2),
                Unpriced("openai", "gpt-5.4-mini-2026-03-01", "missing_usage", 1),
            ],
            estimated=1,
            partial=1,
            other_currencies={"EUR": 1},
            lost=5,
        )
        assert queries.losses(connection) == 6
        (found,) = queries.rollups(connection, (), scope)
        assert found.calls == 5
        assert queries.currencies(connection, Scope()) == ["USD", "EUR"]


def test_assumptions(path: Path) -> None:
    told = [record(cost=priced(assumption="provider from the client")) for _ in range(3)]
    Ledger(path).write([row(one) for one in told])
    with reading(path) as connection:
        assert queries.assumptions(connection) == [("provider from the client", "openai", 3)]


def test_single_records_in_order_and_the_newest_of_them(path: Path) -> None:
    Ledger(path).write([row(record(key=str(n), started_ns=STARTED_NS + n)) for n in (3, 1, 2)])
    with reading(path) as connection:
        assert [r["response_id"] for r in queries.records(connection, Scope())] == ["1", "2", "3"]
        assert [r["response_id"] for r in queries.records(connection, Scope(), limit=2)] == ["2", "3"]


def test_an_empty_ledger(path: Path) -> None:
    (found,) = grouped(path, [], ())
    assert (found.calls, found.cost_femto, found.unpriced_calls) == (0, None, 0)
    assert set(found.tokens.values()) == {None}
    assert execute(path, "SELECT count(*) FROM usage_records") == [(0,)]
