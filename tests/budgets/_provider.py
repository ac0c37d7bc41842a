"""A provider on the loopback interface that keeps its own bill, to hold ours against."""

from __future__ import annotations

import asyncio
import json
import random
import threading
from types import TracebackType
from typing import Any

from tests.support.replies import chat, chat_chunks, dumps, sse

PROMPT = 20
INPUT_NANO, OUTPUT_NANO = 2_500, 10_000
"""gpt-4o's list price for a token."""


class Provider:
    """Answers chat completions. `delay` is in seconds; of a part `lost` only the bill remains."""

    def __init__(self, delay: float = 0.0, lost: float = 0.0, hang: bool = False) -> None:
        self.billed = 0
        self.answered = 0
        self.arrived = 0
        self.port = 0
        self._delay, self._lost, self._hang = delay, lost, hang
        self._dice = random.Random(7)
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self.changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Provider:
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._end)
        self._thread.join(10)
        self._loop.close()

    def _end(self) -> None:
        tasks = asyncio.all_tasks(self._loop)
        for task in tasks:
            task.cancel()
        done = asyncio.gather(*tasks, return_exceptions=True)
        done.add_done_callback(lambda _: self._loop.stop())

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def wait_for(self, requests: int) -> None:
        """Until so many requests have arrived."""
        with self.changed:
            assert self.changed.wait_for(lambda: self.arrived >= requests, 60)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(
            asyncio.start_server(self._serve, "127.0.0.1", 0, backlog=2048)
        )
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        self._loop.run_forever()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                size = next(
                    int(line.split(b":")[1])
                    for line in head.split(b"\r\n")
                    if line.lower().startswith(b"content-length")
                )
                body = json.loads(await reader.readexactly(size))
                await self._answer(body, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    async def _answer(self, body: dict[str, Any], writer: asyncio.StreamWriter) -> None:
        made = self._dice.randint(1, body["max_tokens"])
        usage = {"prompt_tokens": PROMPT, "completion_tokens": made, "total_tokens": PROMPT + made}
        with self.changed:
            self.arrived += 1
            self.billed += PROMPT * INPUT_NANO + made * OUTPUT_NANO
            self.changed.notify_all()
        if self._hang or self._dice.random() < self._lost:
            if body.get("stream"):
                writer.write(_head("text/event-stream") + _chunked(sse(chat_chunks())[0]))
            await asyncio.sleep(3600)
        if self._delay:
            await asyncio.sleep(self._delay)
        if body.get("stream"):
            pieces = sse(chat_chunks(usage=usage, nulls=True))
            writer.write(_head("text/event-stream") + b"".join(map(_chunked, pieces)) + b"0\r\n\r\n")
        else:
            writer.write(_head("application/json") + _chunked(dumps(chat(usage))) + b"0\r\n\r\n")
        await writer.drain()
        self.answered += 1


def _head(kind: str) -> bytes:
    return f"HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ntransfer-encoding: chunked\r\n\r\n".encode()


def _chunked(data: bytes) -> bytes:
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"
