"""A period reckoned again: like is compared with like, and what cannot be restated is told."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.ledger._support import STARTED_NS, record, row

from otel_tokenomics.ledger.queries import Scope
from otel_tokenomics.ledger.store import Ledger, reading
from otel_tokenomics.model.call import Facts, Reading
from otel_tokenomics.model.money import Cost, unpriced
from otel_tokenomics.model.record import UsageRecord
from otel_tokenomics.model.usage import Usage
from otel_tokenomics.pricing.book import bundled
from otel_tokenomics.pricing.price import price
from otel_tokenomics.report.restate import (
    Restatement,
    Scenario,
    Target,
    of_record,
    restated,
    summed,
    uncached,
)

PLAIN = {"input": 1_000, "output": 1_000}


def told(provider: str, model: str, buckets: dict[str, int], **changes: Any) -> UsageRecord:
    """A record at the price of its day."""
    served = {name: changes.pop(name) for name in ("speed", "inference_geo") if name in changes}
    at = changes.pop("started_ns", STARTED_NS)
    one = record(provider=provider, model=model, served=model, usage=Usage(buckets), tier=None, **changes)
    one.started_ns = at
    for name, value in served.items():
        setattr(one.reading, name, value)
    if "cost" not in changes:
        one.cost = priced_now(one.facts, one.reading, at)
    return one


def priced_now(facts: Facts, reading: Reading, at_ns: int) -> Cost:
    return price(facts, reading, at_ns, bundled())


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.sqlite3"


def again(path: Path, records: Sequence[UsageRecord], scenario: Scenario | None = None) -> Restatement:
    Ledger(path).write([row(one) for one in records])
    with reading(path) as connection:
        items = restated(connection, Scope(), ("team",), scenario or Scenario(), priced_now, utc=True)
        return summed(("team",), items)


SAME = {
    "plain": told("openai", "gpt-6-sol", PLAIN),
    "long_context": told("openai", "gpt-6-sol", {"input": 300_000, "output": 10}),
    "fast": told("anthropic", "claude-fable-5-2", PLAIN, speed="fast"),
    "in_the_us": told("anthropic", "claude-opus-5-5", PLAIN, inference_geo="us"),
    "tool": told("anthropic", "claude-opus-5-5", {"tool.web_search": 6}),
    "peak": told("deepseek", "deepseek-v4-pro", PLAIN, started_ns=1_795_485_600_000_000_000),
}


@pytest.mark.parametrize("one", SAME.values(), ids=SAME)
def test_under_the_same_card_nothing_changes(path: Path, one: UsageRecord) -> None:
    found = again(path, [one]).total
    assert one.cost.amount_femto
    assert (found.restated, found.kept, found.newly) == (1, 0, 0)
    assert found.before_femto == found.after_femto == one.cost.amount_femto
    assert found.difference_femto == 0


def test_another_tier(path: Path) -> None:
    found = again(path, [told("openai", "o3", PLAIN)], Scenario(tier="batch")).total
    assert found.before_femto is not None
    assert found.after_femto == found.before_femto // 2


def test_a_model_without_that_tier_keeps_its_cost(path: Path) -> None:
    found = again(
        path, [told("openai", "o3", PLAIN), told("openai", "whisper-1", {"audio.ms": 60_000})],
        Scenario(tier="batch"),
    ).total  # fmt: skip
    assert (found.calls, found.restated, found.kept, found.reasons) == (2, 1, 1, {"unknown_tier": 1})
    assert found.kept_femto == 6 * 10**12


def test_another_date(path: Path) -> None:
    cut_ns = 1_787_270_400_000_000_000  # 2026-08-21
    one = told("openai", "gpt-5.6-sol", PLAIN, started_ns=cut_ns - 1)
    found = again(path, [one], Scenario(at_ns=cut_ns)).total
    assert (found.before_femto, found.after_femto) == (35 * 10**12, 24 * 10**12)


def test_another_model_of_another_provider(path: Path) -> None:
    scenario = Scenario(models={"gpt-6-sol": Target("claude-opus-5-5", "anthropic")})
    found = again(path, [told("openai", "gpt-6-sol", PLAIN)], scenario).total
    assert found.after_femto == 24 * 10**12


def test_without_a_cache(path: Path) -> None:
    buckets = {"input": 100, "cache_read": 700, "cache_write.5m": 150, "cache_write.1h": 50, "output": 1}
    found = again(path, [told("anthropic", "claude-opus-5-5", buckets)], Scenario(uncached=True)).total
    fresh = told("anthropic", "claude-opus-5-5", {"input": 1_000, "output": 1})
    assert found.after_femto == fresh.cost.amount_femto


def test_without_a_cache_modalities_stay() -> None:
    usage = uncached(Usage({"input": 1, "cache_read.audio": 2, "input.audio": 3, "cache_write": 4}))
    assert usage.buckets == {"input": 5, "input.audio": 5}


def test_unknown_before_is_not_zero(path: Path) -> None:
    one = told("openai", "gpt-6-sol", PLAIN, cost=unpriced("unknown_model"))
    found = again(path, [one]).total
    assert (found.newly, found.newly_femto) == (1, 12 * 10**12)
    assert (found.before_femto, found.after_femto, found.difference_femto) == (None, None, None)


def test_unknown_after_is_not_zero(path: Path) -> None:
    known = Cost(5, "complete", "catalog")
    found = again(path, [told("openai", "acme-1", PLAIN, cost=known)]).total
    assert (found.kept, found.kept_femto, found.reasons) == (1, 5, {"unknown_model": 1})
    assert found.difference_femto is None


def test_part_of_a_price_is_no_price_for_all(path: Path) -> None:
    known = Cost(5, "complete", "catalog")
    found = again(path, [told("openai", "gpt-6-sol", {**PLAIN, "output.audio": 9}, cost=known)]).total
    assert (found.kept, found.reasons) == (1, {"unsupported_modality": 1})


def test_what_a_vendor_set_stays_unless_the_call_is_another(path: Path) -> None:
    reported = Cost(7, "complete", "vendor_reported")
    one = told("openai", "gpt-6-sol", PLAIN, cost=reported)
    assert again(path, [one]).total.reasons == {"vendor_reported": 1}
    other = again(path, [one], Scenario(models={"gpt-6-sol": Target("gpt-6-sol")})).total
    assert other.after_femto == 12 * 10**12


def test_a_free_operation_stays_free(path: Path) -> None:
    free = Cost(0, "complete", "catalog", price_id="rule/free/moderation")
    found = again(path, [told("openai", "omni-moderation-latest", {}, cost=free)]).total
    assert (found.restated, found.after_femto) == (1, 0)


def test_groups_add_up_to_the_total(path: Path) -> None:
    found = again(path, [told("openai", "o3", PLAIN), told("openai", "o3", PLAIN)], Scenario(tier="flex"))
    assert [keys for keys, _ in found.groups] == [("search",)]
    assert found.groups[0][1] == found.total


def test_a_row_is_read_as_it_was_told(path: Path) -> None:
    one = told("anthropic", "claude-opus-5-5", PLAIN, inference_geo="us")
    Ledger(path).write([row(one)])
    with reading(path) as connection:
        (stored,) = connection.execute("SELECT * FROM usage_records").fetchall()
    facts, found = of_record(dict(stored))
    assert (facts.provider, facts.request_model) == ("anthropic", "claude-opus-5-5")
    assert (found.usage, found.inference_geo, found.speed) == (one.reading.usage, "us", None)
