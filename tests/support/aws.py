"""Botocore clients whose HTTP session ends in this process, and the frames of Amazon's event streams."""

from __future__ import annotations

import base64
import importlib
import json
import struct
import zlib
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from tests.support.wire import Reply, Wire
from tests.support.wire_aws import Ending

EVENTS = {"content-type": "application/vnd.amazon.eventstream"}
PLACE = {
    "service_name": "bedrock-runtime",
    "region_name": "us-east-1",
    "aws_access_key_id": "none",
    "aws_secret_access_key": "none",
}
"""What every client is made with."""


class Session(Wire):
    """A wire of botocore."""

    def __init__(self, *script: Reply) -> None:
        super().__init__(*script, library="botocore")


@lru_cache(maxsize=1)
def _session() -> Any:
    """One for all clients: it reads the services' models once."""
    return importlib.import_module("botocore.session").Session()


def client(session: Wire, attempts: int = 1, mode: Any = "standard", **options: Any) -> Any:
    """A client of Bedrock's runtime on a wire. It retries nothing unless told to."""
    return client_on(session.client(), attempts, mode, **options)


def client_on(http: Ending, attempts: int = 1, mode: Any = "standard", **options: Any) -> Any:
    """The same on what stands where botocore's HTTP session does."""
    config: Any = importlib.import_module("botocore.config").Config
    retries = {"total_max_attempts": attempts, "mode": mode}
    made = _session().create_client(**{**PLACE, "config": config(retries=retries), **options})
    made._endpoint.http_session = http
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
