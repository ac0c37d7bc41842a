"""Calls under budgets: the real client library, a wire that ends here, a real store."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import openai
from tests.support.replies import OPENAI_USAGE, chat, dumps
from tests.support.telemetry import Telemetry
from tests.support.wire import Reply, Wire, http_library

from otel_tokenomics.adapters.hosts import Hosts
from otel_tokenomics.adapters.openai import OpenAI
from otel_tokenomics.budgets.plan import BudgetConfigError, plan_of
from otel_tokenomics.budgets.protocol import Balance, Line
from otel_tokenomics.flow import guard, late
from otel_tokenomics.flow.desk import Desk
from otel_tokenomics.model.attribution import UNATTRIBUTED, Attribution, Payers
from otel_tokenomics.model.tables import Document
from otel_tokenomics.telemetry.budgets import BudgetTeller
from otel_tokenomics.telemetry.events import UsageEvents
from otel_tokenomics.telemetry.metrics import Metrics
from otel_tokenomics.telemetry.spans import Spans
from otel_tokenomics.telemetry.teller import OpenTelemetryTeller
from otel_tokenomics.wiring import assembly, governing
from otel_tokenomics.wiring.stainless import MODULE, Seam

MODEL = "gpt-4o"
MESSAGES = [{"role": "user", "content": "When do I dig?"}]
COST = 60 * 2500 + 40 * 1250 + 20 * 10_000
"""Nano-USD of `OPENAI_USAGE` at gpt-4o's list price: 2.50, 1.25 and 10 USD for a million tokens."""
LIFE = '[[budget]]\nname = "life"\nwindow = "lifetime"\n'
ANSWER = Reply(dumps(chat(OPENAI_USAGE)))


class House:
    """An instrumented openai client whose calls are under the budgets of a configuration."""

    def __init__(
        self,
        text: str,
        store: str,
        *script: Reply,
        who: Attribution = UNATTRIBUTED,
        telemetry: Telemetry | None = None,
    ) -> None:
        document = Document.parse(f'[store]\nurl = "{store}"\n{text}', Path("t.toml"), BudgetConfigError)
        self.wire = Wire(*(script or (ANSWER,)), library=http_library("openai"))
        self.telemetry = telemetry or Telemetry()
        providers = self.telemetry.providers
        metrics = Metrics(providers["meter_provider"], False)
        metrics.publish()
        told = BudgetTeller(providers["logger_provider"], metrics)
        gate = governing.gate_of(plan_of(document), None, assembly.pricer_of(None), told)
        assert gate is not None
        self.gate = gate
        teller = OpenTelemetryTeller(
            Spans(providers["tracer_provider"], "own"),
            metrics,
            UsageEvents(providers["logger_provider"]),
        )
        self.desk = Desk(assembly.pricer_of(None), teller, lambda facts, key: Payers(who, who), None, gate)
        self.seam = Seam("openai")

    def client(self, retries: int = 0) -> Any:
        return openai.OpenAI(api_key="k", http_client=self.wire.client(), max_retries=retries)

    def aclient(self, retries: int = 0) -> Any:
        return openai.AsyncOpenAI(api_key="k", http_client=self.wire.aclient(), max_retries=retries)

    def balance(self, account: str = "life") -> Balance:
        """What the store says, once everything that was handed over is done."""
        assert late.drain(10)
        self.gate.aside.pool.submit(int).result(10)
        return self.gate.governor.keeper.store.read([Line(account, 0, 0, 0, 0, 0, 0)])[0]


@contextmanager
def governed(text: str, store: str, *script: Reply, **more: Any) -> Iterator[House]:
    """A house for the block; faults of ours are raised."""
    house = House(text, store, *script, **more)
    guard.set_strict(True)
    house.seam.open(OpenAI(Hosts({})), house.desk)
    house.seam.patch(__import__(f"openai.{MODULE}", fromlist=["x"]))
    try:
        yield house
    finally:
        house.seam.close()
        guard.set_strict(False)


def create(client: Any, cap: int | None = 100, **more: Any) -> Any:
    """One chat completion."""
    capped: Mapping[str, Any] = {} if cap is None else {"max_tokens": cap}
    given = {"model": MODEL, "messages": MESSAGES, **capped, **more}
    return client.chat.completions.create(**given)
