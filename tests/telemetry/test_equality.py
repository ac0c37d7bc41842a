"""Ten thousand mixed calls from three processes: spans, metrics and ledger tell the same money."""

from __future__ import annotations

import fcntl
import json
import math
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.ledger._support import total

from otel_tokenomics.ledger.queries import Rollup
from otel_tokenomics.model.money import FEMTO
from otel_tokenomics.telemetry import names

pytestmark = pytest.mark.timeout(300)

ROOT = Path(__file__).parents[2]
CALLS = 10_000
PROCESSES = 3
ALL, THIN = "1.0", "0.01"


@dataclass(frozen=True)
class Run:
    """What three processes told, and the ledger they share."""

    told: list[Mapping[str, Any]]
    ledger: Rollup

    def exact(self, cube: str) -> int:
        return sum(int(one[cube]) for one in self.told)

    def values(self, metric: str) -> list[float]:
        return [value for one in self.told for _, value in one["points"][metric]]

    def labels(self, metric: str) -> list[dict[str, Any]]:
        return [labels for one in self.told for labels, _ in one["points"][metric]]

    def amounts(self) -> list[float]:
        return [amount for one in self.told for amount in one["spans"]]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    """The same calls twice: all spans sampled, and one in a hundred. Workers of one test run share them."""
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    place = shared / "mixed-calls"
    with (shared / "mixed-calls.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not place.exists():
            make(place)
    return {ratio: read(place / ratio) for ratio in (ALL, THIN)}


def make(place: Path) -> None:
    """Have the calls made, by three processes at once each."""
    place.mkdir()
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
    script = str(Path(__file__).with_name("_calls.py"))
    command = [sys.executable, script, str(place), str(PROCESSES), str(-(-CALLS // PROCESSES)), ALL, THIN]
    ran = subprocess.run(command, capture_output=True, env=environment, timeout=250, check=False)
    assert ran.returncode == 0, ran.stderr.decode()


def read(folder: Path) -> Run:
    """What the processes left."""
    told = [json.loads((folder / f"w{number}.json").read_text()) for number in range(PROCESSES)]
    return Run(told, total(folder / "ledger.sqlite3"))


@pytest.fixture(scope="module")
def sampled(runs: dict[str, Run]) -> Run:
    """Every span is sampled."""
    return runs[ALL]


def close(values: Iterable[float], femto: int) -> bool:
    """Whether doubles sum to an exact amount, but for the rounding of each to the nearest double."""
    known = list(values)
    whole = femto / FEMTO
    rounding = math.fsum(math.ulp(value) / 2 for value in known) + math.ulp(whole)
    return abs(math.fsum(known) - whole) <= rounding


def test_metrics_and_ledger_agree_to_the_last_unit(sampled: Run) -> None:
    assert sampled.ledger.cost_femto is not None
    assert sampled.ledger.cost_femto > FEMTO
    assert sampled.exact("technical") == sampled.exact("allocated") == sampled.ledger.cost_femto
    assert close(sampled.values(names.METRIC_COST), sampled.ledger.cost_femto)
    assert close(sampled.values(names.METRIC_ALLOCATION_COST), sampled.ledger.cost_femto)


def test_tokens_agree(sampled: Run) -> None:
    tokens = {name: count or 0 for name, count in sampled.ledger.tokens.items()}
    told = {
        names.METRIC_INPUT_TOKENS: tokens["input"] + tokens["cache_read"] + tokens["cache_write"],
        names.METRIC_OUTPUT_TOKENS: tokens["output"] + tokens["reasoning"],
        names.METRIC_CACHE_READ: tokens["cache_read"],
        names.METRIC_CACHE_WRITE: tokens["cache_write"],
        names.METRIC_REASONING: tokens["reasoning"],
        names.METRIC_ALLOCATION_TOKENS: sum(tokens.values()),
    }
    assert {name: sum(sampled.values(name)) for name in told} == told


def test_spans_agree_when_all_are_sampled(sampled: Run) -> None:
    assert sampled.ledger.cost_femto is not None
    assert close(sampled.amounts(), sampled.ledger.cost_femto)


def test_the_mixture_overflows_and_has_calls_without_a_price(sampled: Run) -> None:
    for metric, label in (
        (names.METRIC_COST, "gen_ai.request.model"),
        (names.METRIC_ALLOCATION_COST, "tokenomics.team.id"),
    ):
        overflowed = [labels for labels in sampled.labels(metric) if labels.get(label) == "_OTHER"]
        assert overflowed
        assert all({"gen_ai.provider.name", "gen_ai.usage.cost.currency"} <= set(one) for one in overflowed)
    assert sampled.ledger.unpriced_calls > 1_000
    assert sum(sampled.values(names.METRIC_UNPRICED)) >= sampled.ledger.unpriced_calls
    assert 0 < sampled.ledger.calls < CALLS + 300


def test_a_sampler_changes_spans_alone(runs: dict[str, Run], sampled: Run) -> None:
    thin = runs[THIN]
    assert len(thin.amounts()) < len(sampled.amounts()) / 20
    assert thin.ledger == sampled.ledger
    for cube in ("technical", "allocated"):
        assert thin.exact(cube) == sampled.exact(cube)
    for metric in (names.METRIC_COST, names.METRIC_ALLOCATION_COST):
        assert sorted(thin.values(metric)) == sorted(sampled.values(metric))
