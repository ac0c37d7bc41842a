"""The drivers: the one place where the original callable runs, once.

The synchronous and the asynchronous driver differ by one `await`.
"""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from typing import Any

from otel_tokenomics.budgets.errors import BudgetExceededError
from otel_tokenomics.flow.call import Call, Shield
from otel_tokenomics.flow.guard import guarded

_HOLDING = guarded("drive.hold", BudgetExceededError)


def drive(original: Callable[..., Any], call: Call | Shield, cast_to: Any, args: Any, kwargs: Any) -> Any:
    """Run the original with what `call` wants sent, and let `call` see what comes of it."""
    if call.governed:
        with _HOLDING:
            call.hold()
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
    if call.governed:
        with _HOLDING:
            await aside(call, call.hold)
    with call:
        return await original(cast_to, call.request, *args, **kwargs)


async def aside(call: Call | Shield, job: Callable[[], None]) -> None:
    """Do a job that may wait for the store of budgets where it does not hold up an event loop.

    Where another loop than asyncio's runs the job is done here: a reservation takes well below a millisecond.
    """
    asyncio = sys.modules.get("asyncio") if call.waits else None
    loop = None if asyncio is None else asyncio.events._get_running_loop()
    if loop is None:
        job()
        return
    try:
        await loop.run_in_executor(call.pool, job)
    except BaseException as error:
        if not isinstance(error, Exception):
            # Cancelled while it waited: what is held meanwhile is released by whoever holds it.
            call.end(error=error)
        raise


async def aretry(call: Call, told: Callable[[], None], original: Callable[[], Awaitable[Any]]) -> Any:
    """Tell a call of another attempt, and make it. Raises `BudgetExceededError` before it is made."""
    await aside(call, told)
    return await original()
