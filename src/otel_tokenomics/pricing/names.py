"""Model names, normalised strictly: what is taken off is a date, a version or an address, never a meaning."""

from __future__ import annotations

import re
from functools import lru_cache

_ADDRESSES = re.compile(r"^(?:models/|publishers/[^/]+/models/|projects/.*/models/|arn:[^/]*/)")
_SUFFIXES = (
    re.compile(r"-v\d+(?::\d+)?$"),
    re.compile(r"@\d{8}$"),
    re.compile(r"-\d{4}-\d{2}-\d{2}$"),
    re.compile(r"-\d{8}$"),
)
_FINE_TUNED = re.compile(r"^(ft:[^:]+):.*$")


@lru_cache(maxsize=1024)
def candidates(model: str) -> tuple[str, ...]:
    """The names under which a catalogue may know `model`, the most literal first.

    A fine-tuned model keeps its `ft:` mark: it has rates of its own or none.
    """
    names = [model]
    bare = _ADDRESSES.sub("", model.lower())
    bare = _FINE_TUNED.sub(r"\1", bare)
    names.append(bare)
    for suffix in _SUFFIXES:
        bare = suffix.sub("", bare)
        names.append(bare)
    return tuple(dict.fromkeys(names))
