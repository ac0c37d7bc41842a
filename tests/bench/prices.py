"""What one price costs, line items included, beside the catalogues' own: `python -m tests.bench.prices`.

genai-prices is measured where it is installed, litellm where it is and `--litellm` is said, as importing it
takes seconds. Each figure is the best of several rounds in one process, so that they compare; none of it is
a test.
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
    options = parser.parse_args(arguments)
    print(f"loading:  {_loading() * 1e3:.1f} ms, cards of {bundled().date}")
    print(f"cold:     {_cold() * 1e6:.0f} us, median over every model of OpenAI, its cards loaded")
    for case in CASES:
        told = f"{case.model} {case.fresh:,}+{case.cached:,}+{case.output}"
        print(f"{told:32} otel-tokenomics {_best(_ours(case), 20_000) * 1e6:8.2f} us")
        for name, make in _peers(options.litellm):
            print(f"{told:32} {name:15} {_best(make(case), 300) * 1e6:8.2f} us")
    return 0


def _best(call: Callable[[], object], times: int) -> float:
    """Seconds for one call, in the best of the rounds."""
    call()
    found = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        for _ in range(times):
            call()
        found.append((time.perf_counter() - began) / times)
    return min(found)


def _loading() -> float:
    bundled.cache_clear()
    began = time.perf_counter()
    bundled().section("openai")
    return time.perf_counter() - began


def _cold() -> float:
    section = bundled().section("openai")
    times = []
    for model in () if section is None else section.ids():
        facts, reading = _call(Case("openai", model, 1_000, 100, 100))
        began = time.perf_counter()
        price(facts, reading, AT_NS, bundled())
        times.append(time.perf_counter() - began)
    return sorted(times)[len(times) // 2]


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
