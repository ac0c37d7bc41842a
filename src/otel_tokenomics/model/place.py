"""`Place`: where in the application a call is made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Place:
    """The agent, workflow, step, tool and conversation that a call is made in, as a framework names them.

    `tags` are those of the innermost agent's or workflow's run: its id, its name and the run around it.
    """

    agent: str | None = None
    workflow: str | None = None
    step: str | None = None
    tool: str | None = None
    conversation: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)

    def names(self) -> dict[str, str]:
        """What is known, by the ledger's columns."""
        return {name: value for name in PLACES if (value := getattr(self, name)) is not None}


PLACES = ("agent", "workflow", "step", "tool", "conversation")

NOWHERE = Place()
