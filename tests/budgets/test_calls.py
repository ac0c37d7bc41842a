"""A budget holds over real calls: refused before a byte is sent, settled for what the provider billed."""

from __future__ import annotations

import asyncio
import json
import pickle
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest
from tests.budgets._calls import ANSWER, COST, LIFE, create, governed
from tests.support.replies import OPENAI_USAGE, chat_chunks, dumps, sse
from tests.support.wire import SSE, Reply

from otel_tokenomics.budgets.errors import BudgetExceededError
from otel_tokenomics.model.attribution import Attribution

_numbers = count()


@pytest.fixture(params=["memory:", "sqlite:///"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A store that no other test has."""
    memory = request.param == "memory:"
    yield "memory:" if memory else f"sqlite:///{str(tmp_path / 'b.db').lstrip('/')}"


def named(limit: str, more: str = "") -> str:
    """A budget for a lifetime. Its owner makes it one that no other test has in this process's memory."""
    return f'{LIFE}limit = "{limit}"\nowner = "o{next(_numbers)}"\n{more}\n'


def test_a_call_is_settled_for_what_it_cost(url: str) -> None:
    with governed(named("1 USD"), url) as house:
        assert create(house.client()).id == "chatcmpl-1"
        assert house.balance() == (COST, 0)


def test_a_call_that_may_not_fit_is_never_sent(url: str) -> None:
    with governed(named("0.0005 USD"), url) as house, pytest.raises(BudgetExceededError) as caught:
        create(house.client())
    error = caught.value
    assert house.wire.calls == 0
    assert (error.budget, error.reason, error.limit, error.spent) == ("life", "limit", 500_000, 0)
    assert error.requested > 1_000_000
    assert not error.in_flight_only
    assert error.fitting_model is not None
    assert f"{error.fitting_model} would fit. Ask o" in str(error)
    assert "of 0.0005 USD is left (0.00 USD spent, 0.00 USD held" in str(error)
    assert pickle.loads(pickle.dumps(error)).refusal == error.refusal


@pytest.mark.parametrize("unpriced", ["deny", "tokens", "allow"])
def test_a_limit_of_nothing_needs_no_price(url: str, unpriced: str) -> None:
    with governed(named("0 USD", f'on_unpriced = "{unpriced}"'), url) as house:
        with pytest.raises(BudgetExceededError) as caught:
            create(house.client(), model="nobody-sells-this")
    assert (caught.value.reason, house.wire.calls) == ("limit", 0)


def test_the_refused_call_has_a_span_and_no_record(url: str) -> None:
    with governed(named("0 USD"), url) as house:
        with pytest.raises(BudgetExceededError):
            create(house.client())
        (span,) = house.telemetry.spans()
        assert span.attributes is not None
        assert span.attributes["error.type"] == "BudgetExceededError"
        assert house.telemetry.records() == []
        assert house.balance() == (0, 0)


def test_a_host_that_swallows_the_error_gets_no_further(url: str) -> None:
    with governed(named("0.002 USD"), url) as house:
        client = house.client()
        for _ in range(50):
            try:
                create(client)
            except BudgetExceededError:
                continue
        assert house.wire.calls * COST <= 2_000_000
        assert house.balance() == (house.wire.calls * COST, 0)


async def test_async_calls_are_held_as_well(url: str) -> None:
    with governed(named("0.01 USD"), url) as house:
        client = house.aclient()
        outcomes = await asyncio.gather(*[create(client) for _ in range(40)], return_exceptions=True)
        refused = [outcome for outcome in outcomes if isinstance(outcome, BudgetExceededError)]
        assert 0 < len(refused) < 40
        assert house.wire.calls == 40 - len(refused)
        assert await asyncio.to_thread(house.balance) == (house.wire.calls * COST, 0)


def test_an_error_of_the_provider_costs_nothing(url: str) -> None:
    with governed(named("1 USD"), url, Reply(dumps({"error": {}}), 429)) as house:
        with pytest.raises(openai.RateLimitError):
            create(house.client())
        assert house.balance() == (0, 0)


def _timeout(request: Any) -> BaseException:
    return httpx2.ReadTimeout("late", request=request)


def test_a_timeout_is_presumed_billed_in_full(url: str) -> None:
    with governed(named("1 USD"), url, Reply(error=_timeout)) as house:
        with pytest.raises(openai.APITimeoutError):
            create(house.client())
        spent, held = house.balance()
        assert spent > 1_000_000
        assert held == 0


def test_a_timeout_with_two_retries_holds_three_attempts(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    with governed(named("1 USD"), url, Reply(error=_timeout), Reply(error=_timeout), ANSWER) as house:
        create(house.client(retries=2))
        spent, held = house.balance()
        worst = (spent - COST) // 2
        assert (spent, held) == (2 * worst + COST, 0)
        assert worst > 1_000_000


async def test_a_retry_that_has_no_room_is_not_made(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with governed(named("0.0015 USD"), url, Reply(error=_timeout), ANSWER) as house:
        with pytest.raises(BudgetExceededError):
            await create(house.aclient(retries=2))
        assert house.wire.calls == 1
        spent, held = await asyncio.to_thread(house.balance)
        assert 1_000_000 < spent <= 1_500_000
        assert held == 0


def test_an_abandoned_stream_costs_something(url: str) -> None:
    body = sse(chat_chunks(usage=OPENAI_USAGE))
    with governed(named("1 USD"), url, Reply(body, headers=SSE)) as house:
        stream = create(house.client(), stream=True)
        next(iter(stream))
        stream.close()
        spent, held = house.balance()
        assert spent > 0
        assert held == 0


def test_a_drained_stream_costs_what_it_says(url: str) -> None:
    body = sse(chat_chunks(usage=OPENAI_USAGE, nulls=True))
    with governed(named("1 USD"), url, Reply(body, headers=SSE)) as house:
        list(create(house.client(), stream=True))
        assert house.balance() == (COST, 0)


async def test_a_cancelled_call_is_presumed_billed(url: str) -> None:
    arrived = asyncio.Event()

    async def hang() -> None:
        arrived.set()
        await asyncio.Event().wait()

    with governed(named("1 USD"), url, Reply(before=hang)) as house:
        task = asyncio.ensure_future(create(house.aclient()))
        await arrived.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        spent, held = await asyncio.to_thread(house.balance)
        assert spent > 1_000_000
        assert held == 0


def test_a_budget_for_each_value(url: str) -> None:
    text = f'{LIFE}match = {{ team = "*" }}\nlimit = "1 USD"\nowner = "o{next(_numbers)}"\n'
    with governed(text, url, who=Attribution(team="search")) as house:
        create(house.client())
        assert house.balance("life|team=search") == (COST, 0)


def test_budgets_of_tokens_and_of_requests(url: str) -> None:
    more = '[[budget]]\nname = "tokens"\nlimit = "1000 tokens"\nwindow = "lifetime"\n'
    with governed(named("2 requests") + more, url) as house:
        create(house.client())
        assert house.balance() == (1, 0)
        assert house.balance("tokens") == (120, 0)
        create(house.client())
        with pytest.raises(BudgetExceededError, match="1 request, and 0 requests of 2 requests is left"):
            create(house.client())


def test_observed_budgets_let_everything_through(url: str) -> None:
    with governed('[budgets]\nmode = "observe"\n' + named("0 USD"), url) as house:
        create(house.client())
        assert house.balance() == (COST, 0)


@pytest.mark.parametrize(("policy", "sent"), [("deny", 0), ("allow", 1), ("tokens", 0)])
def test_what_has_no_price(url: str, policy: str, sent: int) -> None:
    with governed(named("1 USD", f'on_unpriced = "{policy}"'), url) as house:
        client = house.client()
        if sent:
            create(client, model="nobody-knows-1")
        else:
            with pytest.raises(BudgetExceededError, match="what it may cost is not known"):
                create(client, model="nobody-knows-1")
        assert house.wire.calls == sent


def test_a_request_without_a_cap_may_be_refused(url: str) -> None:
    with governed(named("1 USD", 'unbounded_output = "refuse"'), url) as house:
        with pytest.raises(BudgetExceededError, match="set max_tokens"):
            create(house.client(), cap=None)
        create(house.client())


@pytest.mark.parametrize(
    ("more", "limit"), [('unbounded_output = "clamp:64"', "1 USD"), ("fit = true", "0.0300 USD")]
)
def test_a_request_may_be_given_a_cap(url: str, more: str, limit: str) -> None:
    with governed(named(limit, more), url) as house:
        create(house.client(), cap=None)
        cap = json.loads(house.wire.requests[0].content)["max_completion_tokens"]
        assert cap == 64 if "clamp" in more else 2000 < cap < 3000


@pytest.mark.parametrize("more", ["fit = true", 'unbounded_output = "clamp:900"'])
def test_a_cap_is_for_each_of_several_answers(url: str, more: str) -> None:
    with governed(named("0.0300 USD", more), url) as house:
        create(house.client(), cap=None, n=3)
        cap = json.loads(house.wire.requests[0].content)["max_completion_tokens"]
    assert 3 * cap * 10_000 <= 30_000_000
    assert cap > 800


def test_a_cap_is_not_lowered_below_what_may_be_thought(url: str) -> None:
    thinking = {"thinking": {"type": "enabled", "budget_tokens": 4000}}
    with governed(named("0.0300 USD", "fit = true"), url) as house, pytest.raises(BudgetExceededError):
        create(house.client(), cap=5000, extra_body=thinking)
    assert house.wire.calls == 0


@pytest.mark.parametrize("extra", [{"max_tokens": 90_000}, {"n": 900}, {"model": "gpt-4-32k"}])
def test_an_extra_body_is_what_is_billed(url: str, extra: dict[str, Any]) -> None:
    with governed(named("0.0040 USD"), url) as house:
        create(house.client())
        with pytest.raises(BudgetExceededError):
            create(house.client(), extra_body=extra)
        assert house.wire.calls == 1


def test_a_cap_is_put_where_the_extra_body_has_one(url: str) -> None:
    with governed(named("0.0300 USD", "fit = true"), url) as house:
        extra = {"max_tokens": 90_000}
        create(house.client(), cap=None, extra_body=extra)
        sent = json.loads(house.wire.requests[0].content)
    assert 2000 < sent["max_tokens"] < 3000
    assert "max_completion_tokens" not in sent
    assert extra == {"max_tokens": 90_000}


def test_without_a_cap_the_models_most_output_is_held(url: str) -> None:
    with governed(named("0.1638 USD"), url) as house, pytest.raises(BudgetExceededError) as caught:
        create(house.client(), cap=None)
    assert 16_384 * 10_000 < caught.value.requested < 17_000 * 10_000


def test_a_loop_is_refused(url: str) -> None:
    with governed(named("9 USD", 'loop = { calls = 3, within = "1h" }'), url) as house:
        client = house.client()
        for _ in range(3):
            create(client)
        create(client, temperature=0.5)
        with pytest.raises(BudgetExceededError, match="sent more than 3 times in 3600 s: a loop"):
            create(client)


def test_a_pace_is_kept(url: str) -> None:
    with governed(named("9 USD", 'velocity = "0.002 USD/hour"'), url) as house:
        client = house.client()
        with pytest.raises(BudgetExceededError, match=r"budget 'life': .* is left at this pace"):
            for _ in range(9):
                create(client)
        assert 0 < house.wire.calls < 5


@pytest.mark.parametrize(("policy", "sent"), [("local", 4), ("open", 9), ("closed", 0)])
def test_a_store_that_is_down(policy: str, sent: int) -> None:
    text = f'[budgets]\nstore_down = "{policy}"\n' + named("0.0025 USD")
    with governed(text, "redis://127.0.0.1:1/0") as house:
        client = house.client()
        for _ in range(9):
            try:
                create(client)
            except BudgetExceededError as error:
                assert error.reason == ("store_unavailable" if policy == "closed" else "limit")
        assert house.wire.calls == sent
        assert house.gate.governor.keeper.failures >= 9


def test_a_wrong_configuration_allows_nothing(url: str) -> None:
    with governed(named("1 USD"), url) as house:
        from dataclasses import replace

        governor = house.gate.governor
        governor.plan = replace(governor.plan, broken="t.toml, line 5: wrong")
        with pytest.raises(BudgetExceededError, match=r"t\.toml, line 5: wrong"):
            create(house.client())
        governor.plan = replace(governor.plan, mode="observe")
        create(house.client())


def test_a_check_that_does_not_allow_is_told(url: str) -> None:
    with governed(named("0.0012 USD", "warn_at = [0.1]"), url) as house:
        client = house.client()
        create(client)
        with pytest.raises(BudgetExceededError):
            create(client)
        logs = [log.log_record for log in house.telemetry.log_exporter.get_finished_logs()]
        checks = [log for log in logs if log.event_name == "tokenomics.budget.check"]
        told = [dict(check.attributes or {}) for check in checks]
        assert [each["tokenomics.budget.decision"] for each in told] == ["warn", "deny"]
        assert [check.severity_text for check in checks] == ["INFO", "WARN"]
        assert told[1]["tokenomics.budget.name"] == "life"
        assert told[1]["tokenomics.budget.scope"] == "organization"
        assert told[1]["tokenomics.budget.period"] == "lifetime"
        assert told[1]["tokenomics.budget.limit"] == 0.0012
        assert told[1]["tokenomics.budget.consumed"] == COST / 1e9
        assert told[1]["gen_ai.usage.cost.currency"] == "USD"
