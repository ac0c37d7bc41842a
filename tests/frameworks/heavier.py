"""Scenes of frameworks that are too large for the environment of the suite, or need spans of a process.

`make frameworks` plays them all in an environment that has them. Each is played in a process of its own, with
a global provider of spans and all entry points of ours, as `opentelemetry-instrument` would have it:

    python -m tests.frameworks.heavier "strands-agents agents"
"""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
import json
import os
import sys
from collections.abc import Callable, Coroutine
from importlib.metadata import entry_points, version
from typing import Any

from tests.frameworks.loopback import Loopback, asks, said
from tests.frameworks.stage import Scene, where

QUIET = {
    "CREWAI_DISABLE_TELEMETRY": "true",
    "CREWAI_TRACING_ENABLED": "false",
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "OPENAI_API_KEY": "none",
}
"""Nothing of these tests is sent anywhere."""

Play = Callable[[Loopback], Any]


def _run(play: Callable[[Loopback], Coroutine[Any, Any, Any]]) -> Play:
    return lambda server: asyncio.run(play(server))


def _strands(server: Loopback) -> Any:
    strands = importlib.import_module("strands")
    kind = importlib.import_module("strands.models.openai").OpenAIModel
    model = kind(client_args={"api_key": "none", "base_url": server.url}, model_id="gpt-4o")
    researcher = strands.Agent(name="researcher", model=model, callback_handler=None)

    def research(question: str) -> str:
        """Look it up."""
        return str(researcher(question))

    planner = strands.Agent(
        name="planner", model=model, tools=[strands.tool(research)], callback_handler=None
    )
    return str(planner("when?")).strip()


async def _adk(server: Loopback) -> Any:
    agents = importlib.import_module("google.adk.agents")
    tools = importlib.import_module("google.adk.tools.agent_tool")
    types = importlib.import_module("google.genai.types")
    kind = importlib.import_module("google.adk.models.lite_llm").LiteLlm
    model = kind(model="openai/gpt-4o", api_base=server.url, api_key="none")
    researcher = agents.LlmAgent(name="research", model=model, description="Looks it up.", instruction="-")
    planner = agents.LlmAgent(
        name="planner", model=model, instruction="-", tools=[tools.AgentTool(researcher)]
    )
    runner = importlib.import_module("google.adk.runners").InMemoryRunner(planner, app_name="garden")
    who = {"user_id": "u", "session_id": "c1"}
    await runner.session_service.create_session(app_name="garden", **who)
    message = types.Content(role="user", parts=[types.Part(text="when?")])
    last = None
    async for event in runner.run_async(new_message=message, **who):
        last = event
    return last.content.parts[0].text if last else None


def _autogen_agent(server: Loopback, name: str, **more: Any) -> Any:
    kind = importlib.import_module("autogen_ext.models.openai").OpenAIChatCompletionClient
    client = kind(model="gpt-4o", api_key="none", base_url=server.url)
    return importlib.import_module("autogen_agentchat.agents").AssistantAgent(name, client, **more)


async def _autogen(server: Loopback) -> Any:
    tool = importlib.import_module("autogen_agentchat.tools").AgentTool
    researcher = _autogen_agent(server, "research", description="Looks it up.")
    planner = _autogen_agent(server, "planner", tools=[tool(researcher)], reflect_on_tool_use=True)
    return (await planner.run(task="when?")).messages[-1].content


async def _llama_index(server: Loopback) -> Any:
    workflow = importlib.import_module("llama_index.core.agent.workflow")
    llm = importlib.import_module("llama_index.llms.openai").OpenAI(
        model="gpt-4o", api_base=server.url, api_key="none"
    )

    def agent(name: str, tools: list[Any]) -> Any:
        about = {"name": name, "description": name, "system_prompt": "-", "streaming": False}
        return workflow.FunctionAgent(**about, tools=tools, llm=llm)

    researcher = agent("researcher", [])

    async def research(question: str) -> str:
        """Look it up."""
        return str(await researcher.run(question))

    return str(await agent("planner", [research]).run("when?"))


def _crewai(server: Loopback) -> Any:
    crewai = importlib.import_module("crewai")
    make = importlib.import_module("crewai.tools").tool

    def research(question: str) -> str:
        """Look it up."""
        client = importlib.import_module("openai").OpenAI(api_key="none", base_url=server.url)
        asked = [{"role": "user", "content": question}]
        answer = client.chat.completions.create(model="gpt-4o", messages=asked)
        return str(answer.choices[0].message.content)

    llm = crewai.LLM(model="openai/gpt-4o", api_key="none", base_url=server.url)
    planner = crewai.Agent(
        role="planner", goal="-", backstory="-", llm=llm, tools=[make("research")(research)]
    )
    task = crewai.Task(name="answer", description="when?", expected_output="-", agent=planner)
    return crewai.Crew(name="gardeners", agents=[planner], tasks=[task]).kickoff().raw


def _dspy(server: Loopback) -> Any:
    dspy = importlib.import_module("dspy")
    client = importlib.import_module("openai").OpenAI(api_key="none", base_url=server.url)

    class Model(dspy.BaseLM):  # type: ignore[misc, name-defined]
        """A model of the application's own, over its client."""

        def forward(self, prompt: Any = None, messages: Any = None, **_: Any) -> Any:
            return client.chat.completions.create(model="gpt-4o", messages=messages)

    class Garden(dspy.Module):  # type: ignore[misc, name-defined]
        """A program."""

        def __init__(self) -> None:
            super().__init__()
            self.think = dspy.Predict("question -> answer")

        def forward(self, question: str) -> Any:
            return self.think(question=question)

    with dspy.context(lm=Model("gpt-4o")):
        return Garden()(question="when?").answer


def _litellm(server: Loopback) -> Any:
    """The gateway's client, which is built on openai's: its calls are openai's calls."""
    litellm = importlib.import_module("litellm")
    asked = {"model": "openai/gpt-4o", "messages": [{"role": "user", "content": "when?"}]}
    where = {"api_base": server.url, "api_key": "none"}
    first = litellm.completion(**asked, **where)
    second = asyncio.run(litellm.acompletion(**asked, **where))
    parts = litellm.completion(**asked, **where, stream=True)
    said = "".join(part.choices[0].delta.content or "" for part in parts)
    return first.choices[0].message.content, second.choices[0].message.content, said


async def _mcp(server: Loopback) -> Any:
    client = importlib.import_module("openai").AsyncOpenAI(api_key="none", base_url=server.url)
    garden = importlib.import_module("mcp.server.mcpserver").MCPServer("garden")

    async def research(question: str) -> str:
        """Look it up."""
        asked = [{"role": "user", "content": question}]
        return str(
            (await client.chat.completions.create(model="gpt-4o", messages=asked)).choices[0].message.content
        )

    garden.tool()(research)
    async with importlib.import_module("mcp").Client(garden) as session:
        return (await session.call_tool("research", {"question": "when?"})).content[0].text


ANY = "*"
"""A name that the framework invents."""
PLANNER = {"agent": "planner", "run": "planner"}
INNER = {"tool": "research", "parent": "planner"}
CREW = {
    **PLANNER,
    "workflow": "gardeners",
    "step": "answer",
    "parent": "(of no call of its own)",
}
STEP = {"step": "run_agent_step"}
HEAVIER: tuple[tuple[Scene, tuple[bytes, ...]], ...] = (
    (
        Scene(
            "strands-agents",
            "agents",
            ("strands",),
            _strands,
            (PLANNER, {"agent": "researcher", "run": "researcher", **INNER}, PLANNER),
        ),
        (asks("research"), said("sub"), said("In spring.")),
    ),
    (
        Scene(
            "google-adk",
            "agents",
            ("google.adk", "litellm"),
            _run(_adk),
            (
                {**PLANNER, "workflow": "planner", "conversation": "c1"},
                {
                    "agent": "research",
                    "workflow": "research",
                    "conversation": ANY,
                    "run": "research",
                    "parent": "planner",
                },
                {**PLANNER, "workflow": "planner", "conversation": "c1"},
            ),
        ),
        (asks("research", '{"request":"when?"}'), said("sub"), said("In spring.")),
    ),
    (
        Scene(
            "autogen-agentchat",
            "agents",
            ("autogen_agentchat", "autogen_ext"),
            _run(_autogen),
            (PLANNER, {"agent": "research", "run": "research", **INNER}, PLANNER),
        ),
        (asks("research", '{"task":"when?"}'), said("sub"), said("In spring.")),
    ),
    (
        Scene(
            "llama-index-core",
            "agents",
            ("llama_index.core", "llama_index.llms.openai"),
            _run(_llama_index),
            (
                {**PLANNER, **STEP},
                {"agent": "researcher", "run": "researcher", **INNER, **STEP},
                {**PLANNER, **STEP},
            ),
        ),
        (asks("research"), said("sub"), said("In spring.")),
    ),
    (
        Scene("crewai", "crew", ("crewai",), _crewai, (CREW, {**CREW, "tool": "research"}, CREW)),
        (asks("research"), said("sub"), said("In spring.")),
    ),
    (
        Scene(
            "dspy",
            "program",
            ("dspy",),
            _dspy,
            ({"workflow": "Garden", "step": "Predict", "run": "Garden"},),
        ),
        (said("[[ ## answer ## ]]\nIn spring.\n\n[[ ## completed ## ]]"),),
    ),
    (
        Scene("litellm", "plain and streamed", ("litellm",), _litellm, ({}, {}, {})),
        (said("In spring."),),
    ),
    (
        Scene("mcp", "server", ("mcp.server.mcpserver",), _run(_mcp), ({"tool": "research"},)),
        (said("In spring."),),
    ),
)


def installed(scene: Scene) -> bool:
    """Whether all that a scene needs is here."""
    try:
        return all(importlib.util.find_spec(module) is not None for module in scene.modules)
    except ModuleNotFoundError:
        return False


def played(scene: Scene, script: tuple[bytes, ...]) -> dict[str, Any]:
    """What a scene saw, what was billed for it and what its records say."""
    from opentelemetry import trace
    from tests.support.telemetry import Telemetry

    telemetry = Telemetry()
    trace.set_tracer_provider(telemetry.tracer_provider)
    for point in entry_points(group="opentelemetry_instrumentor"):
        if point.name.startswith("tokenomics_"):
            providers = {} if ".frameworks:" in point.value else telemetry.providers
            point.load()().instrument(**providers)
    with Loopback(*script) as server:
        seen = scene.play(server)
        records = telemetry.records()
        return {
            "version": version(scene.framework),
            "seen": str(seen),
            "billed": server.calls,
            "keys": [record["tokenomics.record.key"] for record in records],
            "places": where(records),
        }


def main(name: str) -> None:
    """Play the scene of a name, and print what came of it."""
    os.environ.update(QUIET)
    scene, script = next(one for one in HEAVIER if str(one[0]) == name)
    print(json.dumps(played(scene, script)))


if __name__ == "__main__":
    main(sys.argv[1])
