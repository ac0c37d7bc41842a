"""The row of claude-agent-sdk: a prompt, whose result tells what was used. A wire is its command line."""

from __future__ import annotations

from typing import Any

from tests.frameworks.claude_cli import SONNET, STEP, result
from tests.support import replies

USAGE = STEP[SONNET]


class Client:
    """The library has a function, which is given its transport."""

    def __init__(self, function: Any, transports: Any, options: dict[str, Any]) -> None:
        self._function, self._transports, self._options = function, transports, options

    def query(self, **asked: Any) -> Any:
        """A stream of messages."""
        return self._function(**self._options, **asked, transport=self._transports())


def _pieces(usage: Any) -> list[bytes]:
    content = [{"type": "text", "text": "In spring."}]
    message = {"id": "msg_1", "role": "assistant", "model": SONNET, "content": content}
    told = {"type": "assistant", "message": message, "session_id": "session-1"}
    last = {**result(1, 1, "session-1"), "modelUsage": {SONNET: usage}}
    return [replies.dumps(line) + b"\n" for line in (told, told, last)]


def claude_row(kit: Any) -> Any:
    """The row."""
    return kit(
        "claude-agent-sdk",
        "claude_agent_sdk",
        ("query", "query"),
        "query",
        arguments=lambda stream: {"prompt": "When do I dig?"},
        whole=lambda usage: b"".join(_pieces(usage)),
        pieces=_pieces,
        usage=USAGE,
        buckets={"input": 10, "output": 20, "cache_read": 1000, "cache_write": 200, "tool.web_search": 1},
        zero=dict.fromkeys(USAGE, 0),
        features=frozenset({"asynchronous", "streamed", "asyncio_only", "elsewhere", "results", "tasked"}),
        http="claude_agent_sdk",
        make=Client,
    )
