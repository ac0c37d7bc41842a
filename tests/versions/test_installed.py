"""Row 49, the fast part: every shape of call on the versions that are installed here."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support.telemetry import instrumented
from tests.versions import smoke

SHAPES = list(smoke.shapes())


@pytest.mark.parametrize(
    ("library", "asynchronous", "shape"), [entry[1:] for entry in SHAPES], ids=[entry[0] for entry in SHAPES]
)
def test_49_a_shape_is_recorded_once(library: str, asynchronous: bool, shape: Any) -> None:
    with instrumented(library) as telemetry:
        try:
            smoke.check(library, asynchronous, shape, telemetry)
        except smoke.Absent as absent:
            pytest.skip(f"this version has no {absent}")
