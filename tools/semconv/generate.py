"""The files that are made from the registry, and which of them are stale."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from tools.semconv.constants import constants, owners, places
from tools.semconv.pages import PAGES, page
from tools.semconv.registry import Registry, load
from tools.semconv.source import OWN, SEMCONV, manifest

ROOT = SEMCONV.parent
NAMES = "src/otel_tokenomics/telemetry/names.py"
INSTRUMENTS = "src/otel_tokenomics/telemetry/instruments.py"
LABEL_SETS = "src/otel_tokenomics/telemetry/label_sets.py"
_WIDTH, _INDENT = 110, 9
_TEMPLATES = Path(__file__).resolve().parent / "templates"


def files(root: Path = ROOT) -> dict[Path, str]:
    """Every file made from the registry below `root`, with the text that belongs in it."""
    semconv = root / "semconv"
    registry = load(semconv)
    texts = {path: (root / path).read_text(encoding="utf-8") for path in PAGES}
    return {
        root / NAMES: names(registry, semconv),
        root / INSTRUMENTS: instruments(registry, semconv),
        root / LABEL_SETS: label_sets(registry, semconv),
        **{root / path: page(text, registry, semconv) for path, text in texts.items()},
    }


def stale(root: Path = ROOT) -> list[Path]:
    """The files that do not hold what the registry says."""
    return [path for path, text in files(root).items() if not _holds(path, text)]


def names(registry: Registry, semconv: Path) -> str:
    """The module of constants."""
    known = constants(registry, semconv)
    by_value = {constant.value: constant.name for constant in known["attributes"]}
    return _render(
        "names.py.j2",
        schema_url=manifest(OWN, semconv)["schema_url"],
        constants=known,
        owners={owner: by_value[attribute.key] for owner, attribute in owners(registry).items()},
        places={place: by_value[attribute.key] for place, attribute in places(registry).items()},
    )


def instruments(registry: Registry, semconv: Path) -> str:
    """The module of metrics. A label that is pending, or that only others set, is not among those allowed."""
    metrics = _metrics(registry, semconv)
    _share(metrics)
    allocation = [owner for owner, attribute in owners(registry).items() if attribute.tier == "M2"]
    return _render("instruments.py.j2", metrics=metrics, allocation=allocation, fitted=_fitted)


def label_sets(registry: Registry, semconv: Path) -> str:
    """The module of sets of labels."""
    return _render("label_sets.py.j2", shared=_share(_metrics(registry, semconv)), fitted=_fitted)


def _metrics(registry: Registry, semconv: Path) -> list[dict[str, Any]]:
    known = constants(registry, semconv)
    labels = {constant.value: constant.name for constant in known["attributes"]}
    metrics = []
    for constant in known["metrics"]:
        metric = registry.metrics[constant.value]
        allowed = sorted(
            labels[key] for key in metric.uses if registry.attributes[key].label and key in labels
        )
        about = {"constant": constant.name, "unit": metric.unit, "brief": metric.brief, "labels": allowed}
        metrics.append({**about, "bounds": metric.about.get("bounds")})
    return metrics


def _share(metrics: list[dict[str, Any]]) -> dict[str, list[str]]:
    """The labels that several metrics have, or that are many, by a name after the first of these.

    Each of them is given that name, in its module.
    """
    shared: dict[str, list[str]] = {}
    for metric in metrics:
        alike = [other for other in metrics if other["labels"] == metric["labels"]]
        name = alike[0]["constant"].replace("METRIC_", "OF_")
        apart = metric["labels"] and (len(alike) > 1 or "\n" in _fitted(metric["labels"]))
        metric["shared"] = f"label_sets.{name}" if apart else None
        if apart:
            shared[name] = metric["labels"]
    return shared


def _fitted(labels: list[str], before: str = "") -> str:
    """A set of labels as ruff writes it: in one line if it fits, else one label a line."""
    words = [f"names.{label}" for label in labels]
    line = f"{before}frozenset({{{', '.join(words)}}})"
    if len(line) + _INDENT <= _WIDTH:
        return line
    return "\n".join([f"{before}frozenset(", "    {", *(f"        {word}," for word in words), "    }", ")"])


def _holds(path: Path, text: str) -> bool:
    return path.is_file() and path.read_text(encoding="utf-8") == text


def _render(template: str, **values: object) -> str:
    loader = FileSystemLoader(_TEMPLATES)
    environment = Environment(loader=loader, undefined=StrictUndefined, keep_trailing_newline=True)
    return environment.get_template(template).render(**values)
