"""Faults are injected here on purpose: they are swallowed, as in production, and not raised again."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from otel_tokenomics.flow import guard, late


@pytest.fixture(autouse=True, scope="session")
def small_heap() -> Iterator[None]:
    """The client libraries' own classes are left out of collections, which the tests here ask for often."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture(autouse=True)
def swallowing(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The guard as it is in production."""
    monkeypatch.setenv("OTEL_TOKENOMICS_STRICT", "false")
    guard.set_strict(False)
    yield
    late.drain(10)
    guard.set_strict(False)
