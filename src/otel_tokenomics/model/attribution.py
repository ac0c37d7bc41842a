"""`Attribution`: who a call is charged to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, NamedTuple

TAG, RESOURCE = "tag.", "resource."
"""How rules and budgets name a tag, and an attribute of the process's resource."""


@dataclass(frozen=True, slots=True)
class Attribution:
    """The owners of one call. Each is a claim made by the application; `None` is unattributed.

    `claimed` names the owners that are only what whoever sent a request says of itself, and those that follow
    from it: they spend no budget.
    """

    team: str | None = None
    project: str | None = None
    feature: str | None = None
    cost_center: str | None = None
    tenant: str | None = None
    user: str | None = None
    session: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    claimed: tuple[str, ...] = ()

    def over(self, below: Attribution) -> Attribution:
        """This attribution, with what it leaves open taken from `below`."""
        # Written out, since it is done for every call.
        return Attribution(
            self.team or below.team,
            self.project or below.project,
            self.feature or below.feature,
            self.cost_center or below.cost_center,
            self.tenant or below.tenant,
            self.user or below.user,
            self.session or below.session,
            {**below.tags, **self.tags} if below.tags else self.tags,
        )

    def but(self, told: Mapping[str, str | None]) -> Attribution:
        """This attribution, with some owners as they are told."""
        return Attribution(
            told.get("team", self.team),
            told.get("project", self.project),
            told.get("feature", self.feature),
            told.get("cost_center", self.cost_center),
            told.get("tenant", self.tenant),
            told.get("user", self.user),
            told.get("session", self.session),
            self.tags,
        )

    @classmethod
    def of(cls, owners: Mapping[str, str | None]) -> Attribution:
        """An attribution from names of owners; unknown names are left out."""
        known: dict[str, Any] = {name: owners[name] for name in OWNERS if owners.get(name)}
        return cls(**known) if known else UNATTRIBUTED

    def owners(self) -> dict[str, str]:
        """The owners that are known, by name."""
        if self is UNATTRIBUTED:
            return {}
        return {name: value for name in OWNERS if (value := getattr(self, name)) is not None}


OWNERS = tuple(f.name for f in fields(Attribution) if f.name not in ("tags", "claimed"))

UNATTRIBUTED = Attribution()


class Payers(NamedTuple):
    """Who pays for a call: as it is recorded, and as far as that may spend a budget."""

    recorded: Attribution
    trusted: Attribution


NOBODY = Payers(UNATTRIBUTED, UNATTRIBUTED)
