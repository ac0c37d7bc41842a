"""`make frameworks`: the scenes of the larger frameworks, in an environment that has all of them.

The environment is kept in the user's cache folder as those of `make versions` are, and made anew when a
requirement here or in pyproject.toml changes. It takes about 3 GB.

    make frameworks                     every scene
    make frameworks ARGS='-k strands'   what pytest selects
"""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

NAMES = (
    *("strands-agents", "google-adk", "autogen-agentchat", "llama-index-core", "crewai", "dspy"),
    *("claude-agent-sdk", "litellm", "openai"),
)
ALSO = ("strands-agents[openai]", "autogen-ext[openai]", "llama-index-llms-openai")
TOOLS = ("pytest", "pytest-asyncio", "pytest-timeout", "pytest-xdist", "hypothesis", "pyyaml", "jinja2")
TESTS = ("tests/frameworks/test_heavier.py", "tests/frameworks/test_claude_agent.py")


@dataclass(frozen=True)
class Environment:
    """What is installed, as the environments of `make versions` are described."""

    name: str = "frameworks"
    pins: list[str] = field(default_factory=lambda: [*NAMES, *ALSO, *TOOLS])


def versions() -> None:
    """Print the versions of what is installed here."""
    for name in NAMES:
        try:
            print(f"{name:20}{version(name)}")
        except PackageNotFoundError:
            print(f"{name:20}not installed")


def main(arguments: list[str]) -> int:
    """Make the environment, say what is in it, and play the scenes."""
    shared = importlib.import_module("tests.versions.run")
    place, root = shared.home(Environment(), fresh=False), str(shared.ROOT)
    environment = {**os.environ, "PYTHONPATH": root}
    python = str(place / "bin" / "python")
    subprocess.run([python, str(Path(__file__)), "--versions"], check=True, env=environment)
    command = [python, "-m", "pytest", *TESTS, "--timeout", "300", *arguments]
    return subprocess.run(command, check=False, env=environment, cwd=root).returncode


if __name__ == "__main__":
    if sys.argv[1:] == ["--versions"]:
        versions()
    else:
        sys.exit(main(sys.argv[1:]))
