"""The registry resolved: attributes, metrics, spans and events, each with the attributes it may have."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tools.semconv.source import OWN, SEMCONV, Document, Raw, documents, remarks

Level = str
"""`required`, `conditionally_required`, `recommended` or `opt_in`."""


@dataclass(frozen=True, slots=True)
class Member:
    """A value of an enumeration. `pending`: why nothing emits it yet."""

    value: str
    brief: str
    pending: str | None


class Emitted:
    """What an attribute and a signal have in common: who emits it, by its annotations."""

    __slots__ = ()
    about: dict[str, Any]

    @property
    def pending(self) -> str | None:
        """Why the library does not emit it, or not yet."""
        return self.about.get("pending") or self.elsewhere

    @property
    def elsewhere(self) -> str | None:
        """Who emits it instead of the library."""
        return self.about.get("emitter")


@dataclass(slots=True)
class Attribute(Emitted):
    """One attribute. `type` is as written, or `enum`; the key of a template is a prefix."""

    key: str
    type: str
    brief: str
    note: str
    examples: list[Any]
    members: tuple[Member, ...]
    origin: str
    deprecated: str | None
    about: dict[str, Any]

    @property
    def template(self) -> bool:
        """Whether the key is a prefix that a further name follows."""
        return self.type.startswith("template[")

    @property
    def value_type(self) -> str:
        """The type of a value: `string`, `int`, `double`, `boolean`, `any`, or one with `[]`."""
        if self.type == "enum":
            return "string"
        return self.type[9:-1] if self.template else self.type

    @property
    def values(self) -> frozenset[str]:
        """The values an enumeration knows: its members, and what we add to one of others."""
        return frozenset({member.value for member in self.members} | set(self.about.get("further", ())))

    @property
    def label(self) -> bool:
        """Whether some metric may have the attribute without being asked to."""
        return self.tier in ("M", "M2")

    @property
    def tier(self) -> str | None:
        """Where the attribute may stand: `M`, `M2`, `M3`, `S`, `E` or `R`."""
        return self.about.get("tier")


@dataclass(frozen=True, slots=True)
class Use:
    """An attribute on a signal. `condition` says when it is conditionally required."""

    key: str
    level: Level
    condition: str
    about: Mapping[str, Any]


@dataclass(slots=True)
class Signal(Emitted):
    """A metric, a span or an event; what is of one kind only is empty on the others."""

    kind: str
    name: str
    brief: str
    note: str
    level: str
    origin: str
    deprecated: str | None
    about: dict[str, Any]
    uses: dict[str, Use]
    instrument: str = ""
    unit: str = ""
    value_type: str = ""
    span_kind: str = ""
    span_name: str = ""


@dataclass(slots=True)
class Registry:
    """Everything by name. Refinements are merged into the signals that they refine."""

    attributes: dict[str, Attribute] = field(default_factory=dict)
    groups: dict[str, tuple[Raw, ...]] = field(default_factory=dict)
    metrics: dict[str, Signal] = field(default_factory=dict)
    spans: dict[str, Signal] = field(default_factory=dict)
    events: dict[str, Signal] = field(default_factory=dict)

    def signals(self) -> Iterator[Signal]:
        """Every metric, span and event."""
        yield from self.metrics.values()
        yield from self.spans.values()
        yield from self.events.values()

    def find(self, name: str) -> Attribute | None:
        """The definition of an attribute as emitted: its own, or that of the template it is made of."""
        found = self.attributes.get(name)
        if found is not None and not found.template:
            return found
        prefix = name
        while "." in prefix:
            prefix = prefix.rpartition(".")[0]
            holder = self.attributes.get(prefix)
            if holder is not None and holder.template:
                return holder
        return None


def load(root: Path = SEMCONV) -> Registry:
    """The registry at `root`, resolved.

    Raises `KeyError` for a reference to nothing: run the checks first, which say where it is.
    """
    return resolve(documents(root))


def resolve(found: Iterable[Document]) -> Registry:
    """The definitions of some files, resolved."""
    registry, files = Registry(), list(found)
    for file in files:
        for raw in file.section("attributes"):
            registry.attributes[raw["key"]] = _attribute(raw, file.origin)
        for raw in file.section("attribute_groups"):
            registry.groups[raw["id"]] = tuple(raw.get("attributes") or ())
    for file in files:
        if file.origin == OWN:
            _annotate(registry, file)
    for kind in ("metric", "span", "event"):
        _add_signals(registry, kind, files)
    return registry


def _add_signals(registry: Registry, kind: str, files: list[Document]) -> None:
    into: dict[str, Signal] = getattr(registry, f"{kind}s")
    for file in files:
        for raw in file.section(f"{kind}s"):
            signal = _signal(registry, kind, raw, file.origin)
            into[signal.name] = signal
    for file in files:
        for raw in file.section(f"{kind}_refinements"):
            into[raw["ref"]].uses.update(_uses(registry, raw))
            into[raw["ref"]].about.update(remarks(raw))


def _attribute(raw: Raw, origin: str) -> Attribute:
    kind = raw["type"]
    members = kind.get("members", ()) if isinstance(kind, dict) else ()
    examples = raw.get("examples", [])
    return Attribute(
        key=raw["key"],
        type="enum" if isinstance(kind, dict) else kind,
        brief=str(raw.get("brief", "")).strip(),
        note=str(raw.get("note", "")).strip(),
        examples=examples if isinstance(examples, list) else [examples],
        members=tuple(
            Member(str(m.get("value", m["id"])), str(m.get("brief", "")), remarks(m).get("pending"))
            for m in members
        ),
        origin=origin,
        deprecated=_deprecated(raw),
        about=dict(remarks(raw)),
    )


def _annotate(registry: Registry, file: Document) -> None:
    """What our public groups say of others' attributes becomes part of them."""
    for raw in file.section("attribute_groups"):
        if raw.get("visibility") == "public":
            for use in raw.get("attributes") or ():
                registry.attributes[use["ref"]].about.update(remarks(use))


def _deprecated(raw: Raw) -> str | None:
    why = raw.get("deprecated")
    if not isinstance(why, dict):
        return None
    renamed = why.get("renamed_to")
    return f"Renamed to `{renamed}`." if renamed else str(why.get("note", "Deprecated."))


def _signal(registry: Registry, kind: str, raw: Raw, origin: str) -> Signal:
    generation = (raw.get("annotations") or {}).get("code_generation") or {}
    return Signal(
        kind=kind,
        name=raw["type"] if kind == "span" else raw["name"],
        brief=str(raw.get("brief", "")).strip(),
        note=str(raw.get("note", "")).strip(),
        level=raw.get("requirement_level", "recommended"),
        origin=origin,
        deprecated=_deprecated(raw),
        about=dict(remarks(raw)),
        uses=_uses(registry, raw),
        instrument=raw.get("instrument", ""),
        unit=raw.get("unit", ""),
        value_type=generation.get("metric_value_type", ""),
        span_kind=raw.get("kind", ""),
        span_name=str((raw["name"] or {}).get("note", "")) if kind == "span" else "",
    )


def _uses(registry: Registry, raw: Raw) -> dict[str, Use]:
    return {use["ref"]: _use(use) for use in expanded(registry.groups, raw.get("attributes") or ())}


def expanded(groups: Mapping[str, tuple[Raw, ...]], uses: Iterable[Raw]) -> list[Raw]:
    """References to attributes, those to groups replaced by what is in them; the nearest comes last."""
    nested = [use for use in uses if "ref_group" in use]
    found = [inner for use in nested for inner in expanded(groups, groups[use["ref_group"]])]
    return [*found, *(use for use in uses if "ref" in use)]


def _use(raw: Raw) -> Use:
    level = raw.get("requirement_level", "recommended")
    if isinstance(level, dict):
        name, condition = next(iter(level.items()))
        return Use(raw["ref"], name, str(condition), remarks(raw))
    return Use(raw["ref"], level, "", remarks(raw))
