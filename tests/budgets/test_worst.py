"""The worst case of a request is the same whether the dearest way to bill it is looked for or remembered."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from otel_tokenomics.budgets.plan import Plan
from otel_tokenomics.budgets.rates import MINUTE
from otel_tokenomics.budgets.worst import Asked, Estimate
from otel_tokenomics.model.call import Facts
from otel_tokenomics.wiring.assembly import pricer_of

# Some have dearer prices above a context length, some a price of their own for reasoning or cache writes.
MODELS = [
    ("openai", "gpt-5.4"),
    ("openai", "gpt-4o"),
    ("anthropic", "claude-sonnet-4-5"),
    ("gcp.gemini", "gemini-2.5-pro"),
    ("gcp.gemini", "gemini-2.5-flash"),
    ("deepseek", "deepseek-chat"),
    ("perplexity", "sonar-reasoning-pro"),
    ("openai", "nobody-sells-this"),
]
# Years apart, and in and out of the hours in which a vendor is cheaper.
TIMES = [at * 10**9 for at in (1_735_700_000, 1_747_000_000, 1_764_300_000, 1_764_340_000)]
LENGTHS = st.sampled_from([0, 40, 150_000, 300_000]) | st.integers(0, 400_000)
PRICE = pricer_of(None)


@st.composite
def asked(draw: st.DrawFn) -> Asked:
    """A request for an answer, short or longer than any context tier."""
    provider, model = draw(st.sampled_from(MODELS))
    part: dict[str, Any] = {"type": "text", "text": "x" * draw(LENGTHS)}
    lives = draw(st.sampled_from([None, "5m", "1h"]))
    if lives is not None:
        part["cache_control"] = {"type": "ephemeral", "ttl": lives}
    body: dict[str, Any] = {"messages": [{"role": "user", "content": [part]}]}
    if draw(st.booleans()):
        body["tools"] = [{"type": "web_search"}]
    if draw(st.booleans()):
        body["max_tokens"] = draw(st.integers(0, 9000))
    tier = draw(st.sampled_from([None, "flex", "priority"]))
    facts = Facts(provider, "chat", provider, "chat/completions", request_model=model, service_tier=tier)
    return Asked(facts, body, draw(st.sampled_from(TIMES)))


@given(st.lists(asked(), min_size=2, max_size=12))
def test_what_is_remembered_changes_no_worst_case(requests: list[Asked]) -> None:
    warm = Estimate(Plan(), PRICE)
    for request in requests:
        assert warm.need(request) == Estimate(Plan(), PRICE).need(request)


def test_the_second_time_one_price_is_enough_and_then_none() -> None:
    priced = 0

    def price(*given: Any) -> Any:
        nonlocal priced
        priced += 1
        return PRICE(*given)

    estimate = Estimate(Plan(), price)
    facts = Facts("openai", "chat", "openai", "chat/completions", request_model="gpt-5.4")

    def prices_of(length: int, at_ns: int = TIMES[-1]) -> int:
        nonlocal priced
        priced = 0
        estimate.need(Asked(facts, {"messages": [{"role": "user", "content": "x" * length}]}, at_ns))
        return priced

    assert prices_of(0) > 1
    assert [prices_of(length) for length in (10, 1_000)] == [1, 1]
    assert [prices_of(length) for length in (10, 500, 1_000)] == [0, 0, 0], "between what was priced"
    assert [prices_of(length) for length in (9, 1_001)] == [1, 1]
    assert prices_of(500, TIMES[-1] + MINUTE) == 1, "another minute may have other prices"
    assert prices_of(400_000, TIMES[-1] + MINUTE) > 1, "a context tier has other rates"
