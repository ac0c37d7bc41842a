"""A call whose cost nobody waits for is settled a moment after it returned; any other before."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace

import pytest
from tests.flow._parts import (
    FACTS,
    Meter,
    Teller,
    ask,
    call_of,
    desk_of,
)

from otel_tokenomics.attribution import runs
from otel_tokenomics.flow import guard, late
from otel_tokenomics.flow.call import Call
from otel_tokenomics.model.attribution import Attribution, Payers
from otel_tokenomics.model.call import Billing, Ended, Reading
from otel_tokenomics.model.record import UsageRecord
from otel_tokenomics.model.usage import Usage


@pytest.fixture(autouse=True)
def lenient(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    guard.set_strict(False)
    monkeypatch.setattr(late, "MOMENT", 3600.0)
    yield
    assert late.drain(10)


def patient() -> Teller:
    teller = Teller()
    teller.patient = True
    return teller


def test_a_call_that_nobody_waits_for_is_settled_a_moment_later() -> None:
    teller, meter = patient(), Meter("reading")
    ask(call_of(teller, meter))
    assert teller.records == []
    late.catch_up()
    assert len(teller.records) == 1


def test_a_failed_call_is_settled_at_once_and_holds_no_exception() -> None:
    teller = patient()
    call_of(teller).end(error=ValueError())
    assert [record.error_type for record in teller.records] == ["ValueError"]


def test_what_reads_the_applications_own_objects_is_settled_at_once() -> None:
    teller, meter = patient(), Meter()
    meter.keeps = False
    ask(call_of(teller, meter))
    assert len(teller.records) == 1


def test_a_run_knows_what_its_calls_cost_when_they_return() -> None:
    teller = patient()
    with runs.run("triage") as work:
        ask(call_of(teller))
        assert work.calls == 1
    assert len(teller.records) == 1


@pytest.mark.parametrize("ample", [False, True])
def test_a_tight_budget_is_settled_when_the_call_returns_an_ample_one_a_moment_later(ample: bool) -> None:
    teller = patient()
    desk = desk_of(teller)
    settled: list[UsageRecord] = []
    desk.budgets = SimpleNamespace(
        owner=lambda attribution: None,
        admit=lambda facts, owner, body, at_ns: None,
        may_wait=lambda ticket: ample,
        settle=lambda ticket, record, pending: settled.append(record),
    )
    ask(Call(desk, desk.admit(FACTS), Meter(), "request"))
    assert len(settled) == (0 if ample else 1)
    late.catch_up()
    assert len(settled) == len(teller.records) == 1


def test_a_teller_that_does_not_know_is_told_at_once() -> None:
    teller = Teller("waits")
    ask(call_of(teller))
    assert len(teller.records) == 1


def test_a_poll_finds_who_started_the_work_though_that_call_is_still_put_off() -> None:
    teller = patient()
    desk = desk_of(teller)
    reading = Reading(usage=Usage({"input": 1}), response_id="r1", background=True)

    def tell(billing: Billing, pending: bool, team: str) -> None:
        facts = replace(FACTS, billing=billing)
        meter = Meter()
        meter.reading = lambda: replace(reading, pending=pending)  # type: ignore[method-assign]
        desk._who = lambda facts, credential: Payers(Attribution(team=team), Attribution())
        entry = desk.admit(facts)
        entry.status_code = 200
        desk.settle(entry, meter, Ended())

    tell("metered", True, "whose work it is")
    assert teller.records == []
    teller.patient = False
    tell("polled", False, "who asks")
    assert [record.attribution.team for record in teller.records if record.billed] == ["whose work it is"]
