"""`raise_as = "client"`: a refusal is the client library's own error too, and no library retries it."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import botocore.client  # type: ignore[import-untyped]
import botocore.exceptions  # type: ignore[import-untyped]
import openai
import pytest
from google import genai
from google.genai import types
from tests.budgets._calls import ANSWER, LIFE, House, create, governed
from tests.support import aws
from tests.support.either import items, value
from tests.support.libraries import KITS, Kit
from tests.support.replies import OPENAI_USAGE, chat, dumps
from tests.support.wire import JSON, Reply, Wire

from otel_tokenomics.adapters.bedrock import Bedrock
from otel_tokenomics.adapters.hosts import Hosts
from otel_tokenomics.budgets.errors import BudgetExceededError
from otel_tokenomics.flow import guard
from otel_tokenomics.wiring.botocore import Seam as AwsSeam
from otel_tokenomics.wiring.libraries import LIBRARIES
from otel_tokenomics.wiring.seams import seam_of

CLIENT = '[budgets]\nraise_as = "client"\n' + LIFE
NOTHING = f'{CLIENT}limit = "0 requests"\n'
ERRORS = {
    "openai": ("openai", "RateLimitError", "status_code"),
    "anthropic": ("anthropic", "RateLimitError", "status_code"),
    "groq": ("groq", "RateLimitError", "status_code"),
    "together": ("together", "RateLimitError", "status_code"),
    "cerebras-cloud-sdk": ("cerebras.cloud.sdk", "RateLimitError", "status_code"),
    "fireworks-ai": ("fireworks", "RateLimitError", "status_code"),
    "writer-sdk": ("writerai", "RateLimitError", "status_code"),
    "google-genai": ("google.genai.errors", "ClientError", "code"),
    "mistralai": ("mistralai.client.errors", "SDKError", "status_code"),
    "cohere": ("cohere.errors", "TooManyRequestsError", "status_code"),
    "ollama": ("ollama", "ResponseError", "status_code"),
    "huggingface-hub": ("huggingface_hub.errors", "HfHubHTTPError", "response"),
    "ibm-watsonx-ai": ("ibm_watsonx_ai.wml_client_error", "ApiRequestFailure", "response"),
}


@contextmanager
def refusing(kit: Kit, text: str = NOTHING, asynchronous: bool = False) -> Iterator[House]:
    """A library whose every call is refused, with faults of ours raised."""
    house = House(text, "memory:")
    house.wire = Wire(Reply(kit.whole(kit.usage)), library=kit.http_of(asynchronous))
    library = LIBRARIES[kit.library]
    seam: Any = seam_of(library)
    seam.open(library.adapter_class()(Hosts({})), house.desk)
    seam.patch(import_module(library.module))
    guard.set_strict(True)
    try:
        yield house
    finally:
        seam.close()
        guard.set_strict(False)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("asynchronous", [False, True])
@pytest.mark.parametrize("library", ERRORS)
async def test_the_handler_that_is_there_already_sees_it(
    library: str, asynchronous: bool, stream: bool
) -> None:
    kit = KITS[library]
    module, name, status = ERRORS[library]
    kind = getattr(import_module(module), name)
    with refusing(kit, asynchronous=asynchronous) as house:
        client = kit.client(house.wire, asynchronous, {"max_retries": 2} if kit.features & {"raw"} else {})
        method = client
        for part in kit.path(asynchronous, stream).split("."):
            method = getattr(method, part)
        with pytest.raises(kind) as caught:
            answer = await value(method(**kit.arguments(stream)))
            async for _ in items(answer):
                pass
        error = caught.value
        assert house.wire.calls == 0
        assert house.balance() == (0, 0)
    assert isinstance(error, BudgetExceededError)
    assert (error.budget, error.limit, error.reason) == ("life", 0, "limit")
    assert str(error).startswith("budget 'life': the call was not made")
    assert type(error).__name__ == "BudgetExceededError"
    shown: Any = getattr(error, status)
    assert getattr(shown, "status_code", shown) in (429, 402)
    for other in (copy.copy(error), copy.deepcopy(error), pickle.loads(pickle.dumps(error))):
        assert isinstance(other, kind) and isinstance(other, BudgetExceededError)
        assert (str(other), other.refusal) == (str(error), error.refusal)


def test_what_a_handler_of_openai_looks_at() -> None:
    with refusing(KITS["openai"], f'{CLIENT.replace("lifetime", "day")}limit = "0 USD"\n') as house:
        with pytest.raises(openai.APIStatusError) as caught:
            create(house.client())
    error = caught.value
    assert (error.status_code, error.code, error.type) == (429, "budget_exceeded", "budget_exceeded")
    assert error.response.json()["error"]["message"] == str(error)
    assert 0 < int(error.response.headers["retry-after"]) <= 86_400
    assert str(error.request.url) == "https://api.openai.com/v1/"


def test_a_refused_retry_is_one_too() -> None:
    text = f'{CLIENT}limit = "1 requests"\nowner = "retries"\n'
    lost = Reply(error=lambda request: import_module("httpx2").ReadTimeout("late", request=request))
    with governed(text, "memory:", lost, ANSWER) as house:
        with pytest.raises(openai.RateLimitError) as caught:
            create(house.client(retries=2))
        assert house.wire.calls == 1
        assert isinstance(caught.value, BudgetExceededError)


def test_googles_own_retries_let_it_pass() -> None:
    kit = KITS["google-genai"]
    with refusing(kit) as house:
        options = types.HttpOptions(
            httpx_client=house.wire.client(),
            retry_options=types.HttpRetryOptions(attempts=5, initial_delay=60),
        )
        client = genai.Client(api_key="none", http_options=options)
        with pytest.raises(genai.errors.ClientError) as caught:
            client.models.generate_content(**kit.arguments(False))
        decided = [span for span in house.telemetry.spans() if span.attributes]
    assert (caught.value.code, caught.value.status) == (402, "RESOURCE_EXHAUSTED")
    assert len(decided) == 1


@pytest.mark.parametrize("operation", ["converse", "converse_stream"])
def test_bedrocks_clients_have_their_own(operation: str) -> None:
    session = aws.Session(Reply(b"{}", headers=JSON))
    house = House(NOTHING, "memory:")
    seam = AwsSeam("botocore")
    seam.open(Bedrock(), house.desk)
    seam.patch(botocore.client)
    try:
        client = aws.client(session, attempts=3)
        with pytest.raises(client.exceptions.ThrottlingException) as caught:
            getattr(client, operation)(modelId="us.amazon.nova-pro-v1:0", messages=[])
    finally:
        seam.close()
    error: Any = caught.value
    assert session.calls == 0
    assert error.response["Error"]["Code"] == "ThrottlingException"
    assert isinstance(error, botocore.exceptions.ClientError) and isinstance(error, BudgetExceededError)
    assert isinstance(pickle.loads(pickle.dumps(error)), botocore.exceptions.ClientError)


def test_ours_is_ours_alone() -> None:
    with governed(f'{LIFE}limit = "0 USD"\n', "memory:") as house:
        with pytest.raises(BudgetExceededError) as caught:
            create(house.client())
    assert not isinstance(caught.value, openai.OpenAIError)


def test_where_the_library_is_not_known_it_is_ours() -> None:
    with governed(NOTHING, "memory:", Reply(dumps(chat(OPENAI_USAGE)))) as house:
        with pytest.raises(openai.RateLimitError) as caught:
            create(house.client())
    program = "import pickle, sys; e = pickle.load(sys.stdin.buffer); print(type(e).__mro__[0:2], e)"
    told = subprocess.run(
        [sys.executable, "-c", program], input=pickle.dumps(caught.value), capture_output=True, check=True
    )
    assert b"BudgetExceededError'>, <class 'Exception'>" in told.stdout
    assert str(caught.value).encode() in told.stdout
