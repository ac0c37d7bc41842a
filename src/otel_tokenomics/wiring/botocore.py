"""The seam in botocore, which `boto3` and LangChain go through: two methods, found by name.

`BaseClient._make_api_call` is the whole call with botocore's own retries, of clients made before as well as
after; `Endpoint._needs_retry` says that an attempt failed and another follows. Services other than Bedrock's
runtime pass by with one comparison. A body that the application reads, or a stream of events, is covered on
the one object that it is read from, and uncovered when it is dropped with it.
"""

from __future__ import annotations

import functools
import sys
import weakref
from collections.abc import Callable, Iterator
from typing import Any

from opentelemetry.instrumentation.utils import is_instrumentation_enabled

from otel_tokenomics.adapters import keys
from otel_tokenomics.adapters.aws import SERVICE, Answer, Request
from otel_tokenomics.budgets.errors import BudgetExceededError
from otel_tokenomics.flow import tap
from otel_tokenomics.flow.billing import possibly_billed
from otel_tokenomics.flow.call import CURRENT, Call
from otel_tokenomics.flow.drivers import drive
from otel_tokenomics.flow.guard import fault, log
from otel_tokenomics.wiring import stainless
from otel_tokenomics.wiring.following import end, followed, see

_FOLLOWS = ("stream", "body")
"""Under what names a response holds what is still to be read."""


class Seam(stainless.Seam):
    """The two patched methods, and where the calls go."""

    def patch(self, module: Any) -> None:
        """Wrap both methods. Also called after the import of `botocore.client`, by a hook."""
        if not self.active:
            return
        owner: Any = getattr(module, "BaseClient", None)
        if not hasattr(owner, "_make_api_call"):
            log.warning("%s has no seam in BaseClient: its calls are not recorded", self.library)
            return
        self._wrap(owner, "_make_api_call", self._request)
        endpoint: Any = getattr(sys.modules.get("botocore.endpoint"), "Endpoint", None)
        if hasattr(endpoint, "_needs_retry"):
            self._wrap(endpoint, "_needs_retry", self._retry)

    def _request(self, original: Any) -> Any:
        @functools.wraps(original)
        def make_api_call(client: Any, operation_name: Any, api_params: Any) -> Any:
            bound, call = original.__get__(client, type(client)), None
            try:
                if client.meta.service_model.service_name == SERVICE:
                    call = self._call(client, Request(operation_name, api_params))
            except Exception as error:
                fault("seam.request", error)
            if call is None:
                return bound(operation_name, api_params)
            return drive(functools.partial(_send, bound, call), call, operation_name, (), {})

        return make_api_call

    def _retry(self, original: Any) -> Any:
        @functools.wraps(original)
        def needs_retry(endpoint: Any, *args: Any, **kwargs: Any) -> Any:
            another = original.__get__(endpoint, type(endpoint))(*args, **kwargs)
            try:
                call = CURRENT.get()
                if another and call is not None and isinstance(call.request, Request):
                    lost = kwargs.get("caught_exception", args[4] if len(args) > 4 else None)
                    call.retried(possibly_billed(lost))
            except BudgetExceededError:
                raise
            except Exception as error:
                fault("seam.retry", error)
            return another

        return needs_retry

    def _call(self, client: Any, request: Request) -> Call | None:
        desk, adapter = self.desk, self.adapter
        if desk is None or adapter is None or CURRENT.get() is not None:
            return None
        facts = adapter.facts(client, request, False)
        if facts is None or not is_instrumentation_enabled():
            return None
        entry = desk.admit(facts, functools.partial(keys.of_aws, client))
        return Call(desk, entry, adapter.meter(client, request, facts), request, client)


def _send(bound: Callable[..., Any], call: Call, operation: Any, request: Request) -> Any:
    """Make the call, and let it hear of the response or of the refusal."""
    try:
        parsed = bound(request.operation, request.params)
    except BudgetExceededError:
        raise
    except Exception as refusal:
        _hear(call, getattr(refusal, "response", None))
        raise
    _hear(call, parsed)
    return parsed


def _hear(call: Call, parsed: Any) -> None:
    try:
        if not isinstance(parsed, dict) or not isinstance(meta := parsed.get("ResponseMetadata"), dict):
            return
        source = next((parsed[name] for name in _FOLLOWS if hasattr(parsed.get(name), "close")), None)
        told = {key: value for key, value in parsed.items() if value is not source and value is not meta}
        answer = Answer(
            meta.get("HTTPStatusCode"), meta.get("HTTPHeaders") or {}, told, meta.get("RequestId") or None
        )
        retries = int(meta.get("RetryAttempts") or 0)
        call.responded(answer, source is not None, retries, functools.partial(_cover, source))
    except Exception as error:
        fault("seam.response", error)


def _cover(source: Any, answer: Any, call: Call) -> None:
    """Have every byte or event that `source` yields, and its end, told to `call`."""
    generator = getattr(source, "_event_generator", None)
    if generator is not None:
        source._event_generator = _events(generator, call)
        _cover_close(source, call)
    else:
        raw = source._raw_stream
        _cover_read(raw, call, getattr(source, "_content_length", None))
        _cover_close(raw, call)
    tap.watch(call)


def _events(source: Any, call: Call) -> Iterator[Any]:
    def hear(event: Any) -> None:
        see(call, event.payload)
        if event.headers.get(":message-type", "event") != "event":
            # What the application makes of it is an error; nothing comes after it.
            end(call, early=True)

    return followed(source, call, hear)


def _cover_read(raw: Any, call: Call, length: Any) -> None:
    kind, held, left = type(raw), weakref.ref(raw), [int(length) if length is not None else -1]

    def read(amt: Any = None, *args: Any, **kwargs: Any) -> Any:
        try:
            data = kind.read(held(), amt, *args, **kwargs)
        except BaseException as error:
            end(call, error)
            raise
        see(call, data)
        left[0] -= len(data)
        if amt is None or amt < 0 or left[0] == 0 or (amt and not data):
            end(call)
        return data

    vars(raw)["read"] = read


def _cover_close(source: Any, call: Call) -> None:
    kind, held = type(source), weakref.ref(source)

    def close(*args: Any, **kwargs: Any) -> Any:
        try:
            return kind.close(held(), *args, **kwargs)
        finally:
            end(call, early=True)

    vars(source)["close"] = close
