"""Owners that go along to other services as W3C baggage, while the code is in `attribute(...)`.

Only those that the configuration names go, and not to whoever serves models: a vendor is told nothing of who
its caller's users and tenants are, unless its host is named too.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from opentelemetry import baggage
from opentelemetry import context as contexts
from opentelemetry.context import Context

from otel_tokenomics.flow.guard import fault
from otel_tokenomics.model.attribution import Attribution
from otel_tokenomics.model.call import Facts
from otel_tokenomics.telemetry import names

if TYPE_CHECKING:
    from otel_tokenomics.attribution.digests import Digests
    from otel_tokenomics.wiring.owner_tables import Baggage


class Outgoing:
    """Puts owners into the baggage of a context, and takes them out of it where a model is called."""

    def __init__(self, chosen: Baggage, hashed: Digests | None) -> None:
        self._names = {owner: names.OWNER_ATTRIBUTES[owner] for owner in chosen.send}
        self._hosts = chosen.hosts
        self._hashed = hashed

    @classmethod
    def of(cls, chosen: Baggage | None, hashed: Digests | None = None) -> Outgoing | None:
        """`None` where nothing goes along."""
        return cls(chosen, hashed) if chosen is not None and chosen.send else None

    def enter(self, owners: Attribution) -> Any:
        """Let these owners go along from here on."""
        try:
            told = owners if self._hashed is None else self._hashed.apply(owners)
            filled = contexts.get_current()
            for owner, name in self._names.items():
                if (value := getattr(told, owner)) is not None:
                    filled = baggage.set_baggage(name, value, filled)
            return contexts.attach(filled)
        except Exception as error:
            fault("baggage.enter", error)
            return None

    def leave(self, token: Any) -> None:
        """Undo `enter`."""
        if token is not None:
            contexts.detach(token)

    def without(self, context: Context | None, facts: Facts) -> Context | None:
        """The context of a call to a model, without what is not meant for it."""
        if facts.server_address and any(fnmatchcase(facts.server_address, host) for host in self._hosts):
            return context
        carried = baggage.get_all(context)
        bare = context
        for name in self._names.values():
            if name in carried:
                bare = baggage.remove_baggage(name, bare)
        return bare
