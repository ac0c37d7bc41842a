"""A small heap: collections, which many tests ask for, pass over all that was there before."""

from __future__ import annotations

import gc

import pytest


@pytest.fixture(autouse=True)
def small_heap() -> None:
    """All that is alive is set aside, the client libraries' own classes above all: no collection looks
    at it again."""
    gc.collect()
    gc.freeze()
