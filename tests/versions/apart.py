"""What is not called as the libraries of the fault matrix are: Amazon's bodies, Claude's agent."""

from __future__ import annotations

import asyncio
import importlib
import json
import stat
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.support import aws
from tests.support.telemetry import buckets_of, instrumented
from tests.support.vendor_aws import MODEL
from tests.support.wire import JSON, Reply

CLAUDE = {
    "id": "msg_1",
    "content": [{"type": "text", "text": "In spring."}],
    "stop_reason": "end_turn",
    "usage": {"input_tokens": 11, "output_tokens": 7},
}


def _invoked() -> None:
    """A body of a model's own, which the application reads."""
    body = json.dumps({"messages": [{"role": "user", "content": "When do I dig?"}], "max_tokens": 9})

    def called() -> Any:
        client = aws.client(aws.Session(Reply(json.dumps(CLAUDE).encode(), headers=JSON)))
        return client.invoke_model(modelId=MODEL, body=body)["body"].read()

    bare = called()
    with instrumented("botocore") as telemetry:
        assert called() == bare
        assert buckets_of(telemetry.record()) == {"input": 11, "output": 7}


def _agent() -> None:
    """The command line is the one that the tests of the SDK play."""
    claude: Any = importlib.import_module("claude_agent_sdk")
    from tests.frameworks import claude_cli

    async def asked(command: Path) -> list[str]:
        options = claude.ClaudeAgentOptions(cli_path=str(command))
        return [type(message).__name__ async for message in claude.query(prompt="when?", options=options)]

    with tempfile.TemporaryDirectory() as folder:
        command = Path(folder) / "claude"
        command.write_text(f"#!{sys.executable}\n" + Path(claude_cli.__file__).read_text("utf-8"), "utf-8")
        command.chmod(command.stat().st_mode | stat.S_IXUSR)
        bare = asyncio.run(asked(command))
        with instrumented("claude-agent-sdk") as telemetry:
            assert asyncio.run(asked(command)) == bare
            records = telemetry.records()
    assert len(records) == len(claude_cli.STEP), f"{len(records)} records"


SHAPES: dict[str, list[tuple[str, Callable[[], None]]]] = {
    "botocore": [("invoke model", _invoked)],
    "claude-agent-sdk": [("a process", _agent)],
}
