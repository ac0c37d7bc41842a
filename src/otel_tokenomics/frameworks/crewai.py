"""CrewAI: crews, tasks, agents and tools, at the methods that run them.

The handlers of its events run in threads of their own, where nothing that they open would reach a call.
"""

from __future__ import annotations

import sys
from typing import Any

from otel_tokenomics.attribution import places
from otel_tokenomics.frameworks.hooks import Patches


class CrewAI:
    """The hook: a frame around each of them."""

    def __init__(self) -> None:
        self._patches = Patches()

    def open(self, module: Any) -> None:
        """Open frames from now on. `module` is `crewai.crew`."""
        self._patches.active = True
        for place, owner, methods, names in (
            (module.__name__, "Crew", ("kickoff", "akickoff"), _crew),
            ("crewai.task", "Task", ("_execute_core", "_aexecute_core"), _task),
            ("crewai.agent.core", "Agent", ("execute_task", "aexecute_task"), _agent),
            ("crewai.agent", "Agent", ("execute_task", "aexecute_task"), _agent),
            ("crewai.tools.base_tool", "BaseTool", ("run", "arun"), _tool),
            ("crewai.tools.base_tool", "Tool", ("run", "arun"), _tool),
            ("crewai.tools.structured_tool", "CrewStructuredTool", ("invoke", "ainvoke"), _tool),
        ):
            kind = getattr(sys.modules.get(place), owner, None)
            for method in methods:
                self._patches.wrap(kind, method, names)

    def close(self) -> None:
        """Open no more."""
        self._patches.restore()


def _crew(crew: Any, *_: Any, **__: Any) -> places.Told:
    names = {"workflow": crew.name}
    return lambda: names


def _task(task: Any, *_: Any, **__: Any) -> places.Told:
    names = {"step": task.name}
    return lambda: names


def _agent(agent: Any, *_: Any, **__: Any) -> places.Told:
    names = {"agent": agent.role}
    return lambda: names


def _tool(tool: Any, *_: Any, **__: Any) -> places.Told:
    names = {"tool": tool.name}
    return lambda: names
