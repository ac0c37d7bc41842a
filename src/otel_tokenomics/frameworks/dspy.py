"""DSPy: modules and tools, at the methods that run them.

The outermost module is a workflow by the name of its class, those within it are steps. Its callbacks are the
application's to configure, and are replaced as a whole.
"""

from __future__ import annotations

from typing import Any

from otel_tokenomics.attribution import places
from otel_tokenomics.frameworks.hooks import Patches

_METHODS = ("__call__", "acall")


class DSPy:
    """The hook: a frame around each call of a module and of a tool."""

    def __init__(self) -> None:
        self._patches = Patches()

    def open(self, module: Any) -> None:
        """Open frames from now on. `module` is `dspy`."""
        self._patches.active = True
        for method in _METHODS:
            self._patches.wrap(getattr(module, "Module", None), method, _module)
            self._patches.wrap(getattr(module, "Tool", None), method, _tool)

    def close(self) -> None:
        """Open no more."""
        self._patches.restore()


def _module(module: Any, *_: Any, **__: Any) -> places.Told:
    within = any("workflow" in frame.told() for frame in places.chain(places.current()))
    names = {"step" if within else "workflow": type(module).__name__}
    return lambda: names


def _tool(tool: Any, *_: Any, **__: Any) -> places.Told:
    names = {"tool": tool.name}
    return lambda: names
