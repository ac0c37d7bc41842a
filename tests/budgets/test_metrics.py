"""Budgets as metrics: what is told of calls in real stores, and how little a collection asks."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest
from tests.budgets._calls import ANSWER, COST, House, create, governed
from tests.budgets._redis import Server
from tests.ledger._support import record
from tests.support import witness
from tests.support.live import Check
from tests.support.replies import chat, dumps
from tests.support.telemetry import instrumented
from tests.support.wire import Reply, Wire, http_library
from tools.semconv.registry import load

from otel_tokenomics import run
from otel_tokenomics.budgets import lease, standing
from otel_tokenomics.budgets.errors import BudgetExceededError
from otel_tokenomics.budgets.protocol import Line
from otel_tokenomics.budgets.stores.redis import RedisStore
from otel_tokenomics.flow import late
from otel_tokenomics.model.attribution import Attribution
from otel_tokenomics.telemetry.budget_accounts import BUDGETS
from otel_tokenomics.telemetry.cubes import MOST_OWNERS, OTHER
from otel_tokenomics.telemetry.instruments import INSTRUMENTS

Rows = dict[tuple[str, ...], float]
DEAD = "redis://127.0.0.1:1/0"
PATIENT = 'timeout = "30s"\n'
_numbers = count()


@pytest.fixture(autouse=True)
def zero(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The process's totals at zero, before and after; a busy machine may take its time."""
    monkeypatch.setattr(standing, "_WAIT_SECONDS", 30.0)
    late.catch_up()
    BUDGETS.reset()
    yield
    BUDGETS.reset()


@pytest.fixture(params=["memory", "sqlite", "redis"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A store that no other test has."""
    if request.param == "memory":
        return "memory:"
    return sqlite(tmp_path) if request.param == "sqlite" else str(request.getfixturevalue("redis_server").url)


def sqlite(folder: Path) -> str:
    return f"sqlite:///{str(folder / 'b.db').lstrip('/')}"


def budget(limit: str, more: str = "", name: str = "") -> str:
    """A budget for a lifetime, under a name that no other test has, which is told last."""
    name = name or f"b{next(_numbers)}"
    return f'[[budget]]\nname = "{name}"\nwindow = "lifetime"\nlimit = "{limit}"\n{more}\n'


def told(house: House, metric: str, *labels: str) -> Rows:
    """What a metric of budgets tells now: the values of some labels, without their names, and its value."""
    points = house.telemetry.metrics().get(f"tokenomics.budget.{metric}", {})
    return {
        tuple([str(dict(point).get(label, "")) for label in labels]): value for point, value in points.items()
    }


def name(short: str) -> str:
    return f"tokenomics.budget.{short}"


def test_the_gauges_tell_what_the_store_holds(url: str) -> None:
    during: list[Rows] = []
    answer = Reply(ANSWER.body, before=lambda: during.append(told(house, "cost.reserved")))
    with governed(PATIENT + budget("1 USD", "warn_at = [0.9]"), url, answer) as house:
        assert told(house, "cost.limit", "gen_ai.usage.cost.currency") == {("USD",): 1.0}
        assert told(house, "cost.usage") == {(): 0.0}
        create(house.client())
        house.gate.governor.keeper.store.close()  # gives back what a lease has borrowed
        assert during[0][()] >= 0.001
        assert told(house, "cost.usage") == {(): COST / 1e9}
        assert told(house, "cost.reserved") == {(): 0.0}
        assert told(house, "utilization", name("unit")) == {("cost",): COST / 1e9}
        assert told(house, "decisions", name("decision"), name("reason")) == {("allow", ""): 1.0}
        (error,) = told(house, "cost.reservation.error").values()
        assert error == pytest.approx(during[0][()] - COST / 1e9) or url.startswith("redis")


def test_what_a_process_borrowed_counts_as_held(
    redis_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease, "_IDLE_SECONDS", 600.0)
    with governed(PATIENT + budget("1 USD"), redis_server.url) as house:
        create(house.client())
        assert told(house, "cost.reserved") == {(): 0.01}
        assert told(house, "cost.usage") == {(): 0.01}


def test_tokens_and_requests_are_whole(url: str) -> None:
    with governed(PATIENT + budget("5_000 tokens") + budget("10 requests"), url) as house:
        create(house.client())
        house.gate.governor.keeper.store.close()
        for unit, limit, usage in (("token", 5000, 120), ("request", 10, 1)):
            assert told(house, f"{unit}.limit") == {(): limit}
            assert told(house, f"{unit}.usage") == {(): usage}
            assert told(house, f"{unit}.reserved") == {(): 0}
        assert told(house, "utilization", name("unit")) == {("token",): 0.024, ("request",): 0.1}


def spend(house: House, owners: Mapping[str, int], owner: str) -> None:
    """So many requests of each value of an owner, past the client library."""
    for value, times in owners.items():
        who = Attribution.of({owner: value})
        made, gate = record(attribution=who), house.gate
        for _ in range(times):
            gate.settle(gate.admit(made.facts, gate.owner(who), {"max_tokens": 5}, 0), made, False)


def test_a_budget_of_each_team_has_a_row_for_each(tmp_path: Path) -> None:
    text = budget("10 requests", 'match = { team = "*" }')
    with governed(text, sqlite(tmp_path)) as house:
        assert told(house, "request.usage") == {}
        spend(house, {"search": 1, "ads": 3}, "team")
        usage = told(house, "request.usage", "tokenomics.team.id", name("scope"))
        assert usage == {("search", "team"): 1.0, ("ads", "team"): 3.0}
        assert told(house, "decisions") == {(): 4.0}


@pytest.mark.parametrize("owner", ["user", "tenant", "session"])
def test_of_persons_and_customers_the_fullest_account_is_told(owner: str, tmp_path: Path) -> None:
    text = budget("10 requests", f'match = {{ {owner} = "*" }}')
    with governed(text, sqlite(tmp_path)) as house:
        spend(house, {"ada": 1, "bob": 3, "cyd": 2}, owner)
        assert told(house, "request.usage", name("scope")) == {(owner,): 3.0}
        points = house.telemetry.metrics()
    values = {
        value
        for metric in points
        if metric.startswith("tokenomics.budget.")
        for at in points[metric]
        for _, value in at
    }
    assert not values & {"ada", "bob", "cyd"}


def test_owners_beyond_the_bound_share_a_row(tmp_path: Path) -> None:
    text = budget("1_000 requests", 'match = { team = "*" }')
    with governed(text, sqlite(tmp_path)) as house:
        spend(house, {f"t{number}": 1 for number in range(MOST_OWNERS)}, "team")
        spend(house, {"late": 2, "later": 5}, "team")
        usage = told(house, "request.usage", "tokenomics.team.id")
        assert len(usage) == MOST_OWNERS + 1
        assert usage[OTHER,] == 5.0
        assert BUDGETS.overflows() == {"tokenomics.team.id": 2}


def test_a_pace_is_a_row_of_its_own(tmp_path: Path) -> None:
    with governed(budget("9 USD", 'velocity = "0.5 USD/hour"'), sqlite(tmp_path)) as house:
        create(house.client())
        limits = told(house, "cost.limit", name("period"))
        assert limits == {("lifetime",): 9.0, ("rolling 1h",): 0.5}
        assert len(told(house, "cost.reservation.error", name("period"))) == 1


@pytest.mark.parametrize(
    ("policy", "decision"), [("open", "fail_open"), ("local", "fail_local"), ("closed", "fail_closed")]
)
def test_a_store_that_is_down_is_counted_and_its_gauges_are_absent(policy: str, decision: str) -> None:
    text = f'[budgets]\nstore_down = "{policy}"\n{budget("5 requests")}'
    with governed(text, DEAD) as house:
        with suppress(BudgetExceededError):
            create(house.client())
        found = house.telemetry.metrics()
        assert [metric for metric in found if metric.endswith((".limit", ".usage", ".utilization"))] == []
        rows = told(house, "decisions", name("decision"), name("reason"))
        assert rows == {(decision, "store_unavailable"): 1.0}
        failed = told(house, "store.duration", name("step"), "error.type")
        assert ("reserve", "StoreDownError") in failed


@pytest.fixture
def silent() -> Iterator[str]:
    """The URL of a server that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"redis://127.0.0.1:{server.getsockname()[1]}/0"


def test_a_store_that_hangs_does_not_hold_a_collection_up(
    silent: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(standing, "_WAIT_SECONDS", 0.05)
    with governed('timeout = "5s"\n' + budget("5 requests"), silent) as house:
        began = time.monotonic()
        assert told(house, "request.usage") == {}
        assert told(house, "request.usage") == {}
        assert time.monotonic() - began < 4


def test_a_collection_in_an_event_loop_waits_for_nothing(tmp_path: Path) -> None:
    with governed(budget("5 requests"), sqlite(tmp_path)) as house:

        async def collected() -> Rows:
            return told(house, "request.limit")

        asyncio.run(collected())
        # What it asked for is there for whoever collects next, in a loop or not.
        assert told(house, "request.limit") == {(): 5.0}


def test_what_costs_more_than_its_worst_case_is_overshoot(tmp_path: Path) -> None:
    usage = {"prompt_tokens": 5000, "completion_tokens": 2000, "total_tokens": 7000}
    dear = Reply(dumps(chat(usage)))
    with governed(budget("1 USD") + budget("50_000 tokens"), sqlite(tmp_path), dear) as house:
        create(house.client(), cap=10)
        (tokens,) = told(house, "token.overshoot").values()
        (money,) = told(house, "cost.overshoot").values()
        assert 6500 < tokens < 7000
        assert 0.03 < money < 5000 * 2.5e-6 + 2000 * 1e-5
        assert told(house, "cost.reservation.error") == {(): 0.0}


def test_a_hold_that_nobody_settles_is_counted_once_it_is_over(url: str) -> None:
    account = f"crash{next(_numbers)}"
    with governed(PATIENT + 'lease = "off"\n' + budget("5 requests", name=account), url) as house:
        store = house.gate.governor.keeper.store
        assert store.reserve(account, [Line(account, 0, 0, 0, 0, 5, 1)], 0).granted
        assert told(house, "request.usage") == {(): 1.0}
        assert told(house, "expirations") == {(): 1.0}
        assert told(house, "request.reserved") == {(): 0.0}


@pytest.mark.parametrize("borrowed", ["off", "10%"])
def test_a_call_that_finds_a_hold_over_tells_it(borrowed: str, redis_server: Server) -> None:
    account = f"crash{next(_numbers)}"
    with governed(PATIENT + f'lease = "{borrowed}"\n' + budget("500 requests"), redis_server.url) as house:
        assert RedisStore(redis_server.url).reserve(account, [Line(account, 0, 0, 0, 0, 5, 1)], 0).granted
        create(house.client())
        assert told(house, "expirations") == {(): 1.0}


def test_a_child_process_begins_at_zero(tmp_path: Path) -> None:
    with governed(budget("5 requests"), sqlite(tmp_path)) as house:
        create(house.client())
        assert told(house, "decisions") == {(): 1.0}
        child = os.fork()
        if child == 0:
            clean = told(house, "decisions") == {} and told(house, "request.usage") == {(): 1.0}
            os._exit(0 if clean else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_the_last_provider_is_told_and_totals_live_on(tmp_path: Path) -> None:
    text = budget("5 requests")
    with governed(text, sqlite(tmp_path)) as first:
        create(first.client())
    with governed(text, sqlite(tmp_path)) as second:
        create(second.client())
        assert told(first, "decisions") == {}
        assert told(second, "decisions") == {(): 2.0}
        assert told(second, "request.usage") == {(): 2.0}


def test_what_another_plan_decided_is_counted_and_not_looked_for(tmp_path: Path) -> None:
    with governed(budget("5 requests"), sqlite(tmp_path / "a")) as first:
        create(first.client())
        with governed(budget("5_000 tokens"), sqlite(tmp_path / "b")) as second:
            assert told(second, "decisions") == {(): 1.0}
            assert told(second, "utilization", name("unit")) == {("token",): 0.0}


def _attempt(house: House, times: int = 1, **more: Any) -> None:
    for _ in range(times):
        with suppress(BudgetExceededError):
            create(house.client(), **more)


def _scopes(folder: Path) -> Iterator[House]:
    owner = Attribution.of({key: key for key in ("team", "user", "project", "feature", "tenant", "session")})
    text = "".join(budget("9 requests", f'match = {{ {key} = "*" }}') for key in owner.owners())
    each = '[[budget]]\nname = "each"\nwindow = "run"\nlimit = "5 requests"\n'
    with governed(text + each, sqlite(folder), who=owner) as house, run("triage"):
        _attempt(house)
        yield house


REFUSALS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("5 requests", "", {}),
    ("50_000 tokens", "", {}),
    ("1 USD", "warn_at = [0.0001]", {}),
    ("0.0001 USD", "", {}),
    ("1 tokens", 'mode = "observe"', {}),
    ("9 USD", 'velocity = "0.0002 USD/hour"', {}),
    ("9 USD", 'loop = { calls = 1, within = "1h" }', {}),
    ("9 USD", 'unbounded_output = "refuse"', {"cap": None}),
    ("9 USD", "", {"model": "acme-1"}),
)


def _refusals(folder: Path) -> Iterator[House]:
    for number, (limit, more, asked) in enumerate(REFUSALS):
        with governed(budget(limit, more), sqlite(folder / str(number))) as house:
            _attempt(house, 2, **asked)
            yield house


def _overshoot(folder: Path) -> Iterator[House]:
    test_what_costs_more_than_its_worst_case_is_overshoot(folder)
    with governed(budget("5 requests"), sqlite(folder)) as house:
        yield house


def _retry(folder: Path) -> Iterator[House]:
    with governed(budget("50 requests"), sqlite(folder), Reply(error=_lost), ANSWER) as house:
        create(house.client(retries=1))
        yield house


def _lost(request: Any) -> BaseException:
    return httpx2.ReadTimeout("slow", request=request)


def _down(folder: Path) -> Iterator[House]:
    for policy in ("open", "local", "closed"):
        with governed(f'[budgets]\nstore_down = "{policy}"\n{budget("5 requests")}', DEAD) as house:
            _attempt(house)
            yield house


EVERYTHING: Mapping[str, Callable[[Path], Iterator[House]]] = {
    "scopes": _scopes,
    "refusals": _refusals,
    "overshoot": _overshoot,
    "retry": _retry,
    "down": _down,
}


def test_every_name_of_budgets_that_is_declared_is_emitted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the live check of the whole suite counts them: signals, attributes, values of enumerations."""
    monkeypatch.setattr("openai._base_client.BaseClient._calculate_retry_timeout", lambda *_: 0)
    check = Check(load())
    labels: dict[str, set[str]] = {}
    for kind, tell in EVERYTHING.items():
        for house in tell(tmp_path / kind):
            assert list(looked_at(check, house, labels)) == []
    wanted = [
        (word, pending) for word, pending, _ in check.coverage() if word.startswith("tokenomics.budget.")
    ]
    assert sorted(word for word, pending in wanted if pending is None and word not in check.seen) == []
    assert sorted(word for word, pending in wanted if pending and word in check.seen) == []
    # And so does the check that watches the whole suite, which fails for what no test emits.
    assert {word for word, pending in wanted if pending is None} <= witness.install().check.seen
    budgets = {metric for metric in INSTRUMENTS if metric.startswith("tokenomics.budget.")}
    assert labels.keys() == budgets
    assert all(labels[metric] <= INSTRUMENTS[metric].labels for metric in budgets)


def looked_at(check: Check, house: House, labels: dict[str, set[str]]) -> Iterator[Any]:
    """What the check finds in all that a house told of budgets."""
    data = house.telemetry.reader.get_metrics_data()
    assert data is not None
    for metric in data.resource_metrics[0].scope_metrics[0].metrics:
        if metric.name.startswith("tokenomics.budget."):
            yield from check.metric(metric, "otel_tokenomics")
            for point in metric.data.data_points:
                labels.setdefault(metric.name, set()).update(point.attributes or {})
    for log in house.telemetry.log_exporter.get_finished_logs():
        if log.log_record.event_name == name("check"):
            yield from check.log(log.log_record, "otel_tokenomics")


def test_a_program_whose_configuration_has_budgets_tells_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "tokenomics.toml"
    path.write_text(f'[store]\nurl = "{sqlite(tmp_path)}"\n{budget("9 requests", name="wired")}')
    monkeypatch.setenv("OTEL_TOKENOMICS_CONFIG", str(path))
    wire = Wire(ANSWER, library=http_library("openai"))
    with instrumented("openai") as telemetry:
        create(openai.OpenAI(api_key="k", http_client=wire.client()))
        points = telemetry.metrics()
    (used,) = points["tokenomics.budget.request.usage"].values()
    assert used == 1.0
