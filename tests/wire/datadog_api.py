"""A Datadog API on loopback, as its own exporter speaks to it, and the payloads read without its schemas."""

from __future__ import annotations

import gzip
import struct
import threading
import zlib
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from typing import Any

from tests.wire.sink import Server

DECODERS: dict[str | None, Callable[[bytes], bytes]] = {
    "gzip": gzip.decompress,
    "deflate": zlib.decompress,
    None: bytes,
}
VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5


class DatadogApi:
    """Answers the exporter; `calls` is what it sent: path, body."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, bytes]] = []
        self._changed = threading.Condition()

    def __enter__(self) -> DatadogApi:
        self._server = Server(("127.0.0.1", 0), self._handler())
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def wait(self, path: str, holding: bytes, seconds: float = 60) -> bytes:
        """The body of a call to `path` that holds these bytes."""

        def found() -> bytes | None:
            return next((body for where, body in self.calls if where == path and holding in body), None)

        with self._changed:
            body = self._changed.wait_for(found, seconds)
        assert body, f"nothing with {holding!r} came to {path}: {[where for where, _ in self.calls]}"
        return body

    def _take(self, path: str, body: bytes) -> None:
        with self._changed:
            self.calls.append((path, body))
            self._changed.notify_all()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        api = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                self._answer(200, b'{"valid":true}')

            def do_POST(self) -> None:
                raw = self.rfile.read(int(self.headers.get("content-length", 0)))
                api._take(self.path, DECODERS[self.headers.get("content-encoding")](raw))
                self._answer(202, b"{}")

            def _answer(self, status: int, body: bytes) -> None:
                self.send_response(status)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        return Handler


def fields(data: bytes) -> Iterator[tuple[int, Any]]:
    """The fields of a protobuf message: number and value, nested ones as bytes, fixed ones as doubles."""
    at = 0
    while at < len(data):
        tag, at = varint(data, at)
        number, kind = tag >> 3, tag & 7
        if kind == VARINT:
            value, at = varint(data, at)
            yield number, value
            continue
        size, at = varint(data, at) if kind == BYTES else ({FIXED64: 8, FIXED32: 4}[kind], at)
        piece, at = data[at : at + size], at + size
        yield number, struct.unpack("<d", piece)[0] if kind == FIXED64 else piece


def varint(data: bytes, at: int) -> tuple[int, int]:
    """A variable-length integer, and where it ends."""
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at


def inside(data: bytes, number: int) -> list[Any]:
    """Every value of one field."""
    return [value for field, value in fields(data) if field == number]


def series(body: bytes) -> Iterator[tuple[str, list[str], float]]:
    """Name, tags and sum of each series in a payload of metrics."""
    for one in inside(body, 1):
        points = [value for point in inside(one, 4) for value in inside(point, 1)]
        tags = [tag.decode() for tag in inside(one, 3)]
        yield inside(one, 2)[0].decode(), tags, sum(points)


def spans(body: bytes) -> Iterator[tuple[dict[str, str], dict[str, float]]]:
    """Texts and numbers of each span in a payload of traces."""
    for tracer in inside(body, 5):
        for chunk in inside(tracer, 6):
            for span in inside(chunk, 3):
                yield (
                    {key.decode(): value.decode() for key, value in map(entry, inside(span, 10))},
                    {key.decode(): value for key, value in map(entry, inside(span, 11))},
                )


def entry(pair: bytes) -> tuple[bytes, Any]:
    """Key and value of an entry of a map."""
    found = dict(fields(pair))
    return found[1], found.get(2, 0.0)
