"""What a budget costs and what it lets through: our stores, and the public libraries that still install.

`make bench-budgets`. Each gets the same 0.05 USD budget and 50 calls of 0.0125 USD at once, so that no more
than 4 calls are right.
"""

from __future__ import annotations

import argparse
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from otel_tokenomics.budgets.lease import Leased
from otel_tokenomics.budgets.protocol import Line, Store
from otel_tokenomics.budgets.stores.memory import MemoryStore
from otel_tokenomics.budgets.stores.redis import RedisStore
from otel_tokenomics.budgets.stores.sqlite import SQLiteStore

CALLS, LIMIT, PRICE = 50, 50_000_000, 12_500_000
"""Nano-USD."""
RIVALS = ("shekel", "agentbudget", "agenticmeter", "tokencap", "llm_cost_governor", "litellm")
ACCOUNTS = ("organization", "team=search", "user=u1")


def lines(limit: int, amount: int, accounts: int) -> list[Line]:
    """A line of each account."""
    return [Line(name, 0, 0, 0, 0, limit, amount) for name in ACCOUNTS[:accounts]]


def steps(store: Store, accounts: int, times: int) -> tuple[list[float], list[float]]:
    """Seconds of each reservation and of each settlement."""
    asked = lines(10**15, PRICE, accounts)
    spent = [PRICE] * accounts
    reserved, settled = [], []
    for number in range(times):
        started = time.perf_counter()
        store.reserve(str(number), asked, 900)
        between = time.perf_counter()
        store.settle(str(number), spent)
        reserved.append(between - started)
        settled.append(time.perf_counter() - between)
    return reserved, settled


class Counter:
    """A provider that takes 50 ms and counts what it bills."""

    def __init__(self) -> None:
        self.billed = 0
        self._lock = threading.Lock()

    def __call__(self) -> None:
        threading.Event().wait(0.05)
        with self._lock:
            self.billed += 1


def at_once(call: Callable[[Counter, int], None]) -> int:
    """How many of 50 concurrent calls reach the provider."""
    provider = Counter()
    gate = threading.Barrier(CALLS)

    def one(number: int) -> None:
        gate.wait()
        try:
            call(provider, number)
        except Exception:
            return

    threads = [threading.Thread(target=one, args=(number,)) for number in range(CALLS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return provider.billed


def ours(store: Store) -> int:
    """How many calls a store of ours lets through."""

    def call(provider: Counter, number: int) -> None:
        name = f"race{number}"
        if store.reserve(name, [Line("race", 0, 0, 0, 0, LIMIT, PRICE)], 900).granted:
            provider()
            store.settle(name, [PRICE])

    return at_once(call)


@contextmanager
def stores(folder: Path) -> Iterator[dict[str, Store]]:
    """Our stores; Redis where a server can be started."""
    made: dict[str, Store] = {
        "memory": MemoryStore(),
        "sqlite": SQLiteStore(folder / "b.db", timeout=30),
        "sqlite, leased": Leased(SQLiteStore(folder / "l.db", timeout=30), 10_000, 900),
    }
    try:
        from tests.budgets._redis import Server

        server = Server(folder)
        server.start()
    except BaseException as error:  # a skip is no `Exception`
        print(f"redis: left out ({error})")
        server = None
    if server is not None:
        made["redis"] = RedisStore(server.url, timeout=30)
        made["redis, leased"] = Leased(RedisStore(server.url, timeout=30, tag="leased"), 10_000, 900)
    try:
        yield made
    finally:
        for store in made.values():
            store.close()
        if server is not None:
            server.stop()


def billed(python: str, library: str) -> str:
    """How many of 50 calls at once a library lets through, in its own environment."""
    command = [python, str(Path(__file__).with_name("budget_peers.py")), library]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=180)
    found = re.search(r"^billed ([0-9]+)$", ran.stdout, re.MULTILINE)
    if found is None:
        last = (ran.stderr.strip().splitlines() or ["no output"])[-1]
        return f"  could not be run: {last[:80]}"
    return _let(int(found[1]))


def main() -> None:
    """Print one table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=2000)
    parser.add_argument("--rivals", help="a Python in whose environment the other libraries are installed")
    arguments = parser.parse_args()
    times = arguments.times
    print(f"{'':<18}{'reserve p50':>12}{'p99':>10}{'settle p50':>12}{'let through':>13}{'of the limit':>14}")
    with tempfile.TemporaryDirectory() as folder, stores(Path(folder)) as made:
        for name, store in made.items():
            steps(store, 1, 50)
            reserved, settled = steps(store, 1, times)
            print(f"{name:<18}{_row(reserved, settled)}{_let(ours(store))}")
    print("\nthe real openai client, 50 threads, a provider on the loopback interface:")
    for library in ("otel_tokenomics", *RIVALS):
        python = sys.executable if library == "otel_tokenomics" else arguments.rivals
        told = "  no environment for it: see --rivals" if python is None else billed(python, library)
        print(f"{library:<18}{told}")


def _row(reserved: list[float], settled: list[float]) -> str:
    late = statistics.quantiles(reserved, n=100)[98]
    middle, after = statistics.median(reserved), statistics.median(settled)
    return f"{middle * 1e6:>9.1f} us{late * 1e6:>7.0f} us{after * 1e6:>9.1f} us"


def _let(billed: int) -> str:
    return f"{billed:>8} of {CALLS}{billed * PRICE / LIMIT:>13.2f}x"


if __name__ == "__main__":
    main()
