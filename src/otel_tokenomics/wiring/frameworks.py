"""The frameworks whose agents, workflows, steps and tools are known to the calls beneath them: one row each.

A framework bills nothing itself: its calls go through client libraries, which are recorded there. A row says
whose import is waited for and who puts the hooks in; nothing is imported before the application does.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

import wrapt
from opentelemetry.instrumentation.instrumentor import (  # type: ignore[attr-defined]
    BaseInstrumentor,
)

from otel_tokenomics.flow.guard import guarded
from otel_tokenomics.wiring import assembly

if TYPE_CHECKING:
    from otel_tokenomics.frameworks.hooks import Hook

_FRAMEWORKS = "otel_tokenomics.frameworks"


@dataclass(frozen=True, slots=True)
class Framework:
    """A framework: what it is called, the module whose import is waited for, and who hooks in.

    `hook` is a module below `frameworks` and a class in it; `how` says in a few words what it hooks into.
    """

    distribution: str
    instrumentor: str
    hook: str
    module: str
    how: str

    @property
    def entry_point(self) -> str:
        """The name that it is switched off by, in `OTEL_PYTHON_DISABLED_INSTRUMENTATIONS`."""
        return "tokenomics_" + self.distribution.replace("-", "_")

    def made(self) -> Hook:
        """Its hook, imported now."""
        module, _, name = self.hook.partition(":")
        hook: Hook = getattr(import_module(f"{_FRAMEWORKS}.{module}"), name)()
        return hook


_ROWS = (
    Framework(
        "langchain-core",
        "LangChainInstrumentor",
        "langchain:LangChain",
        "langchain_core.tracers.context",
        "a callback handler, registered as LangChain's own tracers are",
    ),
    Framework(
        "openai-agents",
        "OpenAIAgentsInstrumentor",
        "openai_agents:OpenAIAgents",
        "agents.tracing.provider",
        "start and end of its own spans, whether its tracing is on or off",
    ),
    Framework(
        "pydantic-ai-slim",
        "PydanticAIInstrumentor",
        "pydantic_ai:PydanticAI",
        "pydantic_ai.agent",
        "`Agent.iter`, which every way to run an agent goes through, and the execution of tools",
    ),
    Framework(
        "llama-index-core",
        "LlamaIndexInstrumentor",
        "llama_index:LlamaIndex",
        "llama_index_instrumentation",
        "a span handler of its own instrumentation",
    ),
    Framework(
        "crewai",
        "CrewAIInstrumentor",
        "crewai:CrewAI",
        "crewai.crew",
        "the methods that run crews, tasks, agents and tools",
    ),
    Framework(
        "dspy",
        "DSPyInstrumentor",
        "dspy:DSPy",
        "dspy",
        "calls of modules and of tools",
    ),
)
FRAMEWORKS: Final[Mapping[str, Framework]] = {row.distribution: row for row in _ROWS}
"""Every framework that is hooked into, by the name of its distribution."""

_hooked: set[str] = set()


class Instrumentor(BaseInstrumentor):  # type: ignore[misc]
    """Lets the calls beneath one framework know where they are made. Never raises."""

    framework: Framework
    hook: Hook | None = None
    _active = False

    def instrumentation_dependencies(self) -> Collection[str]:
        """None: the application's framework is never pinned."""
        return ()

    def _instrument(self, **kwargs: Any) -> None:
        """Open frames once the framework is imported."""
        with guarded(f"instrument.{self.framework.distribution}"):
            if assembly.disabled() or assembly.settings_from(os.environ).disabled:
                return
            self._active = True
            module = self.framework.module
            if module not in _hooked:
                # The hook runs at once if the module is there already.
                _hooked.add(module)
                wrapt.register_post_import_hook(self._imported, module)
            elif module in sys.modules:
                self._imported(sys.modules[module])

    def _uninstrument(self, **kwargs: Any) -> None:
        """Open no more, and restore the framework's own methods."""
        with guarded(f"uninstrument.{self.framework.distribution}"):
            self._active = False
            if self.hook is not None:
                self.hook.close()

    def _imported(self, module: Any) -> None:
        with guarded(f"patch.{self.framework.distribution}"):
            if self._active:
                self.hook = self.hook or self.framework.made()
                self.hook.open(module)


def __getattr__(name: str) -> type[Instrumentor]:
    """The instrumentor of that name, made once."""
    for framework in FRAMEWORKS.values():
        if framework.instrumentor == name:
            about = f"Tells where in `{framework.distribution}` a call is made."
            kind = type(
                name, (Instrumentor,), {"__doc__": about, "__module__": __name__, "framework": framework}
            )
            globals()[name] = kind
            return kind
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
