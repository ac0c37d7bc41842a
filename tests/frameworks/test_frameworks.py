"""Each framework, as it is used: calls are counted once, and know the agent and tool they are made in."""

from __future__ import annotations

import importlib
import importlib.util
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from tests._required import missing
from tests.faults.cases import BUCKETS
from tests.frameworks.heavier import HEAVIER
from tests.frameworks.scenes import SCENES
from tests.frameworks.stage import Scene, Stage, where
from tests.support.telemetry import Telemetry, buckets_of, instrumented

from otel_tokenomics.attribution import places
from otel_tokenomics.flow.guard import faults
from otel_tokenomics.wiring import frameworks
from otel_tokenomics.wiring.frameworks import FRAMEWORKS, Framework

every = pytest.mark.parametrize("scene", SCENES, ids=str)


@contextmanager
def hooked(name: str) -> Iterator[Any]:
    """The framework's hook in place for the block."""
    instrumentor = getattr(frameworks, FRAMEWORKS[name].instrumentor)()
    instrumentor.instrument()
    try:
        yield instrumentor
    finally:
        instrumentor.uninstrument()


def played(scene: Scene) -> tuple[Any, Stage]:
    """The outcome of a scene. Where a framework is not installed, it is skipped."""
    for module in scene.modules:
        if importlib.util.find_spec(module) is None:
            missing(f"{module} is not installed", "frameworks are layers that must not count twice")
    stage = Stage()
    return scene.play(stage), stage


@every
def test_calls_know_where_they_are_made_and_are_counted_once(scene: Scene) -> None:
    bare, _ = played(scene)
    before = faults()
    with hooked(scene.framework), instrumented(scene.client) as telemetry:
        seen, stage = played(scene)
    records = telemetry.records()
    assert str(seen) == str(bare) or type(seen) is type(bare), "the application saw something else"
    assert where(records) == list(scene.places)
    assert len(records) == stage.billed
    assert all(buckets_of(record) == BUCKETS[scene.client] for record in records)
    assert places.here().names() == {}, "a frame is left open"
    assert faults() == before


@every
def test_without_the_hook_nothing_is_told_but_what_is_billed(scene: Scene) -> None:
    with hooked(scene.framework):
        pass
    with instrumented(scene.client) as telemetry:
        _, stage = played(scene)
    records = telemetry.records()
    assert where(records) == [{}] * stage.billed


@pytest.mark.parametrize("framework", FRAMEWORKS.values(), ids=lambda row: row.distribution)
def test_every_framework_is_played(framework: Framework) -> None:
    played = {scene.framework for scene in (*SCENES, *(heavier for heavier, _ in HEAVIER))}
    assert framework.distribution in played
    assert callable(framework.made().open)
    kind = getattr(frameworks, framework.instrumentor)
    assert getattr(frameworks, kind.__name__) is kind, "made once"


def test_a_name_that_no_row_has() -> None:
    with pytest.raises(AttributeError, match="NobodyInstrumentor"):
        _ = frameworks.NobodyInstrumentor


def test_nothing_is_imported_before_the_application_does() -> None:
    script = """
import sys
from otel_tokenomics.wiring import frameworks
for row in frameworks.FRAMEWORKS.values():
    getattr(frameworks, row.instrumentor)().instrument()
roots = {row.module.partition(".")[0] for row in frameworks.FRAMEWORKS.values()}
print(sorted(name for name in sys.modules if name in roots or name.startswith("otel_tokenomics.frameworks.")))
"""
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


def test_disabled_is_disabled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_TOKENOMICS_DISABLED", "true")
    scene = SCENES[0]
    telemetry = Telemetry()
    with hooked(scene.framework):
        monkeypatch.delenv("OTEL_TOKENOMICS_DISABLED")
        with instrumented("openai", telemetry=telemetry):
            played(scene)
    assert where(telemetry.records()) == [{}]
