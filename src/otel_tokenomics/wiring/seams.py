"""The kinds of seam, and what all of them can do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from otel_tokenomics.flow.contracts import Adapter
from otel_tokenomics.flow.desk import Desk
from otel_tokenomics.wiring import (
    aiobotocore,
    botocore,
    claude_agent,
    http,
    live,
    marking,
    sockets,
    stainless,
)
from otel_tokenomics.wiring.libraries import Kind, Library


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
    """A seam of the kind that the library's row names."""
    return _KINDS[library.kind](library)


_KINDS: Mapping[Kind, Callable[[Library], Seam]] = {
    "stainless": lambda library: (
        sockets.Seam(library.distribution, library.sockets)
        if library.sockets
        else stainless.Seam(library.distribution)
    ),
    "http": lambda library: live.Seam(library) if library.sockets else http.Seam(library.distribution),
    "marked": marking.Seam,
    "botocore": lambda library: botocore.Seam(library.distribution),
    "aiobotocore": lambda library: aiobotocore.Seam(library.distribution),
    "claude_agent": lambda library: claude_agent.Seam(library.distribution),
}
