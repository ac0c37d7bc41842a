"""Where frameworks play: clients of openai on a wire that ends in this process, and what their calls tell."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.support import replies
from tests.support.wire import SSE, Reply, Wire

TAG = "tokenomics.tag."
NAMES: Mapping[str, str] = {
    "agent": "gen_ai.agent.name",
    "workflow": "gen_ai.workflow.name",
    "step": "tokenomics.step.name",
    "tool": "gen_ai.tool.name",
    "conversation": "gen_ai.conversation.id",
}


@dataclass
class Stage:
    """Makes clients, and counts the responses that they were billed."""

    wires: list[Wire] = field(default_factory=list)

    @property
    def billed(self) -> int:
        """Requests answered, by all clients."""
        return sum(wire.calls for wire in self.wires)

    def wire(self, *script: Reply) -> Wire:
        """A wire that plays the replies, or says one thing for ever."""
        wire = Wire(*(script or (said(),)))
        self.wires.append(wire)
        return wire

    def client(self, *script: Reply) -> Any:
        """A synchronous client of openai."""
        http = self.wire(*script).client()
        return importlib.import_module("openai").OpenAI(api_key="none", http_client=http, max_retries=0)

    def aclient(self, *script: Reply) -> Any:
        """An asynchronous one."""
        http = self.wire(*script).aclient()
        return importlib.import_module("openai").AsyncOpenAI(api_key="none", http_client=http, max_retries=0)


@dataclass(frozen=True)
class Scene:
    """A framework at work: what it plays, and where its calls are made by its account, in order.

    A place is the names that are known, `run` and `parent` being the names of the runs.
    """

    framework: str
    name: str
    modules: tuple[str, ...]
    play: Callable[[Any], Any]
    places: tuple[Mapping[str, str], ...]
    client: str = "openai"
    """The client library beneath."""

    def __str__(self) -> str:
        return f"{self.framework} {self.name}"


def said(text: str = "Dig in spring.") -> Reply:
    """The model answers."""
    return Reply(replies.dumps(replies.chat(text=text)))


def streamed() -> Reply:
    """It answers in pieces."""
    return Reply(replies.sse(replies.chat_chunks(usage=replies.OPENAI_USAGE)), headers=SSE)


def asks(tool: str, arguments: str = '{"question":"when?"}') -> Reply:
    """It asks for a tool."""
    body = replies.chat()
    call = {"id": "call_1", "type": "function", "function": {"name": tool, "arguments": arguments}}
    message = {"role": "assistant", "content": None, "tool_calls": [call]}
    body["choices"] = [{"index": 0, "finish_reason": "tool_calls", "logprobs": None, "message": message}]
    return Reply(replies.dumps(body))


def where(records: list[dict[str, Any]]) -> list[dict[str, str]]:
    """Where each call was made, runs by their names instead of their ids."""
    runs = {
        record[f"{TAG}run.id"]: record[f"{TAG}run.name"] for record in records if f"{TAG}run.id" in record
    }
    found = []
    for record in records:
        place = {name: record[key] for name, key in NAMES.items() if key in record}
        if f"{TAG}run.name" in record:
            place["run"] = record[f"{TAG}run.name"]
        if (parent := record.get(f"{TAG}run.parent")) is not None:
            place["parent"] = runs.get(parent, "(of no call of its own)")
        found.append(place)
    return found
