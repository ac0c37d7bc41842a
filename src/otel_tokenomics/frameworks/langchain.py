"""LangChain and LangGraph: a callback handler that LangChain adds to every run.

A graph, or a named chain, that nothing is around is a workflow; a graph of `create_agent(name=...)` is an
agent; a node is a step. The messages that a handler is given are not looked at.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from contextvars import ContextVar
from importlib import import_module
from typing import Any

from otel_tokenomics.attribution import places
from otel_tokenomics.frameworks.hooks import quiet

_MOST_OPEN = 10_000


class LangChain:
    """The hook: its handler stays registered, and does nothing once closed."""

    def __init__(self) -> None:
        self._open: OrderedDict[Any, places.Frame] = OrderedDict()
        self._given: ContextVar[Any] | None = None
        self.active = False

    def open(self, module: Any) -> None:
        """Register the handler. `module` is `langchain_core.tracers.context`."""
        self.active = True
        if self._given is None:
            base = import_module("langchain_core.callbacks.base").BaseCallbackHandler
            handler = type("TokenomicsHandler", (base,), _callbacks(self))()
            # Its default makes it the value in every context, threads included.
            self._given = ContextVar("otel_tokenomics_langchain", default=handler)
            module.register_configure_hook(self._given, True)

    def close(self) -> None:
        """Open no more frames."""
        self.active = False
        self._open.clear()

    @quiet
    def chain(self, run: Any, parent: Any, about: Mapping[str, Any], name: Any) -> None:
        """A chain begins: a graph, a node, or something between. Who has no name is as what is around."""
        around = self._open.get(parent)
        names = _names(name, parent, about) if self.active else {}
        if any(names.values()):
            self._keep(run, places.begin(inside=around, **names))
        elif around is not None:
            self._keep(run, around)

    @quiet
    def tool(self, run: Any, parent: Any, name: Any) -> None:
        """A tool begins."""
        if self.active:
            self._keep(run, places.begin(inside=self._open.get(parent), tool=name))

    @quiet
    def model(self, run: Any, parent: Any, about: Mapping[str, Any]) -> None:
        """A model is called: in what is around by LangChain's account, if this context does not know it."""
        around = self._open.get(parent)
        names = {} if parent is not None or not self.active else {"conversation": _conversation(about)}
        known = around is None or any(frame is around for frame in places.chain(places.current()))
        if any(names.values()) or not known:
            self._keep(run, places.begin(inside=around, **names))

    @quiet
    def end(self, run: Any, parent: Any) -> None:
        """Any of them is over."""
        frame = self._open.pop(run, None)
        if frame is not None and frame is not self._open.get(parent):
            places.end(frame)

    def _keep(self, run: Any, frame: places.Frame) -> None:
        while len(self._open) >= _MOST_OPEN:
            self._open.popitem(last=False)
        self._open[run] = frame


def _names(name: Any, parent: Any, about: Mapping[str, Any]) -> dict[str, Any]:
    """What a chain names. Metadata are handed down: only what bears the name is the agent or the node."""
    if name and name == about.get("lc_agent_name"):
        names = {"agent": name}
    elif name and name == about.get("langgraph_node"):
        names = {"step": name}
    elif parent is not None:
        return {}
    else:
        names = {} if not name or name.startswith("Runnable") else {"workflow": name}
    return {**names, "conversation": _conversation(about)}


def _conversation(about: Mapping[str, Any]) -> Any:
    return about.get("thread_id") or about.get("session_id")


def _callbacks(hook: LangChain) -> dict[str, Any]:
    """The handler's methods. What they are given of messages is not touched."""

    def on_chain_start(
        _: Any, serialized: Any, inputs: Any, *, run_id: Any, parent_run_id: Any = None, **more: Any
    ) -> None:
        hook.chain(run_id, parent_run_id, more.get("metadata") or {}, more.get("name"))

    def on_tool_start(
        _: Any, serialized: Any, text: Any, *, run_id: Any, parent_run_id: Any = None, **more: Any
    ) -> None:
        hook.tool(run_id, parent_run_id, more.get("name") or (serialized or {}).get("name"))

    def on_model_start(
        _: Any, serialized: Any, prompts: Any, *, run_id: Any, parent_run_id: Any = None, **more: Any
    ) -> None:
        hook.model(run_id, parent_run_id, more.get("metadata") or {})

    def on_end(_: Any, result: Any, *, run_id: Any, parent_run_id: Any = None, **more: Any) -> None:
        hook.end(run_id, parent_run_id)

    ends = {f"on_{kind}_{how}": on_end for kind in ("chain", "tool", "llm") for how in ("end", "error")}
    return {
        "run_inline": True,  # in the context of what runs
        "on_chain_start": on_chain_start,
        "on_tool_start": on_tool_start,
        "on_llm_start": on_model_start,
        "on_chat_model_start": on_model_start,
        **ends,
    }
