"""A batch is held on no budget when it is created; what came of it is charged when it is downloaded."""

from __future__ import annotations

import json

import pytest
from tests.budgets._calls import LIFE, create, governed
from tests.support import replies
from tests.support.wire import Reply

from otel_tokenomics.attribution.runs import run
from otel_tokenomics.budgets.errors import BudgetExceededError
from otel_tokenomics.flow import late

COST = 100 * 1_250 + 20 * 5_000
"""Nano-USD of one result at gpt-4o's prices in a batch, 1.25 and 5 USD for a million tokens."""
BATCH = Reply(json.dumps({"id": "batch_1", "object": "batch", "status": "validating"}).encode())


def file(count: int) -> Reply:
    """So many results."""
    lines = []
    for number in range(count):
        answered = {"status_code": 200, "body": {**replies.chat(), "id": f"chatcmpl-{number}"}}
        lines.append(json.dumps({"id": f"b{number}", "custom_id": str(number), "response": answered}))
    return Reply("\n".join(lines).encode())


@pytest.mark.parametrize("url", ["memory:", "sqlite"])
def test_results_are_charged_and_the_next_call_is_refused(url: str, tmp_path: object) -> None:
    store = url if url == "memory:" else f"sqlite:///{str(tmp_path).lstrip('/')}/b.db"
    text = f'{LIFE}limit = "0.002 USD"\nowner = "batch-{url}"\n'
    with governed(text, store, BATCH, file(10)) as house:
        client = house.client()
        client.batches.create(input_file_id="f", endpoint="/v1/chat/completions", completion_window="24h")
        assert house.balance() == (0, 0)
        client.files.content("file-out")
        assert late.drain(10)
        assert house.balance() == (10 * COST, 0)
        with pytest.raises(BudgetExceededError):
            create(client)
        client.files.content("file-out")
        assert late.drain(10)
        assert house.balance() == (10 * COST, 0)


def test_a_run_counts_what_its_batch_cost() -> None:
    with governed(f'{LIFE}limit = "1 USD"\nowner = "batch-run"\n', "memory:", BATCH, file(3)) as house:
        client = house.client()
        with run("nightly") as work:
            client.batches.create(input_file_id="f", endpoint="/v1/responses", completion_window="24h")
            client.files.content("file-out")
        assert late.drain(10)
    assert (work.calls, work.cost_femto) == (3, 3 * COST * 10**6)
