"""Where a request goes: its route by how its path ends, its endpoint, and the facts of both."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from otel_tokenomics.model.call import Billing, Facts
from otel_tokenomics.model.text import clean


@dataclass(frozen=True, slots=True)
class Route:
    """An endpoint that calls a model. `tail` is how its path ends; `*` stands for one segment."""

    method: str
    tail: str
    operation: str
    billing: Billing = "metered"


class Routes:
    """Finds the route of a request by how its path ends, whatever base path or deployment precedes it."""

    def __init__(self, *routes: Route) -> None:
        self._routes = [(tuple(route.tail.split("/")), route) for route in routes]
        self._known: dict[tuple[str, str], Route | None] = {}

    def find(self, method: str, url: str) -> Route | None:
        """The route, or `None` for a request that calls no model."""
        key = (method, url)
        if key in self._known:
            return self._known[key]
        route = self._match(method.upper(), url.partition("?")[0].strip("/").split("/"))
        if len(self._known) < 1024:
            self._known[key] = route
        return route

    def _match(self, method: str, path: list[str]) -> Route | None:
        for tail, route in self._routes:
            here = path[-len(tail) :]
            if route.method == method and len(here) == len(tail) and all(map(_fits, tail, here)):
                return route
        return None


def _fits(pattern: str, segment: str) -> bool:
    return pattern in ("*", segment)


class Endpoint(NamedTuple):
    """Who a client talks to. `assumed`: the host is unknown, so that the provider is the client's flavour.

    `asks`: its streams are known to give usage when asked. Host and port never come with a path or query.
    """

    provider: str
    assumed: bool = False
    asks: bool = False
    host: str | None = None
    port: int | None = None


class Endpoints:
    """The endpoint of each client, found once for each base URL that it has."""

    def __init__(self, find: Callable[[Any, str | None], Endpoint]) -> None:
        self._find = find
        self._known: weakref.WeakKeyDictionary[Any, tuple[Any, Endpoint]] = weakref.WeakKeyDictionary()

    def of(self, client: Any) -> Endpoint:
        """The endpoint of a client, by its class and its base URL."""
        # The attribute behind the property: openai's imports a module each time that it is asked.
        url = getattr(client, "_base_url", None)
        if url is None:
            url = getattr(client, "base_url", None)
        known = self._known.get(client)
        if known is not None and known[0] is url:
            return known[1]
        host = getattr(url, "host", None)
        host = host if isinstance(host, str) and host else None
        found = self._find(client, host)._replace(host=host, port=port_of(url))
        self._known[client] = (url, found)
        return found


_PORTS = {"https": 443, "http": 80}


def port_of(url: Any) -> int | None:
    """The port of a base URL; httpx leaves out the usual one of its scheme."""
    port = getattr(url, "port", None)
    if isinstance(port, int):
        return port
    scheme = getattr(url, "scheme", None)
    return _PORTS.get(scheme) if isinstance(scheme, str) else None


def facts_of(flavor: str, route: Route, endpoint: Endpoint, body: Any, stream: bool) -> Facts:
    """What a request on a route to an endpoint says. Only plain strings of its body are looked at."""
    asked = body if isinstance(body, dict) else {}
    return Facts(
        provider=endpoint.provider,
        operation=route.operation,
        flavor=flavor,
        route=route.tail,
        request_model=clean(asked.get("model")),
        stream=stream,
        billing=route.billing,
        provider_assumed=endpoint.assumed,
        service_tier=clean(asked.get("service_tier")),
        server_address=endpoint.host,
        server_port=endpoint.port,
    )
