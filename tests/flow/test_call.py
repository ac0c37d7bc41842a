"""One call, told once: whatever breaks, the application's call goes on and one record is made."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from typing import Any

import pytest
from tests.flow._parts import (
    Answer,
    Meter,
    Teller,
    ask,
    call_of,
    desk_of,
    no_price,
)

from otel_tokenomics.flow import guard, late
from otel_tokenomics.flow.call import CURRENT, Shield
from otel_tokenomics.flow.contracts import Draft
from otel_tokenomics.flow.drivers import adrive, drive
from otel_tokenomics.flow.estimate import Estimator
from otel_tokenomics.model.call import Billing, Ended, Facts, Reading
from otel_tokenomics.model.usage import MISSING


@pytest.fixture(autouse=True)
def lenient() -> Iterator[None]:
    guard.set_strict(False)
    yield
    assert late.drain(10)


def test_a_call_is_told_from_its_opening_to_its_close() -> None:
    teller = Teller()
    assert ask(call_of(teller)) == "sent as given"
    assert teller.told == ["open", "enter", "responded", "annotate", "leave", "close"]
    (record,) = teller.records
    assert (record.key, record.billed, record.outcome, record.status_code) == (
        "openai:r1",
        True,
        "success",
        200,
    )
    assert record.reading.usage.buckets == {"input": 1}


def test_the_meter_may_alter_what_is_sent() -> None:
    call = call_of(Teller(), Meter(veils=True))
    assert (call.request, call.veils) == ("altered", True)
    assert ask(call) == "sent altered"


def test_the_call_is_current_while_it_runs() -> None:
    call = call_of(Teller())
    with call:
        assert CURRENT.get() is call
        with Shield("other"):
            assert CURRENT.get() is None
        assert CURRENT.get() is call
    assert CURRENT.get() is None


async def test_awaiting_differs_by_the_await_alone() -> None:
    teller = Teller()
    call = call_of(teller)

    async def original(cast_to: Any, options: Any) -> str:
        call.responded(Answer(), False, 2)
        return f"sent {options}"

    assert await adrive(original, call, None, (), {}) == "sent as given"
    assert teller.records[0].attempts == 3


@pytest.mark.parametrize("error", [ValueError("of the client"), KeyboardInterrupt()])
def test_an_error_is_the_applications_own(error: BaseException) -> None:
    teller = Teller()

    def original(cast_to: Any, options: Any) -> None:
        raise error

    with pytest.raises(type(error)) as caught:
        drive(original, call_of(teller), None, (), {})
    assert caught.value is error
    (record,) = teller.records
    assert (record.billed, record.error_type) == (False, type(error).__name__)
    assert record.outcome == ("error" if isinstance(error, Exception) else "cancelled")


BREAKABLE_TELLER = ("open", "enter", "leave", "responded", "annotate", "close")
BREAKABLE_METER = ("respond", "reading", "draft")


@pytest.mark.parametrize("broken", BREAKABLE_TELLER)
def test_a_broken_teller_breaks_no_call(broken: str) -> None:
    teller = Teller(broken)
    assert ask(call_of(teller)) == "sent as given"
    assert len(teller.records) == 1
    assert CURRENT.get() is None


@pytest.mark.parametrize("broken", BREAKABLE_METER)
def test_a_broken_meter_breaks_no_call(broken: str) -> None:
    teller = Teller()
    assert ask(call_of(teller, Meter(broken), estimator=Estimator("heuristic"))) == "sent as given"
    assert len(teller.records) == 1


def test_a_meter_that_cannot_prepare_leaves_the_request_alone() -> None:
    teller = Teller()
    call = call_of(teller, Meter("prepare", veils=True))
    assert (call.request, call.veils) == ("request", False)
    assert ask(call) == "sent request"
    assert len(teller.records) == 1


def test_a_call_whose_flow_broke_is_silent_ever_after() -> None:
    teller = Teller()
    call = call_of(teller, Meter("feed"))
    ask(call, follows=True)
    call.chunk(b"first")
    assert len(teller.records) == 1
    assert call.skim(b"anything")
    call.chunk(b"second")
    call.retried(True)
    call.responded(Answer(), False, 0)
    call.end(error=ValueError())
    assert len(teller.records) == 1


@pytest.mark.parametrize(
    ("more", "team"), [({"price": no_price}, None), ({"who": lambda facts, key: 1 // 0}, None)]
)
def test_without_a_price_or_an_owner_there_is_still_a_record(more: dict[str, Any], team: str | None) -> None:
    teller = Teller()
    ask(call_of(teller, **more))
    assert teller.records[0].attribution.team is team
    assert teller.records[0].cost.status == ("unpriced" if "price" in more else "complete")


def test_a_body_that_follows_ends_the_call_when_it_is_closed() -> None:
    teller, meter, answer = Teller(), Meter(), Answer()
    call = call_of(teller, meter)
    with call:
        call.responded(answer, True, 0)
    assert teller.records == []
    assert list(answer.iter_bytes()) == [b"first", b"last"]
    answer.close()
    answer.close()
    assert meter.fed == [b"first", b"last"]
    assert len(teller.records) == 1
    assert teller.records[0].first_chunk_ns is not None
    assert vars(answer) == {}


def test_only_the_first_end_counts() -> None:
    teller = Teller()
    call = call_of(teller)
    call.end(early=True)
    call.end(error=ValueError())
    assert [record.outcome for record in teller.records] == ["success"]


def test_a_lost_attempt_makes_the_cost_a_lower_bound() -> None:
    teller = Teller()
    call = call_of(teller)
    call.retried(True)
    call.retried(False)
    ask(call)
    (record,) = teller.records
    assert (record.attempts, record.possibly_billed, record.cost.bound) == (3, 1, "lower")


def test_a_stream_that_is_dropped_is_settled_on_the_late_thread() -> None:
    teller = Teller()
    call = call_of(teller)
    with call:
        call.responded(Answer(), True, 0)
    assert teller.records == []
    del call
    gc.collect()
    assert late.drain(10)
    assert teller.threads == ["tokenomics-late"]
    assert teller.records[0].billed


def test_what_the_provider_did_not_count_is_counted_on_the_late_thread() -> None:
    teller = Teller()
    draft = Draft(MISSING, b'{"messages":[]}', ["hello"], lambda: True)
    ask(call_of(teller, Meter(draft=draft), estimator=Estimator("heuristic")))
    assert late.drain(10)
    assert teller.threads == ["tokenomics-late"]
    assert teller.records[0].reading.usage.source == "heuristic"
    assert teller.records[0].reading.usage.buckets == {"input": 3, "output": 2}


def test_quiet_bytes_do_not_wake_the_flow() -> None:
    meter = Meter()
    call = call_of(Teller(), meter)
    assert call.skim(b"quiet")
    assert not call.skim(b"other")
    assert meter.fed == []
    call.end()


def test_strict_lets_a_fault_through() -> None:
    guard.set_strict(True)
    try:
        with pytest.raises(ZeroDivisionError):
            ask(call_of(Teller(), Meter("respond")))
    finally:
        guard.set_strict(False)


@pytest.mark.parametrize("kind", ["polled", "free"])
def test_what_is_billed_elsewhere_or_never_is_not_billed_again_because_it_was_broken_off(
    kind: Billing,
) -> None:
    class Polled(Meter):
        def reading(self) -> Reading:
            return Reading(response_id="resp_1", background=True)

    teller = Teller()
    desk = desk_of(teller)
    for _ in range(2):
        entry = desk.admit(Facts("openai", "chat", "openai", "/responses", billing=kind))
        entry.status_code = 200
        desk.settle(entry, Polled(), Ended(KeyboardInterrupt()))
    assert sum(record.billed for record in teller.records) == (kind == "polled")
    assert [record.possibly_billed for record in teller.records] == [0, 0]
