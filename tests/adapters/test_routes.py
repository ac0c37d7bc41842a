"""Which requests call a model, by how their paths end; and how each is billed."""

from __future__ import annotations

import pytest

from otel_tokenomics.adapters.anthropic import _ROUTES as ANTHROPIC
from otel_tokenomics.adapters.openai import _ROUTES as OPENAI
from otel_tokenomics.adapters.routes import Route, Routes

DEPLOYMENT = "/openai/deployments/our-gpt/"

OPENAI_CALLS = [
    ("POST", "/chat/completions", "chat", "metered"),
    ("post", "chat/completions", "chat", "metered"),
    ("POST", "/v1/chat/completions?api-version=2024-10-21", "chat", "metered"),
    ("POST", "https://api.groq.com/openai/v1/chat/completions", "chat", "metered"),
    ("POST", DEPLOYMENT + "chat/completions?api-version=2024-10-21", "chat", "metered"),
    ("POST", "/completions", "text_completion", "metered"),
    ("POST", DEPLOYMENT + "completions", "text_completion", "metered"),
    ("POST", "/responses", "chat", "metered"),
    ("POST", "/responses/", "chat", "metered"),
    ("POST", "/responses/compact", "chat", "metered"),
    ("POST", "/responses/input_tokens", "count_tokens", "free"),
    ("GET", "/responses/resp_x", "chat", "polled"),
    ("GET", "/v1/responses/resp_x?include=usage", "chat", "polled"),
    ("POST", "/responses/resp_x/cancel", "chat", "polled"),
    ("POST", "/embeddings", "embeddings", "metered"),
    ("POST", "/moderations", "moderation", "free"),
    ("POST", "/images/generations", "image_generation", "metered"),
    ("POST", "/images/edits", "image_generation", "metered"),
    ("POST", "/audio/transcriptions", "transcription", "metered"),
    ("POST", "/audio/translations", "translation", "metered"),
    ("POST", "/audio/speech", "speech", "metered"),
    ("POST", "/threads/runs", "chat", "metered"),
    ("POST", "/threads/t/runs", "chat", "metered"),
    ("GET", "/threads/t/runs/r", "chat", "polled"),
    ("POST", "/threads/t/runs/r/submit_tool_outputs", "chat", "polled"),
    ("POST", "/threads/t/runs/r/cancel", "chat", "polled"),
    ("POST", "/batches", "fetch_response", "several"),
    ("GET", "/batches/b", "fetch_response", "several"),
    ("GET", "/files/f/content", "fetch_response", "several"),
    ("POST", "/fine_tuning/jobs", "fine_tuning", "several"),
    ("GET", "/fine_tuning/jobs/j", "fine_tuning", "several"),
    ("POST", "/videos/extensions", "video_generation", "metered"),
]
OPENAI_OTHERS = [
    ("GET", "/chat/completions"),
    ("GET", "/chat/completions/chatcmpl-1"),
    ("POST", "/chat/completions/chatcmpl-1"),
    ("DELETE", "/chat/completions/chatcmpl-1"),
    ("GET", "/chat/completions/chatcmpl-1/messages"),
    ("DELETE", "/responses/resp_x"),
    ("GET", "/responses"),
    ("GET", "/responses/resp_x/input_items"),
    ("GET", "/threads/t/runs"),
    ("GET", "/threads/t/runs/r/steps"),
    ("POST", "/threads/t/runs/r"),
    ("POST", "/threads/t/messages"),
    ("GET", "/models/gpt-4o"),
    ("POST", "/files"),
    ("GET", "/fine_tuning/jobs"),
    ("GET", "/fine_tuning/jobs/j/events"),
    ("POST", "/my-completions"),
    ("POST", ""),
]
ANTHROPIC_CALLS = [
    ("POST", "/v1/messages", "chat", "metered"),
    ("POST", "/v1/messages?beta=true", "chat", "metered"),
    ("POST", "/v1/messages/count_tokens", "count_tokens", "free"),
    ("POST", "/v1/messages/count_tokens?beta=true", "count_tokens", "free"),
    ("POST", "/v1/complete", "text_completion", "metered"),
    ("POST", "/v1/messages/batches", "fetch_response", "several"),
    ("GET", "https://api.anthropic.com/v1/messages/batches/b/results", "fetch_response", "several"),
]
ANTHROPIC_OTHERS = [
    ("GET", "/v1/messages"),
    ("GET", "/v1/messages/batches/b"),
    ("POST", "/v1/messages/batches/b/cancel"),
    ("GET", "/v1/models"),
    ("POST", "/v1/files"),
]


@pytest.mark.parametrize(
    ("routes", "method", "path", "operation", "billing"),
    [(OPENAI, *call) for call in OPENAI_CALLS] + [(ANTHROPIC, *call) for call in ANTHROPIC_CALLS],
)
def test_a_call_to_a_model(routes: Routes, method: str, path: str, operation: str, billing: str) -> None:
    route = routes.find(method, path)
    assert route is not None
    assert (route.operation, route.billing) == (operation, billing)
    assert routes.find(method, path) is route


@pytest.mark.parametrize(
    ("routes", "method", "path"),
    [(OPENAI, *other) for other in OPENAI_OTHERS] + [(ANTHROPIC, *other) for other in ANTHROPIC_OTHERS],
)
def test_what_calls_no_model(routes: Routes, method: str, path: str) -> None:
    assert routes.find(method, path) is None


def test_what_is_remembered_is_bounded() -> None:
    routes = Routes(Route("GET", "responses/*", "chat", "polled"))
    for n in range(3_000):
        assert routes.find("GET", f"responses/resp_{n}") is not None
    assert len(routes._known) <= 1_024
