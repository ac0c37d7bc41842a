"""A provider on the loopback interface, for frameworks that make clients of their own."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any

from tests.support import replies


class Loopback:
    """Answers completions of chat in order, the last one for ever, each with an id of its own."""

    def __init__(self, *script: bytes) -> None:
        self.script = list(script)
        self.calls = 0
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())

    @property
    def url(self) -> str:
        """The base URL of its API."""
        return f"http://127.0.0.1:{self._server.server_port}/v1"

    def __enter__(self) -> Loopback:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    def answer(self, asked: dict[str, Any]) -> tuple[str, bytes]:
        """The content type and the body of the next answer."""
        with self._lock:
            self.calls += 1
            body = json.loads(self.script.pop(0) if len(self.script) > 1 else self.script[0])
            body["id"] = f"chatcmpl-{self.calls}"
        if not asked.get("stream"):
            return "application/json", replies.dumps(body)
        return "text/event-stream", b"".join(replies.sse(_pieces(body)))

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
                kind, body = server.answer(asked)
                self.send_response(200)
                self.send_header("content-type", kind)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def handle_one_request(self) -> None:
                try:
                    super().handle_one_request()
                except ConnectionResetError:
                    self.close_connection = True

            def log_message(self, format: str, *args: Any) -> None:
                """Says nothing."""

        return Handler


def said(text: str) -> bytes:
    """The model answers."""
    return replies.dumps(replies.chat(text=text))


def asks(tool: str, arguments: str = '{"question":"when?"}') -> bytes:
    """It asks for a tool."""
    body = replies.chat()
    call = {"id": "call_1", "type": "function", "function": {"name": tool, "arguments": arguments}}
    message = {"role": "assistant", "content": None, "tool_calls": [call]}
    body["choices"] = [{"index": 0, "finish_reason": "tool_calls", "logprobs": None, "message": message}]
    return replies.dumps(body)


def _pieces(body: dict[str, Any]) -> list[dict[str, Any]]:
    """The same answer in chunks."""
    choice = body["choices"][0]
    calls = choice["message"].get("tool_calls") or []
    numbered = [{**call, "index": number} for number, call in enumerate(calls)]
    delta = {"role": "assistant", "content": choice["message"]["content"]}
    head = {"id": body["id"], "object": "chat.completion.chunk", "created": 1, "model": body["model"]}
    first = {"index": 0, "delta": {**delta, **({"tool_calls": numbered} if numbered else {})}}
    last = {"index": 0, "delta": {}, "finish_reason": choice["finish_reason"]}
    return [
        {**head, "choices": [{**first, "finish_reason": None}]},
        {**head, "choices": [last]},
        {**head, "choices": [], "usage": body["usage"]},
    ]
