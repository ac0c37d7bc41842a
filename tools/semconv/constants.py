"""The Python constants of the registry's names."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml
from tools.semconv.registry import Attribute, Registry, Signal
from tools.semconv.source import SEMCONV

_WIDTH = 110
_OURS = "tokenomics."
_LOOKS_SECRET = ("TOKEN", "SECRET", "PASSWORD")


@dataclass(frozen=True, slots=True)
class Constant:
    """A constant, and the lines that define it."""

    name: str
    value: str
    brief: str

    @property
    def code(self) -> str:
        """The definition, with the brief as its docstring."""
        secret = "  # noqa: S105 - a name, no secret" if _secret_looking(self.name) else ""
        return f'{self.name}: Final = "{self.value}"{secret}\n{_docstring(self.brief)}'


def constants(registry: Registry, root: Path = SEMCONV) -> dict[str, list[Constant]]:
    """The constants of what is emitted, in the registry's order: `attributes`, `metrics`, `events`."""
    named = yaml.safe_load((root / "python.yaml").read_text(encoding="utf-8"))
    attributes = [a for a in registry.attributes.values() if a.tier and not a.pending]
    return {
        "attributes": [_of_attribute(a, _by_name(named["attributes"])) for a in attributes],
        "metrics": [_of(s, "METRIC_", _by_name(named["metrics"])) for s in _emitted(registry.metrics)],
        "events": [_of(s, "EVENT_", _by_name(named["events"])) for s in _emitted(registry.events)],
    }


def owners(registry: Registry) -> dict[str, Attribute]:
    """The attributes of a call's owners, by the ledger's column, which is the owner's name in Python too."""
    return _by_column(registry, "owner")


def places(registry: Registry) -> dict[str, Attribute]:
    """The attributes of where a call is made, by the ledger's column, which is its name in Python too."""
    return _by_column(registry, "place")


def _by_column(registry: Registry, kind: str) -> dict[str, Attribute]:
    found = (a for a in registry.attributes.values() if a.about.get(kind) and not a.pending)
    return {str(attribute.about["column"]): attribute for attribute in found}


def _by_name(named: Mapping[str, str]) -> dict[str, str]:
    return {name: constant for constant, name in named.items()}


def _emitted(signals: Mapping[str, Signal]) -> list[Signal]:
    return [signal for signal in signals.values() if not signal.pending]


def _of_attribute(attribute: Attribute, named: Mapping[str, str]) -> Constant:
    value = f"{attribute.key}." if attribute.template else attribute.key
    return Constant(named.get(attribute.key) or _derived(attribute.key), value, attribute.brief)


def _of(signal: Signal, prefix: str, named: Mapping[str, str]) -> Constant:
    return Constant(named.get(signal.name) or prefix + _derived(signal.name), signal.name, signal.brief)


def _derived(name: str) -> str:
    return name.removeprefix(_OURS).replace(".", "_").upper()


def _secret_looking(name: str) -> bool:
    return any(word in name.split("_") for word in _LOOKS_SECRET)


def _docstring(brief: str) -> str:
    lines = textwrap.wrap(brief, _WIDTH - 6)
    return '"""' + "\n".join(lines) + '"""'
