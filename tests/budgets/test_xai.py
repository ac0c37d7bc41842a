"""Budgets over gRPC: a cap goes along in a copy of the message, and what is refused is never sent."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import grpc  # type: ignore[import-untyped]
import pytest
from tests._required import require
from tests.budgets._calls import LIFE, House
from tests.support import rpc_xai as xai
from tests.support.either import items, value
from tests.support.rpc_xai import MODEL, TICKS, Provider

from otel_tokenomics.adapters.hosts import Hosts
from otel_tokenomics.adapters.rpc import plain
from otel_tokenomics.adapters.xai import XAI
from otel_tokenomics.budgets.errors import BudgetExceededError
from otel_tokenomics.budgets.worst import choices, output_cap, walk
from otel_tokenomics.flow import guard
from otel_tokenomics.wiring import rpc
from otel_tokenomics.wiring.libraries import LIBRARIES

each_way = pytest.mark.parametrize("asynchronous", [False, True])
plain_or_streamed = pytest.mark.parametrize("stream", [False, True])


@pytest.fixture(scope="module")
def server() -> Iterator[Provider]:
    """One server for all tests of this file."""
    require("xai_sdk", "its budgets are not tested")
    made = Provider()
    yield made
    made.close()


@contextmanager
def governed(text: str, folder: Path) -> Iterator[House]:
    """Calls of the library under the budgets of a configuration; faults of ours are raised."""
    store = f"sqlite:///{str(folder / 'b.db').lstrip('/')}"
    house, seam = House(text, store), rpc.Seam(LIBRARIES["xai-sdk"])
    seam.open(XAI(Hosts({})), house.desk)
    seam.patch(import_module("xai_sdk"))
    guard.set_strict(True)
    try:
        yield house
    finally:
        seam.close()
        guard.set_strict(False)


async def asked(server: Provider, asynchronous: bool, stream: bool, **more: Any) -> Any:
    """One call, read to its end; the chat that made it."""
    server.play(xai.chunks() if stream else xai.completion())
    client = server.client(asynchronous)
    chat = client.chat.create(model=MODEL, **more)
    chat.append(import_module("xai_sdk.chat").user("When do I dig?"))
    try:
        if stream:
            async for _ in items(chat.stream(), asynchronous):
                pass
        else:
            await value(chat.sample())
    finally:
        await value(client.close())
    return chat


@each_way
@plain_or_streamed
async def test_a_call_that_may_not_fit_is_never_sent(
    server: Provider, asynchronous: bool, stream: bool, tmp_path: Path
) -> None:
    with governed(LIFE + 'limit = "50 tokens"\n', tmp_path) as house:
        with pytest.raises(BudgetExceededError):
            await asked(server, asynchronous, stream)
        assert house.balance() == (0, 0)
    assert server.calls == 0


@each_way
@plain_or_streamed
async def test_the_cap_that_was_reckoned_with_is_sent_in_a_copy(
    server: Provider, asynchronous: bool, stream: bool, tmp_path: Path
) -> None:
    with governed(LIFE + 'limit = "1000 tokens"\nunbounded_output = "clamp:77"\n', tmp_path) as house:
        chat = await asked(server, asynchronous, stream)
        assert house.balance().spent == 125
    assert [request.max_tokens for request in server.requests] == [77]
    assert not chat.proto.HasField("max_tokens")


@each_way
async def test_money_is_charged_as_the_vendor_says_it(
    server: Provider, asynchronous: bool, tmp_path: Path
) -> None:
    with governed(LIFE + 'limit = "1 USD"\n', tmp_path) as house:
        await asked(server, asynchronous, False, max_tokens=100)
        # A tick is a tenth of a nano-USD.
        assert house.balance().spent == TICKS // 10


async def test_what_is_deferred_is_held_until_it_is_done(server: Provider, tmp_path: Path) -> None:
    script = (xai.started("held"), xai.deferred("PENDING"), xai.deferred("DONE", xai.completion()))
    with governed(LIFE + 'limit = "1 USD"\n', tmp_path) as house:
        server.play(*script)
        client = server.client(False)
        chat = client.chat.create(model=MODEL, max_tokens=100)
        chat.append(import_module("xai_sdk.chat").user("When do I dig?"))
        start = chat._stub.StartDeferredCompletion(chat._make_request(1))
        assert house.balance().held > 0
        look = xai.messages("deferred_pb2").GetDeferredRequest(request_id=start.request_id)
        chat._stub.GetDeferredCompletion(look)
        assert house.balance().spent == 0
        chat._stub.GetDeferredCompletion(look)
        assert house.balance().spent == TICKS // 10
        client.close()


@each_way
async def test_a_refusal_can_be_grpcs_own_error(server: Provider, asynchronous: bool, tmp_path: Path) -> None:
    with governed(f'[budgets]\nraise_as = "client"\n{LIFE}limit = "0 requests"\n', tmp_path):
        with pytest.raises(grpc.RpcError) as caught:
            await asked(server, asynchronous, False)
    error: Any = caught.value
    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert error.details() == str(error)
    assert isinstance(error, BudgetExceededError)
    for other in (copy.copy(error), pickle.loads(pickle.dumps(error))):
        assert (type(other), other.refusal) == (type(error), error.refusal)
    assert server.calls == 0


def test_a_message_is_looked_at_as_what_json_would_be() -> None:
    library, tools = import_module("xai_sdk.chat"), import_module("xai_sdk.tools")
    chat = xai.messages("chat_pb2")
    request = chat.GetCompletionsRequest(
        model=MODEL,
        n=3,
        max_tokens=100,
        messages=[library.user("Dig?", library.image("https://example.com/1.png"))],
        tools=[tools.web_search()],
    )
    body = plain(request)
    assert (output_cap(body), choices(body)) == (100, 3)
    assert [part["type"] for part in body["messages"][0]["content"]] == ["text", "image_url"]
    assert body["tools"][0]["type"] == "web_search"
    assert walk(body, keep=False).images == 1
