"""The proof: many processes, one budget. What the provider billed never exceeds it, to the nano-USD."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from tests.budgets._provider import Provider
from tests.budgets._redis import Server, select_nothing, serving

from otel_tokenomics.budgets.plan import read_plan
from otel_tokenomics.budgets.protocol import Balance, Line, Store
from otel_tokenomics.budgets.stores.opening import file_of
from otel_tokenomics.budgets.stores.redis import RedisStore
from otel_tokenomics.budgets.stores.sqlite import SQLiteStore

ROOT = Path(__file__).resolve().parents[2]
NANO = 10**9


class Proof:
    """A configuration, the processes that run under it, and the books at the end."""

    def __init__(self, folder: Path, url: str, limit: str, more: str = "", window: str = "lifetime") -> None:
        self.config = folder / "tokenomics.toml"
        self.config.write_text(
            f'[store]\nurl = "{url}"\ntimeout = "20s"\n{more}\n'
            f'[[budget]]\nname = "all"\nlimit = "{limit}"\nwindow = "{window}"\n'
        )
        self.limit = read_plan(self.config).budgets[0].limit.quantity
        self.url = url

    def start(
        self, provider: Provider, way: str, count: int, timeout: float = 60, stream: bool = False
    ) -> subprocess.Popen[str]:
        """One process."""
        arguments = [
            str(self.config),
            provider.url,
            way,
            str(count),
            str(timeout),
            "stream" if stream else "-",
        ]
        return subprocess.Popen(
            [sys.executable, "-m", "tests.budgets._worker", *arguments],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
            # No record may be dropped by the SDK's own queue.
            env={**os.environ, "PYTHONPATH": str(ROOT), "OTEL_BLRP_MAX_QUEUE_SIZE": "1000000"},
        )

    def finish(self, processes: list[subprocess.Popen[str]]) -> dict[str, Any]:
        """What all processes saw, summed."""
        told = []
        for process in processes:
            out, _ = process.communicate(timeout=400)
            assert process.returncode == 0
            told.append(json.loads(out))
        return {
            "records": sum(each["records"] for each in told),
            "nano": sum((Fraction(each["nano"]) for each in told), Fraction(0)),
            "refused": sum(each["refused"] for each in told),
            "presumed": sum(each["presumed"] for each in told),
        }

    def store(self, ahead: float = 0) -> Store:
        if self.url.startswith("sqlite"):
            return SQLiteStore(file_of(self.url), clock=lambda: time.time() + ahead)
        return RedisStore(self.url)

    def balance(self, store: Store) -> Balance:
        return store.read([Line("all", 0, 0, 0, 0, 0, 0)])[0]


@pytest.fixture(params=["sqlite", "redis"])
def proof(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[..., Proof]:
    """Makes a proof on one kind of store."""

    def make(limit: str, more: str = "", **options: Any) -> Proof:
        url = f"sqlite://{tmp_path}/budgets.db"
        if request.param == "redis":
            url = request.getfixturevalue("fresh_redis").url
        return Proof(tmp_path, url, limit, more, **options)

    return make


@pytest.fixture
def fresh_redis(tmp_path: Path) -> Any:
    folder = tmp_path / "redis"
    folder.mkdir()
    with serving(folder) as server:
        yield server


def holds(proof: Proof, provider: Provider, seen: dict[str, Any]) -> None:
    """Billed at the provider <= limit, nothing held, and provider = store = records."""
    spent, held = proof.balance(proof.store())
    assert provider.billed <= proof.limit
    assert held == 0
    assert spent == provider.billed == seen["nano"]
    assert provider.billed > proof.limit - 3 * 11_000_000, "the budget was used up"
    assert seen["records"] == provider.answered
    assert seen["refused"] > 0


@pytest.mark.parametrize(("way", "count"), [("threads", 4), ("tasks", 20)])
def test_no_process_spends_what_another_holds(proof: Callable[..., Proof], way: str, count: int) -> None:
    made = proof("0.40 USD")
    with Provider(delay=0.002) as provider:
        seen = made.finish([made.start(provider, way, count) for _ in range(2)])
        holds(made, provider, seen)


def test_streams_are_held_alike(proof: Callable[..., Proof]) -> None:
    made = proof("0.20 USD")
    with Provider() as provider:
        holds(made, provider, made.finish([made.start(provider, "tasks", 5, stream=True)]))


@pytest.mark.parametrize("stream", [False, True])
def test_a_killed_process_costs_what_it_held(proof: Callable[..., Proof], stream: bool) -> None:
    made = proof("5 USD", more='lease = "off"\n[budgets]\nhold = "1s"')
    with Provider(hang=True) as provider:
        process = made.start(provider, "threads", 4, stream=stream)
        provider.wait_for(4)
        process.send_signal(signal.SIGKILL)
        process.wait(20)
        assert process.stdout is not None
        process.stdout.close()
        store = made.store(ahead=100)
        deadline = time.monotonic() + 10
        store.expire()
        while made.balance(store).held and time.monotonic() < deadline:
            select_nothing(0.05)
            store.expire()
        spent, held = made.balance(store)
        assert held == 0
        assert provider.billed <= spent <= made.limit


@pytest.mark.soak
@pytest.mark.timeout(500)
@pytest.mark.parametrize(("way", "count"), [("threads", 16), ("tasks", 200)])
def test_eight_processes_under_five_dollars(proof: Callable[..., Proof], way: str, count: int) -> None:
    made = proof("5 USD")
    with Provider(delay=0.005) as provider:
        seen = made.finish([made.start(provider, way, count) for _ in range(8)])
        holds(made, provider, seen)


@pytest.mark.soak
@pytest.mark.timeout(500)
def test_timeouts_with_two_retries(proof: Callable[..., Proof]) -> None:
    made = proof("1 USD")
    with Provider(lost=0.1) as provider:
        seen = made.finish([made.start(provider, "threads", 4, timeout=1.0) for _ in range(2)])
        spent, held = made.balance(made.store())
        assert held == 0
        assert provider.billed <= spent <= made.limit
        assert seen["presumed"] > 0


@pytest.mark.soak
@pytest.mark.timeout(500)
def test_across_the_edge_of_a_window(proof: Callable[..., Proof]) -> None:
    """Every window of a second, rolling by slots of a second, has a limit of its own that is never passed."""
    made = proof("0.05 USD", window="rolling 2s")
    with Provider() as provider:
        started = time.monotonic()
        made.finish([made.start(provider, "threads", 4) for _ in range(2)])
        windows = (time.monotonic() - started) / 2 + 1
        assert provider.billed <= made.limit * windows


@pytest.mark.soak
@pytest.mark.timeout(500)
def test_redis_restarted_under_load(tmp_path: Path, fresh_redis: Server) -> None:
    made = Proof(tmp_path, fresh_redis.url, "3 USD", more='[budgets]\nstore_down = "closed"')
    with Provider(delay=0.005) as provider:
        processes = [made.start(provider, "threads", 8) for _ in range(4)]
        provider.wait_for(40)
        fresh_redis.stop()
        fresh_redis.start()
        made.finish(processes)
        store = made.store()
        spent, held = made.balance(store)
        assert provider.billed <= spent + held <= made.limit
