"""Rules on names, over all files: form, namespaces, clashes, and references that lead somewhere."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase

from tools.semconv.shape import Finding
from tools.semconv.source import Document, Raw

_NAME = re.compile(r"[a-z][a-z0-9]*(?:[._][a-z0-9]+)*")
_OURS = "tokenomics."
_KEYS = {"attributes": "key", "attribute_groups": "id", "metrics": "name", "spans": "type", "events": "name"}


def naming_findings(files: list[Document]) -> Iterator[Finding]:
    """What is wrong with names and references."""
    for file in files:
        yield from _forms(file)
        if file.own:
            yield from _namespace(file)
    for section in _KEYS:
        yield from _twice(files, section)
    yield from _clashes(files)
    yield from _dangling(files)


def _named(files: Iterable[Document], section: str) -> Iterator[tuple[Document, str, Raw]]:
    for file in files:
        for raw in file.section(section):
            yield file, str(raw[_KEYS[section]]), raw


def _forms(file: Document) -> Iterator[Finding]:
    for section in _KEYS:
        for _, name, _ in _named([file], section):
            if not _NAME.fullmatch(name):
                yield Finding("name", f"{file.path}: {name}", "a name is lower case words between dots")
            elif "." not in name:
                yield Finding("name", f"{file.path}: {name}", "a name has a namespace")


def _namespace(file: Document) -> Iterator[Finding]:
    for section in _KEYS:
        for _, name, _ in _named([file], section):
            if not name.startswith(_OURS):
                yield Finding("namespace", f"{file.path}: {name}", f"what we define is under `{_OURS}`")
    for section in ("metric_refinements", "span_refinements", "event_refinements"):
        for raw in file.section(section):
            if not str(raw["id"]).startswith(_OURS):
                yield Finding(
                    "namespace", f"{file.path}: {raw['id']}", f"a refinement's id is under `{_OURS}`"
                )


def _twice(files: list[Document], section: str) -> Iterator[Finding]:
    found = Counter(name for _, name, _ in _named(files, section))
    for name in sorted(name for name, times in found.items() if times > 1):
        yield Finding("twice", name, f"it is defined {found[name]} times among {section}")


def _clashes(files: list[Document]) -> Iterator[Finding]:
    """`x` beside `x.y`: a store that nests names cannot hold both. A template is no exception."""
    for section in ("attributes", "metrics"):
        names = {name for _, name, _ in _named(files, section)}
        for name in sorted(names):
            for parent in _parents(name):
                if parent in names and not _both_old(files, parent):
                    yield Finding("clash", name, f"its namespace `{parent}` is a name too")


def _both_old(files: list[Document], parent: str) -> bool:
    """Whether a name that is a namespace too is a former one, which nobody sets any more."""
    raws = [
        raw
        for section in ("attributes", "metrics")
        for _, name, raw in _named(files, section)
        if name == parent
    ]
    return all(raw.get("deprecated") for raw in raws)


def _parents(name: str) -> Iterator[str]:
    while "." in name:
        name = name.rpartition(".")[0]
        yield name


def _dangling(files: list[Document]) -> Iterator[Finding]:
    known = {section: {name for _, name, _ in _named(files, section)} for section in _KEYS}
    for file in files:
        for where, use in _uses(file):
            if "ref" in use and use["ref"] not in known["attributes"]:
                yield Finding("dangling", where, f"no attribute is called `{use['ref']}`")
            if "ref_group" in use and use["ref_group"] not in known["attribute_groups"]:
                yield Finding("dangling", where, f"no group is called `{use['ref_group']}`")
        for section in ("metrics", "spans", "events"):
            for raw in file.section(f"{section[:-1]}_refinements"):
                if raw["ref"] not in known[section]:
                    yield Finding(
                        "dangling", f"{file.path}: {raw['id']}", f"it refines nothing: `{raw['ref']}`"
                    )
            for pattern in (file.data.get("imports") or {}).get(section, ()):
                if not any(fnmatchcase(name, pattern) for name in known[section]):
                    yield Finding("dangling", str(file.path), f"`{pattern}` imports nothing")


def _uses(file: Document) -> Iterator[tuple[str, Raw]]:
    for section, key in (*_KEYS.items(), *((f"{s}_refinements", "id") for s in ("metric", "span", "event"))):
        if section == "attributes":
            continue
        for raw in file.section(section):
            for use in raw.get("attributes") or ():
                yield f"{file.path}: {raw[key]}", use
