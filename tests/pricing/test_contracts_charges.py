"""Fixed charges sum exactly, whatever a period is cut into; exchange keeps both amounts."""

from __future__ import annotations

import itertools
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.pricing._cases import femto, instant
from tests.pricing._terms import agreed, contracts, terms

from otel_tokenomics.pricing.contracts_charges import Converted, FixedCharge, convert

PTU = (
    '[[commitment]]\nname = "ptu"\nprovider = "azure"\nmodels = ["*"]\nprice = "1.10"\nunits = 100\n'
    'every = "hour"\nfrom = 2026-11-01\nuntil = 2026-12-01\n'
)
GPUS = (
    '[[self_hosted]]\nname = "pool"\nprovider = "vllm"\nmodels = ["llama"]\nhourly = "2.10"\nunits = 8\n'
    "from = 2026-11-01\ntokens_per_second = { input = 24000, output = 3200 }\n"
)
SEATS = '[[subscription]]\nname = "plan"\nprovider = "anthropic"\nprice = "20"\nfrom = 2026-01-15\n'
RATES = (
    '[[rate]]\nbase = "EUR"\nrate = "1.08"\ndate = 2026-10-01\n'
    '[[rate]]\nbase = "EUR"\nrate = "1.10"\ndate = 2026-11-01\n'
    '[[rate]]\nbase = "USD"\nquote = "JPY"\nrate = "151.5"\ndate = 2026-11-01\n'
)
BEGIN, END = instant("2026-01-01"), instant("2028-01-01")
instants = st.integers(BEGIN, END)


def charged(text: str, since: str, until: str, allocated: dict[str, int] | None = None) -> list[FixedCharge]:
    return contracts(text).charges(instant(since), instant(until), allocated or {})


@pytest.mark.parametrize(
    ("since", "until", "usd"),
    [
        ("2026-11-10", "2026-11-11", "2640"),
        ("2026-11-10T00:00", "2026-11-10T00:30", "55"),
        ("2026-01-01", "2027-01-01", "79200"),
        ("2026-10-31", "2026-11-01T01:00", "110"),
        ("2026-11-30T23:00", "2027-01-01", "110"),
    ],
)
def test_a_commitment_is_charged_for_its_time(since: str, until: str, usd: str) -> None:
    (charge,) = charged(PTU, since, until)
    assert (charge.kind, charge.name, charge.provider) == ("commitment", "ptu", "azure")
    assert (charge.amount_femto, charge.currency, charge.user) == (femto(usd), "USD", None)


def test_outside_its_time_nothing_is_charged() -> None:
    assert charged(PTU, "2026-01-01", "2026-11-01") == []
    assert charged(PTU, "2026-12-01", "2027-01-01") == []


@pytest.mark.parametrize(
    ("since", "until", "usd"),
    [
        ("2026-02-01", "2026-03-01", "20"),
        ("2026-03-01", "2026-04-01", "20"),
        ("2026-12-01", "2027-01-01", "20"),
        ("2026-02-01", "2026-02-15", "10"),
        ("2026-02-01", "2027-02-01", "240"),
    ],
)
def test_a_month_costs_the_same_whatever_its_length(since: str, until: str, usd: str) -> None:
    (charge,) = charged(SEATS + 'users = ["ada"]', since, until)
    assert (charge.amount_femto, charge.user) == (femto(usd), "ada")


def test_empty_seats_are_paid_for_by_those_who_sit() -> None:
    found = charged(SEATS + 'users = ["ada", "grace", "linus"]\nseats = 5', "2026-02-01", "2026-03-01")
    assert [charge.user for charge in found] == ["ada", "grace", "linus"]
    assert sum(charge.amount_femto for charge in found) == femto("100")
    assert max(charge.amount_femto for charge in found) - min(charge.amount_femto for charge in found) <= 1
    (nobody,) = charged(SEATS + 'seats = 5\ncurrency = "EUR"', "2026-02-01", "2026-03-01")
    assert (nobody.user, nobody.amount_femto, nobody.currency) == (None, femto("100"), "EUR")


@given(st.integers(0, 10**9), st.integers(0, 10**8))
def test_calls_and_idle_time_are_the_bill(inputs: int, outputs: int) -> None:
    cost = agreed(GPUS, "vllm", "llama", {"input": inputs, "output": outputs})
    assert cost.amount_femto is not None
    found = charged(GPUS, "2026-11-24", "2026-11-25", {"own/self_hosted/pool": cost.amount_femto})
    idle = sum(charge.amount_femto for charge in found)
    assert cost.amount_femto + idle == femto("403.2")
    assert all((charge.kind, charge.name) == ("idle", "pool") for charge in found)


def test_machines_busier_than_measured_have_less_than_no_idle_time() -> None:
    (charge,) = charged(GPUS, "2026-11-24", "2026-11-25", {"own/self_hosted/pool": femto("500")})
    assert charge.amount_femto == femto("-96.8")


@given(
    st.lists(instants, min_size=3, max_size=8), st.sampled_from(["hour", "day", "month"]), st.integers(1, 7)
)
def test_the_parts_of_a_period_sum_to_the_whole(cuts: list[int], every: str, users: int) -> None:
    named = ", ".join(f'"{number}"' for number in range(users))
    own = contracts(
        PTU.replace('"hour"', f'"{every}"').replace("1.10", "0.000000000000007")
        + f'{SEATS}users = [{named}]\nevery = "{every}"'
    )
    cuts.sort()
    parts = [charge for since, until in itertools.pairwise(cuts) for charge in own.charges(since, until, {})]
    for whole in own.charges(cuts[0], cuts[-1], {}):
        mine = [part for part in parts if (part.name, part.user) == (whole.name, whole.user)]
        assert sum(part.amount_femto for part in mine) == whole.amount_femto
    assert all(part.amount_femto > 0 for part in parts)


@pytest.mark.parametrize(
    ("amount", "currency", "into", "at", "found", "rate", "date"),
    [
        ("100", "EUR", "USD", "2026-10-31T23:59:59", "108", "1.08", "2026-10-01"),
        ("100", "EUR", "USD", "2026-11-01", "110", "1.1", "2026-11-01"),
        ("-110", "USD", "EUR", "2026-11-24", "-100", "1/1.1", "2026-11-01"),
        ("2", "USD", "JPY", "2026-11-24", "303", "151.5", "2026-11-01"),
    ],
)
def test_an_amount_in_other_money_keeps_both(
    amount: str, currency: str, into: str, at: str, found: str, rate: str, date: str
) -> None:
    made = convert(terms(RATES).exchange, femto(amount), currency, into, instant(at))
    assert made == Converted(femto(found), into, femto(amount), currency, rate, date)


def test_without_a_rate_nothing_is_made_up() -> None:
    rates = terms(RATES).exchange
    assert convert(rates, 1, "EUR", "USD", instant("2026-09-30")) is None
    assert convert(rates, 1, "EUR", "JPY", instant("2026-11-24")) is None
    assert convert((), 1, "USD", "USD", 0) == Converted(1, "USD", 1, "USD", "1", "")


@given(st.integers(-(10**24), 10**24))
def test_other_money_is_rounded_once(amount: int) -> None:
    rates = terms(RATES).exchange
    made = convert(rates, amount, "USD", "EUR", END)
    assert made is not None
    assert made.amount_femto == round(Fraction(amount) / Fraction("1.1"))
