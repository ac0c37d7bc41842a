"""From a URL to a store."""

from __future__ import annotations

from pathlib import Path

from otel_tokenomics.budgets.lease import Leased
from otel_tokenomics.budgets.plan import Plan, StoreChoice
from otel_tokenomics.budgets.protocol import Store
from otel_tokenomics.budgets.stores.memory import MemoryStore

_SQLITE = "sqlite:///"
_LEASE = 10_000
"""One per cent, in millionths: what a process borrows of a limit in Redis where nothing else is said."""


def open_store(plan: Plan, default: Path) -> Store:
    """The store of a plan, not yet connected; a SQLite file at `default` where it names none."""
    choice = plan.store
    if choice.url is not None and not choice.url.startswith((_SQLITE, "memory:")):
        return _leased(_redis(choice), plan, _LEASE)
    if choice.url == "memory:":
        return MemoryStore()
    from otel_tokenomics.budgets.stores.sqlite import SQLiteStore

    path = default if choice.url is None else file_of(choice.url)
    return _leased(SQLiteStore(path, choice.timeout), plan, 0)


def file_of(url: str) -> Path:
    """`sqlite:///var/lib/budgets.db` is `/var/lib/budgets.db`; `sqlite:///~/budgets.db` is at home."""
    rest = url.removeprefix(_SQLITE)
    return Path(rest).expanduser() if rest.startswith("~") else Path("/") / rest


def _redis(choice: StoreChoice) -> Store:
    from otel_tokenomics.budgets.stores.redis import RedisStore, Sharded

    assert choice.url is not None
    if choice.shard is None:
        return RedisStore(choice.url, choice.timeout)
    return Sharded(choice.url, choice.timeout, choice.shard)


def _leased(store: Store, plan: Plan, usual: int) -> Store:
    part = usual if plan.store.lease is None else plan.store.lease
    return store if part == 0 else Leased(store, part, plan.hold)
