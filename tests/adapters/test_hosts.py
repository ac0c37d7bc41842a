"""Who is behind a base URL: a table that is anchored, and the user's own map on top of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_tokenomics.adapters.hosts import _EXACT, _SUFFIX, Host, Hosts


@pytest.mark.parametrize(
    ("host", "provider"),
    [
        ("api.openai.com", "openai"),
        ("API.OpenAI.com", "openai"),
        ("api.openai.com.", "openai"),
        ("eu.api.openai.com", "openai"),
        ("api.anthropic.com", "anthropic"),
        ("ours.openai.azure.com", "azure.ai.openai"),
        ("a.b.openai.azure.com", "azure.ai.openai"),
        ("ours.services.ai.azure.com", "azure.ai.openai"),
        ("bedrock-runtime.us-east-1.amazonaws.com", "aws.bedrock"),
        ("europe-west4-aiplatform.googleapis.com", "gcp.vertex_ai"),
        ("aiplatform.googleapis.com", "gcp.vertex_ai"),
        ("generativelanguage.googleapis.com", "gcp.gemini"),
        ("api.groq.com", "groq"),
    ],
)
def test_known_hosts(host: str, provider: str) -> None:
    found = Hosts().find(host)
    assert found is not None
    assert found.provider == provider


@pytest.mark.parametrize(
    "host",
    [
        "api.openai.com.evil.example",
        "evil-api.openai.com",
        "xapi.openai.com",
        "openai.com",
        "openai.azure.com.evil.example",
        "evilopenai.azure.com",
        "azure.com",
        "notamazonaws.com",
        "evil-aiplatform.googleapis.com.example",
        "storage.googleapis.com",
        "localhost",
        "127.0.0.1",
        "::1",
        "com",
        ".",
        "",
    ],
)
def test_hosts_of_nobody_we_know(host: str) -> None:
    assert Hosts().find(host) is None


@given(
    st.sampled_from([*_EXACT, *_SUFFIX]), st.from_regex(r"[a-z0-9-]{1,10}(\.[a-z]{2,8}){1,2}", fullmatch=True)
)
def test_nothing_may_follow_a_known_host(host: str, behind: str) -> None:
    found = Hosts().find(f"{host}.{behind}")
    assert found is None or any(behind.endswith(suffix) for suffix in _SUFFIX)


def test_the_users_map_is_exact_or_by_suffix() -> None:
    hosts = Hosts({"LLM.corp.example": "openai", "*.gateway.example": "groq"})
    assert hosts.find("llm.corp.example") == Host("openai")
    assert hosts.find("x.llm.corp.example") is None
    assert hosts.find("a.gateway.example") == hosts.find("a.b.gateway.example") == Host("groq")
    assert hosts.find("gateway.example") is None
    assert hosts.find("a.gateway.example.evil") is None


def test_the_users_map_overrides_the_table_and_keeps_what_the_host_can_do() -> None:
    hosts = Hosts({"api.groq.com": "ours", "*.openai.azure.com": "ours"})
    assert hosts.find("api.groq.com") == Host("ours", True)
    assert hosts.find("x.openai.azure.com") == Host("ours", True)


def test_the_nearest_suffix_holds() -> None:
    hosts = Hosts({"*.corp.example": "far", "*.eu.corp.example": "near", "one.eu.corp.example": "exact"})
    assert [hosts.find(f"{name}.corp.example") for name in ("x", "x.eu", "one.eu")] == [
        Host("far"),
        Host("near"),
        Host("exact"),
    ]


@pytest.mark.parametrize("host", ["llm.internal", "a.llm.internal"])
def test_a_suffix_may_be_one_label(host: str) -> None:
    assert Hosts({"*.internal": "openai"}).find(host) == Host("openai")
