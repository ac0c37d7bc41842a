"""What comes from outside is a claim: it spends no budget unless the configuration trusts it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import openai
import pytest
from opentelemetry import baggage, context
from tests.budgets._calls import ANSWER, create
from tests.support.telemetry import Telemetry
from tests.support.wire import Wire, http_library

from otel_tokenomics.adapters.hosts import Hosts
from otel_tokenomics.adapters.openai import OpenAI
from otel_tokenomics.attribution.ambient import attribute
from otel_tokenomics.budgets.errors import BudgetExceededError
from otel_tokenomics.budgets.plan import read_plan
from otel_tokenomics.flow import guard, late
from otel_tokenomics.telemetry.names import OWNER_ATTRIBUTES
from otel_tokenomics.wiring import assembly
from otel_tokenomics.wiring.settings import Settings
from otel_tokenomics.wiring.stainless import MODULE, Seam

BUDGET = '[[budget]]\nname = "acme"\nmatch = { tenant = "acme" }\nwindow = "lifetime"\nlimit = "0 USD"\n'


@contextmanager
def carried(tenant: str) -> Iterator[None]:
    """The tenant as baggage in the block."""
    token = context.attach(baggage.set_baggage(OWNER_ATTRIBUTES["tenant"], tenant))
    try:
        yield
    finally:
        context.detach(token)


@contextmanager
def assembled(budgets: str, folder: Path) -> Iterator[tuple[Telemetry, Any]]:
    """What is told, and a client whose calls go to a desk that was put together from a file, as at start."""
    path = folder / "t.toml"
    path.write_text(f'{budgets}[store]\nurl = "sqlite:///{str(folder / "b.db").lstrip("/")}"\n{BUDGET}')
    telemetry = Telemetry()
    desk = assembly.desk_of(Settings(budgets=read_plan(path), strict=True), telemetry.providers)
    seam, wire = Seam("openai"), Wire(ANSWER, library=http_library("openai"))
    seam.open(OpenAI(Hosts({})), desk)
    seam.patch(import_module(f"openai.{MODULE}"))
    try:
        yield telemetry, openai.OpenAI(api_key="k", http_client=wire.client(), max_retries=0)
    finally:
        seam.close()
        guard.set_strict(False)


def test_baggage_spends_no_budget_and_is_recorded(tmp_path: Path) -> None:
    with assembled("", tmp_path) as (telemetry, client), carried("acme"):
        create(client)
        assert late.drain(10)
    assert telemetry.record()[OWNER_ATTRIBUTES["tenant"]] == "acme"


def test_baggage_does_not_take_a_call_from_the_budget_of_its_code(tmp_path: Path) -> None:
    with assembled("", tmp_path) as (_, client), carried("other"), attribute(tenant="acme"):
        with pytest.raises(BudgetExceededError):
            create(client)


def test_baggage_that_is_trusted_spends(tmp_path: Path) -> None:
    trust = '[budgets]\ntrust_baggage = ["tenant"]\n'
    with assembled(trust, tmp_path) as (_, client):
        create(client)
        with carried("acme"), pytest.raises(BudgetExceededError):
            create(client)


def test_baggage_does_not_take_a_call_from_the_budget_of_its_resource(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", f"{OWNER_ATTRIBUTES['tenant']}=acme")
    with assembled("", tmp_path) as (_, client), carried("other"), pytest.raises(BudgetExceededError):
        create(client)
