"""Stores of every kind, empty."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest
from tests.budgets._redis import Server, serving

from otel_tokenomics.budgets.protocol import Store
from otel_tokenomics.budgets.stores.memory import MemoryStore
from otel_tokenomics.budgets.stores.redis import RedisStore
from otel_tokenomics.budgets.stores.sqlite import SQLiteStore

KINDS = ("memory", "sqlite", "redis")
_numbers = count()


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One real server for all tests of this worker."""
    with serving(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture(params=KINDS)
def new_store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[], Store]]:
    """Makes empty stores of one kind."""
    made: list[Store] = []

    def new() -> Store:
        made.append(_store(request, tmp_path / f"{len(made)}.db"))
        return made[-1]

    yield new
    for store in made:
        store.close()


@pytest.fixture
def store(new_store: Callable[[], Store]) -> Store:
    """An empty store."""
    return new_store()


def _store(request: pytest.FixtureRequest, path: Path) -> Store:
    if request.param == "memory":
        return MemoryStore()
    if request.param == "sqlite":
        return SQLiteStore(path)
    server: Server = request.getfixturevalue("redis_server")
    return RedisStore(server.url, tag=f"test{next(_numbers)}")
