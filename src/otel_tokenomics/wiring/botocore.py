"""The seam in botocore, which `boto3` and LangChain go through: two methods, found by name.

`BaseClient._make_api_call` is the whole call with botocore's own retries, of clients made before as well as
after; `Endpoint._needs_retry` says that an attempt failed and another follows. Services other than Bedrock's
runtimes pass by with one look. A body that the application reads, or a stream of events, is covered on
the one object that it is read from, and uncovered when it is dropped with it.
"""

from __future__ import annotations

import functools
import sys
import weakref
from collections.abc import Callable
from typing import Any

from otel_tokenomics.adapters import keys
from otel_tokenomics.adapters.aws import SERVICES, Answer, Request
from otel_tokenomics.budgets.errors import BudgetExceededError
from otel_tokenomics.flow import tap
from otel_tokenomics.flow.billing import possibly_billed
from otel_tokenomics.flow.call import CURRENT, Call
from otel_tokenomics.flow.drivers import drive
from otel_tokenomics.flow.guard import attempt, fault, log
from otel_tokenomics.wiring import stainless
from otel_tokenomics.wiring.following import end, followed, see
from otel_tokenomics.wiring.suppression import suppressed

Cover = Callable[[Any, Any, Call], None]
_FOLLOWS = ("stream", "body", "completion", "responseStream")
"""Under what names a response holds what is still to be read."""


class Seam(stainless.Seam):
    """The two patched methods, and where the calls go."""

    client = "BaseClient"
    endpoint = ("botocore.endpoint", "Endpoint")
    """Where the two are."""

    def patch(self, module: Any) -> None:
        """Wrap both methods. Also called after the import of the module of the client, by a hook."""
        if not self.active:
            return
        owner: Any = getattr(module, self.client, None)
        if not hasattr(owner, "_make_api_call"):
            log.warning("%s has no seam in %s: its calls are not recorded", self.library, self.client)
            return
        self._wrap(owner, "_make_api_call", self._request)
        home, name = self.endpoint
        endpoint: Any = getattr(sys.modules.get(home), name, None)
        if hasattr(endpoint, "_needs_retry"):
            self._wrap(endpoint, "_needs_retry", self._retry)

    def _request(self, original: Any) -> Any:
        @functools.wraps(original)
        def make_api_call(client: Any, operation_name: Any, api_params: Any) -> Any:
            bound = original.__get__(client, type(client))
            call = attempt("seam.request", self._call, None, client, operation_name, api_params)
            if call is None:
                return bound(operation_name, api_params)
            return drive(functools.partial(_send, bound, call), call, operation_name, (), {})

        return make_api_call

    def _retry(self, original: Any) -> Any:
        @functools.wraps(original)
        def needs_retry(endpoint: Any, *args: Any, **kwargs: Any) -> Any:
            another = original.__get__(endpoint, type(endpoint))(*args, **kwargs)
            with stainless.RETRYING:
                call = retried(another)
                if call is not None:
                    call.retried(lost(args, kwargs))
            return another

        return needs_retry

    def _call(self, client: Any, operation: Any, params: Any) -> Call | None:
        """The call that an operation makes, if it makes one."""
        if client.meta.service_model.service_name not in SERVICES:
            return None
        desk, adapter, request = self.desk, self.adapter, Request(operation, params)
        if desk is None or adapter is None or CURRENT.get() is not None:
            return None
        facts = adapter.facts(client, request, False)
        if facts is None or suppressed():
            return None
        credential = functools.partial(keys.of_aws, client)
        if facts.billing == "several":
            return stainless.several_of(self.several, adapter, client, request, facts, credential)
        entry = desk.admit(facts, credential)
        return Call(desk, entry, adapter.meter(client, request, facts), request, client)


def retried(another: Any) -> Call | None:
    """The call of which `another` attempt is made, if that is what `_needs_retry` said."""
    call = CURRENT.get()
    return call if another and call is not None and isinstance(call.request, Request) else None


def lost(args: Any, kwargs: Any) -> bool:
    """Whether the attempt that failed may be billed, by the arguments of `_needs_retry`."""
    return possibly_billed(kwargs.get("caught_exception", args[4] if len(args) > 4 else None))


def _send(bound: Callable[..., Any], call: Call, operation: Any, request: Request) -> Any:
    """Make the call, and let it hear of the response or of the refusal."""
    try:
        parsed = bound(request.operation, request.params)
    except BudgetExceededError:
        raise
    except Exception as refusal:
        hear_of(call, getattr(refusal, "response", None))
        raise
    hear_of(call, parsed)
    return parsed


def hear_of(call: Call, parsed: Any, cover: Cover | None = None) -> None:
    """Tell the call of its response or refusal. What is still to be read is covered by `cover`."""
    try:
        if not isinstance(parsed, dict) or not isinstance(meta := parsed.get("ResponseMetadata"), dict):
            return
        source = next((parsed[name] for name in _FOLLOWS if hasattr(parsed.get(name), "close")), None)
        told = {key: value for key, value in parsed.items() if value is not source and value is not meta}
        answer = Answer(
            meta.get("HTTPStatusCode"), meta.get("HTTPHeaders") or {}, told, meta.get("RequestId") or None
        )
        retries = int(meta.get("RetryAttempts") or 0)
        call.responded(answer, source is not None, retries, functools.partial(cover or _cover, source))
    except Exception as error:
        fault("seam.response", error)


def _cover(source: Any, answer: Any, call: Call) -> None:
    """Have every byte or event that `source` yields, and its end, told to `call`."""
    generator = getattr(source, "_event_generator", None)
    tap.watch(call)
    if generator is not None:
        cover_close(source, call)
        # Last, for what fails is done again: followed twice, everything would be told twice.
        source._event_generator = followed(generator, call, functools.partial(hear_event, call))
    else:
        raw = source._raw_stream
        _cover_read(raw, call, getattr(source, "_content_length", None))
        cover_close(raw, call)


def hear_event(call: Call, event: Any) -> None:
    """One event of a stream passed by."""
    see(call, event.payload)
    if event.headers.get(":message-type", "event") != "event":
        # What the application makes of it is an error; nothing comes after it.
        end(call, early=True)


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


def cover_close(source: Any, call: Call) -> None:
    """Have the close of `source` told to `call`. Weakly: who drops it has dropped it."""
    kind, held = type(source), weakref.ref(source)

    def close(*args: Any, **kwargs: Any) -> Any:
        try:
            return kind.close(held(), *args, **kwargs)
        finally:
            end(call, early=True)

    vars(source)["close"] = close
