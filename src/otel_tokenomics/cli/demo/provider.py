"""A provider on this machine's loopback: OpenAI's and Anthropic's protocols with canned replies.

    with LoopbackProvider() as provider:
        client = openai.OpenAI(base_url=provider.openai_url, api_key="none")

A request may ask for a fault in its `x-loopback-fault` header:

=================== =======================================================================
`status=500`        the error `500`; with `;times=1` only for the first attempt, so that a
                    client's retry succeeds (attempts are told by `x-stainless-retry-count`)
`reset`             the connection is reset before any byte of a response
`truncate`          half of the body, then the connection closes
`stall`             half of the body (of a stream: half of its events), then silence
`endless`           a stream whose middle event is repeated until the client goes away
=================== =======================================================================

`x-loopback-words: 200` sets the length of a reply, in words: a stream has one event for each.
"""

from __future__ import annotations

import json
import secrets
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Final, Self

from otel_tokenomics.cli.demo import anthropic_replies as anthropic
from otel_tokenomics.cli.demo import openai_replies as openai
from otel_tokenomics.cli.demo.replies import Event, Json, Reply, Request

ROUTES: Final[dict[str, Callable[[Request], Reply]]] = {
    "/v1/chat/completions": openai.chat,
    "/v1/responses": openai.responses,
    "/v1/embeddings": openai.embeddings,
    "/v1/moderations": openai.moderations,
    "/v1/messages": anthropic.messages,
    "/v1/messages/count_tokens": anthropic.count_tokens,
}

_RESET_ON_CLOSE = struct.pack("ii", 1, 0)
_IDLE_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Fault:
    """What a request asked to go wrong."""

    kind: str = ""
    status: int = 500
    times: int | None = None

    @classmethod
    def asked_by(cls, request: Request) -> Fault:
        """The fault of this attempt; none once `times` attempts have had it."""
        first, *rest = request.headers.get("x-loopback-fault", "").split(";")
        kind, _, status = first.strip().partition("=")
        options = dict(option.strip().split("=", 1) for option in rest)
        times = int(options["times"]) if "times" in options else None
        attempt = int(request.headers.get("x-stainless-retry-count", "0"))
        if times is not None and attempt >= times:
            return cls()
        return cls(kind, int(status or 500), times)


class LoopbackProvider:
    """The provider, listening on a free port of 127.0.0.1 while it is entered.

    `requests` holds every request in order of arrival, so that a test can tell that a call went out once.
    """

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.leaving = threading.Event()
        self._run = secrets.token_hex(6)
        self._lock = threading.Lock()
        self._server = _Server(self)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    @property
    def url(self) -> str:
        """The base URL of an Anthropic client."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def openai_url(self) -> str:
        """The base URL of an OpenAI client."""
        return f"{self.url}/v1"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.leaving.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def note(self, method: str, path: str, headers: dict[str, str], body: Json) -> Request:
        """Number and keep a request."""
        with self._lock:
            request = Request(method, path, headers, body, len(self.requests) + 1, self._run)
            self.requests.append(request)
        return request

    def answer(self, request: Request) -> Reply:
        """The reply to a request; 404 for an unknown path, as both providers say it."""
        if request.method == "GET" and request.path.startswith("/v1/responses/"):
            return self._polled(request)
        route = ROUTES.get(request.path)
        return route(request) if route else Reply(_error(request, 404), status=404)

    def _polled(self, poll: Request) -> Reply:
        """The end of a background response: the reply to the request that began it."""
        identity = poll.path.rpartition("/")[2]
        for request in list(self.requests):
            if request.method == "POST" and request.identity("resp_") == identity:
                finished = openai.responses(_in_the_foreground(request))
                return Reply({**finished.body, "background": True})
        return Reply(_error(poll, 404), status=404)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    # A burst of clients must not meet a full backlog: the default is 5.
    request_queue_size = 128

    def __init__(self, provider: LoopbackProvider) -> None:
        self.provider = provider
        super().__init__(("127.0.0.1", 0), _Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away in the middle is what some faults are for: no traceback."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = _IDLE_SECONDS
    server: _Server

    def do_GET(self) -> None:
        self._serve({})

    def do_POST(self) -> None:
        sent = self.rfile.read(int(self.headers.get("content-length") or 0))
        try:
            body = json.loads(sent)
        except ValueError:
            body = {}
        self._serve(body if isinstance(body, dict) else {})

    def log_message(self, format: str, *args: Any) -> None:
        """Silent: the demo's terminal belongs to the demo."""

    def _serve(self, body: Json) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = self.server.provider.note(self.command, self.path.partition("?")[0], headers, body)
        fault = Fault.asked_by(request)
        if fault.kind == "reset":
            self._reset()
        elif fault.kind == "status":
            # The clients wait as long as they are told to before they try again.
            self._send_body(
                Reply(_error(request, fault.status), None, fault.status, {"retry-after-ms": "1"}), ""
            )
        else:
            self._send(self.server.provider.answer(request), fault)

    def _send(self, reply: Reply, fault: Fault) -> None:
        if reply.events is None:
            self._send_body(reply, fault.kind)
        else:
            self._send_events(reply, fault.kind)

    def _send_body(self, reply: Reply, fault: str) -> None:
        body = json.dumps(reply.body).encode()
        self._start(reply, "application/json", ("content-length", str(len(body))))
        if fault in ("truncate", "stall"):
            self.wfile.write(body[: len(body) // 2])
            self._break_off(fault)
        else:
            self.wfile.write(body)

    def _send_events(self, reply: Reply, fault: str) -> None:
        events = reply.events or ()
        self._start(reply, "text/event-stream; charset=utf-8", ("transfer-encoding", "chunked"))
        sent = events[: len(events) // 2] if fault else events
        for event in sent:
            self._send_event(event)
        if fault == "endless":
            for event in self._repeat(sent[-1]):
                self._send_event(event)
        if fault:
            self._break_off(fault)
        else:
            self.wfile.write(b"0\r\n\r\n")

    def _repeat(self, event: Event) -> Iterator[Event]:
        while not self.server.provider.leaving.is_set():
            yield event

    def _start(self, reply: Reply, kind: str, framing: tuple[str, str]) -> None:
        self.send_response(reply.status)
        identity = f"req_{secrets.token_hex(8)}"
        headers = {"content-type": kind, "request-id": identity, "x-request-id": identity}
        for name, value in (*headers.items(), framing, *reply.headers.items()):
            self.send_header(name, value)
        self.end_headers()

    def _send_event(self, event: Event) -> None:
        name = f"event: {event.name}\n" if event.name else ""
        data = event.data if isinstance(event.data, str) else json.dumps(event.data)
        block = f"{name}data: {data}\n\n".encode()
        self.wfile.write(b"%x\r\n%b\r\n" % (len(block), block))

    def _break_off(self, fault: str) -> None:
        if fault == "stall":
            self.server.provider.leaving.wait(_IDLE_SECONDS)
        self.close_connection = True

    def _reset(self) -> None:
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        self.connection.close()
        self.close_connection = True


def _error(request: Request, status: int) -> Json:
    error = anthropic.error if request.path.startswith("/v1/messages") else openai.error
    return error(status)


def _in_the_foreground(request: Request) -> Request:
    body = {key: value for key, value in request.body.items() if key not in ("background", "stream")}
    return Request(request.method, request.path, request.headers, body, request.number, request.run)
