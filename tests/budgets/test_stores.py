"""Every store keeps the protocol: all or none, once, never over a limit."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.budgets._lines import line
from tests.budgets._redis import Server

from otel_tokenomics.budgets.protocol import UNLIMITED, Balance, Line, Store, StoreDownError
from otel_tokenomics.budgets.stores.redis import RedisStore, Sharded
from otel_tokenomics.budgets.stores.sqlite import SQLiteStore

LONG = 1000.0
PAST = -1.0


def test_a_hold_is_settled_for_what_was_spent(store: Store) -> None:
    assert store.reserve("h", [line(60)], LONG).balances == (Balance(0, 60),)
    assert store.settle("h", [25]) == ("settled", (Balance(25, 0),))
    assert store.read([line(0)]) == (Balance(25, 0),)


def test_a_limit_holds(store: Store) -> None:
    assert store.reserve("one", [line(60)], LONG).granted
    refused = store.reserve("two", [line(41)], LONG)
    assert (refused.granted, refused.balances) == (False, (Balance(0, 60),))
    assert store.reserve("three", [line(40)], LONG).granted


def test_several_accounts_are_held_all_or_none(store: Store) -> None:
    lines = [line(10, "wide"), line(10, "narrow", limit=15)]
    assert store.reserve("one", lines, LONG).granted
    assert not store.reserve("two", lines, LONG).granted
    assert store.read(lines) == (Balance(0, 10), Balance(0, 10))


def test_a_hold_is_settled_once(store: Store) -> None:
    store.reserve("h", [line(60)], LONG)
    store.settle("h", [25])
    assert store.settle("h", [25]).state == "unknown"
    assert store.read([line(0)]) == (Balance(25, 0),)


def test_a_top_up_is_held_by_the_same_rule(store: Store) -> None:
    store.reserve("h", [line(40), line(5, "b")], LONG)
    assert store.top_up("h", [line(40), line(5, "b")]).granted
    assert not store.top_up("h", [line(40), line(5, "b")]).granted
    assert store.settle("h", [70, 7]).balances == (Balance(70, 0), Balance(7, 0))
    assert not store.top_up("h", [line(1), line(1, "b")]).granted


def test_what_has_expired_is_settled_in_full(store: Store) -> None:
    store.reserve("crashed", [line(60)], PAST)
    assert store.expire() == 1
    assert store.read([line(0)]) == (Balance(60, 0),)
    assert store.expire() == 0


def test_a_late_truth_corrects_an_expired_hold_once(store: Store) -> None:
    store.reserve("slow", [line(60)], PAST)
    store.expire()
    assert store.settle("slow", [25]) == ("late", (Balance(25, 0),))
    assert store.settle("slow", [25]).state == "unknown"
    assert store.read([line(0)]) == (Balance(25, 0),)


def test_a_reservation_sweeps_what_has_expired(store: Store) -> None:
    store.reserve("crashed", [line(60)], PAST)
    assert not store.reserve("next", [line(60)], LONG).granted
    store.expire()
    assert store.read([line(0)]) == (Balance(60, 0),)


def test_a_look_settles_what_has_expired_and_says_so(store: Store) -> None:
    store.reserve("under way", [line(5)], LONG)
    store.reserve("crashed", [line(60)], PAST)
    lines = [line(0), line(0, "other")]
    assert store.look(lines) == (True, (Balance(60, 5), Balance(0, 0)), None, 1)
    assert store.look(lines) == (True, (Balance(60, 5), Balance(0, 0)), None, 0)


def test_shards_are_looked_at_together(redis_server: Server) -> None:
    url = redis_server.url.replace("/0", "/9")
    store = Sharded(url, 1.0, "tenant")
    for number, (tenant, ttl) in enumerate((("a", LONG), ("b", PAST), ("c", PAST))):
        store.reserve(str(number), [line(10 + number, f"all|tenant={tenant}")], ttl)
    lines = [line(0, f"all|tenant={tenant}") for tenant in ("b", "a", "none", "c")]
    balances = (Balance(11, 0), Balance(0, 10), Balance(0, 0), Balance(12, 0))
    assert store.look(lines) == (True, balances, None, 2)
    other = Sharded(url, 1.0, "tenant")
    assert other.accounts() == ["all|tenant=a", "all|tenant=b", "all|tenant=c"]
    assert other.read(lines) == balances
    store.close()
    other.close()


def test_an_account_without_a_limit_counts_only(store: Store) -> None:
    free = line(1000, limit=UNLIMITED)
    assert store.reserve("h", [free], LONG).balances == (Balance(0, 1000),)


def test_a_limit_of_nothing_allows_nothing(store: Store) -> None:
    assert not store.reserve("h", [line(1, limit=0)], LONG).granted


def test_more_may_be_spent_than_was_held_and_then_nothing_fits(store: Store) -> None:
    store.reserve("h", [line(60)], LONG)
    assert store.settle("h", [130]).balances == (Balance(130, 0),)
    assert not store.reserve("next", [line(1)], LONG).granted


def test_amounts_are_exact(store: Store) -> None:
    limit = 9_007_199_254_740_991
    assert store.reserve("h", [line(limit - 1, limit=limit)], LONG).granted
    assert not store.reserve("i", [line(2, limit=limit)], LONG).granted
    assert store.reserve("i", [line(1, limit=limit)], LONG).balances == (Balance(0, limit),)
    assert store.settle("h", [limit - 2]).balances == (Balance(limit - 2, 1),)


def rolling(now: int, amount: int) -> Line:
    slot = now - now % 60
    return Line("rolling", slot, slot - 600, 60, slot + 660, 100, amount)


def test_a_rolling_window_forgets_slot_by_slot(store: Store) -> None:
    now = int(store.now()) - 6000
    free = rolling(now, 60)._replace(limit=UNLIMITED, until=0)
    store.reserve("h", [free], LONG)
    store.settle("h", [60])
    for later, seen in ((0, 60), (600, 60), (660, 0), (6000, 0)):
        assert store.read([rolling(now + later, 0)]) == (Balance(seen, 0),)


def test_a_rolling_window_has_a_limit(store: Store) -> None:
    now = int(store.now())
    assert store.reserve("h", [rolling(now, 60)], LONG).granted
    assert not store.reserve("i", [rolling(int(store.now()), 41)], LONG).granted


def test_accounts_may_have_any_printable_name(store: Store) -> None:
    odd = line(5, "team=ünï|code 'x'; --\\n")
    store.reserve("h", [odd], LONG)
    assert store.settle("h", [3]).balances == (Balance(3, 0),)


def test_a_second_client_sees_the_same(new_store: Callable[[], Store]) -> None:
    store = new_store()
    store.reserve("h", [line(60)], LONG)
    if isinstance(store, SQLiteStore):
        other: Store = SQLiteStore(store.path)
    elif isinstance(store, RedisStore):
        other = RedisStore(store._url, tag=store._keys[0].split("{")[1].split("}")[0])
    else:
        return
    assert other.read([line(0)]) == (Balance(0, 60),)
    assert not other.reserve("i", [line(41)], LONG).granted
    other.close()


def test_a_forked_child_goes_on(store: Store) -> None:
    store.reserve("h", [line(60)], LONG)
    child = os.fork()
    if child == 0:
        os._exit(0 if store.settle("h", [25]).state == "settled" else 1)
    assert os.waitpid(child, 0)[1] == 0
    if store.blocks:
        assert store.read([line(0)]) == (Balance(25, 0),)


def test_a_window_that_has_ended_is_told(redis_server: object, request: pytest.FixtureRequest) -> None:
    store = RedisStore(request.getfixturevalue("redis_server").url, tag="moved")
    now = int(store.now())
    past = Line("a", now - 120, now - 120, 0, now - 60, 100, 1)
    answer = store.reserve("h", [past], LONG)
    assert not answer.granted
    assert answer.moved is not None and abs(answer.moved - now) <= 2
    store.close()


def test_a_repeated_reservation_is_one(redis_server: object, request: pytest.FixtureRequest) -> None:
    store = RedisStore(request.getfixturevalue("redis_server").url, tag="repeated")
    assert store.reserve("h", [line(60)], LONG).granted
    assert store.reserve("h", [line(60)], LONG).granted
    assert store.read([line(0)]) == (Balance(0, 60),)
    store.close()


def test_a_file_that_cannot_be_is_told(tmp_path: Path) -> None:
    (tmp_path / "text.db").write_text("no database, but long enough to be read as the head of one" * 20)
    with pytest.raises(StoreDownError, match=r"text\.db: file is not a database"):
        SQLiteStore(tmp_path / "text.db").read([line(0)])


def test_a_newer_file_is_refused(tmp_path: Path) -> None:
    import sqlite3

    with sqlite3.connect(tmp_path / "new.db") as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(StoreDownError, match="is of form 99"):
        SQLiteStore(tmp_path / "new.db").read([line(0)])


def test_a_stopped_neighbour_does_not_hold_anyone_up(tmp_path: Path) -> None:
    import fcntl

    store = SQLiteStore(tmp_path / "a.db", timeout=0.05)
    store.read([line(0)])
    with (tmp_path / "a.db.turn").open("r+") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        with pytest.raises(StoreDownError, match=r"was locked for 0\.05 s"):
            store.read([line(0)])
    assert store.read([line(0)]) == (Balance(0, 0),)
    store.close()


def test_an_absent_server_is_told() -> None:
    store = RedisStore("redis://:secret@127.0.0.1:1/0", timeout=0.2)
    with pytest.raises(StoreDownError, match=r"^redis://127\.0\.0\.1:1: ") as caught:
        store.read([line(0)])
    assert "secret" not in str(caught.value)
