"""A small heap: collections, which many tests ask for, pass over all that was there before."""

from __future__ import annotations

import gc
from itertools import count

import pytest

_OFTEN = 2_000
_tests = count(1)


@pytest.fixture(autouse=True)
def small_heap() -> None:
    """All that is alive is set aside, the client libraries' own classes above all: no collection looks at it
    again. Now and then it is looked through after all, for what was set aside and is dropped since."""
    if next(_tests) % _OFTEN == 0:
        gc.unfreeze()
    gc.collect()
    gc.freeze()
