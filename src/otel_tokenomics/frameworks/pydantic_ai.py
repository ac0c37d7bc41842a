"""Pydantic AI: `Agent.iter`, which every way to run an agent goes through, and the execution of tools.

Its own spans say the same, but only where the application instruments it.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

from otel_tokenomics.attribution import places
from otel_tokenomics.frameworks.hooks import Opened, Patches, closed

_EXECUTES = ("execute_tool_call", "handle_call")
"""The methods of its manager of tools that run one, by version."""


class PydanticAI:
    """The hook: a frame around each run of an agent, and around each call of a tool."""

    def __init__(self) -> None:
        self._patches = Patches()

    def open(self, module: Any) -> None:
        """Open frames from now on. `module` is `pydantic_ai.agent`."""
        self._patches.active = True
        self._patches.wrap(getattr(module, "Agent", None), "iter", _agent, _surrounding)
        for name in ("pydantic_ai.tool_manager", "pydantic_ai._tool_manager"):
            manager = getattr(sys.modules.get(name), "ToolManager", None)
            for method in _EXECUTES:
                self._patches.wrap(manager, method, _tool)

    def close(self) -> None:
        """Open no more."""
        self._patches.restore()


class _Told:
    """What a run of an agent is called. Its conversation is known once it is under way."""

    def __init__(self, agent: Any) -> None:
        self.agent = agent
        self.run: Any = None

    def __call__(self) -> Mapping[str, Any]:
        conversation = None if self.run is None else getattr(self.run, "conversation_id", None)
        return {"agent": self.agent.name or "agent", "conversation": conversation}


def _agent(agent: Any, *_: Any, **__: Any) -> places.Told:
    return _Told(agent)


def _tool(_: Any, call: Any, *__: Any, **___: Any) -> places.Told:
    names = {"tool": getattr(call, "call", call).tool_name}
    return lambda: names


def _surrounding(original: Any, opened: Opened) -> Callable[..., Any]:
    @asynccontextmanager
    async def surrounding(*args: Any, **kwargs: Any) -> AsyncIterator[Any]:
        frame = opened(args, kwargs)
        try:
            async with original(*args, **kwargs) as run:
                if frame is not None and isinstance(frame.told, _Told):
                    frame.told.run = run
                yield run
        finally:
            closed(frame)

    return surrounding
