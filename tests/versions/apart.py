"""The libraries that are not called as those of the fault matrix are: Amazon's, Claude's agent's."""

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

from tests.support.telemetry import buckets_of, instrumented
from tests.support.wire import JSON, Reply, Wire
from tests.versions.kits import Absent

ASKED: dict[str, Any] = {
    "modelId": "anthropic.claude-3-haiku-20240307-v1:0",
    "messages": [{"role": "user", "content": [{"text": "When do I dig?"}]}],
}
USAGE = {"inputTokens": 11, "outputTokens": 7, "totalTokens": 18}
COUNTED = {"input": 11, "output": 7}
SPOKEN = {"role": "assistant", "content": [{"text": "In spring."}]}
CONVERSED = {
    "output": {"message": SPOKEN},
    "stopReason": "end_turn",
    "usage": USAGE,
    "metrics": {"latencyMs": 3},
}
CLAUDE = {
    "id": "msg_1",
    "content": [{"type": "text", "text": "In spring."}],
    "stop_reason": "end_turn",
    "usage": {"input_tokens": 11, "output_tokens": 7},
}


def _stream() -> list[bytes]:
    from tests.support import aws

    return aws.frames(
        ("messageStart", {"role": "assistant"}),
        ("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": "In spring."}}),
        ("contentBlockStop", {"contentBlockIndex": 0}),
        ("messageStop", {"stopReason": "end_turn"}),
        ("metadata", {"usage": USAGE, "metrics": {"latencyMs": 3}}),
    )


def _invoked(client: Any) -> Any:
    body = {"messages": [{"role": "user", "content": "When do I dig?"}], "max_tokens": 9}
    return client.invoke_model(modelId=ASKED["modelId"], body=json.dumps(body))["body"].read()


def _bedrock(name: str, reply: Callable[[], Reply], act: Callable[[Any], Any]) -> Callable[[], None]:
    def play() -> None:
        from tests.support import aws

        def called() -> Any:
            client = aws.client(aws.Session(reply()))
            if not hasattr(client, name):
                raise Absent(name)
            return act(client)

        bare = called()
        with instrumented("botocore") as telemetry:
            assert called() == bare
            assert buckets_of(telemetry.record()) == COUNTED

    return play


def _awaited(reply: Callable[[], Reply], stream: bool) -> Callable[[], None]:
    def play() -> None:
        from tests.support import aioaws

        async def called() -> Any:
            client = await aioaws.client(Wire(reply(), library="aiohttp"))
            if not stream:
                return _without_metadata(await client.converse(**ASKED))
            return [event async for event in (await client.converse_stream(**ASKED))["stream"]]

        bare = asyncio.run(called())
        with instrumented("aiobotocore") as telemetry:
            assert asyncio.run(called()) == bare
            assert buckets_of(telemetry.record()) == COUNTED

    return play


def _conversed() -> Reply:
    return Reply(json.dumps(CONVERSED).encode(), headers=JSON)


def _events() -> Reply:
    from tests.support import aws

    return Reply(_stream(), headers=aws.EVENTS)


def _without_metadata(answer: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in answer.items() if key != "ResponseMetadata"}


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
    "botocore": [
        (
            "converse",
            _bedrock(
                "converse",
                _conversed,
                lambda client: _without_metadata(client.converse(**ASKED)),
            ),
        ),
        (
            "converse stream",
            _bedrock(
                "converse_stream", _events, lambda client: list(client.converse_stream(**ASKED)["stream"])
            ),
        ),
        (
            "invoke model",
            _bedrock("invoke_model", lambda: Reply(json.dumps(CLAUDE).encode(), headers=JSON), _invoked),
        ),
    ],
    "aiobotocore": [
        ("converse", _awaited(_conversed, False)),
        ("converse stream", _awaited(_events, True)),
    ],
    "claude-agent-sdk": [("query", _agent)],
}
