"""Rules on one file: which sections and keys there are, and what may stand in them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from tools.semconv.source import FORMAT, Document, Raw

STABILITIES = frozenset({"development", "alpha", "beta", "release_candidate", "stable", "deprecated"})
LEVELS = frozenset({"required", "recommended", "opt_in"})
REASONED_LEVELS = frozenset({"conditionally_required", "recommended", "opt_in"})
INSTRUMENTS = frozenset({"counter", "updowncounter", "gauge", "histogram"})
SPAN_KINDS = frozenset({"client", "server", "internal", "producer", "consumer"})

_PRIMITIVE = r"(string|int|double|boolean|any)(\[\])?"
_TYPE = re.compile(rf"{_PRIMITIVE}|template\[{_PRIMITIVE}\]")
_COMMON = frozenset({"brief", "note", "stability", "annotations", "deprecated"})
_SIGNAL = _COMMON | {"attributes", "requirement_level", "entity_associations"}
_REFINED = frozenset({"id", "ref", "brief", "stability"})


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong. `rule` is the word tests and people know it by."""

    rule: str
    where: str
    what: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what} [{self.rule}]"


@dataclass(frozen=True, slots=True)
class _Section:
    required: frozenset[str]
    allowed: frozenset[str]
    name: str


_SECTIONS = {
    "attributes": _Section(frozenset({"key", "type", "brief", "stability"}), _COMMON | {"examples"}, "key"),
    "attribute_groups": _Section(frozenset({"id", "visibility"}), _COMMON | {"attributes"}, "id"),
    "metrics": _Section(frozenset({"name", "instrument", "unit", "brief", "stability"}), _SIGNAL, "name"),
    "spans": _Section(frozenset({"type", "kind", "name", "brief", "stability"}), _SIGNAL, "type"),
    "events": _Section(frozenset({"name", "brief", "stability"}), _SIGNAL, "name"),
    "metric_refinements": _Section(_REFINED, _SIGNAL, "id"),
    "span_refinements": _Section(_REFINED, _SIGNAL, "id"),
    "event_refinements": _Section(_REFINED, _SIGNAL, "id"),
}
_USE = frozenset({"ref", "ref_group", "requirement_level", "sampling_relevant", "examples"}) | _COMMON
_MEMBER = frozenset({"id", "value"}) | _COMMON
_FILE = frozenset({"file_format", "imports"}) | set(_SECTIONS)


def shape_findings(files: Iterable[Document]) -> Iterator[Finding]:
    """What a reader of the format would refuse."""
    for file in files:
        if file.data.get("file_format") != FORMAT:
            yield Finding("format", str(file.path), f"file_format is not {FORMAT}")
        for name in sorted(set(file.data) - _FILE):
            yield Finding("shape", str(file.path), f"there is no section `{name}`")
        for name, section in _SECTIONS.items():
            for raw in file.section(name):
                yield from _definition(f"{file.path}: {raw.get(section.name, name)}", raw, section)


def _definition(where: str, raw: Raw, section: _Section) -> Iterator[Finding]:
    yield from _keys(where, raw, section.required, section.allowed)
    yield from _values(where, raw)
    if "type" in raw and section.name == "key":
        yield from _type(where, raw["type"])
    for use in raw.get("attributes") or ():
        yield from _use(f"{where}: {use.get('ref') or use.get('ref_group')}", use)


def _keys(where: str, raw: Raw, required: frozenset[str], allowed: frozenset[str]) -> Iterator[Finding]:
    for key in sorted(required - set(raw)):
        yield Finding("shape", where, f"`{key}` is missing")
    for key in sorted(set(raw) - required - allowed):
        yield Finding("shape", where, f"there is no key `{key}`")


def _values(where: str, raw: Raw) -> Iterator[Finding]:
    for key, known in (("stability", STABILITIES), ("instrument", INSTRUMENTS)):
        if key in raw and raw[key] not in known:
            yield Finding("shape", where, f"`{key}: {raw[key]}` is none of {', '.join(sorted(known))}")
    if "kind" in raw and raw["kind"] not in SPAN_KINDS:
        yield Finding("shape", where, f"`kind: {raw['kind']}` is no kind of span")
    if raw.get("requirement_level", "recommended") not in ("recommended", "opt_in") and "ref" not in raw:
        yield Finding("level", where, "a signal is `recommended` or `opt_in`")


def _type(where: str, kind: Any) -> Iterator[Finding]:
    if isinstance(kind, str):
        if not _TYPE.fullmatch(kind):
            yield Finding("shape", where, f"there is no type `{kind}`")
        return
    for member in kind.get("members", ()):
        at = f"{where}: {member.get('id')}"
        yield from _keys(at, member, frozenset({"id", "value", "brief", "stability"}), _MEMBER)
        yield from _values(at, member)


def _use(where: str, use: Raw) -> Iterator[Finding]:
    yield from _keys(where, use, frozenset(), _USE)
    if ("ref" in use) == ("ref_group" in use):
        yield Finding("shape", where, "it must be a `ref` or a `ref_group`")
    level = use.get("requirement_level", "recommended")
    if isinstance(level, dict):
        reasons = list(level.items())
        if len(reasons) != 1 or reasons[0][0] not in REASONED_LEVELS or not str(reasons[0][1]).strip():
            yield Finding("level", where, f"`{level}` is no requirement level with its reason")
    elif level not in LEVELS:
        yield Finding("level", where, f"`{level}` is no requirement level")
