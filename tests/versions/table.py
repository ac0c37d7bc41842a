"""The versions of each client library that `make versions` plays: the oldest, each major, the newest.

The oldest is the one that the library's row in `wiring/libraries.py` names. Of each major it is the newest;
of the last it is the newest that there is, so that a new major is played on the day that it appears.
"""

from __future__ import annotations

from dataclasses import dataclass

from otel_tokenomics.wiring.libraries import LIBRARIES

MAJORS: dict[str, tuple[str, ...]] = {
    "openai": ("1", "2", "3"),
    "anthropic": ("0", "1", "2"),
    "groq": ("0", "1"),
    "together": ("2", "3"),
    "cerebras-cloud-sdk": ("1",),
    "fireworks-ai": ("1",),
    "writer-sdk": ("2", "3"),
    "google-genai": ("1", "2", "3"),
    "mistralai": ("2", "3"),
    "cohere": ("5", "6", "7"),
    "ollama": ("0",),
    "huggingface-hub": ("0", "1", "2"),
    "replicate": ("0", "1"),
    "voyageai": ("0",),
    "ibm-watsonx-ai": ("1",),
    "azure-ai-inference": ("1",),
    "xai-sdk": ("1",),
    "google-cloud-aiplatform": ("1", "2"),
    "botocore": ("1",),
    "aiobotocore": ("2", "3"),
    "claude-agent-sdk": ("0",),
    "litellm": ("1",),
}
"""The majors that there are, from that of the oldest on."""
STEPS: dict[str, tuple[str, ...]] = {"litellm": ("1.80", "1.90", "1.100")}
"""Where a library has stayed within a major for years: the newest before each of these, too."""
EARLY = frozenset({"azure-ai-inference"})
"""Of these there are only versions before the first."""
BESIDE: dict[str, tuple[str, ...]] = {
    "aiobotocore": ("httpx2",),
    "azure-ai-inference": ("aiohttp",),
    "google-genai": ("aiohttp",),
    "huggingface-hub": ("aiohttp",),
}
"""What a version needs beside it for every way to call it, which it does not bring."""
THEN: dict[str, tuple[str, ...]] = {"openai": ("httpx<0.28",)}
"""What the oldest needs beside it: it was made for what was there then."""


@dataclass(frozen=True)
class Row:
    """One version of one library: its own requirement, and all that is installed with it."""

    library: str
    asked: str
    pins: tuple[str, ...]

    @property
    def name(self) -> str:
        """A readable name, which `--only` takes a part of."""
        return f"{self.library} {self.asked}"


def rows() -> list[Row]:
    """Every version that is played."""
    return [row for library in LIBRARIES if library in MAJORS for row in _of(library)]


def _of(library: str) -> list[Row]:
    beside, majors = BESIDE.get(library, ()), MAJORS[library]
    oldest = f"=={LIBRARIES[library].oldest}"
    found = [Row(library, oldest, (library + oldest, *beside, *THEN.get(library, ())))]
    for step in STEPS.get(library, ()):
        asked = f"<{step}"
        found.append(Row(library, asked, (library + asked, *beside)))
    for major in majors:
        least = LIBRARIES[library].oldest if library in EARLY else major
        asked = f">={least}" if major == majors[-1] else f">={major},<{int(major) + 1}"
        found.append(Row(library, asked, (library + asked, *beside)))
    return found
