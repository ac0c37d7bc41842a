"""The instrumentor of raw HTTP, off unless `OTEL_TOKENOMICS_RAW_HTTP` or `[http] raw` says so."""

from __future__ import annotations

import os
from collections.abc import Collection
from typing import Any, Final

from opentelemetry.instrumentation.instrumentor import (  # type: ignore[attr-defined]
    BaseInstrumentor,
)

from otel_tokenomics.adapters.hosts import Hosts
from otel_tokenomics.flow.guard import guarded
from otel_tokenomics.wiring import assembly, http
from otel_tokenomics.wiring.http_calls import RAW

ENTRY_POINT: Final = "tokenomics_raw_http"
"""The name that it is switched off by, as the client libraries are by theirs."""


class RawHTTPInstrumentor(BaseInstrumentor):  # type: ignore[misc]
    """Records what is sent to known model hosts and is no call of a client library that is recorded."""

    def instrumentation_dependencies(self) -> Collection[str]:
        """None: the application's HTTP library is never pinned."""
        return ()

    def _instrument(self, **kwargs: Any) -> None:
        """Record requests. Takes `tracer_provider`, `meter_provider` and `logger_provider`."""
        with guarded("instrument.raw_http"):
            settings = assembly.settings_from(os.environ)
            if assembly.disabled() or settings.disabled or not settings.raw_http:
                return
            # Only who asks for it pays for importing all who read.
            from otel_tokenomics.adapters.raw import RawHttp

            seam = http.Seam(RAW)
            seam.open(RawHttp(Hosts(settings.hosts)), assembly.desk_for(settings, kwargs))
            seam.patch(None)

    def _uninstrument(self, **kwargs: Any) -> None:
        """Record no more."""
        with guarded("uninstrument.raw_http"):
            assembly.forget()
            http.Seam(RAW).close()
