"""LlamaIndex: a span handler of its instrumentation, which every component tells what begins and ends.

An agent that is run is an agent; what else is run, queried or chatted with is a workflow if nothing is around
it; the steps of workflows are steps. Of arguments only the agent of a step is looked at.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from otel_tokenomics.attribution import places
from otel_tokenomics.frameworks.hooks import quiet

_ENGINES = frozenset({"BaseQueryEngine", "BaseChatEngine", "Workflow"})
_STEP = "llamaindex.step.input_event"
_MOST_OPEN = 10_000


class LlamaIndex:
    """The hook: its handler stays registered, and does nothing once closed."""

    def __init__(self) -> None:
        self._open: dict[str, places.Frame] = {}
        self._registered = False
        self.active = False

    def open(self, module: Any) -> None:
        """Register the handler. `module` is `llama_index_instrumentation`."""
        self.active = True
        if not self._registered:
            self._registered = True
            base = import_module(f"{module.__name__}.span_handlers.base").BaseSpanHandler
            handler = type("TokenomicsHandler", (base,), _callbacks(self))
            module.get_dispatcher().add_span_handler(handler())

    def close(self) -> None:
        """Open no more frames."""
        self.active = False
        self._open.clear()

    @quiet
    def begin(self, id: str, arguments: Any, instance: Any, tags: Mapping[str, Any]) -> None:
        """A component begins. Its id is the name of its method and a number."""
        if not self.active or len(self._open) >= _MOST_OPEN:
            return
        method = id.partition("-")[0].rpartition(".")[2]
        names = _names(method, arguments, instance, tags)
        if any(names.values()):
            self._open[id] = places.begin(work="step" not in names, **names)

    @quiet
    def end(self, id: str) -> None:
        """A component is done, or failed."""
        frame = self._open.pop(id, None)
        if frame is not None:
            places.end(frame)


def _names(method: str, arguments: Any, instance: Any, tags: Mapping[str, Any]) -> dict[str, Any]:
    if instance is None:
        if _STEP not in tags:
            return {}
        event = arguments.arguments.get("ev")
        return {"step": method, "agent": getattr(event, "current_agent_name", None)}
    kinds = {kind.__name__ for kind in type(instance).__mro__}
    if "BaseTool" in kinds and method in ("call", "acall"):
        return {"tool": instance.metadata.name}
    if "BaseWorkflowAgent" in kinds and method == "run":
        return {"agent": instance.name}
    if kinds & _ENGINES and places.current() is None:
        return {"workflow": type(instance).__name__}
    return {}


def _callbacks(hook: LlamaIndex) -> dict[str, Any]:
    def new_span(
        _: Any,
        id_: str,
        bound_args: Any,
        instance: Any = None,
        parent_span_id: Any = None,
        tags: Any = None,
        **__: Any,
    ) -> None:
        hook.begin(id_, bound_args, instance, tags or {})

    def prepare_to_exit_span(_: Any, id_: str, *__: Any, **___: Any) -> None:
        hook.end(id_)

    # Without annotations: they would be read as fields of a model, and only names of the framework's resolve.
    return {
        "new_span": new_span,
        "prepare_to_exit_span": prepare_to_exit_span,
        "prepare_to_drop_span": prepare_to_exit_span,
    }
