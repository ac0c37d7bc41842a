"""From the name of a model to its card, strictly: rewriting is allowed, guessing is not.

A name must be, as a whole, an id of the catalogue or another name that it gives for that id; or become
one by dropping what is known not to change the price: a path, a version, a date, letter case. A new model
that merely begins like an old one is unknown, and stays unpriced.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

_DATE = re.compile(r"-(20\d\d)-?(0[1-9]|1[0-2])-?(0[1-9]|[12]\d|3[01])$")
_REVISION = re.compile(r"(?:-v\d+)?:\d+$|-v\d+$")
_PATH = re.compile(r"^(?:.*/)?models/([^/]+)$")
_ARN = re.compile(r"^arn:[^/]*/(?:.*/)?([^/]+)$")
_REGION = re.compile(r"^(?:us|eu|apac|au|jp|in|ca|global)\.")
_TUNED = re.compile(r"^(ft:[^:]+):.*$")
_TUNED_DATE = re.compile(r"^(ft:.+)-\d{4}$")

_Rewrites = tuple[tuple[str, Callable[[str], str | None]], ...]


class Match(NamedTuple):
    """The id that a name stands for, and by which rules: `id`, `alias`, or what was rewritten."""

    id: str
    rule: str


class Names:
    """The ids of one provider, and the other names of each."""

    __slots__ = ("_aliases", "_folded", "_ids", "_rewrites")

    def __init__(self, ids: Mapping[str, object], aliases: Mapping[str, str], provider: str = "") -> None:
        self._ids = ids
        self._aliases = aliases
        self._rewrites = _MANNERS.get(provider, _DATES)
        self._folded: dict[str, str] | None = None

    def exact(self, name: str) -> Match | None:
        """The id that `name` is or is documented to stand for, letter by letter."""
        if name in self._ids:
            return Match(name, "id")
        if (target := self._aliases.get(name)) is not None:
            return Match(target, "alias")
        return None

    def dated(self, name: str) -> Match | None:
        """As `exact`, also for a dated snapshot that the catalogue does not list by itself."""
        return self._first(name, _DATES, self.exact)

    def find(self, name: str) -> Match | None:
        """The id that `name` stands for once what does not change the price is dropped, or `None`."""
        return self.exact(name) or self._first(name.strip(), self._rewrites, self._fold)

    def _first(
        self,
        name: str,
        rewrites: _Rewrites,
        look: Callable[[str], Match | None],
    ) -> Match | None:
        for text, rules in _rewritten(name, rewrites):
            match = look(text)
            if match is not None and not ("region" in rules and _elsewhere(name, match.id)):
                return Match(match.id, "+".join(rules) or match.rule)
        return None

    def _fold(self, name: str) -> Match | None:
        if self._folded is None:
            aliases = {alias.lower(): target for alias, target in self._aliases.items()}
            self._folded = {**aliases, **{id.lower(): id for id in self._ids}}
        target = self._folded.get(name.lower())
        return None if target is None else Match(target, "case")


def _rewritten(name: str, rewrites: _Rewrites) -> Iterator[tuple[str, tuple[str, ...]]]:
    """`name`, and all it becomes by the rewrites, the least rewritten first."""
    texts: list[tuple[str, tuple[str, ...]]] = [(name, ())]
    for rule, rewrite in rewrites:
        made = [(rewrite(text), (*rules, rule)) for text, rules in texts]
        texts += [(text, rules) for text, rules in made if text is not None]
    return iter(sorted(texts, key=lambda item: len(item[1])))


def _elsewhere(name: str, id: str) -> bool:
    """Whether a global profile would be priced as a regional one, which costs more."""
    return "global." in name and id.startswith("regional.")


def _unpath(name: str) -> str | None:
    """`models/x`, `publishers/google/models/x`, `accounts/a/models/x`."""
    found = _PATH.match(name)
    return None if found is None else found[1]


def _unarn(name: str) -> str | None:
    """The tail of an ARN: `arn:aws:bedrock:us-east-1:1:inference-profile/x`."""
    found = _ARN.match(name)
    return None if found is None else found[1]


def _published(name: str) -> str | None:
    """Vertex's OpenAI-compatible endpoint says `google/gemini...` for what the catalogue lists bare."""
    return name.removeprefix("google/") if name.startswith("google/") else None


def _unrevised(name: str) -> str | None:
    """Bedrock's `-v1:0`, `-v1`, `:0`."""
    found = _REVISION.search(name)
    return None if found is None else name[: found.start()]


def _unversioned(name: str) -> str | None:
    """Vertex's `@20250929`, `@default`."""
    base, at, _ = name.partition("@")
    return base if at and base else None


def _redate(name: str) -> str | None:
    """`-20250807` as `-2025-08-07`, the form in which most snapshots are listed."""
    found = _DATE.search(name)
    return None if found is None else f"{name[: found.start()]}-{found[1]}-{found[2]}-{found[3]}"


def _undate(name: str) -> str | None:
    """Without the date of its snapshot. Snapshots of another price are listed by themselves."""
    found = _DATE.search(name)
    return None if found is None else name[: found.start()]


def _unregional(name: str) -> str | None:
    found = _REGION.match(name)
    return None if found is None else name[found.end() :]


def _untuned(name: str) -> str | None:
    """A fine-tuned model's base, still marked `ft:`: it is priced only if the catalogue has that."""
    found = _TUNED.match(name)
    return None if found is None else found[1]


def _untuned_date(name: str) -> str | None:
    """OpenAI's early snapshots are dated by month and day."""
    found = _TUNED_DATE.match(name)
    return None if found is None else found[1]


_DATES: _Rewrites = (("date", _redate), ("date", _undate))
_TUNINGS: _Rewrites = (("fine_tune", _untuned), ("fine_tune_date", _untuned_date), *_DATES)
_MANNERS: Mapping[str, _Rewrites] = {
    "anthropic": (("version", _unversioned), *_DATES),
    "aws": (("path", _unarn), ("revision", _unrevised), *_DATES, ("region", _unregional)),
    "azure": _TUNINGS,
    "fireworks": (("path", _unpath), *_DATES),
    "google": (("path", _unpath), ("publisher", _published), ("version", _unversioned), *_DATES),
    "openai": _TUNINGS,
}
"""How each provider of the catalogue dresses up a model's name; elsewhere only a date may be dropped."""
