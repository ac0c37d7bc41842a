"""A botocore client whose HTTP session ends in this process, and the frames of Amazon's event streams."""

from __future__ import annotations

import base64
import io
import json
import struct
import zlib
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Any

import botocore.awsrequest  # type: ignore[import-untyped]
import botocore.session  # type: ignore[import-untyped]
import urllib3
from botocore.config import Config  # type: ignore[import-untyped]
from tests.support.wire import Reply

EVENTS = {"content-type": "application/vnd.amazon.eventstream"}


class Session:
    """Stands where botocore's own HTTP session does. Plays replies in order, the last one for ever."""

    def __init__(self, *script: Reply) -> None:
        self.script = list(script)
        self.requests: list[Any] = []

    @property
    def calls(self) -> int:
        """How many requests arrived, retries included."""
        return len(self.requests)

    def play(self, *script: Reply) -> None:
        """Replace the script, and forget what was sent."""
        self.script = list(script)
        self.requests.clear()

    def send(self, request: Any) -> Any:
        """Botocore's one way to send: the answer is a urllib3 response, read or to be read."""
        reply = self.script[min(len(self.requests), len(self.script) - 1)]
        self.requests.append(request)
        if reply.error is not None:
            raise reply.error(request)
        headers = urllib3.HTTPHeaderDict(dict(reply.headers))
        parts = [reply.body] if isinstance(reply.body, bytes) else reply.body
        raw = urllib3.HTTPResponse(
            _Parts(parts),
            headers,
            reply.status,
            preload_content=False,
            decode_content=False,
            enforce_content_length=False,
        )
        response = botocore.awsrequest.AWSResponse(request.url, reply.status, raw.headers, raw)
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


@lru_cache(maxsize=1)
def _session() -> Any:
    """One for all clients: it reads the services' models once."""
    return botocore.session.Session()


def client(session: Session, attempts: int = 1, mode: Any = "standard", **options: Any) -> Any:
    """A client of Bedrock's runtime on a session. It retries nothing unless told to."""
    config = Config(retries={"total_max_attempts": attempts, "mode": mode})
    made = _session().create_client(
        **{
            "service_name": "bedrock-runtime",
            "region_name": "us-east-1",
            "aws_access_key_id": "none",
            "aws_secret_access_key": "none",
            "config": config,
            **options,
        }
    )
    made._endpoint.http_session = session
    return made


def frame(kind: str, payload: bytes, message: str = "event") -> bytes:
    """One frame: lengths and their checksum, headers, payload, checksum of all.

    https://docs.aws.amazon.com/transcribe/latest/dg/event-stream.html
    """
    name = ":event-type" if message == "event" else ":exception-type"
    headers = b"".join(
        _header(*pair)
        for pair in ((name, kind), (":content-type", "application/json"), (":message-type", message))
    )
    prelude = struct.pack("!II", 16 + len(headers) + len(payload), len(headers))
    told = prelude + struct.pack("!I", zlib.crc32(prelude)) + headers + payload
    return told + struct.pack("!I", zlib.crc32(told))


def _header(name: str, value: str) -> bytes:
    text = value.encode()
    return bytes([len(name)]) + name.encode() + b"\x07" + struct.pack("!H", len(text)) + text


def frames(*events: tuple[str, Any]) -> list[bytes]:
    """A Converse stream: each event is its kind and what it holds."""
    return [frame(kind, json.dumps(held).encode()) for kind, held in events]


def chunks(*events: Any) -> list[bytes]:
    """A stream of a model's own events."""
    held = [base64.b64encode(json.dumps(event).encode()).decode() for event in events]
    return [frame("chunk", json.dumps({"bytes": text, "p": "abc"}).encode()) for text in held]


def split(stream: bytes) -> Iterator[bytes]:
    """The frames of a stream, one by one."""
    while stream:
        (size,) = struct.unpack_from("!I", stream)
        yield stream[:size]
        stream = stream[size:]


def payloads(stream: bytes) -> Iterator[tuple[str, dict[str, Any]]]:
    """The kind and the payload of each frame, read by its layout alone."""
    for one in split(stream):
        size, header = struct.unpack_from("!II", one)
        names, at = {}, 12
        while at < 12 + header:
            length = one[at]
            name = one[at + 1 : at + 1 + length].decode()
            (width,) = struct.unpack_from("!H", one, at + 2 + length)
            names[name] = one[at + 4 + length : at + 4 + length + width].decode()
            at += 4 + length + width
        yield names.get(":event-type", ""), json.loads(one[12 + header : size - 4])
