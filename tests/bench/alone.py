"""What our part of a call takes in a loop of its own: the seam of `openai` around a client that does nothing.

Within a call of a real client library the same instructions take several times as long, since the processor's
caches hold that library's code. The difference between the two is what this is measured for.
"""

from __future__ import annotations

import time
from contextlib import AbstractContextManager
from types import SimpleNamespace
from typing import Any

import httpx2
from openai._models import FinalRequestOptions
from tests.bench.workload import answered

from otel_tokenomics.flow import late
from otel_tokenomics.wiring.instrumentors import OpenAIInstrumentor

CALLS = 4_000


class Idle:
    """A client of Stainless's kind: its response is there already."""

    base_url = httpx2.URL("https://api.openai.com/v1/")

    def __init__(self) -> None:
        self.response = answered("openai")

    def request(self, cast_to: Any, options: Any, *, stream: bool = False) -> Any:
        """The whole call."""
        return self._process_response(response=self.response, stream=stream, retries_taken=0)

    def _process_response(self, **told: Any) -> Any:
        return told["response"]


def taken(variant: AbstractContextManager[None]) -> float:
    """Microseconds of a call, the lower tenth, less what the idle client takes without us."""
    bare = _tenth()
    with variant:
        OpenAIInstrumentor.seam.patch(SimpleNamespace(SyncAPIClient=Idle))
        ours = _tenth()
    return ours - bare


def _tenth() -> float:
    client, clock, times = Idle(), time.thread_time_ns, []
    body = {
        "model": "gpt-4o",
        "messages": [{"role": "user", "content": "Say hello. " * 20}],
        "max_tokens": 100,
    }
    options = FinalRequestOptions(method="post", url="/chat/completions", json_data=body)
    for number in range(CALLS):
        began = clock()
        client.request(dict, options)
        times.append(clock() - began)
        if number % 200 == 0:
            late.catch_up()
    return sorted(times)[CALLS // 10] / 1e3
