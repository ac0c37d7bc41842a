"""What holds are called, and by what the budgets of an owner are looked up."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import count

from otel_tokenomics.model.attribution import Attribution


def names() -> Iterator[str]:
    """Names of holds that no other process makes."""
    # No generator: threads that ask one at the same moment get an error.
    return map(f"{os.urandom(9).hex()}-{{}}".format, count())


def owner_key(who: Attribution) -> tuple[object, ...]:
    """What of an attribution decides which budgets match, as something that can be looked up."""
    owners = (who.team, who.project, who.feature, who.cost_center, who.tenant, who.user, who.session)
    return (*owners, *who.tags.items()) if who.tags else owners
