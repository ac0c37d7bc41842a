"""Whether instrumentation is suppressed in this context, asked before every call."""

from __future__ import annotations

from opentelemetry import context
from opentelemetry.instrumentation.utils import is_instrumentation_enabled


def suppressed() -> bool:
    """Whether `suppress_instrumentation()` is around. An empty context says nothing, at half the price."""
    return bool(context.get_current()) and not is_instrumentation_enabled()
