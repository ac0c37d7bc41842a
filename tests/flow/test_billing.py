"""What bills, and once: polls, background work, free operations, lost answers."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

import pytest

from otel_tokenomics.flow import billing
from otel_tokenomics.flow.billing import Bill, Verdict, possibly_billed
from otel_tokenomics.model.attribution import Attribution
from otel_tokenomics.model.call import Billing, Facts, Reading
from otel_tokenomics.model.money import unpriced
from otel_tokenomics.model.record import UsageRecord

BILLED, PENDING, NOT_BILLED = Verdict.BILLED, Verdict.PENDING, Verdict.NOT_BILLED


def facts(kind: Billing = "metered", provider: str = "openai") -> Facts:
    return Facts(provider, "chat", "openai", "responses", billing=kind)


def reading(id: str | None = "resp_1", pending: bool = False, background: bool = False) -> Reading:
    return Reading(response_id=id, pending=pending, background=background)


def record(key: str, team: str) -> UsageRecord:
    cost = unpriced("missing_usage")
    return UsageRecord(key, facts(), reading(), cost, 0, 0, attribution=Attribution(team=team))


@pytest.fixture
def bill() -> Bill:
    return Bill()


@pytest.mark.parametrize(
    ("kind", "status", "error", "expected"),
    [
        ("metered", 200, None, BILLED),
        ("metered", 200, ValueError(), BILLED),
        ("metered", 200, KeyboardInterrupt(), BILLED),
        ("metered", None, TimeoutError(), NOT_BILLED),
        ("metered", 400, None, NOT_BILLED),
        ("metered", 429, ValueError(), NOT_BILLED),
        ("metered", 500, None, NOT_BILLED),
        ("free", 200, None, BILLED),
        ("free", 200, ValueError(), NOT_BILLED),
        ("free", None, None, NOT_BILLED),
    ],
)
def test_status_and_kind_decide(
    bill: Bill, kind: Billing, status: int | None, error: BaseException | None, expected: Verdict
) -> None:
    assert bill.judge(facts(kind), reading(), status, error) is expected


def test_a_plain_response_is_billed_whenever_it_comes(bill: Bill) -> None:
    assert [bill.judge(facts(), reading(), 200, None) for _ in range(2)] == [BILLED, BILLED]


def test_background_work_is_pending_and_then_billed_once(bill: Bill) -> None:
    queued, done = reading(pending=True, background=True), reading(background=True)
    assert bill.judge(facts(), queued, 200, None) is PENDING
    assert bill.judge(facts("polled"), queued, 200, None) is NOT_BILLED
    assert bill.judge(facts("polled"), done, 200, None) is BILLED
    assert bill.judge(facts("polled"), done, 200, None) is NOT_BILLED


def test_background_work_that_was_streamed_is_not_billed_when_polled(bill: Bill) -> None:
    assert bill.judge(facts(), reading(background=True), 200, None) is BILLED
    assert bill.judge(facts("polled"), reading(background=True), 200, None) is NOT_BILLED


def test_retrieving_what_was_billed_at_once_is_not_billed(bill: Bill) -> None:
    assert bill.judge(facts("polled"), reading(), 200, None) is NOT_BILLED


def test_ids_are_each_providers_own(bill: Bill) -> None:
    done = reading(background=True)
    assert bill.judge(facts("polled", "openai"), done, 200, None) is BILLED
    assert bill.judge(facts("polled", "azure.ai.openai"), done, 200, None) is BILLED


def test_a_failed_poll_does_not_use_up_the_id(bill: Bill) -> None:
    done = reading(background=True)
    assert bill.judge(facts("polled"), done, 500, None) is NOT_BILLED
    assert bill.judge(facts("polled"), done, 200, None) is BILLED


def test_many_threads_that_poll_bill_once(bill: Bill) -> None:
    with ThreadPoolExecutor(8) as pool:
        verdicts = list(
            pool.map(lambda _: bill.judge(facts("polled"), reading(background=True), 200, None), range(200))
        )
    assert verdicts.count(BILLED) == 1


def test_who_started_the_work_pays_for_it(bill: Bill) -> None:
    bill.started(record("openai:resp_1", "search"))
    assert bill.owner(record("openai:resp_1", "poller")).team == "search"
    assert bill.owner(record("openai:resp_1", "poller")).team == "poller"
    assert bill.owner(record("openai:resp_2", "poller")).team == "poller"


def test_memory_is_bounded_and_forgets_the_oldest(bill: Bill, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(billing, "_MOST_REMEMBERED", 3)
    for n in range(5):
        bill.started(record(f"openai:{n}", f"team {n}"))
        bill.judge(facts("polled"), reading(str(n), background=True), 200, None)
    assert len(bill._owners) == len(bill._counted) == 3
    assert bill.owner(record("openai:0", "poller")).team == "poller"
    assert bill.owner(record("openai:4", "poller")).team == "team 4"


def raised(name: str, cause: str | None = None, context: str | None = None) -> Exception:
    """An error whose class, cause and context have these names."""
    error: Exception = type(name, (Exception,), {})()
    error.__cause__ = type(cause, (Exception,), {})() if cause else None
    error.__context__ = type(context, (Exception,), {})() if context else error.__cause__
    return error


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (None, False),
        (raised("APITimeoutError", "ReadTimeout"), True),
        (raised("APITimeoutError", "WriteTimeout"), True),
        (raised("APITimeoutError"), True),
        (raised("APITimeoutError", "ConnectTimeout"), False),
        (raised("APITimeoutError", "PoolTimeout"), False),
        (raised("APIConnectionError", "ConnectError"), False),
        (raised("APIConnectionError", "ProxyError"), False),
        (raised("APIConnectionError", "UnsupportedProtocol"), False),
        (raised("APIConnectionError", "ReadError"), True),
        (raised("APIConnectionError", "RemoteProtocolError"), True),
        (raised("APIConnectionError", context="ReadTimeout"), True),
        (raised("APIConnectionError"), False),
        (raised("ReadTimeout"), True),
        (raised("ConnectTimeout"), False),
        (raised("RateLimitError", "HTTPStatusError"), False),
        (raised("BadRequestError"), False),
        (ValueError(), False),
        (KeyboardInterrupt(), True),
        (asyncio.CancelledError(), True),
    ],
    ids=lambda value: f"{type(value).__name__}-{type(getattr(value, '__cause__', None)).__name__}",
)
def test_what_was_sent_and_not_answered_may_be_billed(error: BaseException | None, expected: bool) -> None:
    assert possibly_billed(error) is expected
