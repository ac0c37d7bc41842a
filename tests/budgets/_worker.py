"""One process of the proof: calls until the budget is used up, then says what it saw, as JSON.

`_worker.py CONFIG PROVIDER threads|tasks COUNT TIMEOUT STREAM`
"""

from __future__ import annotations

import asyncio
import json
import sys
import threading
from fractions import Fraction
from pathlib import Path
from typing import Any

import openai
from tests.support.telemetry import Batches

from otel_tokenomics.adapters.hosts import Hosts
from otel_tokenomics.adapters.openai import OpenAI
from otel_tokenomics.budgets.errors import BudgetExceededError
from otel_tokenomics.wiring import assembly
from otel_tokenomics.wiring.settings import load
from otel_tokenomics.wiring.stainless import MODULE, Seam

_REFUSALS = 3
MESSAGES = [{"role": "user", "content": "Say as much as you may about digging."}]


class Worker:
    """Its client library is instrumented, and all its calls are under the budgets of a configuration."""

    def __init__(self, config: str, provider: str, timeout: float, stream: bool) -> None:
        settings = load({"OTEL_TOKENOMICS_CONFIG": config, "HOME": str(Path(config).parent)})
        self.telemetry = Batches()
        desk = assembly.desk_of(settings, self.telemetry.providers)
        assert desk.budgets is not None
        self.seam = Seam("openai")
        self.seam.open(OpenAI(Hosts({"127.0.0.1": "openai"})), desk)
        self.seam.patch(__import__(f"openai.{MODULE}", fromlist=["x"]))
        self.options: dict[str, Any] = {
            "api_key": "k",
            "base_url": provider,
            "max_retries": 2,
            "timeout": timeout,
        }
        self.asked: dict[str, Any] = {
            "model": "gpt-4o",
            "messages": MESSAGES,
            "max_tokens": 1000,
            "stream": stream,
        }
        self.refused = 0

    def thread(self) -> None:
        """Calls one after the other, swallowing every refusal but the last."""
        client, left = openai.OpenAI(**self.options), _REFUSALS
        while left:
            try:
                answer = client.chat.completions.create(**self.asked)
                if self.asked["stream"]:
                    list(answer)
            except BudgetExceededError as error:
                self.refused += 1
                left -= not error.in_flight_only
                threading.Event().wait(0.002)
            except openai.APITimeoutError:
                continue

    async def task(self, client: Any) -> None:
        """As `thread`, in an event loop."""
        left = _REFUSALS
        while left:
            try:
                answer = await client.chat.completions.create(**self.asked)
                if self.asked["stream"]:
                    [chunk async for chunk in answer]
            except BudgetExceededError as error:
                self.refused += 1
                left -= not error.in_flight_only
                await asyncio.sleep(0.002)
            except openai.APITimeoutError:
                continue

    async def tasks(self, count: int) -> None:
        client = openai.AsyncOpenAI(**self.options)
        await asyncio.gather(*[self.task(client) for _ in range(count)])

    def threads(self, count: int) -> None:
        started = [threading.Thread(target=self.thread) for _ in range(count)]
        for thread in started:
            thread.start()
        for thread in started:
            thread.join()

    def told(self) -> dict[str, Any]:
        records = self.telemetry.records()
        total = sum((Fraction(record.get("tokenomics.cost.exact", 0)) for record in records), Fraction(0))
        presumed = sum(record.get("tokenomics.attempt.possibly_billed", 0) for record in records)
        return {
            "records": len(records),
            "nano": str(total * 10**9),
            "refused": self.refused,
            "presumed": presumed,
        }


def main(config: str, provider: str, way: str, count: str, timeout: str, stream: str) -> None:
    worker = Worker(config, provider, float(timeout), stream == "stream")
    if way == "tasks":
        asyncio.run(worker.tasks(int(count)))
    else:
        worker.threads(int(count))
    print(json.dumps(worker.told()))


if __name__ == "__main__":
    main(*sys.argv[1:])
