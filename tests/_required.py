"""What a test needs beyond the project: skipped for a user who lacks it, a failure in CI."""

from __future__ import annotations

import importlib
import importlib.util
import os
import shutil
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType
from typing import NoReturn

import pytest

RECORDINGS_VARIABLE = "OTEL_TOKENOMICS_RECORDINGS"


def require(module: str, reason: str = "") -> ModuleType:
    """The module, imported; without it, skip with a reason, or fail under `CI=true`."""
    if importlib.util.find_spec(module) is None:
        missing(f"the module {module} is not installed", reason)
    return importlib.import_module(module)


def require_tool(name: str, reason: str = "") -> str:
    """The path of an executable; without it, skip with a reason, or fail under `CI=true`."""
    path = shutil.which(name)
    return path if path is not None else missing(f"the tool {name} is not on PATH", reason)


def require_installed() -> None:
    """Skip, or fail under `CI=true`, when the project is only on the path: then it has no entry points."""
    if not entry_points(name="tokenomics_ledger"):
        missing("the project is not installed", "its entry points exist only then; run `make test`")


def missing(what: str, reason: str = "") -> NoReturn:
    """Skip the running test, saying what is missing; under `CI=true` fail it instead."""
    message = f"{what}: {reason}" if reason else what
    if os.environ.get("CI") == "true":
        pytest.fail(f"required in CI, but {message}", pytrace=False)
    pytest.skip(message)


def recordings() -> Path:
    """The folder of recorded exchanges; a test that needs it is skipped where there is none, CI or not.

    It lies beside the project, not in it, so that a checkout alone is whole without it.
    """
    beside = Path(__file__).resolve().parents[1].parent / "shared" / "recordings"
    folder = Path(os.environ.get(RECORDINGS_VARIABLE) or beside)
    if not folder.is_dir():
        pytest.skip(f"no recordings at {folder}: set {RECORDINGS_VARIABLE} to their folder")
    return folder
