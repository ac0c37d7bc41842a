"""Who pays for a call: what code says, what baggage carries, what rules make of it, and what stands.

The nearest claim holds for each owner on its own: code, baggage, rules, settings, the resource. What baggage
carries is a claim of whoever sent the request. It is recorded, and spends no budget unless it is trusted.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from opentelemetry import baggage, trace
from opentelemetry import context as contexts
from opentelemetry._logs import get_logger_provider
from opentelemetry.sdk.resources import OTELResourceDetector

from otel_tokenomics.attribution import ambient, runs
from otel_tokenomics.flow.desk import Credential
from otel_tokenomics.model.attribution import OWNERS, TAG, UNATTRIBUTED, Attribution, Payers
from otel_tokenomics.model.attribution import RESOURCE as AFTER_RESOURCE
from otel_tokenomics.model.call import Facts
from otel_tokenomics.model.text import clean
from otel_tokenomics.telemetry import names
from otel_tokenomics.wiring.settings import Settings

if TYPE_CHECKING:
    from otel_tokenomics.attribution.rules import Rules

_MOST_SEEN = 4096
Known = tuple[Facts, Credential | None, Attribution]
_FACTS = {
    "provider": "provider",
    "model": "request_model",
    "operation": "operation",
    "route": "route",
    "library": "flavor",
    "host": "server_address",
}
"""What rules call a fact of a call, and what it is called here."""
RESOURCE = {
    "service": ("service.name",),
    "environment": ("deployment.environment.name", "deployment.environment"),
}
"""What rules and budgets call an attribute of the resource, by the names that it has or had."""


class Owners:
    """Says who pays for a call that is made in this context: the desk's `Who`."""

    def __init__(self, settings: Settings, resource: Mapping[str, Any]) -> None:
        standing = Attribution.of({owner: clean(value) for owner, value in settings.attribution.items()})
        self._standing = standing.over(_from_names(resource, OWNERS))
        self._rules = settings.owners
        self._look = [] if self._rules is None else [_look(key, resource) for key in self._rules.keys]
        self._seen: dict[Any, Attribution] = {}
        self._hashed = settings.personal
        self._accepted = OWNERS if settings.baggage is None else settings.baggage.accept
        self._trusted = () if settings.budgets is None else settings.budgets.trust_baggage

    def __call__(self, facts: Facts, credential: Credential | None) -> Payers:
        said, context = ambient.current(), contexts.get_current()
        # An empty context, as in a script, carries nothing: no need to ask further.
        carried = baggage.get_all(context) if context else {}
        sure = said.over(_from_names(carried, self._trusted)) if carried and self._trusted else said
        trusted = self._charged(sure, facts, credential)
        if not carried:
            return Payers(trusted, trusted)
        told = sure.over(_from_names(carried, self._accepted))
        if told == sure:
            return Payers(trusted, trusted)
        recorded = self._charged(told, facts, credential)
        claimed = [owner for owner in OWNERS if getattr(recorded, owner) != getattr(trusted, owner)]
        return Payers(replace(recorded, claimed=tuple(claimed)), trusted)

    def _charged(self, said: Attribution, facts: Facts, credential: Credential | None) -> Attribution:
        """What is said, over what the rules derive, over what stands; hashed where it is personal."""
        below = self._standing if self._rules is None else self._derived(self._rules, said, facts, credential)
        who = below if said is UNATTRIBUTED else said if below == UNATTRIBUTED else said.over(below)
        return who if self._hashed is None else self._hashed.apply(who)

    def _derived(
        self, rules: Rules, said: Attribution, facts: Facts, credential: Credential | None
    ) -> Attribution:
        """What rules derive over what stands, remembered by what they look at."""
        known = facts, credential, self._standing if said is UNATTRIBUTED else said.over(self._standing)
        key = tuple([look(known) for look in self._look]), tuple(_said(said))
        found = self._seen.get(key)
        if found is None:
            if len(self._seen) >= _MOST_SEEN:
                self._seen.clear()
            found = self._seen[key] = rules.derived(*key).over(self._standing)
        return found


def resource_of(providers: Mapping[str, Any]) -> Mapping[str, Any]:
    """What this process says of itself: what its providers were set up with, or else the environment."""
    told = dict(OTELResourceDetector().detect().attributes)
    for provider in (
        providers.get("logger_provider") or get_logger_provider(),
        providers.get("tracer_provider") or trace.get_tracer_provider(),
    ):
        told.update(getattr(getattr(provider, "resource", None), "attributes", None) or {})
    return told


def label_of(resource: Mapping[str, Any], key: str) -> str | None:
    """What a resource says of a key that rules and budgets know, or of any attribute after `resource.`."""
    names_of = RESOURCE.get(key) or (key.removeprefix(AFTER_RESOURCE),)
    value = next((resource[name] for name in names_of if resource.get(name)), None)
    return None if value is None else clean(str(value))


def _said(who: Attribution) -> list[str]:
    """What rules need not find out."""
    if who is UNATTRIBUTED:
        return []
    return [*who.owners(), *[TAG + tag for tag in who.tags]]


def _from_names(labels: Mapping[str, Any], owners: Collection[str]) -> Attribution:
    known = {owner: name for owner, name in names.OWNER_ATTRIBUTES.items() if owner in owners}
    return Attribution.of({owner: clean(labels.get(name)) for owner, name in known.items()})


def _look(key: str, resource: Mapping[str, Any]) -> Callable[[Known], str | None]:
    """How a rule finds what it looks at."""
    if key in RESOURCE or key.startswith(AFTER_RESOURCE):
        text = label_of(resource, key)
        return lambda known: text
    if key in _FACTS:
        name = _FACTS[key]
        return lambda known: getattr(known[0], name)
    if key == "key":
        return lambda known: None if known[1] is None else known[1]()
    if key == "run":
        return lambda known: getattr(runs.current(), "name", None)
    if key.startswith(TAG):
        tag = key.removeprefix(TAG)
        return lambda known: known[2].tags.get(tag)
    return lambda known: getattr(known[2], key)
