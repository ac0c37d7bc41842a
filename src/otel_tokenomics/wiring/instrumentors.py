"""The instrumentors that `opentelemetry-instrument` finds, one for each client library.

They need none of these libraries installed: a hook waits for an import that may never come, and only then
the library's adapter is imported. Each row of `libraries` has its instrumentor here, made when asked for.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Collection
from functools import cache
from importlib import metadata
from typing import Any

import wrapt
from opentelemetry.instrumentation.instrumentor import (  # type: ignore[attr-defined]
    BaseInstrumentor,
)

from otel_tokenomics.adapters.hosts import Hosts
from otel_tokenomics.flow.guard import guarded, log
from otel_tokenomics.wiring import assembly
from otel_tokenomics.wiring.libraries import LIBRARIES, Library
from otel_tokenomics.wiring.seams import Seam, seam_of

_hooked: set[str] = set()


class _WhenAsked:
    """The seam of a class of instrumentors: made, and its code imported, when its client library is."""

    def __get__(self, instrumentor: Any, kind: type[Instrumentor]) -> Seam:
        kind.seam = seam = seam_of(kind.library)
        return seam


class Instrumentor(BaseInstrumentor):  # type: ignore[misc]
    """Instruments one client library. Never raises: the loader would drop all that come after."""

    library: Library
    seam: Seam = _WhenAsked()  # type: ignore[assignment]
    _open: Callable[[], None] | None = None

    def instrumentation_dependencies(self) -> Collection[str]:
        """None: the application's client library is never pinned."""
        return ()

    def _instrument(self, **kwargs: Any) -> None:
        """Record calls. Takes `tracer_provider`, `meter_provider` and `logger_provider`."""
        with guarded(f"instrument.{self.library.distribution}"):
            if assembly.disabled():
                return
            settings = assembly.settings_from(os.environ)
            if settings.disabled:
                return
            desk, hosts = assembly.desk_for(settings, kwargs), Hosts(settings.hosts)

            def open_seam() -> None:
                self.seam.open(self.library.adapter_class()(hosts), desk)

            self._open = open_seam
            self._when_imported()

    def _uninstrument(self, **kwargs: Any) -> None:
        """Record no more, and restore the library's own methods."""
        with guarded(f"uninstrument.{self.library.distribution}"):
            self._open = None
            assembly.forget()
            if "seam" in vars(type(self)):
                self.seam.close()

    def _when_imported(self) -> None:
        module = self.library.module
        if module in _hooked:
            if module in sys.modules:
                self._patch(sys.modules[module])
        else:
            # The hook runs at once if the module is there already.
            _hooked.add(module)
            wrapt.register_post_import_hook(self._patch, module)
            if self.library.package:
                wrapt.register_post_import_hook(self._look, self.library.package)

    def _look(self, imported: Any) -> None:
        with guarded(f"look.{self.library.distribution}"):
            if self._open is not None:
                _too_old(self.library)

    def _patch(self, imported: Any) -> None:
        with guarded(f"patch.{self.library.distribution}"):
            if self._open is not None and not _too_old(self.library):
                self._open()
                self.seam.patch(imported)


@cache
def _too_old(library: Library) -> bool:
    """Whether the installed version is older than the oldest that is recorded, said once."""
    # What OpenTelemetry's own packages compare versions with.
    from packaging.version import Version

    try:
        version = metadata.version(library.distribution)
    except metadata.PackageNotFoundError:
        return False
    older = Version(version) < Version(library.oldest)
    if older:
        log.warning(
            "%s %s is older than %s: its calls are not recorded",
            *(library.distribution, version, library.oldest),
        )
    return older


def __getattr__(name: str) -> type[Instrumentor]:
    """The instrumentor of that name, made once."""
    for library in LIBRARIES.values():
        if library.instrumentor == name:
            kind = type(name, (Instrumentor,), _body(library))
            globals()[name] = kind
            return kind
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def _body(library: Library) -> dict[str, Any]:
    return {
        "__doc__": f"Records every call made through the `{library.distribution}` library.",
        "__module__": __name__,
        "library": library,
    }
