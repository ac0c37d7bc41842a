"""The seam in aiobotocore, below `aioboto3`: the two methods that it has of its own where botocore has its.

A body is read from a response of aiohttp's, which is followed as any other of its, or of httpx's. Events come
out of an asynchronous generator. What is sent is not told twice: below a call the seams of the HTTP libraries
are silent.
"""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable
from typing import Any

from otel_tokenomics.adapters.aws import Request
from otel_tokenomics.budgets.errors import BudgetExceededError
from otel_tokenomics.flow import tap
from otel_tokenomics.flow.call import Call
from otel_tokenomics.flow.drivers import adrive, aside
from otel_tokenomics.flow.guard import attempt
from otel_tokenomics.wiring import botocore, http_aiohttp, stainless
from otel_tokenomics.wiring.following import afollowed, drop, end, see


class Seam(botocore.Seam):
    """The two patched methods, and where the calls go."""

    client = "AioBaseClient"
    endpoint = ("aiobotocore.endpoint", "AioEndpoint")

    def _request(self, original: Any) -> Any:
        @functools.wraps(original)
        async def amake_api_call(client: Any, operation_name: Any, api_params: Any) -> Any:
            bound = original.__get__(client, type(client))
            call = attempt("seam.request", self._call, None, client, operation_name, api_params)
            if call is None:
                return await bound(operation_name, api_params)
            return await adrive(functools.partial(_asend, bound, call), call, operation_name, (), {})

        return amake_api_call

    def _retry(self, original: Any) -> Any:
        @functools.wraps(original)
        async def aneeds_retry(endpoint: Any, *args: Any, **kwargs: Any) -> Any:
            another = await original.__get__(endpoint, type(endpoint))(*args, **kwargs)
            with stainless.RETRYING:
                call = botocore.retried(another)
                if call is not None:
                    await aside(call, functools.partial(call.retried, botocore.lost(args, kwargs)))
            return another

        return aneeds_retry


async def _asend(bound: Callable[..., Any], call: Call, operation: Any, request: Request) -> Any:
    """Make the call, and let it hear of the response or of the refusal."""
    try:
        parsed = await bound(request.operation, request.params)
    except BudgetExceededError:
        raise
    except Exception as refusal:
        botocore.hear_of(call, getattr(refusal, "response", None))
        raise
    botocore.hear_of(call, parsed, _cover)
    return parsed


def _cover(source: Any, answer: Any, call: Call) -> None:
    """Have every byte or event that `source` yields, and its end, told to `call`."""
    generator = getattr(source, "_event_generator", None)
    if generator is not None:
        botocore.cover_close(source, call)
        # What is left of a timer may keep the call, in its context, until its time.
        weakref.finalize(source, drop, call).atexit = False
        tap.watch(call)
        # Last, as there.
        source._event_generator = afollowed(generator, call, functools.partial(botocore.hear_event, call))
        return
    # In older versions the body is a proxy of the response.
    raw = vars(source).get("_raw_stream") or source.__wrapped__
    if hasattr(raw, "aiter_raw"):
        _cover_httpx(raw, call)
        tap.watch(call)
    else:
        http_aiohttp.cover(raw, answer, call)


def _cover_httpx(raw: Any, call: Call) -> None:
    """Weakly, as all of httpx's ways to read come down to these two methods of the response itself."""
    kind, held = type(raw), weakref.ref(raw)

    def aiter_raw(*args: Any, **kwargs: Any) -> Any:
        return afollowed(kind.aiter_raw(held(), *args, **kwargs), call, functools.partial(see, call))

    async def aclose(*args: Any, **kwargs: Any) -> Any:
        try:
            return await kind.aclose(held(), *args, **kwargs)
        finally:
            end(call, early=True)

    vars(raw).update(aiter_raw=aiter_raw, aclose=aclose)
