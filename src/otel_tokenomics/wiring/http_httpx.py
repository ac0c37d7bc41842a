"""`send` of httpx's clients, of either generation."""

from __future__ import annotations

from typing import Any

from otel_tokenomics.flow.call import Call
from otel_tokenomics.wiring.http_calls import Arguments, call_of, line_of


class Httpx:
    """Requests are told of as they are; the request is the first argument, or so named."""

    def begin(self, client: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Call | None:
        """The call that a request makes, or `None`."""
        request = args[0] if args else kwargs["request"]
        line = line_of(request.headers.get("user-agent") or "", lambda: request.url.host)
        return None if line is None else call_of(client, request, line, bool(kwargs.get("stream")))

    def arguments(self, request: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Arguments:
        """The arguments with this request."""
        return with_request(request, args, kwargs)

    def hear(self, call: Call, request: Any, response: Any) -> None:
        """Tell the call of its response."""
        follows = response.status_code < 400 and not response.is_closed
        call.responded(response, follows, 0)


def with_request(request: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Arguments:
    """Arguments of a method whose first one is the request, with another in its place."""
    return ((request, *args[1:]), kwargs) if args else (args, {**kwargs, "request": request})
