"""An OTLP endpoint on loopback that keeps what it took, and that can be told to refuse, fail or hang."""

from __future__ import annotations

import gzip
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

LATE = -1
TOO_LONG = 5.0
"""Seconds: longer than the senders in these tests wait."""

KINDS: dict[str, Any] = {
    "traces": ExportTraceServiceRequest,
    "metrics": ExportMetricsServiceRequest,
    "logs": ExportLogsServiceRequest,
}


class Server(ThreadingHTTPServer):
    """A server that a client may leave in the middle of a sentence."""

    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """The client's side says what matters."""


@dataclass
class Request:
    """What arrived, and what it was answered."""

    path: str
    headers: dict[str, str]
    wire_bytes: int
    body: bytes
    status: int = 200

    @property
    def signal(self) -> str:
        """`traces`, `metrics` or `logs`, by the end of the path."""
        end = self.path.rpartition("/")[2]
        return {"otlp": "traces" if "trace" in self.path else "metrics"}.get(end, end)

    def message(self) -> Any:
        """The decoded request."""
        return KINDS[self.signal].FromString(self.body)


class Point(NamedTuple):
    """A number's data point, with what names its series."""

    metric: str
    labels: tuple[tuple[str, Any], ...]
    resource: tuple[tuple[str, Any], ...]
    value: float
    time_ns: int
    start_ns: int
    delta: bool


Judge = Callable[[Request], tuple[int, dict[str, str]]]


def accept(_: Request) -> tuple[int, dict[str, str]]:
    """Take everything."""
    return 200, {}


@dataclass
class Sink:
    """Serves while it is entered. `judge` decides what each request is answered.

    0 hangs up; `LATE` takes the request, and answers when the sender has long given up.
    """

    judge: Judge = accept
    requests: list[Request] = field(default_factory=list)

    def __enter__(self) -> Sink:
        self._changed = threading.Condition()
        self._closed = threading.Event()
        self._server = Server(("127.0.0.1", 0), self._handler())
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closed.set()
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def wait(self, what: Callable[[], bool], seconds: float = 60) -> bool:
        """Whether `what` became true, looked at after each request."""
        with self._changed:
            return self._changed.wait_for(what, seconds)

    def quiet(self, seconds: float, at_most: float = 60) -> None:
        """Return when nothing has arrived for so long."""
        until = time.monotonic() + at_most
        with self._changed:
            while self._changed.wait(seconds) and time.monotonic() < until:
                pass

    def taken(self, signal: str) -> list[Any]:
        """Every accepted message of a signal."""
        return [r.message() for r in list(self.requests) if r.signal == signal and 200 <= r.status < 300]

    def records(self) -> list[dict[str, Any]]:
        """Every usage record that was accepted, duplicates included."""
        return [whole(log) for log, _ in self.logs()]

    def logs(self) -> Iterator[tuple[Any, dict[str, Any]]]:
        """Every log record that was accepted, with the attributes of its resource."""
        for message in self.taken("logs"):
            for resource in message.resource_logs:
                owner = mapping(resource.resource.attributes)
                yield from ((log, owner) for scope in resource.scope_logs for log in scope.log_records)

    def spans(self) -> list[Any]:
        """Every span that was accepted."""
        return [
            span
            for message in self.taken("traces")
            for resource in message.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]

    def points(self) -> list[Point]:
        """Every number of a sum that was accepted, in the order of arrival."""
        return [point for message in self.taken("metrics") for point in points(message)]

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        sink = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                raw = self.rfile.read(int(self.headers.get("content-length", 0)))
                plain = gzip.decompress(raw) if self.headers.get("content-encoding") == "gzip" else raw
                headers = {name.lower(): value for name, value in self.headers.items()}
                sink._answer(self, Request(self.path, headers, len(raw), plain))

            def log_message(self, *_: object) -> None:
                pass

        return Handler

    def _answer(self, handler: BaseHTTPRequestHandler, request: Request) -> None:
        request.status, headers = self.judge(request)
        late = request.status == LATE
        if late:
            request.status = 200
        with self._changed:
            self.requests.append(request)
            self._changed.notify_all()
        if request.status == 0 or late:
            handler.close_connection = True
            if late:
                self._closed.wait(TOO_LONG)
            return
        handler.send_response(request.status)
        for name, value in {**headers, "content-length": "0"}.items():
            handler.send_header(name, value)
        handler.end_headers()


def whole(log: Any) -> dict[str, Any]:
    """A usage record's fields, of which a log record has some as attributes and the rest in its body."""
    return {**mapping(log.body.kvlist_value.values), **mapping(log.attributes)}


def mapping(pairs: Any) -> dict[str, Any]:
    """Attributes as a dictionary."""
    return {pair.key: value(pair.value) for pair in pairs}


def value(any_value: Any) -> Any:
    """The Python value of an OTLP value."""
    kind = any_value.WhichOneof("value")
    if kind is None:
        return None
    if kind == "array_value":
        return [value(item) for item in any_value.array_value.values]
    if kind == "kvlist_value":
        return mapping(any_value.kvlist_value.values)
    return getattr(any_value, kind)


def points(message: Any) -> Iterator[Point]:
    """The points of every sum in a metrics request."""
    for resource in message.resource_metrics:
        owner = tuple(sorted(mapping(resource.resource.attributes).items()))
        for scope in resource.scope_metrics:
            for metric in scope.metrics:
                delta = metric.sum.aggregation_temporality == 1
                for point in metric.sum.data_points:
                    number = point.as_int if point.WhichOneof("value") == "as_int" else point.as_double
                    labels = tuple(sorted(mapping(point.attributes).items()))
                    times = (point.time_unix_nano, point.start_time_unix_nano)
                    yield Point(metric.name, labels, owner, number, *times, delta)


def total(found: list[Point], metric: str) -> float:
    """What a metric's points add up to: deltas summed, and of a cumulative series its highest value."""
    mine = [point for point in found if point.metric == metric]
    summed = sum(point.value for point in mine if point.delta)
    last: dict[Any, float] = {}
    for point in mine:
        if not point.delta:
            series = (point.labels, point.resource)
            last[series] = max(last.get(series, 0), point.value)
    return summed + sum(last.values())
