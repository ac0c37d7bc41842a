"""`make frameworks`: the scenes of the larger frameworks, in an environment that has all of them.

The environment is kept in the user's cache folder as those of `make versions` are, and made anew when a
requirement here or in pyproject.toml changes. It takes about 3 GB. A smaller one is for the Claude Agent SDK
in the fault matrix, whose files are those of every other library; with arguments that is left out.

    make frameworks                     every scene
    make frameworks ARGS='-k strands'   what pytest selects
"""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

NAMES = (
    *("strands-agents", "google-adk", "autogen-agentchat", "llama-index-core", "crewai", "dspy"),
    *("claude-agent-sdk", "litellm", "openai"),
)
ALSO = ("strands-agents[openai]", "autogen-ext[openai]", "llama-index-llms-openai")
SINCE = ("strands-agents>=1", "google-adk>=2", "autogen-agentchat>=0.7", "autogen-ext>=0.7", "crewai>=1.15")
"""Older ones have none of what is tested, and are what `pip` falls back to where newer ones disagree."""
TOOLS = ("pytest", "pytest-asyncio", "pytest-timeout", "pytest-xdist", "hypothesis", "pyyaml", "jinja2")
TESTS = ("tests/frameworks/test_heavier.py", "tests/frameworks/test_claude_agent.py")
AGENT = "claude-agent-sdk"
GROUND = ("openai", "cohere", "aiohttp", "anyio")
"""What the fault matrix's own ground imports."""
MATRIX = (
    *(
        f"tests/faults/test_{name}.py"
        for name in ("calls", "streams", "ours", "telemetry", "machine", "injector")
    ),
    "tests/wiring/test_libraries.py",
)


def versions(names: Iterable[str]) -> None:
    """Print the versions of what is installed here."""
    for name in names:
        try:
            print(f"{name:20}{version(name)}")
        except PackageNotFoundError:
            print(f"{name:20}not installed")


def play(pins: Iterable[str], names: Iterable[str], tests: Iterable[str], arguments: list[str]) -> int:
    """Make an environment, say what is in it, and run tests there."""
    environments = importlib.import_module("tests.versions.environments")
    place, root = environments.environment((*pins, *TOOLS), fresh=False), str(environments.ROOT)
    given = {**os.environ, "PYTHONPATH": f"{root}{os.pathsep}{root}/src"}
    python = str(environments.python_of(place))
    subprocess.run([python, str(Path(__file__)), "--versions", *names], check=True, env=given)
    command = [python, "-m", "pytest", *tests, "--timeout", "300", *arguments]
    return subprocess.run(command, check=False, env=given, cwd=root).returncode


if __name__ == "__main__":
    if sys.argv[1:2] == ["--versions"]:
        versions(sys.argv[2:])
    else:
        went = play((*NAMES, *ALSO, *SINCE), NAMES, TESTS, sys.argv[1:])
        if not sys.argv[1:]:
            went = went or play((AGENT, *GROUND), (AGENT,), MATRIX, ["-q", "-k", AGENT])
        sys.exit(went)
