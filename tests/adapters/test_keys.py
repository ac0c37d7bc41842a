"""A key is known by its digest or its vendor's id, read where it lies, and by nothing else."""

from __future__ import annotations

import hashlib
from types import SimpleNamespace
from typing import Any

import httpx
import openai
import pytest
import requests
from botocore.credentials import Credentials, RefreshableCredentials  # type: ignore[import-untyped]
from tests.support import aws
from tests.support.wire import JSON, Reply

from otel_tokenomics.adapters import keys

KEY = "sk-canary-0123456789"
ID = "sha256:" + hashlib.sha256(KEY.encode()).hexdigest()[:16]


def test_it_is_a_part_of_the_keys_digest() -> None:
    assert keys.key_id(KEY) == keys.key_id(f"Bearer {KEY}") == ID
    assert "canary" not in ID


@pytest.mark.parametrize("none", [None, "", "Bearer ", "<missing API key>", 5, openai.NotGiven()])
def test_what_is_no_key_has_no_id(none: object) -> None:
    assert keys.key_id(none) is None


def test_a_clients_key_and_the_one_that_a_request_has_instead() -> None:
    client = openai.OpenAI(api_key=KEY)
    plain, other = SimpleNamespace(headers=openai.NotGiven()), SimpleNamespace(headers={"Api-Key": "other"})
    assert keys.of_client(client, plain) == ID
    assert keys.of_client(client, other) == keys.key_id("other")
    headed = openai.OpenAI(api_key="x", default_headers={"Authorization": f"Bearer {KEY}"})
    assert keys.of_client(headed, plain) == ID


@pytest.mark.parametrize("header", ["Authorization", "x-api-key", "x-goog-api-key", "api-key"])
def test_a_request_carries_its_key(header: str) -> None:
    assert keys.of_request(None, httpx.Request("POST", "http://h/", headers={header: KEY})) == ID
    assert keys.of_request(None, httpx.Request("POST", "http://h/")) is None


def test_the_key_of_a_session_of_requests_or_aiohttp() -> None:
    prepared = requests.Request("POST", "http://h/", headers={"Authorization": f"Bearer {KEY}"}).prepare()
    assert keys.of_request(None, SimpleNamespace(sent=prepared)) == ID
    session = SimpleNamespace(headers={"x-goog-api-key": KEY})
    assert keys.of_request(session, SimpleNamespace(sent=((), {"headers": [("A", "b")]}))) == ID
    assert keys.of_request(session, SimpleNamespace(sent=((), {}))) == ID


def never() -> Any:
    raise AssertionError("a key was asked for")


def test_the_id_of_an_aws_key_is_read_where_it_lies() -> None:
    client: Any = aws.client(aws.Session(Reply(b"{}", headers=JSON)))
    held = client._request_signer._credentials.access_key
    assert keys.of_aws(client) == held
    late = RefreshableCredentials("AKIA1", "secret", "t", None, never, "sts")
    client._request_signer._credentials = late
    assert keys.of_aws(client) == "AKIA1"
    client._request_signer._credentials = Credentials("AKIA2", "secret")
    assert keys.of_aws(client) == "AKIA2"
    assert keys.of_aws(object()) is None
