"""`Session.send` of requests. A body that is still to be read comes through the response's `iter_content`."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from otel_tokenomics.adapters.http_request import HttpAnswer, HttpRequest, url_of
from otel_tokenomics.flow import tap
from otel_tokenomics.flow.call import Call
from otel_tokenomics.flow.guard import fault
from otel_tokenomics.wiring.following import end, followed, see_lines
from otel_tokenomics.wiring.http_calls import Arguments, call_of, line_of
from otel_tokenomics.wiring.http_httpx import with_request


@dataclass(slots=True)
class Prepared(HttpRequest):
    """A `PreparedRequest`."""

    def with_body(self, body: Mapping[str, Any]) -> HttpRequest:
        """A copy that sends this object, with the length that it then has."""
        twin, content = self.sent.copy(), json.dumps(body).encode()
        twin.prepare_body(content, None)
        return replace(self, body=content, sent=twin)


class Requests:
    """Requests are told of as httpx's are."""

    def begin(self, client: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Call | None:
        """The call that a request makes, or `None`."""
        sent = args[0] if args else kwargs["request"]
        agent = sent.headers.get("user-agent") or ""
        text = agent if isinstance(agent, str) else agent.decode("latin-1")
        line = line_of(text, lambda: url_of(sent.url).host)
        if line is None:
            return None
        return call_of(client, Prepared(sent.method, url_of(sent.url), sent.body, sent), line, False)

    def arguments(self, request: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Arguments:
        """The arguments with this request."""
        return with_request(request.sent, args, kwargs)

    def hear(self, call: Call, request: Any, response: Any) -> None:
        """Tell the call of its response. One that was not asked for as a stream is in memory."""
        held = getattr(response, "_content_consumed", False)
        answer = HttpAnswer(
            response.status_code, response.headers, response.content if held else b"", request
        )
        follows = response.status_code < 400 and not held
        call.responded(answer, follows, 0, functools.partial(_cover, response))


_CALL = "_tokenomics_call"


def _cover(response: Any, answer: HttpAnswer, call: Call) -> None:
    """Have every byte that a response yields, and its end, told to `call`.

    It becomes one of a subclass, until its end: methods on itself would hold it, and a response that is
    dropped must be collected as soon as it is bare.
    """
    kind: Any = type(response)
    tap.watch(call)
    vars(response)[_CALL] = call
    response.__class__ = _followed(kind)


@functools.lru_cache(maxsize=8)
def _followed(kind: Any) -> type:
    class Response(kind):  # type: ignore[misc]
        __slots__ = ()

        def iter_content(self, *args: Any, **kwargs: Any) -> Any:
            call = vars(self).get(_CALL)
            source = kind.iter_content(self, *args, **kwargs)
            return source if call is None else _told(self, source, call)

        def close(self) -> Any:
            call = _uncover(self)
            try:
                return kind.close(self)
            finally:
                if call is not None:
                    end(call, early=True)

        def __reduce_ex__(self, protocol: Any) -> Any:
            function, (_, *rest), *more = kind.__reduce_ex__(self, protocol)
            return (function, (kind, *rest), *more)

    Response.__name__, Response.__qualname__, Response.__module__ = (
        kind.__name__,
        kind.__qualname__,
        kind.__module__,
    )
    return Response


def _uncover(response: Any) -> Call | None:
    try:
        call: Call | None = vars(response).pop(_CALL, None)
        if call is not None:
            response.__class__ = type(response).__mro__[1]
        return call
    except Exception as trouble:
        fault("tap.uncover", trouble)
        return None


def _told(response: Any, source: Iterator[Any], call: Call) -> Iterator[Any]:
    def hear(data: Any) -> None:
        # Whoever wants it decoded gets text.
        text = isinstance(data, str)
        see_lines(call, data.encode(response.encoding or "utf-8", "replace") if text else data)

    yield from followed(source, call, hear)
    _uncover(response)
