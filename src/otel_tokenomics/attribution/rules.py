"""`[[owner]]`: rules that derive who pays from what is known of a call.

    [[owner]]
    match = { service = "search-*", model = "gpt-*" }
    set = { team = "search" }

Rules are read from the top. Each sees what those above it have set; what the code or baggage says, or a rule
above has set, is not set again. A rule that would take a value from what a call lacks sets nothing of it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from otel_tokenomics.model.attribution import OWNERS, RESOURCE, TAG, Attribution
from otel_tokenomics.model.tables import Document, Table, either, nearest
from otel_tokenomics.model.text import clean

TABLE = "owner"
FACTS = ("service", "environment", "provider", "model", "operation", "route", "library", "host", "key", "run")
"""What a rule may look at beside owners, tags and resource attributes."""
_MATCHES = (*FACTS, *OWNERS)
_FURTHER = f'or "{TAG}" and a tag\'s name, or "{RESOURCE}" and a resource attribute\'s'
_PLACE = re.compile(r"\{([^{}]*)\}")
_KEY_ID = re.compile(r"(?:sha256:[0-9a-f*?]+|\*|AKIA[A-Z0-9*?]*|ASIA[A-Z0-9*?]*)")

Patterns = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: what a call must be, and what is then set; a value may hold `{service}` and the like."""

    match: tuple[tuple[str, Patterns], ...]
    sets: tuple[tuple[str, str], ...]

    def applies(self, subject: Mapping[str, str | None]) -> bool:
        """Whether a call is what the rule is for."""
        for key, allowed in self.match:
            value = subject.get(key)
            if value is None or not any(fnmatchcase(value, pattern) for pattern in allowed):
                return False
        return True


@dataclass(frozen=True, slots=True)
class Rules:
    """All rules, in order. `keys` are what they look at; nothing else need be known of a call."""

    rules: tuple[Rule, ...]
    keys: tuple[str, ...] = ()

    def derived(self, values: tuple[str | None, ...], said: tuple[str, ...] = ()) -> Attribution:
        """What the rules make of a call whose `keys` have these values, and which says `said` itself."""
        subject = dict(zip(self.keys, values, strict=True))
        made: dict[str, str] = {}
        for rule in self.rules:
            if not rule.applies(subject):
                continue
            for owner, text in rule.sets:
                if owner in made or owner in said:
                    continue
                if (value := _filled(text, subject)) is not None:
                    made[owner] = value
                    subject[owner] = value
        tags = {owner.removeprefix(TAG): value for owner, value in made.items() if owner.startswith(TAG)}
        owners: dict[str, Any] = {owner: value for owner, value in made.items() if owner in OWNERS}
        return Attribution(**owners, tags=tags)


def rules_of(document: Document) -> Rules | None:
    """The rules of a configuration file; `None` where it has none. Raises the document's error."""
    hidden = document.tables.get("personal", {}).get("hash", ())
    rules = tuple([_rule(table, hidden) for table in document.each(TABLE, ("match", "set"))])
    used = [key for rule in rules for key, _ in rule.match]
    used += [key for rule in rules for _, text in rule.sets for key in _PLACE.findall(text)]
    return Rules(rules, tuple(dict.fromkeys(used))) if rules else None


def _rule(table: Table, hidden: Collection[str]) -> Rule:
    match = table.inner("match", '{ service = "search-*" }')
    sets = table.inner("set", '{ team = "search" }')
    return Rule(
        tuple([(key, _allowed(match, key)) for key in match.values]),
        tuple([(key, _set(sets, key, hidden)) for key in sets.values]),
    )


def _allowed(match: Table, key: str) -> Patterns:
    _check(match, key, _MATCHES, RESOURCE)
    allowed = match.patterns(key)
    if key == "key":
        _check_ids(match, allowed)
    return allowed


def _check_ids(match: Table, allowed: Patterns) -> None:
    """A key itself has no place in a file, and none in an error."""
    for number, pattern in enumerate(allowed, 1):
        if not _KEY_ID.fullmatch(pattern):
            match.refuse(
                "key",
                f"is not what a key is known by (entry {number}): write its digest, never the key, as "
                'key = "sha256:3fd4a3e0c1b2d5f6", or the id of an AWS access key',
            )


def _set(sets: Table, key: str, hidden: Collection[str]) -> str:
    _check(sets, key, OWNERS, None)
    value = sets.text(key, '"search"')
    for place in _PLACE.findall(value):
        if not _known(place, _MATCHES, RESOURCE):
            near = nearest(place, _MATCHES)
            sets.refuse(key, f"has {{{place}}}, which is not known{near}; it may be {either(_MATCHES)}")
        if place in hidden and place != key:
            sets.refuse(key, f"takes {{{place}}}, which personal.hash hides: take something else")
    if "{" in _PLACE.sub("", value) or "}" in _PLACE.sub("", value):
        sets.refuse(key, f'is {value!r}, with a brace that is not paired: {key} = "team-{{service}}"')
    if clean(value) != value:
        sets.refuse(key, "must be at most 256 printable characters")
    return value


def _check(table: Table, key: str, names: tuple[str, ...], further: str | None) -> None:
    if not _known(key, names, further):
        more = _FURTHER if further else f'or "{TAG}" and a tag\'s name'
        table.refuse(key, f"is not known{nearest(key, names)}; it must be {either(names)}, {more}")


def _known(key: str, names: tuple[str, ...], further: str | None) -> bool:
    prefixes = (TAG,) if further is None else (TAG, further)
    return key in names or any(key.startswith(prefix) and key != prefix for prefix in prefixes)


def _filled(text: str, subject: Mapping[str, str | None]) -> str | None:
    """The text with what it takes from the call, or `None` where the call lacks that."""
    places = _PLACE.findall(text)
    if any(subject.get(place) is None for place in places):
        return None
    return clean(_PLACE.sub(lambda place: str(subject[place[1]]), text))
