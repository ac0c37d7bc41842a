"""The instrumentors that `opentelemetry-instrument` finds, one for each client library.

They need none of these libraries installed: a hook waits for an import that may never come.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Collection
from typing import Any

import wrapt
from opentelemetry.instrumentation.instrumentor import (  # type: ignore[attr-defined]
    BaseInstrumentor,
)

from otel_tokenomics.adapters.anthropic import Anthropic
from otel_tokenomics.adapters.hosts import Hosts
from otel_tokenomics.adapters.openai import OpenAI
from otel_tokenomics.flow.contracts import Adapter
from otel_tokenomics.flow.guard import guarded
from otel_tokenomics.wiring import assembly
from otel_tokenomics.wiring.stainless import MODULE, Seam

_hooked: set[str] = set()


class _StainlessInstrumentor(BaseInstrumentor):  # type: ignore[misc]
    """Instruments one client library. Never raises: the loader would drop all that come after."""

    library: str
    adapter: Callable[[Hosts], Adapter]
    seam: Seam

    def instrumentation_dependencies(self) -> Collection[str]:
        """None: the application's client library is never pinned."""
        return ()

    def _instrument(self, **kwargs: Any) -> None:
        """Record calls. Takes `tracer_provider`, `meter_provider` and `logger_provider`."""
        with guarded(f"instrument.{self.library}"):
            if assembly.disabled():
                return
            settings = assembly.settings_from(os.environ)
            if settings.disabled:
                return
            kind = type(self)
            self.seam.open(kind.adapter(Hosts(settings.hosts)), assembly.desk_of(settings, kwargs))
            _when_imported(f"{self.library}.{MODULE}", self.seam)

    def _uninstrument(self, **kwargs: Any) -> None:
        """Record no more, and restore the library's own methods."""
        with guarded(f"uninstrument.{self.library}"):
            self.seam.close()


def _when_imported(module: str, seam: Seam) -> None:
    if module in _hooked:
        if module in sys.modules:
            seam.patch(sys.modules[module])
    else:
        # The hook runs at once if the module is there already.
        _hooked.add(module)

        def patch(imported: Any) -> None:
            with guarded(f"patch.{seam.library}"):
                seam.patch(imported)

        wrapt.register_post_import_hook(patch, module)


class OpenAIInstrumentor(_StainlessInstrumentor):
    """Records every call made through the `openai` library, to whichever provider."""

    library = "openai"
    adapter = OpenAI
    seam = Seam("openai")


class AnthropicInstrumentor(_StainlessInstrumentor):
    """Records every call made through the `anthropic` library: first party, Bedrock, Vertex."""

    library = "anthropic"
    adapter = Anthropic
    seam = Seam("anthropic")
