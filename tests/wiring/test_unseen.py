"""What of a covered library passes its seam by is said by `doctor`, where it is so."""

from __future__ import annotations

import importlib.util

from otel_tokenomics.cli import findings
from otel_tokenomics.wiring import coverage


def test_doctor_says_which_calls_of_google_genai_are_not_recorded() -> None:
    told = [found.text for found in findings.clients().findings if found.text.startswith("google-genai")]
    assert len(told) == 1
    assert ("aiohttp" in told[0]) == (importlib.util.find_spec("aiohttp") is not None)


def test_a_library_with_nothing_unseen() -> None:
    assert coverage.Client("openai", "1.0").unseen is None
