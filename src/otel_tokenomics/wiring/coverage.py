"""What is covered in this environment: client libraries, their seams, and rival instrumentations."""

from __future__ import annotations

import importlib
import importlib.util
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import metadata
from typing import Final

from otel_tokenomics.wiring.libraries import LIBRARIES, Point

OURS: Final = "otel-tokenomics"
INSTRUMENTORS: Final = "opentelemetry_instrumentor"


POINTS: Final[Mapping[str, tuple[Point, ...]]] = {row.distribution: row.points for row in LIBRARIES.values()}
"""The seam's points in each covered client library, by distribution name."""

UNCOVERED: Final = ("google-generativeai",)
"""Client libraries whose calls are not recorded yet; a layer above openai or anthropic needs no seam."""

RIVALS: Final[Mapping[str, str]] = {
    "opentelemetry-instrumentation-openai-v2": "OpenTelemetry, the older package",
    "opentelemetry-instrumentation-genai-openai": "OpenTelemetry",
    "opentelemetry-instrumentation-genai-anthropic": "OpenTelemetry",
    "opentelemetry-instrumentation-openai": "OpenLLMetry",
    "opentelemetry-instrumentation-anthropic": "OpenLLMetry",
    "openinference-instrumentation-openai": "OpenInference",
    "openinference-instrumentation-anthropic": "OpenInference",
    "openinference-instrumentation-langchain": "OpenInference",
    "ddtrace": "Datadog",
    "logfire": "Logfire",
    "langfuse": "Langfuse",
    "sentry-sdk": "Sentry",
    "openlit": "OpenLIT",
}
"""Other instrumentations of the same calls, by distribution name."""


@dataclass(frozen=True, slots=True)
class Client:
    """An installed client library. `error` is why its module could not be imported."""

    name: str
    version: str
    present: tuple[str, ...] = ()
    missing: tuple[Point, ...] = ()
    error: str | None = None
    covered: bool = True


@dataclass(frozen=True, slots=True)
class Rival:
    """An installed rival. `broken` is why it cannot be loaded; `disabled`: by OpenTelemetry's own switch."""

    name: str
    version: str
    maker: str
    broken: str | None = None
    disabled: bool = False


def clients() -> list[Client]:
    """The installed client libraries, those with a seam first. Imports all that are quiet."""
    covered = [_client(name, version) for name in POINTS if (version := version_of(name))]
    others = [Client(name, v, covered=False) for name in UNCOVERED if (v := version_of(name))]
    return covered + others


def rivals(environ: Mapping[str, str]) -> list[Rival]:
    """The installed rival instrumentations. Loads those that OpenTelemetry would load."""
    disabled = {name.strip() for name in environ.get("OTEL_PYTHON_DISABLED_INSTRUMENTATIONS", "").split(",")}
    found = [
        _rival(name, version, maker, disabled)
        for name, maker in RIVALS.items()
        if (version := version_of(name))
    ]
    return found + list(_native())


def entry_points() -> list[str]:
    """Our own entry points that an installation registered; without them nothing is found."""
    groups = (INSTRUMENTORS, "opentelemetry_logs_exporter")
    return [point.name for group in groups for point in metadata.entry_points(group=group) if _is_ours(point)]


def version_of(distribution: str) -> str | None:
    """The installed version of a distribution."""
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def _client(name: str, version: str) -> Client:
    points = POINTS[name]
    try:
        held = [point for point in points if _holds(name, point)]
    except Exception as error:
        return Client(name, version, missing=points, error=f"{type(error).__name__}: {error}")
    missing = tuple(point for point in points if point not in held)
    return Client(name, version, tuple(point.title for point in held), missing)


def _holds(name: str, point: Point) -> bool:
    if LIBRARIES[name].quiet:
        return _has(importlib.import_module(point.module), point)
    text = _source(name, point.module)
    return f"\nclass {point.owner}" in text and any(f"def {method}(" in text for method in point.names)


def _source(distribution: str, module: str) -> str:
    """The text of a module of an installed distribution, which is not imported for that."""
    wanted = module.replace(".", "/") + ".py"
    files = [file for file in metadata.files(distribution) or () if file.as_posix() == wanted]
    return files[0].read_text(encoding="utf-8") if files else ""


def _has(module: object, point: Point) -> bool:
    owner = getattr(module, point.owner, None)
    return any(hasattr(owner, name) for name in point.names)


def _rival(name: str, version: str, maker: str, disabled: set[str]) -> Rival:
    points = [p for p in metadata.entry_points(group=INSTRUMENTORS) if _distribution(p) == name]
    off = bool(points) and all(point.name in disabled for point in points)
    return Rival(name, version, maker, None if off else _fault(points), off)


def _fault(points: list[metadata.EntryPoint]) -> str | None:
    """Why `opentelemetry-instrument` cannot load an instrumentor. It only logs this, at DEBUG."""
    for point in points:
        try:
            point.load()
        except Exception as error:
            return f"{type(error).__name__}: {error}"
    return None


def _native() -> Iterator[Rival]:
    """anthropic traces itself since 1.14, on by default."""
    version = version_of("anthropic")
    if version is not None and importlib.util.find_spec("anthropic._tracing") is not None:
        yield Rival("anthropic", version, "its own tracer, on by default")


def _distribution(point: metadata.EntryPoint) -> str | None:
    name = point.dist.name if point.dist else None
    return None if name is None else re.sub(r"[-_.]+", "-", name).lower()


def _is_ours(point: metadata.EntryPoint) -> bool:
    return _distribution(point) == OURS
