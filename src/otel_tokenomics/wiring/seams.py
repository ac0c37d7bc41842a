"""The kinds of seam, and what all of them can do."""

from __future__ import annotations

from importlib import import_module
from typing import Any, Protocol

from otel_tokenomics.flow.contracts import Adapter
from otel_tokenomics.flow.desk import Desk
from otel_tokenomics.wiring.libraries import Library


class Seam(Protocol):
    """Where one client library is patched, and where its calls go."""

    @property
    def active(self) -> bool:
        """Whether calls are recorded."""

    def open(self, adapter: Adapter, desk: Desk) -> None:
        """Record calls from now on."""

    def close(self) -> None:
        """Record no more calls, and restore every method that is still ours to restore."""

    def patch(self, module: Any) -> None:
        """Wrap what there is in the module that the row names, now that it is imported."""


def seam_of(library: Library) -> Seam:
    """A seam of the kind that the library's row names. No other kind is imported."""
    name, arguments = _named(library)
    seam: Seam = import_module(f"{__package__}.{name}").Seam(*arguments)
    return seam


def _named(library: Library) -> tuple[str, tuple[Any, ...]]:
    """The module of the seam, named as its kind unless the row says more, and what the seam is told."""
    if library.kind == "stainless" and library.sockets:
        return "sockets", (library.distribution, library.sockets)
    if library.kind == "http" and library.sockets:
        return "live", (library,)
    if library.kind == "marked":
        return "marking", (library,)
    if library.kind in ("rpc", "gapic"):
        return library.kind, (library,)
    return library.kind, (library.distribution,)
