"""The live check: spans, metrics and log records as they were emitted, compared with the registry."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from tools.semconv.registry import Attribute, Registry, Signal

from otel_tokenomics.telemetry.compat import KEYS

SCOPE: Final = "otel_tokenomics"
SPAN: Final = "gen_ai.client.inference"
OTHER: Final = "_OTHER"

KINDS: Final = (
    "undeclared_signal",
    "undeclared_attribute",
    "wrong_type",
    "unknown_value",
    "missing_attribute",
    "wrong_unit",
    "wrong_instrument",
    "wrong_tier",
    "wrong_span",
    "wrong_carrier",
    "never_emitted",
    "not_pending",
)

_UNSEEN: Final = "nothing emits it: mark it `pending` in semconv/, and say why"

_TYPES: Final[Mapping[str, type]] = {"string": str, "int": int, "double": float, "boolean": bool}
_TIERS: Final = {"span": ("M", "M2", "M3", "S"), "event": ("M", "M2", "M3", "S", "E")}
_OWNED: Final = ("tokenomics.allocation.", "tokenomics.budget.")
_IS: Final = re.compile(r"If `([^`]+)` is (not )?`([^`]+)`")
_SET: Final = re.compile(r"If `([^`]+)` is set")


@dataclass(frozen=True, order=True, slots=True)
class Finding:
    """One thing emitted that the registry does not know so. `where` is the signal."""

    kind: str
    where: str
    what: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.where}: {self.what}"


@dataclass(slots=True)
class Check:
    """Compares what is emitted with a registry, and remembers what of the registry it saw.

    `seen` holds names of signals and attributes, and `name=value` of enumerations.
    """

    registry: Registry
    seen: set[str] = field(default_factory=set)
    _known: dict[str, Attribute | None] = field(default_factory=dict)

    def resource(self, attributes: Mapping[str, Any]) -> Iterator[Finding]:
        """Findings of the resource of something that is ours: of it, only names of our own are looked at."""
        for key, value in attributes.items():
            attribute = self._attribute(key)
            if self._is_ours(key):
                yield from self._values("resource", "resource", {key: value})
            elif attribute is not None and attribute.tier == "R":
                self.seen.add(key)

    def span(self, span: Any) -> Iterator[Finding]:
        """Findings of a finished span. Of somebody else's span, only names of our own are looked at."""
        attributes = span.attributes or {}
        if span.instrumentation_scope is None or span.instrumentation_scope.name != SCOPE:
            ours = {key: value for key, value in attributes.items() if self._is_ours(key)}
            yield from self._values(SPAN, "span", ours)
            return
        signal = self.registry.spans[SPAN]
        self.seen.add(SPAN)
        if span.kind.name.lower() != signal.span_kind:
            yield Finding("wrong_span", SPAN, f"kind {span.kind.name}, not {signal.span_kind.upper()}")
        words = (attributes.get("gen_ai.operation.name"), attributes.get("gen_ai.request.model"))
        if span.name != " ".join(str(word) for word in words if word is not None):
            yield Finding("wrong_span", SPAN, f"it is called {span.name!r}")
        yield from self._attributes(signal, attributes)

    def log(self, record: Any, scope: str | None) -> Iterator[Finding]:
        """Findings of a log record of ours; those of others pass."""
        if scope != SCOPE:
            return
        signal = self.registry.events.get(record.event_name or "")
        if signal is None:
            yield Finding("undeclared_signal", "event", repr(record.event_name))
            return
        self.seen.add(signal.name)
        if not isinstance(record.body, Mapping | None):
            yield Finding("wrong_carrier", signal.name, f"the body is a {type(record.body).__name__}")
            return
        for carrier, carried in (("body", record.body or {}), ("attribute", record.attributes or {})):
            for key in carried:
                if (use := self._use(signal, key)) and use.about.get("carrier", "attribute") != carrier:
                    yield Finding("wrong_carrier", signal.name, f"{key} is carried as {carrier}")
        yield from self._attributes(signal, {**(record.body or {}), **(record.attributes or {})})

    def metric(self, metric: Any, scope: str | None) -> Iterator[Finding]:
        """Findings of a metric as a reader got it; those of others pass."""
        if scope != SCOPE or not metric.data.data_points:
            return
        signal = self.registry.metrics.get(metric.name)
        if signal is None:
            yield Finding("undeclared_signal", "metric", metric.name)
            return
        self.seen.add(signal.name)
        if metric.unit != signal.unit:
            yield Finding("wrong_unit", signal.name, f"{metric.unit!r}, not {signal.unit!r}")
        if (made := _instrument(metric.data)) != signal.instrument:
            yield Finding("wrong_instrument", signal.name, f"{made}, not {signal.instrument}")
        for point in metric.data.data_points:
            value = getattr(point, "value", getattr(point, "sum", None))
            if type(value) is not _TYPES[signal.value_type]:
                yield Finding("wrong_type", signal.name, f"a point is a {type(value).__name__}")
            yield from self._attributes(signal, point.attributes or {})

    def coverage(self) -> Iterator[tuple[str, str | None, bool]]:
        """Everything that the registry declares: name, why nothing emits it yet, and whether it was seen."""
        for signal in self.registry.signals():
            if signal.deprecated is None or signal.name in self.seen:
                yield signal.name, signal.pending, signal.name in self.seen
        for attribute in self._used():
            key, pending = attribute.key, attribute.pending
            yield key, pending, key in self.seen
            for member in attribute.members if attribute.key.startswith("tokenomics.") else ():
                name = f"{key}={member.value}"
                yield name, pending or member.pending, name in self.seen

    def gaps(self) -> list[Finding]:
        """What is declared without a reason and was not emitted, and what was although it is pending."""
        found = []
        for name, pending, seen in self.coverage():
            if not seen and pending is None:
                found.append(Finding("never_emitted", name, _UNSEEN))
            elif seen and pending is not None:
                found.append(Finding("not_pending", name, "it is emitted: take `pending` off in semconv/"))
        return found

    def _used(self) -> Iterator[Attribute]:
        """The attributes that this convention sets: those with a tier."""
        for attribute in self.registry.attributes.values():
            if attribute.tier is not None and not attribute.about.get("content"):
                yield attribute

    def _is_ours(self, key: str) -> bool:
        return key.startswith(("tokenomics.", "gen_ai.usage.cost."))

    def _attribute(self, key: str) -> Attribute | None:
        if key not in self._known:
            self._known[key] = self.registry.find(key)
        return self._known[key]

    def _use(self, signal: Signal, key: str) -> Any:
        attribute = self._attribute(key)
        return None if attribute is None else signal.uses.get(attribute.key)

    def _attributes(self, signal: Signal, attributes: Mapping[str, Any]) -> Iterator[Finding]:
        yield from self._values(signal.name, signal.kind, attributes)
        for key in attributes:
            if self._attribute(key) is not None and self._use(signal, key) is None:
                yield Finding("undeclared_attribute", signal.name, f"{key} is not one of its attributes")
        for use in signal.uses.values():
            if _needed(use.level, use.condition, attributes) and not self._has(use.key, attributes):
                yield Finding("missing_attribute", signal.name, f"{use.key} {use.condition}".strip())

    def _has(self, key: str, attributes: Mapping[str, Any]) -> bool:
        if key in attributes:
            return True
        holder = self.registry.attributes[key]
        return holder.template and any(name.startswith(f"{key}.") for name in attributes)

    def _values(self, where: str, kind: str, attributes: Mapping[str, Any]) -> Iterator[Finding]:
        for key, value in attributes.items():
            attribute = self._attribute(key)
            if attribute is None and kind == "span" and key in KEYS:
                continue  # a copy for a backend, which the user has turned on
            if attribute is None:
                yield Finding("undeclared_attribute", where, key)
                continue
            self.seen.add(attribute.key)
            if not _allowed(attribute, kind, where):
                yield Finding("wrong_tier", where, f"{key} is of tier {attribute.tier}")
            if not _of_type(value, attribute.value_type):
                yield Finding(
                    "wrong_type", where, f"{key} is a {type(value).__name__}, not {attribute.value_type}"
                )
            elif attribute.members and not self._known_value(attribute, value, kind):
                yield Finding("unknown_value", where, f"{key} is {value!r}")

    def _known_value(self, attribute: Attribute, value: Any, kind: str) -> bool:
        """Whether an enumeration has the value. On a metric `_OTHER` stands for one that overflowed."""
        if value in attribute.values:
            self.seen.add(f"{attribute.key}={value}")
            return True
        return (kind == "metric" and value == OTHER) or "open" in attribute.about


def _instrument(data: Any) -> str:
    name = type(data).__name__
    if name == "Sum":
        return "counter" if data.is_monotonic else "updowncounter"
    return {"Gauge": "gauge", "Histogram": "histogram"}.get(name, name)


def _allowed(attribute: Attribute, kind: str, metric: str) -> bool:
    """Whether it may stand there. On the resource an owner is that of every call of the process."""
    tier = attribute.tier
    if kind == "metric":
        return tier == "M" or (tier in ("M2", "M3") and metric.startswith(_OWNED))
    if kind == "resource":
        return tier == "R" or bool(attribute.about.get("owner"))
    return tier in _TIERS[kind]


def _of_type(value: Any, name: str) -> bool:
    if name == "any":
        return True
    if name.endswith("[]"):
        return isinstance(value, list | tuple) and all(_of_type(item, name[:-2]) for item in value)
    return type(value) is _TYPES[name]


def _needed(level: str, condition: str, attributes: Mapping[str, Any]) -> bool:
    """Whether an attribute must be there. Conditions on other attributes are read; others are for people."""
    if level != "conditionally_required":
        return level == "required"
    if (told := _IS.match(condition)) and told[1] in attributes:
        return (str(attributes[told[1]]) == told[3]) is not bool(told[2])
    return bool((told := _SET.match(condition)) and told[1] in attributes)


def report(check: Check) -> Iterable[str]:
    """What of the registry was emitted, in lines to print."""
    rows = list(check.coverage())
    wanted = [(name, seen) for name, pending, seen in rows if pending is None]
    emitted = sum(seen for _, seen in wanted)
    pending = len(rows) - len(wanted)
    yield f"{emitted} of {len(wanted)} declared names were emitted; {pending} more are pending, with reasons"
