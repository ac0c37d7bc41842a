"""A transport of the Claude Agent SDK that ends in this process, in place of its command line.

A reply's pieces are the command line's messages, one line of JSON each; a status above 399 is its end with an
exit code.
"""

from __future__ import annotations

import asyncio
import importlib
import inspect
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from types import SimpleNamespace
from typing import Any

Play = Callable[[Any], Awaitable[Any]]


class _Ending:
    """The transport's side: what is written to it is answered."""

    def __init__(self, claude: Any, answer: Play) -> None:
        self._claude, self._answer = claude, answer
        self._written: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    async def connect(self) -> None:
        """Nothing is started."""

    async def write(self, data: str) -> None:
        """What the library sends: requests of its own, then the prompt."""
        self._written.put_nowait(json.loads(data))

    async def read_messages(self) -> AsyncIterator[dict[str, Any]]:
        """What it is told, up to the end of what answers its prompt."""
        while (asked := await self._written.get())["type"] == "control_request":
            about = {"subtype": "success", "request_id": asked["request_id"], "response": {}}
            yield {"type": "control_response", "response": about}
        request = SimpleNamespace(content=json.dumps(asked).encode())
        async for message in _told(self._claude, await self._answer(request)):
            yield message

    async def close(self) -> None:
        """Nothing was started."""

    def is_ready(self) -> bool:
        """Always."""
        return True

    async def end_input(self) -> None:
        """Nobody waits for more."""


def transport(answer: Play) -> Any:
    """A transport whose prompt is answered by `answer`."""
    claude: Any = importlib.import_module("claude_agent_sdk")
    return type("Ending", (_Ending, claude.Transport), {})(claude, answer)


async def _told(claude: Any, reply: Any) -> AsyncIterator[dict[str, Any]]:
    if reply.status > 399:
        raise claude.ProcessError("Command failed", exit_code=1, stderr=reply.body.decode())
    for part in [reply.body] if isinstance(reply.body, bytes) else reply.body:
        if isinstance(part, BaseException):
            raise part
        if not isinstance(part, bytes):
            waited = part()
            if inspect.isawaitable(waited):
                await waited
            continue
        yield _message(claude, part.decode(errors="replace"))


def _message(claude: Any, line: str) -> dict[str, Any]:
    try:
        told = json.loads(line)
        if isinstance(told, dict):
            return told
    except ValueError as error:
        raise claude.CLIJSONDecodeError(line, error) from error
    raise claude.CLIJSONDecodeError(line, ValueError("no message"))
