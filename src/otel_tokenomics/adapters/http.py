"""What the client libraries have in common that are seen at their HTTP library: requests, streams of lines.

A request is httpx's, of either generation, read by name, or an `HttpRequest` of another. Who made it is told
by its `User-Agent`, which each of these libraries sets; what it calls, by how its path ends.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from otel_tokenomics.adapters.dialect import Dialect
from otel_tokenomics.adapters.hosts import Hosts
from otel_tokenomics.adapters.http_body import body_of, cap_path, with_cap
from otel_tokenomics.adapters.http_request import HttpRequest
from otel_tokenomics.adapters.routes import Endpoint, Route, Routes, facts_of, port_of
from otel_tokenomics.adapters.sse import USAGE, UsageLines
from otel_tokenomics.adapters.stainless import StainlessMeter
from otel_tokenomics.flow.contracts import Meter
from otel_tokenomics.model.call import Facts, Responded

_OF_THE_BODY = (b"content-length", b"transfer-encoding")


class HttpAdapter:
    """An adapter of a library that is seen at its HTTP library.

    `sign` is a part of its `User-Agent`, if it has one. `needle` finds the lines of a stream that carry
    usage, and `prefix` is how such lines begin.
    """

    flavor: str
    provider: str
    sign: str | None
    routes: Routes
    dialect: Dialect
    needle: re.Pattern[bytes] = USAGE
    prefix: bytes = b"data:"

    def __init__(self, hosts: Hosts | None = None) -> None:
        self._hosts = hosts or Hosts()

    def facts(self, client: Any, options: Any, stream: bool) -> Facts | None:
        """What the request says, or `None` if it calls no model."""
        url = options.url
        route = self.routes.find(options.method, url.path)
        if route is None:
            return None
        endpoint = self.endpoint(url)._replace(host=url.host or None, port=port_of(url))
        return self.told(route, endpoint, options, stream)

    def told(self, route: Route, endpoint: Endpoint, request: Any, stream: bool) -> Facts:
        """The facts of a request on a route, as its body says them."""
        asked = body_of(request)
        streams = asked.get("stream")
        # Only httpx is told beforehand how the body will be read.
        stream = streams is True if isinstance(request, HttpRequest) else stream and streams is not False
        return facts_of(self.flavor, route, endpoint, asked, stream)

    def endpoint(self, url: Any) -> Endpoint:
        """Who is behind a URL."""
        known = self._hosts.find(url.host) if url.host else None
        if known is None:
            return Endpoint(self.provider, assumed=True)
        return Endpoint(known.provider)

    def meter(self, client: Any, options: Any, facts: Facts) -> Meter:
        """A meter for the response to this request."""
        return HttpMeter(self.dialect, options, facts, self.needle, self.prefix)


class HttpMeter(StainlessMeter):
    """Reads one response. A stream is lines; those with a needle carry usage."""

    __slots__ = ("_needle", "_prefix")

    def __init__(
        self, dialect: Dialect, request: Any, facts: Facts, needle: re.Pattern[bytes], prefix: bytes
    ) -> None:
        super().__init__(dialect, request, facts)
        self._needle = needle
        self._prefix = prefix

    def request_body(self) -> Mapping[str, Any] | None:
        """The body that is sent, where it is JSON in memory."""
        return body_of(self._options, whole=True) or None

    def capped(self, request: Any, tokens: int) -> Any:
        """A copy of the request with this output cap in its body, under the name that the endpoint knows."""
        body = with_cap(body_of(request, whole=True), cap_path(self._facts), tokens)
        if isinstance(request, HttpRequest):
            return request.with_body(body)
        headers = [pair for pair in request.headers.raw if pair[0].lower() not in _OF_THE_BODY]
        content = json.dumps(body, ensure_ascii=False).encode("utf-8", "surrogatepass")
        return type(request)(
            request.method, request.url, headers=headers, content=content, extensions=request.extensions
        )

    def respond(self, word: Responded) -> None:
        """Read the body, or make ready for its lines. What is refused says nothing of usage."""
        if word.response.status_code >= 400:
            return
        kind = str(word.response.headers.get("content-type") or "").lower()
        # A stream that a hook of the application's has read already is in memory.
        held = not word.body_follows and ("stream" in kind or "ndjson" in kind)
        super().respond(replace(word, body_follows=True) if held else word)
        if (held or word.body_follows) and (self._lines is not None or "ndjson" in kind):
            self._body = None
            prefix = b"{" if "json" in kind else self._prefix
            self._lines = UsageLines(self._needle, prefix)
        if held:
            self.feed(word.response.content)

    def skim(self, data: bytes) -> bool:
        """As ever, but not past a needle of its own."""
        return self._needle.search(data) is None and super().skim(data)
