"""What stands where botocore's own HTTP session does and ends in this process, and what that one raises."""

from __future__ import annotations

import importlib
import io
from collections.abc import Callable, Iterable, Iterator
from typing import Any

SENDING = {
    "ConnectError": "EndpointConnectionError",
    "ConnectTimeout": "ConnectTimeoutError",
    "ReadError": "ConnectionClosedError",
    "ReadTimeout": "ReadTimeoutError",
    "RemoteProtocolError": "ConnectionClosedError",
}
"""What botocore calls httpx's errors until there is a response."""


def error(name: str, *told: Any, request: Any = None) -> BaseException:
    """An exception by httpx's name for it: of a request botocore's, of a body urllib3's."""
    found: BaseException
    if request is None and name.startswith("Read"):
        kinds: Any = importlib.import_module("urllib3.exceptions")
        timed = name == "ReadTimeout"
        found = kinds.ReadTimeoutError(None, None, *told) if timed else kinds.ProtocolError(*told)
    else:
        kind = getattr(importlib.import_module("botocore.exceptions"), SENDING[name])
        found = kind(endpoint_url=getattr(request, "url", "https://bedrock.test"), error=" ".join(told))
    return found


class Ending:
    """A session whose every request is answered by `answer`, as urllib3 answers it: read, or to be read."""

    def __init__(self, answer: Callable[[Any], Any]) -> None:
        self._answer = answer

    def send(self, request: Any) -> Any:
        """Botocore's one way to send."""
        urllib3: Any = importlib.import_module("urllib3")
        reply = self._answer(request)
        raw = urllib3.HTTPResponse(
            _Parts([reply.body] if isinstance(reply.body, bytes) else reply.body),
            urllib3.HTTPHeaderDict(dict(reply.headers)),
            reply.status,
            preload_content=False,
            decode_content=False,
            enforce_content_length=False,
        )
        kind: Any = importlib.import_module("botocore.awsrequest").AWSResponse
        response = kind(request.url, reply.status, raw.headers, raw)
        if not request.stream_output:
            _ = response.content
        return response

    def close(self) -> None:
        """Nothing is open."""


class _Parts(io.RawIOBase):
    """A body in parts: no read gives more than one of them, and an exception is raised where it stands."""

    def __init__(self, parts: Iterable[Any]) -> None:
        self._parts = iter(parts)
        self._rest = b""

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes:
        """What is left of a part, at most `size` bytes of it; all parts without a size."""
        if size is None or size < 0:
            return self._rest + b"".join(self._all())
        if not self._rest:
            self._rest = next(self._all(), b"")
        data, self._rest = self._rest[:size], self._rest[size:]
        return data

    def _all(self) -> Iterator[bytes]:
        for part in self._parts:
            if isinstance(part, BaseException):
                raise part
            played = part if isinstance(part, bytes) else part()
            if played:
                yield played
