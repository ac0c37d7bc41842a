"""Real instrumentations of others, through the real collector: one shape, and the price of the engine."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.support.replies import CLAUDE, GPT
from tests.wire.sink import mapping
from tests.wire.test_foreign import engine, priced
from tools.collector import build

OPENAI = (GPT, {"input": 60, "cache_read": 40, "output": 20}, 100)
ANTHROPIC = (CLAUDE, {"input": 60, "cache_read": 40, "cache_write": 30, "output": 20}, 130)
CALLS = {"openai": OPENAI, "anthropic": ANTHROPIC}


@pytest.mark.parametrize(
    ("rival", "library"),
    [
        ("official", "openai"),
        ("openllmetry", "openai"),
        ("openinference", "openai"),
        ("official", "anthropic"),
        ("openllmetry", "anthropic"),
        ("itself", "anthropic"),
    ],
)
def test_a_real_producers_span_is_priced_as_the_engine_prices(
    tmp_path: Path, rival: str, library: str
) -> None:
    model, buckets, given = CALLS[library]
    script = Path(__file__).with_name("foreign_app.py")
    with priced(tmp_path) as (collector, sink):
        ran = subprocess.run(
            [sys.executable, str(script), rival, library, f"http://127.0.0.1:{collector.http}/v1/traces"],
            env={**os.environ, "PYTHONPATH": str(build.ROOT)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert ran.returncode == 0, ran.stderr
        assert sink.wait(lambda: bool(sink.spans()))
    (seen,) = [mapping(span.attributes) for span in sink.spans()]
    assert seen["gen_ai.provider.name"] == library
    assert seen["gen_ai.usage.input_tokens"] == given
    assert seen["gen_ai.usage.cost.amount"] == pytest.approx(engine(library, model, buckets), rel=1e-15)
    assert seen["tokenomics.cost.assumption"] == "collector"
