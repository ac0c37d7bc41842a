"""A request and its answer where the HTTP library is not httpx: requests, aiohttp.

The adapters read httpx's objects by name, so these have the names that they look for.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit


class Url(NamedTuple):
    """Where a request goes; `path` is decoded, and a query is never kept, for keys are in it."""

    scheme: str
    host: str
    port: int | None
    path: str


def url_of(text: str) -> Url:
    """The parts of a URL. Raises `ValueError` for what is none."""
    return _split(text.partition("?")[0])


@lru_cache(maxsize=1024)
def _split(text: str) -> Url:
    parts = urlsplit(text)
    return Url(parts.scheme, parts.hostname or "", parts.port, unquote(parts.path))


@dataclass(slots=True)
class HttpRequest(ABC):
    """A request. `sent` is the HTTP library's own; `body` what it sends: bytes, text, or a JSON object."""

    method: str
    url: Url
    body: Any
    sent: Any

    @property
    def json_data(self) -> dict[str, Any] | None:
        """The object that is sent as JSON, where the application gave one."""
        return self.body if isinstance(self.body, dict) else None

    @property
    def content(self) -> bytes | None:
        """The bytes that are sent, or `None` where they are not in memory."""
        if isinstance(self.body, dict):
            return json.dumps(self.body).encode()
        if isinstance(self.body, str):
            return self.body.encode()
        return bytes(self.body) if isinstance(self.body, bytes | bytearray) else None

    @abstractmethod
    def with_body(self, body: Mapping[str, Any]) -> HttpRequest:
        """A copy that sends this object in place of the body."""


@dataclass(slots=True)
class HttpAnswer:
    """What came back. `content` is the body, unless it is still to be read."""

    status_code: int
    headers: Mapping[str, str]
    content: bytes
    request: HttpRequest
