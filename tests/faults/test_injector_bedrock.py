"""Every step of ours fails once within calls to Bedrock that the matrix does not make: bodies, and agents."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.faults.cases import Case, Transcript
from tests.faults.test_bedrock import ANSWER, invoked
from tests.faults.test_injector import Place, Stage, here_and_now
from tests.support import aws
from tests.support.either import items, value

__all__ = ["here_and_now"]
# An exception thrown at a generator that is being finalised can only be printed, by the interpreter.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


async def body(case: Case, client: Any) -> Transcript:
    """A body of a model's own, read whole."""
    return [await value((await invoked(client)).read())]


async def agent(case: Case, client: Any) -> Transcript:
    """What an agent does, as events."""
    asked = {"agentId": "AGENT", "agentAliasId": "ALIAS", "sessionId": "session", "inputText": "x"}
    events = (await value(client.invoke_agent(**asked)))["completion"]
    return [event async for event in items(events)]


USED = {"traceId": "t-0", "metadata": {"usage": {"inputTokens": 60, "outputTokens": 7}}}
TRACES = aws.frames(
    ("trace", {"trace": {"orchestrationTrace": {"modelInvocationOutput": USED}}}),
    ("chunk", {"bytes": "eA=="}),
)
SCENARIOS: tuple[Any, ...] = (
    (lambda case: (ANSWER,), body, {}),
    (lambda case: (case.streaming(*TRACES),), agent, {"service_name": "bedrock-agent-runtime"}),
)


def test_every_entry_within_a_call_to_bedrock_may_fail() -> None:
    """Both clients go through one core: what the first came to by the same three frames is done."""
    done: set[Place] = set()
    with asyncio.Runner() as runner:
        for case in (Case("botocore", False, True), Case("aiobotocore", True, True)):
            for scenario in SCENARIOS:
                assert Stage(case, scenario, runner).injected(done, 3) > 25
