"""Budgets over client libraries that are seen at their HTTP library: caps are sent, refused calls are not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.budgets._calls import LIFE, House
from tests.support.libraries import KITS
from tests.support.wire import Reply, Wire

from otel_tokenomics.adapters.hosts import Hosts
from otel_tokenomics.adapters.http_body import cap_path, with_cap
from otel_tokenomics.budgets.errors import BudgetExceededError
from otel_tokenomics.budgets.plan import Plan
from otel_tokenomics.budgets.worst import Asked, Estimate, output_cap, walk
from otel_tokenomics.flow import guard
from otel_tokenomics.model.call import Facts
from otel_tokenomics.wiring.assembly import pricer_of
from otel_tokenomics.wiring.http import Seam
from otel_tokenomics.wiring.libraries import LIBRARIES

CAPS = {
    "google-genai": ("generationConfig", "maxOutputTokens"),
    "mistralai": ("max_tokens",),
    "cohere": ("max_tokens",),
    "ollama": ("options", "num_predict"),
    "huggingface-hub": ("max_tokens",),
    "ibm-watsonx-ai": ("max_tokens",),
}


@contextmanager
def governed(library: str, text: str, folder: Path) -> Iterator[tuple[House, Wire, Any]]:
    """A library's calls under one budget for a lifetime: the house, the wire, a call to make."""
    kit = KITS[library]
    house = House(LIFE + text, f"sqlite:///{str(folder / 'b.db').lstrip('/')}")
    wire = Wire(Reply(kit.whole(kit.usage)), library=kit.http_of(False))
    client = kit.client(wire, False, {})
    seam = Seam(library)
    seam.open(LIBRARIES[library].adapter_class()(Hosts({})), house.desk)
    seam.patch(None)
    method = client
    for name in kit.path(False, False).split("."):
        method = getattr(method, name)
    guard.set_strict(True)
    try:
        yield house, wire, lambda: method(**kit.arguments(False))
    finally:
        seam.close()
        guard.set_strict(False)


@pytest.mark.parametrize("library", CAPS)
def test_a_call_that_may_not_fit_is_never_sent(library: str, tmp_path: Path) -> None:
    with governed(library, 'limit = "50 tokens"\n', tmp_path) as (house, wire, call):
        with pytest.raises(BudgetExceededError):
            call()
        assert house.balance() == (0, 0)
    assert wire.calls == 0


@pytest.mark.parametrize("library", CAPS)
def test_the_cap_that_was_reckoned_with_is_sent(library: str, tmp_path: Path) -> None:
    text = 'limit = "1000 tokens"\nunbounded_output = "clamp:77"\n'
    with governed(library, text, tmp_path) as (_, wire, call):
        call()
    (request,) = wire.requests
    body = json.loads(request.content)
    assert output_cap(body) == 77
    for name in CAPS[library]:
        body = body[name]
    assert body == 77
    assert request.headers["content-length"] == str(len(request.content))


def test_what_fits_is_sent_as_the_cap(tmp_path: Path) -> None:
    text = 'limit = "1000 tokens"\nfit = true\nleast_output = 10\n'
    with governed("google-genai", text, tmp_path) as (_, wire, call):
        call()
    cap = output_cap(json.loads(wire.requests[0].content))
    assert cap is not None
    assert 10 <= cap < 1000


def test_a_cap_leaves_the_body_as_it_was() -> None:
    body: dict[str, Any] = {"generationConfig": {"temperature": 0.5}, "contents": []}
    facts = Facts("gcp.gemini", "chat", "google_genai", "generateContent", "gemini-2.5-flash")
    changed = with_cap(body, cap_path(facts), 5)
    assert changed == {"generationConfig": {"temperature": 0.5, "maxOutputTokens": 5}, "contents": []}
    assert body == {"generationConfig": {"temperature": 0.5}, "contents": []}


def test_generation_at_watsonx_has_its_cap_among_its_parameters() -> None:
    facts = Facts("ibm.watsonx.ai", "text_completion", "ibm_watsonx_ai", "text/generation")
    changed = with_cap({"input": "dig", "parameters": {"top_k": 1}}, cap_path(facts), 5)
    assert changed == {"input": "dig", "parameters": {"top_k": 1, "max_new_tokens": 5}}
    assert output_cap(changed) == 5


def test_candidates_multiply_the_cap_and_what_is_not_in_memory_is_presumed_large() -> None:
    facts = Facts("gcp.gemini", "chat", "google_genai", "generateContent", "gemini-2.5-flash")
    estimate = Estimate(Plan(output_tokens=9000), pricer_of(None))
    config = {"maxOutputTokens": 100, "candidateCount": 3}
    assert estimate.need(Asked(facts, {"generationConfig": config}, 0)).output_tokens == 300
    unseen = estimate.need(Asked(facts, None, 0))
    assert (unseen.input_tokens, unseen.output_tokens, unseen.capped) == (9000 + 8, 9000, False)


@pytest.mark.parametrize("file", [{"data": "x" * 900}, {"fileUri": "gs://b/x.png"}])
def test_a_picture_in_googles_contents_counts_as_one_whatever_its_bytes(file: dict[str, str]) -> None:
    part = {"inlineData" if "data" in file else "fileData": {"mimeType": "image/png", **file}}
    seen = walk({"contents": [{"role": "user", "parts": [{"text": "dig"}, part]}]}, keep=False)
    assert seen.images == 1
    assert seen.size < 100
