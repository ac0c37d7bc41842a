"""Tables of the registry in Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import yaml
from tools.semconv.registry import Attribute, Registry, Signal, Use
from tools.semconv.source import OWN, SEMCONV

_LEVELS = {"required": "Required", "recommended": "Recommended", "opt_in": "Opt-In"}


def attributes(registry: Registry, prefixes: Iterable[str]) -> list[str]:
    """The attributes under some prefixes: what each is, and below them the values of enumerations."""
    under = tuple(prefixes)
    found = [a for a in registry.attributes.values() if a.tier and f"{a.key}.".startswith(under)]
    lines = ["| Attribute | Type | Tier | Meaning |", "| --- | --- | --- | --- |"]
    lines += [_row(_key(a), _type(a), a.tier or "", _meaning(a)) for a in found]
    for attribute in found:
        if attribute.members and attribute.origin == OWN:
            lines += ["", *_values(attribute)]
    return lines


def upstream(registry: Registry) -> list[str]:
    """OpenTelemetry's attributes that are used as they are."""
    found = [a for a in registry.attributes.values() if a.origin != OWN and a.tier]
    lines = ["| Attribute | Type | Tier | Meaning |", "| --- | --- | --- | --- |"]
    return lines + [_row(_key(a), _type(a), a.tier or "", _meaning(a)) for a in found]


def metrics(registry: Registry) -> list[str]:
    """Every metric: instrument, unit, whether it is emitted by default."""
    lines = [
        "| Metric | Instrument | Unit | Value | Level | Meaning |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for metric in registry.metrics.values():
        level = "Deprecated" if metric.deprecated else _LEVELS[metric.level]
        about = (f"`{metric.name}`", metric.instrument, f"`{metric.unit}`", metric.value_type, level)
        lines.append(_row(*about, _said(metric, metric.brief)))
    return lines


def labels(registry: Registry) -> list[str]:
    """The attributes of every metric by requirement level, and what there is to say of it."""
    lines: list[str] = []
    for metric in registry.metrics.values():
        if metric.origin == OWN:
            lines += [
                f"#### `{metric.name}`",
                "",
                *_noted(metric),
                *_uses(registry, metric.uses.values()),
                "",
            ]
    return lines[:-1]


def refined(registry: Registry) -> list[str]:
    """What is added to metrics of OpenTelemetry's."""
    lines = ["| Metric | Attributes that are added | Bucket boundaries |", "| --- | --- | --- |"]
    for metric in registry.metrics.values():
        added = [f"`{key}`" for key in metric.uses if key.startswith("tokenomics.")]
        if metric.origin != OWN and (added or "bounds" in metric.about):
            lines.append(_row(f"`{metric.name}`", ", ".join(added) or "none", _bounds(metric)))
    return lines


def span(registry: Registry) -> list[str]:
    """The attributes of the inference span that this convention adds."""
    found = registry.spans["gen_ai.client.inference"].uses.values()
    ours = [use for use in found if use.key.startswith("tokenomics.") or ".cost." in use.key]
    return _uses(registry, ours)


def events(registry: Registry) -> list[str]:
    """Every event with its fields."""
    lines: list[str] = []
    for event in registry.events.values():
        lines += [f"### Event `{event.name}`", "", f"{_said(event, event.brief)}", ""]
        lines += [*_noted(event, with_brief=False), *_uses(registry, event.uses.values(), carrier=True), ""]
    return lines[:-1]


def ledger(registry: Registry, semconv: Path = SEMCONV) -> list[str]:
    """The columns of the ledger's table of usage records."""
    described = {str(a.about["column"]): a for a in registry.attributes.values() if "column" in a.about}
    others = yaml.safe_load((semconv / "ledger.yaml").read_text(encoding="utf-8"))
    lines = ["| Column | Field of the record | Meaning |", "| --- | --- | --- |"]
    for column in sorted({*described, *others}):
        known = described.get(column)
        field = "" if known is None else _key(known)
        lines.append(_row(f"`{column}`", field, others[column] if known is None else known.brief))
    return lines


def promotion(semconv: Path = SEMCONV) -> list[str]:
    """Which of our names OpenTelemetry could take, and how."""
    told = yaml.safe_load((semconv / "promotion-map.yaml").read_text(encoding="utf-8"))
    lines = ["| Ours | Upstream | How | Why |", "| --- | --- | --- | --- |"]
    return lines + [_row(f"`{p['ours']}`", f"`{p['upstream']}`", p["how"], p["why"]) for p in told["promote"]]


def pending(registry: Registry) -> list[str]:
    """Signals that are declared and not emitted yet, and why."""
    lines = ["| Declared | Not emitted yet because |", "| --- | --- |"]
    return lines + [
        _row(f"`{s.name}`", s.pending) for s in registry.signals() if s.pending and not s.elsewhere
    ]


def _row(*cells: str) -> str:
    return "| " + " | ".join(" ".join(cell.split()).replace("|", "\\|") for cell in cells) + " |"


def _key(attribute: Attribute) -> str:
    return f"`{attribute.key}.<key>`" if attribute.template else f"`{attribute.key}`"


def _type(attribute: Attribute) -> str:
    if attribute.type == "enum":
        return "enumeration"
    return attribute.value_type


def _meaning(attribute: Attribute) -> str:
    parts = [attribute.brief, attribute.note]
    if attribute.origin == OWN and attribute.value_type == "string" and attribute.examples:
        parts.append("For example " + " or ".join(f"`{example}`" for example in attribute.examples) + ".")
    if attribute.deprecated:
        parts.append(attribute.deprecated)
    if attribute.about.get("further"):
        words = ", ".join(f"`{word}`" for word in attribute.about["further"])
        parts.append(f"Beside OpenTelemetry's values: {words}.")
    return _said(attribute, " ".join(part for part in parts if part))


def _said(one: Attribute | Signal, text: str) -> str:
    """The text, and who emits it if not the library, or why nobody does yet."""
    if one.elsewhere:
        return f"{text} *Emitted by {one.elsewhere}, not by the library.*"
    return f"{text} *Not emitted yet: {one.pending}*" if one.pending else text


def _values(attribute: Attribute) -> Iterator[str]:
    yield f"`{attribute.key}` is one of:"
    yield ""
    yield "| Value | Meaning |"
    yield "| --- | --- |"
    for member in attribute.members:
        later = f" *Not emitted yet: {member.pending}*" if member.pending else ""
        yield _row(f"`{member.value}`", member.brief + later)


def _noted(signal: Signal, with_brief: bool = True) -> list[str]:
    head = [_said(signal, signal.brief), ""] if with_brief else []
    return [*head, *signal.note.splitlines(), ""] if signal.note else head


def _uses(registry: Registry, uses: Iterable[Use], carrier: bool = False) -> list[str]:
    found = list(uses)
    if not found:
        return ["It has no attributes."]
    lines = ["| Attribute | Level | Type |" + (" Carried in |" if carrier else "")]
    lines.append("| --- | --- | --- |" + (" --- |" if carrier else ""))
    for use in found:
        attribute = registry.attributes[use.key]
        cells = [_key(attribute), _level(use), _type(attribute)]
        lines.append(_row(*cells, *([use.about.get("carrier", "attributes")] if carrier else [])))
    return lines


def _level(use: Use) -> str:
    if use.level == "conditionally_required":
        return f"Required {use.condition[0].lower()}{use.condition[1:].rstrip('.')}"
    return _LEVELS[use.level]


def _bounds(metric: Signal) -> str:
    bounds = metric.about.get("bounds")
    if bounds is None:
        return ""
    return f"{bounds['first']} * {bounds['factor']}^n for n = 0 to {bounds['count'] - 1}"
