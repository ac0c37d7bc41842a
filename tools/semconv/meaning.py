"""Rules on what definitions mean: units, enumerations, instruments, tiers of cardinality, notes, examples."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

from tools.semconv.registry import Attribute, Registry, Signal, Use
from tools.semconv.shape import Finding
from tools.semconv.source import OWN, UPSTREAM, Document

TIERS = ("M", "M2", "M3", "S", "E", "R")
_UNITS = frozenset({"1", "s", "J", "W", "By", "%", "W.h", "Hz"})
"""The units of UCUM that telemetry has a use for, without prefixes. A currency is none of UCUM's."""
_ANNOTATION = re.compile(r"\{[a-z]+(_[a-z]+)*\}")
_UNIT_IN_NAME = re.compile(
    r"[._](seconds?|ms|usd|eur|dollars?|joules?|bytes|nano|micro|percent|ratio_percent)$"
)
_SAYS_UNIT = re.compile(r"currency|joule|[Ss]econds|budget\.unit|/")
_MEASURES = frozenset({"double", "template[double]"})
_OWNED = (
    *("tokenomics.allocation.", "tokenomics.outcome", "tokenomics.reconciliation.", "tokenomics.foreign."),
    "tokenomics.budget.",
)
_MONEY = "{currency_unit}"
_EXAMPLES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "int": (int,),
    "double": (float, int),
    "boolean": (bool,),
    "string[]": (list,),
}


def meaning_findings(files: list[Document], registry: Registry) -> Iterator[Finding]:
    """What is wrong with the registry's meaning. Expects that shape and references are right."""
    yield from _enumerations(files)
    used = {key for signal in registry.signals() if not signal.pending for key in signal.uses}
    grouped = {use["ref"] for uses in registry.groups.values() for use in uses if "ref" in use}
    for attribute in registry.attributes.values():
        yield from _attribute(attribute)
        if attribute.origin == OWN and not attribute.pending and attribute.key not in used | grouped:
            yield Finding("unused", attribute.key, "nothing emitted has it, and it is not marked as pending")
    for signal in registry.signals():
        yield from _signal(registry, signal)
    for metric in registry.metrics.values():
        yield from _metric(registry, metric)


def _enumerations(files: list[Document]) -> Iterator[Finding]:
    for file in files:
        for raw in file.section("attributes"):
            kind = raw["type"]
            members = kind.get("members", ()) if isinstance(kind, dict) else ()
            if isinstance(kind, dict) and not members:
                yield Finding("enum", raw["key"], "an enumeration without members")
            for part in ("id", "value"):
                for word, times in Counter(str(member[part]) for member in members).items():
                    if times > 1:
                        yield Finding("enum", raw["key"], f"two members have the {part} `{word}`")


def _attribute(attribute: Attribute) -> Iterator[Finding]:
    at = attribute.key
    if not attribute.brief.endswith((".", "`.")):
        yield Finding("brief", at, "the brief is not a sentence")
    if attribute.tier not in TIERS and not attribute.about.get("content"):
        yield Finding("tier", at, f"its tier of cardinality is none of {', '.join(TIERS)}")
    if attribute.origin != OWN:
        return
    if attribute.type in _MEASURES and not _SAYS_UNIT.search(f"{attribute.brief} {attribute.note}"):
        yield Finding("unit", at, "neither brief nor note says in which unit it is")
    if attribute.template and "keys" not in attribute.about:
        yield Finding("keys", at, "a template says what its keys are")
    if attribute.type != "enum":
        yield from _examples(attribute)


def _examples(attribute: Attribute) -> Iterator[Finding]:
    known = _EXAMPLES.get(attribute.value_type)
    if not attribute.examples and attribute.value_type != "boolean":
        yield Finding("example", attribute.key, "it has no example")
    for example in attribute.examples:
        if known is not None and (not isinstance(example, known) or _is_boolean(example, known)):
            yield Finding("example", attribute.key, f"{example!r} is no {attribute.value_type}")


def _is_boolean(example: Any, known: tuple[type, ...]) -> bool:
    return isinstance(example, bool) and bool not in known


def _signal(registry: Registry, signal: Signal) -> Iterator[Finding]:
    if not signal.brief.endswith("."):
        yield Finding("brief", signal.name, "the brief is not a sentence")
    for use in signal.uses.values():
        attribute = registry.attributes[use.key]
        if attribute.tier == "E" and signal.kind == "span":
            yield Finding("tier", f"{signal.name}: {use.key}", "an attribute of events only is on a span")
        if use.level == "required" and attribute.pending and not signal.pending:
            yield Finding("pending", f"{signal.name}: {use.key}", "what is required is not emitted yet")


def _metric(registry: Registry, metric: Signal) -> Iterator[Finding]:
    at = metric.name
    if metric.unit not in _UNITS and not _ANNOTATION.fullmatch(metric.unit):
        yield Finding("unit", at, f"`{metric.unit}` is neither a unit of UCUM nor an annotation in braces")
    if _UNIT_IN_NAME.search(at):
        yield Finding("unit", at, "the unit belongs in `unit`, not in the name")
    if metric.instrument == "counter" and re.search(r"[._](total|count)$", at):
        yield Finding("counter", at, "a counter's name has no suffix that says it counts")
    if metric.value_type not in ("int", "double"):
        yield Finding("value_type", at, "`metric_value_type` is neither int nor double")
    if metric.unit == "1" and "/" not in f"{metric.brief} {metric.note}":
        yield Finding("formula", at, "a ratio says of what")
    if metric.unit == _MONEY:
        yield from _money(metric)
    for use in metric.uses.values():
        yield from _label(registry.attributes[use.key], use, metric)


def _money(metric: Signal) -> Iterator[Finding]:
    if metric.value_type != "double":
        yield Finding("value_type", metric.name, "money on a metric is a double")
    currencies = [use for use in metric.uses.values() if use.key.endswith(".currency")]
    if not any(use.level == "required" for use in currencies):
        yield Finding("currency", metric.name, "an amount needs its currency")


def _label(attribute: Attribute, use: Use, metric: Signal) -> Iterator[Finding]:
    at = f"{metric.name}: {use.key}"
    if metric.instrument == "histogram" and attribute.about.get("splits") and not metric.deprecated:
        yield Finding("histogram", at, "it splits one operation, so that percentiles would be of parts")
    if metric.origin == UPSTREAM and not use.key.startswith("tokenomics."):
        return
    tier = attribute.tier
    allowed = tier == "M" or (tier in ("M2", "M3") and metric.name.startswith(_OWNED))
    if not allowed and metric.origin == OWN:
        yield Finding("tier", at, f"an attribute of tier {tier} is on a metric")
    if tier == "M3" and use.level != "opt_in":
        yield Finding("tier", at, "an attribute of tier M3 is opt-in on a metric")
