"""Modules of a client library that are covered when they are imported, if they ever are."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import wrapt

from otel_tokenomics.flow.guard import guarded
from otel_tokenomics.wiring.libraries import Point


class Hooks:
    """Has the owner of each point covered, by `cover`, once its module is there. `site` names its faults."""

    def __init__(self, site: str, points: tuple[Point, ...], cover: Callable[[Any, Point], None]) -> None:
        self._site = site
        self._points = points
        self._cover = cover
        self._hooked: set[str] = set()

    def patch(self) -> None:
        """Cover what is imported, and the rest once it is."""
        for name in dict.fromkeys(point.module for point in self._points):
            if name in self._hooked:
                self._imported(sys.modules.get(name))
            else:
                # The hook runs at once if the module is there already.
                self._hooked.add(name)
                wrapt.register_post_import_hook(self._imported, name)

    def _imported(self, module: Any) -> None:
        with guarded(self._site):
            for point in self._points:
                owner: Any = getattr(module, point.owner, None)
                if owner is not None and point.module == module.__name__:
                    self._cover(owner, point)
