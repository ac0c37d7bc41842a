"""Prices by a user's own terms: list, contracted and effective amounts, exact and explained."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.pricing._cases import NOW, cost_of, facts, femto, instant
from tests.pricing._terms import DIGEST, agreed, contracts

from otel_tokenomics.model.call import Reading
from otel_tokenomics.model.money import Cost
from otel_tokenomics.model.usage import MISSING, Usage
from otel_tokenomics.pricing.book import bundled

MILLION = {"input": 10**6}
OPENAI = '[[discount]]\nprovider = "openai"\n'
OWN = (
    '[[model]]\nprovider = "vllm"\nid = "acme-1"\n'
    'rates = { input = "0.80", output = "3.20", "tool.search" = "0.01", pages = { price = "1", per = 3 } }\n'
)
PTU = (
    '[[commitment]]\nname = "ptu"\nprovider = "openai"\nmodels = ["gpt-5"]\nprice = "1"\n'
    'every = "hour"\nfrom = 2026-01-01\n'
)
GPUS = (
    '[[self_hosted]]\nname = "pool"\nprovider = "vllm"\nmodels = ["llama"]\nhourly = "2"\nunits = 4\n'
    "from = 2026-01-01\ntokens_per_second = { input = 1000, output = 100 }\n"
)
ARN = "arn:aws:bedrock:us-east-1:1:application-inference-profile/abc123"


def amounts(cost: Cost) -> tuple[int | None, int | None, int | None]:
    return cost.list_femto, cost.contracted_femto, cost.amount_femto


def test_a_discount_keeps_all_three_amounts() -> None:
    cost = agreed(OPENAI + 'percent = "10"', "openai", "gpt-5", MILLION)
    assert amounts(cost) == (femto("1.25"), femto("1.125"), femto("1.125"))
    assert (cost.method, cost.status, cost.price_id) == ("contract", "complete", "openai/gpt-5")
    assert cost.catalog_version == f"{bundled().version};own:sha256:{DIGEST[:12]}"
    (line,) = cost.lines
    assert line.amount_femto == line.quantity * line.rate_femto // line.per


@pytest.mark.parametrize(
    "text",
    [
        '[[discount]]\nprovider = "groq"\npercent = "10"',
        OPENAI + 'model = "gpt-4o"\npercent = "10"',
        OPENAI + 'bucket = "output"\npercent = "10"',
        OPENAI + 'tier = "flex"\npercent = "10"',
        OPENAI + 'until = 2026-11-24T12:00:00Z\npercent = "10"',
        OPENAI + 'from = 2026-11-24T12:00:01Z\npercent = "10"',
        OPENAI + 'unit_price = "1"\ncontext = "gt_272000"',
        OWN,
        "",
    ],
)
def test_what_no_term_is_about_has_its_list_price(text: str) -> None:
    assert agreed(text, "openai", "gpt-5", MILLION) == cost_of("openai", "gpt-5", MILLION)


@pytest.mark.parametrize(
    ("text", "usd"),
    [
        (OPENAI + 'percent = "0"', "1.25"),
        (OPENAI + 'percent = "100"', "0"),
        (OPENAI + 'percent = "12.5"', "1.09375"),
        (OPENAI + 'unit_price = "1.10"', "1.1"),
        (OPENAI + 'unit_price = "0.0011"\nper = 1000', "1.1"),
        (OPENAI + 'from = 2026-11-24T12:00:00Z\npercent = "20"', "1"),
        ('[[discount]]\nprovider = "*"\npercent = "20"', "1"),
        (OPENAI + 'bucket = "input"\npercent = "20"', "1"),
        (OPENAI + 'model = "gpt-5"\npercent = "20"', "1"),
        (OPENAI + 'tier = "standard"\npercent = "20"', "1"),
    ],
)
def test_each_way_of_saying_a_discount(text: str, usd: str) -> None:
    assert agreed(text, "openai", "gpt-5-2025-08-07", MILLION).amount_femto == femto(usd)


@pytest.mark.parametrize(
    "closer",
    [
        OPENAI + 'percent = "20"',
        OPENAI + 'model = "gpt-5"\npercent = "20"',
        '[[discount]]\nprovider = "*"\nmodel = "gpt-5"\npercent = "20"',
        OPENAI + 'bucket = "input"\npercent = "20"',
        OPENAI + 'tier = "standard"\npercent = "20"',
    ],
)
@pytest.mark.parametrize("first", [True, False])
def test_the_most_exact_discount_holds_alone(closer: str, first: bool) -> None:
    wider = '[[discount]]\nprovider = "*"\npercent = "50"\n'
    text = f"{closer}\n{wider}" if first else f"{wider}\n{closer}"
    assert agreed(text, "openai", "gpt-5", MILLION).amount_femto == femto("1")


def test_discounts_change_with_the_instant() -> None:
    text = (
        f'{OPENAI}percent = "20"\nuntil = 2026-11-01\n{OPENAI}percent = "40"\nfrom = 2026-11-01\n'
        "until = 2026-11-02\n"
    )
    own = contracts(text)
    times = ("2026-10-31T23:59:59", "2026-11-01T00:00:00", "2026-11-02T00:00:00", "2026-10-01T00:00:00")
    found = [agreed(own, "openai", "gpt-5", MILLION, at).amount_femto for at in times]
    assert found == [femto("1"), femto("0.75"), femto("1.25"), femto("1")]


def test_output_is_about_reasoning_unless_that_is_said() -> None:
    usage = {"output": 10**6, "reasoning": 10**6}
    assert agreed(OPENAI + 'bucket = "output"\npercent = "50"', "openai", "gpt-5", usage).amount_femto == (
        femto("10")
    )
    told = OPENAI + 'bucket = "output"\npercent = "50"\n' + OPENAI + 'bucket = "reasoning"\npercent = "0"'
    assert agreed(told, "openai", "gpt-5", usage).amount_femto == femto("15")


def test_a_unit_price_is_for_its_tier_and_context_only() -> None:
    text = OPENAI + 'bucket = "input"\nunit_price = "1"'
    assert agreed(text, "openai", "gpt-6-sol", {"input": 272_000}).amount_femto == femto("0.272")
    above = agreed(text, "openai", "gpt-6-sol", {"input": 272_001})
    assert above == cost_of("openai", "gpt-6-sol", {"input": 272_001})
    assert above.tier is not None
    told = f'{text}\n{text}\ncontext = "{above.tier}"'.replace(
        'unit_price = "1"\ncontext', 'unit_price = "3"\ncontext'
    )
    own = contracts(told)
    for tokens, usd in ((272_001, "0.816003"), (272_000, "0.272"), (272_001, "0.816003")):
        assert agreed(own, "openai", "gpt-6-sol", {"input": tokens}).amount_femto == femto(usd)
    assert agreed(text, "openai", "gpt-5", MILLION, service_tier="flex").amount_femto == femto("0.625")


def test_an_estimate_stays_one_and_what_has_no_price_too() -> None:
    text = OPENAI + 'percent = "10"'
    cost = agreed(text, "openai", "gpt-5", MILLION, usage_is={"source": "tokenizer"})
    assert (cost.method, cost.amount_femto) == ("estimated", femto("1.125"))
    cost = agreed(text, "openai", "gpt-99", MILLION)
    assert (cost.status, cost.unpriced_reason, *amounts(cost)) == (
        "unpriced",
        "unknown_model",
        None,
        None,
        None,
    )
    partly = agreed(text, "openai", "gpt-4o-audio-preview", {"input": 10**6, "input.audio": 5})
    assert (partly.status, partly.bound) == ("partial", "lower")
    assert amounts(partly) == (femto("2.5"), femto("2.25"), femto("2.25"))


def test_what_the_vendor_reported_and_what_is_free_are_left_alone() -> None:
    text = '[[discount]]\nprovider = "*"\npercent = "10"\n' + PTU + OWN.replace("vllm", "openai")
    for model in ("gpt-5", "acme-1"):
        cost = agreed(text, "openai", model, MILLION, reported_cost_femto=7)
        assert (cost.method, *amounts(cost)) == ("vendor_reported", None, None, 7)
    free = agreed(text, "openai", "gpt-5", {}, facts_are={"billing": "free"})
    assert (free.amount_femto, free.price_id) == (0, "rule/free/chat")


def test_a_model_of_ones_own() -> None:
    usage = {
        "input": 10**6,
        "output": 1000,
        "reasoning": 1000,
        "tool.search": 2,
        "pages": 1,
        "input.audio": 0,
    }
    cost = agreed(OWN, "vllm", "acme-1", usage)
    assert amounts(cost) == (None, cost.amount_femto, cost.amount_femto)
    assert cost.amount_femto == femto("0.8264") + round(Fraction(10**15, 3))
    assert (cost.method, cost.status, cost.price_id) == ("contract", "complete", "own/vllm/acme-1")
    assert (cost.catalog, cost.catalog_version) == ("own prices", f"sha256:{DIGEST[:12]}")
    assert {line.bucket: line.component for line in cost.lines}["reasoning"] == "reasoning"


def test_a_fee_for_each_request() -> None:
    text = '[[model]]\nprovider = "vllm"\nid = "m"\nrates = { requests = "0.5" }'
    assert agreed(text, "vllm", "m", {"requests": 2}).amount_femto == femto("1")
    cost = agreed(text, "vllm", "m", {"input": 1})
    assert (cost.amount_femto, cost.status) == (femto("0.5"), "partial")


@pytest.mark.parametrize(
    ("usage", "status", "reason", "usd"),
    [
        (Usage({"input": 10**6, "input.audio": 1}), "partial", "unsupported_modality", "0.8"),
        (Usage({"input": 10**6, "cache_read": 1}), "partial", "unsupported_modality", "0.8"),
        (Usage({"input": 10**6}, flags=("negative",)), "partial", "missing_usage", "0.8"),
        (Usage({"input": 10**6}, flags=("not_all_counted",)), "partial", "missing_usage", "0.8"),
        (Usage({"input.audio": 1}), "unpriced", "unsupported_modality", None),
        (MISSING, "unpriced", "missing_usage", None),
        (Usage({}), "unpriced", "missing_usage", None),
        (Usage({"input": 0}), "complete", None, "0"),
    ],
)
def test_a_model_of_ones_own_is_never_taken_for_free(
    usage: Usage, status: str, reason: str | None, usd: str | None
) -> None:
    reading = Reading(usage, response_model="acme-1")
    cost = contracts(OWN).price(facts("vllm"), reading, instant(NOW), bundled())
    assert (cost.status, cost.unpriced_reason) == (status, reason)
    assert cost.amount_femto == (None if usd is None else femto(usd))
    assert cost.bound == ("lower" if status == "partial" else None)


def test_a_model_of_ones_own_in_its_time_and_currency() -> None:
    text = OWN + 'currency = "EUR"\nfrom = 2026-11-24T12:00:01Z'
    assert agreed(text, "vllm", "acme-1", MILLION).unpriced_reason == "unknown_provider"
    cost = agreed(text, "vllm", "acme-1", MILLION, "2026-11-24T12:00:01")
    assert (cost.amount_femto, cost.currency) == (femto("0.8"), "EUR")
    discounted = text + '\n[[discount]]\nprovider = "vllm"\npercent = "50"'
    cost = agreed(discounted, "vllm", "acme-1", MILLION, "2027-01-01")
    assert (*amounts(cost), cost.catalog_version) == (
        *(None, femto("0.4"), femto("0.4")),
        f"sha256:{DIGEST[:12]}",
    )


def test_ones_own_price_comes_before_the_catalogues() -> None:
    text = '[[model]]\nprovider = "openai"\nid = "gpt-5"\nrates = { input = "9" }'
    assert agreed(text, "openai", "gpt-5", MILLION).amount_femto == femto("9")
    assert agreed(text, "openai", "gpt-5-mini", MILLION).amount_femto == femto("0.25")


def test_behind_an_unknown_host_ones_own_model_is_known() -> None:
    text = OWN.replace("vllm", "*")
    cost = agreed(text, "openai", "acme-1", MILLION, facts_are={"provider_assumed": True})
    assert cost.amount_femto == femto("0.8")


@pytest.mark.parametrize("served", [None, "prod", "something"])
def test_a_deployment_stands_for_its_model(served: str | None) -> None:
    text = '[deployments]\nprod = "gpt-5"'
    asked = {"request_model": "prod"}
    cost = agreed(text, "openai", served, MILLION, facts_are=asked)
    assert (cost.amount_femto, cost.price_id, *amounts(cost)[:2]) == (
        femto("1.25"),
        "openai/gpt-5",
        None,
        None,
    )


def test_the_served_model_is_billed_whatever_a_deployment_was_made_for() -> None:
    text = '[deployments]\nprod = { model = "gpt-5", sku = "global" }'
    asked = {"request_model": "prod"}
    assert agreed(text, "openai", "gpt-5-mini", MILLION, facts_are=asked).amount_femto == femto("0.25")


@pytest.mark.parametrize(("sku", "usd"), [("global", "1"), ("datazone", "1.1")])
def test_azure_sells_a_model_in_scopes(sku: str, usd: str) -> None:
    text = f'[deployments]\nprod = {{ model = "gpt-5.6-luna", sku = "{sku}" }}\n'
    for served in (None, "prod", "gpt-5.6-luna"):
        asked = {"request_model": "prod"}
        cost = agreed(text, "azure.ai.openai", served, {"input": 10**5}, facts_are=asked)
        assert cost.amount_femto == femto(usd) // 10
    for model in ("prod", "gpt-5.6-luna"):
        rule = f'[[discount]]\nprovider = "azure"\nmodel = "{model}"\npercent = "50"'
        cost = agreed(text + rule, "azure.ai.openai", None, {"input": 10**5}, facts_are=asked)
        assert cost.amount_femto == femto(usd) // 20


def test_a_place_of_sale_without_a_price_is_not_the_ordinary_one() -> None:
    text = '[deployments]\nprod = { model = "gpt-5", sku = "datazone" }'
    cost = agreed(text, "openai", None, MILLION, facts_are={"request_model": "prod"})
    assert (cost.amount_femto, cost.unpriced_reason) == (None, "unknown_tier")


@pytest.mark.parametrize("name", [ARN, "abc123"])
def test_a_bedrock_profile_stands_for_its_model(name: str) -> None:
    text = f'[profiles]\n"{name}" = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"'
    asked = {"request_model": ARN}
    assert agreed(text, "aws.bedrock", None, MILLION, facts_are=asked).amount_femto == femto("3.3")


def test_discounts_are_about_deployments_and_their_models() -> None:
    for model in ("prod", "gpt-5"):
        text = f'[deployments]\nprod = "gpt-5"\n{OPENAI}model = "{model}"\npercent = "20"'
        cost = agreed(text, "openai", None, MILLION, facts_are={"request_model": "prod"})
        assert amounts(cost) == (femto("1.25"), femto("1"), femto("1"))


def test_what_a_commitment_covers_adds_nothing() -> None:
    cost = agreed(PTU + OPENAI + 'percent = "20"', "openai", "gpt-5", MILLION)
    assert amounts(cost) == (femto("1.25"), femto("1"), 0)
    assert (cost.method, cost.status, cost.price_id) == ("contract", "complete", "openai/gpt-5")
    assert [(line.quantity, line.rate_femto, line.amount_femto) for line in cost.lines] == [(10**6, 0, 0)]
    assert agreed(PTU, "openai", "gpt-5-mini", MILLION).amount_femto == femto("0.25")
    assert agreed(PTU, "openai", "gpt-5", MILLION, "2025-12-31T23:59:59").amount_femto == femto("1.25")


def test_a_commitment_of_a_tier_or_a_deployment() -> None:
    tier = PTU + 'tier = "scale"'
    assert agreed(tier, "openai", "gpt-5", MILLION).amount_femto == femto("1.25")
    covered = agreed(tier, "openai", "gpt-5", MILLION, service_tier="scale")
    assert (covered.status, *amounts(covered)) == ("complete", None, None, 0)
    assert (covered.price_id, covered.catalog) == ("own/commitment/ptu", "own prices")
    named = PTU.replace('models = ["gpt-5"]', 'deployments = ["prod"]')
    for text in (named, named + '[deployments]\nprod = "gpt-5"'):
        assert agreed(text, "openai", "gpt-5", MILLION).amount_femto == femto("1.25")
        cost = agreed(text, "openai", "gpt-5", MILLION, facts_are={"request_model": "prod"})
        assert amounts(cost) == (femto("1.25"), femto("1.25"), 0)


def test_tokens_of_machines_cost_their_share_of_the_time() -> None:
    cost = agreed(GPUS, "vllm", "llama", {"input": 3_600_000, "output": 360_000})
    assert cost.amount_femto == femto("16")
    assert (cost.price_id, cost.method) == ("own/self_hosted/pool", "contract")


def test_many_models_are_remembered_within_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("otel_tokenomics.pricing.contracts._MOST_PLANS", 4)
    own = contracts(OPENAI + 'percent = "20"')
    for number in range(9):
        agreed(own, "openai", f"gpt-{number}-x", MILLION)
    assert len(own._plans) <= 4
    assert agreed(own, "openai", "gpt-5", MILLION).amount_femto == femto("1")


BUCKETS = [
    "input",
    "cache_read",
    "cache_write.5m",
    "cache_write.1h",
    "output",
    "reasoning",
    "tool.web_search",
]
usages = st.dictionaries(st.sampled_from(BUCKETS), st.integers(0, 10**7), min_size=1)
percents = st.integers(0, 100_000).map(lambda thousandths: f"{thousandths // 1000}.{thousandths % 1000:03d}")


@given(usages, percents)
def test_a_discount_is_exact_and_sums_to_its_lines(usage: dict[str, int], percent: str) -> None:
    text = f'[[discount]]\nprovider = "anthropic"\npercent = "{percent}"'
    cost = agreed(text, "anthropic", "claude-opus-5-5", usage)
    plain = cost_of("anthropic", "claude-opus-5-5", usage)
    left = 1 - Fraction(percent) / 100
    assert cost.amount_femto == sum(line.amount_femto for line in cost.lines)
    assert cost.list_femto == (plain.amount_femto if cost.lines else None)
    for line, listed in zip(cost.lines, plain.lines, strict=True):
        exact = Fraction(listed.quantity * listed.rate_femto, listed.per) * left
        assert line.amount_femto == round(exact)
        assert Fraction(line.rate_femto, line.per) == Fraction(listed.rate_femto, listed.per) * left
        assert all(isinstance(number, int) for number in (line.rate_femto, line.per, line.amount_femto))


@given(usages)
def test_no_discount_is_the_list_price(usage: dict[str, int]) -> None:
    cost = agreed(
        '[[discount]]\nprovider = "anthropic"\npercent = "0"', "anthropic", "claude-opus-5-5", usage
    )
    plain = cost_of("anthropic", "claude-opus-5-5", usage)
    assert (cost.amount_femto, cost.lines) == (plain.amount_femto, plain.lines)


@given(usages, usages, percents)
def test_usage_split_in_two_costs_the_same_but_for_rounding(
    one: dict[str, int], other: dict[str, int], percent: str
) -> None:
    own = contracts(f'[[discount]]\nprovider = "anthropic"\npercent = "{percent}"')
    both = {bucket: one.get(bucket, 0) + other.get(bucket, 0) for bucket in {*one, *other}}
    parts = [agreed(own, "anthropic", "claude-opus-5-5", usage) for usage in (one, other, both)]
    first, second, whole = (part.amount_femto or 0 for part in parts)
    assert abs(first + second - whole) <= len(BUCKETS) * 3 / 2
