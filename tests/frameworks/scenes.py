"""What is played with each framework. A new framework is a row here."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Callable, Coroutine
from typing import Any, TypedDict

from tests.frameworks.stage import Scene, Stage, asks, said, streamed
from tests.support import replies
from tests.support.wire import SSE, Reply


def _run(play: Callable[[Stage], Coroutine[Any, Any, Any]]) -> Callable[[Stage], Any]:
    return lambda stage: asyncio.run(play(stage))


# LangChain and LangGraph


def _chat_model(stage: Stage, *script: Any, **more: Any) -> Any:
    wire = stage.wire(*script)
    kind = importlib.import_module("langchain_openai").ChatOpenAI
    http = {"http_client": wire.client(), "http_async_client": wire.aclient()}
    return kind(model="gpt-4o", api_key="none", max_retries=0, **http, **more)


class _State(TypedDict):
    question: str


def _graph(name: str, node: str, function: Any) -> Any:
    graph = importlib.import_module("langgraph.graph")
    made = graph.StateGraph(_State)
    made.add_node(node, function)
    made.add_edge(graph.START, node)
    made.add_edge(node, graph.END)
    return made.compile(name=name)


def _langgraph(stage: Stage) -> Any:
    model = _chat_model(stage)
    graph = _graph("triage", "think", lambda state: {"question": model.invoke(state["question"]).content})
    return graph.invoke({"question": "when?"}, {"configurable": {"thread_id": "c1"}})


async def _alanggraph(stage: Stage) -> Any:
    model = _chat_model(stage)

    async def think(state: _State) -> _State:
        return {"question": (await model.ainvoke(state["question"])).content}

    return await _graph("triage", "think", think).ainvoke(
        {"question": "when?"}, {"configurable": {"thread_id": "c1"}}
    )


def _langgraph_streamed(stage: Stage) -> Any:
    model = _chat_model(stage, streamed(), stream_usage=True)

    def think(state: _State) -> _State:
        return {"question": "".join(chunk.content for chunk in model.stream(state["question"]))}

    graph = _graph("triage", "think", think)
    return list(graph.stream({"question": "when?"}, {"configurable": {"thread_id": "c1"}}))


def _bare_client_in_a_node(stage: Stage) -> Any:
    client = stage.client()

    def think(state: _State) -> _State:
        said = client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": "when?"}])
        return {"question": said.choices[0].message.content}

    return _graph("triage", "think", think).invoke({"question": "when?"})


def _create_agent(stage: Stage) -> Any:
    make = importlib.import_module("langchain.agents").create_agent
    researcher = make(_chat_model(stage), [], name="researcher")

    def research(question: str) -> str:
        """Look it up."""
        return str(researcher.invoke({"messages": [("user", question)]})["messages"][-1].content)

    planner = make(_chat_model(stage, asks("research"), said("In spring.")), [research], name="planner")
    return planner.invoke({"messages": [("user", "when?")]})["messages"][-1].content


def _plain_model(stage: Stage) -> Any:
    return _chat_model(stage).invoke("when?").content


def _named_chain(stage: Stage) -> Any:
    chain = _chat_model(stage) | (lambda message: message.content)
    return chain.with_config(run_name="answers", metadata={"session_id": "s1"}).invoke("when?")


THINK = {"workflow": "triage", "step": "think", "run": "triage"}
LANGCHAIN = ("langchain_openai", "langgraph", "langchain")
PLANNER = {"agent": "planner", "step": "model", "run": "planner"}
RESEARCHER = {"agent": "researcher", "step": "model", "tool": "research", "run": "researcher"}


# OpenAI Agents


def _openai_agent(stage: Stage, name: str, *script: Any, **more: Any) -> Any:
    agents = importlib.import_module("agents")
    model = agents.OpenAIChatCompletionsModel("gpt-4o", stage.aclient(*script))
    return agents.Agent(name=name, model=model, **more)


def _openai_agents(tracing: bool) -> Callable[[Stage], Any]:
    async def play(stage: Stage) -> Any:
        agents = importlib.import_module("agents")
        agents.set_trace_processors([])  # nothing of these tests is sent anywhere
        research = _openai_agent(stage, "researcher").as_tool("research", "Look it up.")
        planner = _openai_agent(
            stage, "planner", asks("research", '{"input":"when?"}'), said("In spring."), tools=[research]
        )
        settings = agents.RunConfig(workflow_name="triage", group_id="c1", tracing_disabled=not tracing)
        return (await agents.Runner.run(planner, "when?", run_config=settings)).final_output

    return _run(play)


async def _openai_agents_streamed(stage: Stage) -> Any:
    agents = importlib.import_module("agents")
    agents.set_trace_processors([])
    result = agents.Runner.run_streamed(
        _openai_agent(stage, "planner", streamed()),
        "when?",
        run_config=agents.RunConfig(workflow_name="triage"),
    )
    async for _ in result.stream_events():
        pass
    return result.final_output


async def _handoff(stage: Stage) -> Any:
    agents = importlib.import_module("agents")
    agents.set_trace_processors([])
    writer = _openai_agent(stage, "writer")
    planner = _openai_agent(stage, "planner", asks("transfer_to_writer", "{}"), handoffs=[writer])
    return (await agents.Runner.run(planner, "when?")).final_output


CHILD = "(of no call of its own)"


# Pydantic AI


def _pydantic_agent(stage: Stage, name: str, *script: Any) -> Any:
    ai = importlib.import_module("pydantic_ai")
    model = importlib.import_module("pydantic_ai.models.openai").OpenAIChatModel
    provider = importlib.import_module("pydantic_ai.providers.openai").OpenAIProvider
    return ai.Agent(model("gpt-4o", provider=provider(openai_client=stage.aclient(*script))), name=name)


def _pydantic_planner(stage: Stage) -> Any:
    researcher = _pydantic_agent(stage, "researcher")
    planner = _pydantic_agent(stage, "planner", asks("research"), said("In spring."))

    async def research(question: str) -> str:
        return str((await researcher.run(question, conversation_id="c2")).output)

    planner.tool_plain(research)
    return planner


async def _pydantic_ai(stage: Stage) -> Any:
    return (await _pydantic_planner(stage).run("when?", conversation_id="c1")).output


def _pydantic_ai_sync(stage: Stage) -> Any:
    return _pydantic_planner(stage).run_sync("when?", conversation_id="c1").output


async def _pydantic_ai_streamed(stage: Stage) -> Any:
    planner = _pydantic_agent(stage, "planner", streamed())
    async with planner.run_stream("when?", conversation_id="c1") as result:
        return await result.get_output()


async def _pydantic_ai_anthropic(stage: Stage) -> Any:
    ai = importlib.import_module("pydantic_ai")
    model = importlib.import_module("pydantic_ai.models.anthropic").AnthropicModel
    provider = importlib.import_module("pydantic_ai.providers.anthropic").AnthropicProvider
    events = replies.sse(replies.message_events(), done=False, named=True)
    http = stage.wire(Reply(events, headers=SSE)).aclient()
    client = importlib.import_module("anthropic").AsyncAnthropic(api_key="none", http_client=http)
    planner = ai.Agent(model("claude-sonnet-4-6", provider=provider(anthropic_client=client)), name="planner")
    return (await planner.run("when?", conversation_id="c1")).output


def _pydantic(*names: str) -> tuple[dict[str, str], ...]:
    known = {
        "planner": {"agent": "planner", "conversation": "c1", "run": "planner"},
        "researcher": {
            "agent": "researcher",
            "tool": "research",
            "conversation": "c2",
            "run": "researcher",
            "parent": "planner",
        },
    }
    return tuple(known[name] for name in names)


SCENES = (
    Scene("langchain-core", "graph", LANGCHAIN, _langgraph, ({**THINK, "conversation": "c1"},)),
    Scene("langchain-core", "graph async", LANGCHAIN, _run(_alanggraph), ({**THINK, "conversation": "c1"},)),
    Scene(
        "langchain-core",
        "graph streamed",
        LANGCHAIN,
        _langgraph_streamed,
        ({**THINK, "conversation": "c1"},),
    ),
    Scene("langchain-core", "openai in a node", LANGCHAIN, _bare_client_in_a_node, (THINK,)),
    Scene(
        "langchain-core",
        "agents",
        LANGCHAIN,
        _create_agent,
        (PLANNER, {**RESEARCHER, "parent": "planner"}, PLANNER),
    ),
    Scene("langchain-core", "model alone", LANGCHAIN, _plain_model, ({},)),
    Scene(
        "langchain-core",
        "chain with a name",
        LANGCHAIN,
        _named_chain,
        ({"workflow": "answers", "conversation": "s1", "run": "answers"},),
    ),
    Scene(
        "openai-agents",
        "agents",
        ("agents",),
        _openai_agents(tracing=True),
        tuple(
            {"workflow": "triage", "conversation": "c1", **place}
            for place in (
                {"agent": "planner", "run": "planner", "parent": CHILD},
                {"agent": "researcher", "tool": "research", "run": "researcher", "parent": "planner"},
                {"agent": "planner", "run": "planner", "parent": CHILD},
            )
        ),
    ),
    Scene(
        "openai-agents",
        "agents without tracing",
        ("agents",),
        _openai_agents(tracing=False),
        tuple(
            {"workflow": "triage", **place}
            for place in (
                {"agent": "planner", "run": "planner"},
                {"agent": "researcher", "tool": "research", "run": "researcher", "parent": "planner"},
                {"agent": "planner", "run": "planner"},
            )
        ),
    ),
    Scene(
        "openai-agents",
        "streamed",
        ("agents",),
        _run(_openai_agents_streamed),
        ({"workflow": "triage", "agent": "planner", "run": "planner", "parent": CHILD},),
    ),
    Scene(
        "openai-agents",
        "handoff",
        ("agents",),
        _run(_handoff),
        tuple(
            {"workflow": "Agent workflow", "agent": name, "run": name, "parent": CHILD}
            for name in ("planner", "writer")
        ),
    ),
    Scene(
        "pydantic-ai-slim",
        "agents",
        ("pydantic_ai",),
        _run(_pydantic_ai),
        _pydantic("planner", "researcher", "planner"),
    ),
    Scene(
        "pydantic-ai-slim",
        "over anthropic",
        ("pydantic_ai",),
        _run(_pydantic_ai_anthropic),
        _pydantic("planner"),
        client="anthropic",
    ),
    Scene(
        "pydantic-ai-slim",
        "agents sync",
        ("pydantic_ai",),
        _pydantic_ai_sync,
        _pydantic("planner", "researcher", "planner"),
    ),
    Scene(
        "pydantic-ai-slim", "streamed", ("pydantic_ai",), _run(_pydantic_ai_streamed), _pydantic("planner")
    ),
)
