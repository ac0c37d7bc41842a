"""The drivers: the one place where the original callable runs, once.

The synchronous and the asynchronous driver differ by one `await`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from otel_tokenomics.flow.call import Call, Shield


def drive(original: Callable[..., Any], call: Call | Shield, cast_to: Any, args: Any, kwargs: Any) -> Any:
    """Run the original with what `call` wants sent, and let `call` see what comes of it."""
    with call:
        return original(cast_to, call.request, *args, **kwargs)


async def adrive(
    original: Callable[..., Awaitable[Any]],
    call: Call | Shield,
    cast_to: Any,
    args: Any,
    kwargs: Any,
) -> Any:
    """`drive`, awaiting."""
    with call:
        return await original(cast_to, call.request, *args, **kwargs)
