"""What one price costs, line items included, beside the catalogues' own: `python -m tests.bench.prices`.

`make bench` prints it too. genai-prices is measured where it is installed, litellm where it is and
`--litellm` is said, as importing it takes seconds. Each figure is the best of several rounds in one process,
on the thread's own clock, so that they compare; none of it is a test.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import sys
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from otel_tokenomics.model.call import Facts, Reading
from otel_tokenomics.model.usage import Usage
from otel_tokenomics.pricing.book import bundled
from otel_tokenomics.pricing.price import price

ROUNDS = 7
AT_NS = 1_795_521_600 * 10**9  # 2026-11-24T12:00Z


class Case(NamedTuple):
    """A usage: input that no cache served, what one did, and output; each engine is told in its own terms."""

    provider: str
    model: str
    fresh: int
    cached: int
    output: int


CASES = (
    Case("openai", "gpt-4o", 1_000, 0, 100),
    Case("openai", "gpt-6-sol", 1_000, 4_000, 100),
    Case("openai", "gpt-6-sol", 300_000, 4_000, 100),
    Case("anthropic", "claude-opus-5-5", 1_000, 4_000, 100),
)


def main(arguments: list[str]) -> int:
    """Print a line for each case and engine, in microseconds for one price."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--litellm", action="store_true", help="measure litellm too")
    show(parser.parse_args(arguments).litellm)
    return 0


def show(litellm: bool = False) -> None:
    """Print a line for each case and engine."""
    cold = _cold()
    print(f"loading:  {_loading() / 1e3:.1f} ms, cards of {bundled().date}")
    print(
        f"cold:     {cold[len(cold) // 2]:.0f} us median, {cold[int(len(cold) * 0.95)]:.0f} us p95, "
        f"{cold[-1]:.0f} us at most, of every model of OpenAI, its section loaded"
    )
    for case in CASES:
        told = f"{case.model} {case.fresh:,}+{case.cached:,}+{case.output}"
        print(f"{told:32} otel-tokenomics {_best(_ours(case), 20_000):8.2f} us")
        for name, make in _peers(litellm):
            print(f"{told:32} {name:15} {_best(make(case), 300):8.2f} us")


def _timed(call: Callable[[], object], times: int = 1) -> float:
    """Microseconds of this thread's own time for one call."""
    began = time.thread_time_ns()
    for _ in range(times):
        call()
    return (time.thread_time_ns() - began) / times / 1e3


def _best(call: Callable[[], object], times: int) -> float:
    """Microseconds for one call, in the best of the rounds."""
    call()
    return min(_timed(call, times) for _ in range(ROUNDS))


def _loading() -> float:
    bundled.cache_clear()
    return _timed(lambda: bundled().section("openai"))


def _cold() -> list[float]:
    """Microseconds for the first price of each model, in the best of the rounds, each with a new book."""
    taken: dict[str, float] = {}
    for _ in range(ROUNDS):
        bundled.cache_clear()
        section = bundled().section("openai")
        for model in () if section is None else section.ids():
            found = _timed(_ours(Case("openai", model, 1_000, 100, 100)))
            taken[model] = min(found, taken.get(model, found))
    return sorted(taken.values())


def _call(case: Case) -> tuple[Facts, Reading]:
    buckets = {"input": case.fresh, "cache_read": case.cached, "output": case.output}
    facts = Facts(case.provider, "chat", case.provider, "chat/completions")
    return facts, Reading(Usage(buckets), response_model=case.model)


def _ours(case: Case) -> Callable[[], object]:
    facts, reading = _call(case)
    book = bundled()
    return lambda: price(facts, reading, AT_NS, book)


def _peers(litellm: bool) -> list[tuple[str, Callable[[Case], Callable[[], object]]]]:
    peers: list[tuple[str, Callable[[Case], Callable[[], object]]]] = []
    if importlib.util.find_spec("genai_prices") is not None:
        peers.append(("genai-prices", _genai_prices))
    if litellm and importlib.util.find_spec("litellm") is not None:
        os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
        peers.append(("litellm", _litellm))
    return peers


def _genai_prices(case: Case) -> Callable[[], object]:
    library: Any = importlib.import_module("genai_prices")
    usage = library.Usage(
        input_tokens=case.fresh + case.cached, cache_read_tokens=case.cached, output_tokens=case.output
    )
    return lambda: library.calc_price(usage, model_ref=case.model, provider_id=case.provider)


def _litellm(case: Case) -> Callable[[], object]:
    library: Any = importlib.import_module("litellm")
    counted = {"prompt_tokens": case.fresh + case.cached, "completion_tokens": case.output}
    cached = {"cache_read_input_tokens": case.cached}
    return lambda: library.cost_per_token(
        model=case.model, custom_llm_provider=case.provider, **counted, **cached
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
