"""What is made from the registry is what the registry says."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from tools.semconv import __main__ as command
from tools.semconv import generate

ROOT = generate.ROOT


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the registry and of every file made from it, to plant a fault in."""
    shutil.copytree(ROOT / "semconv", tmp_path / "semconv")
    for path in generate.files():
        target = tmp_path / path.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    return tmp_path


def test_no_generated_file_is_stale() -> None:
    old = [str(path.relative_to(ROOT)) for path in generate.stale()]
    assert not old, "run `make semconv`"


def test_a_name_that_changes_makes_files_stale(copy: Path) -> None:
    assert not generate.stale(copy)
    cost = copy / "semconv" / "model" / "cost.yaml"
    cost.write_text(
        cost.read_text("utf-8").replace("Whether every quantity", "Whether each quantity"), "utf-8"
    )
    assert copy / generate.NAMES in generate.stale(copy)


def test_a_file_edited_by_hand_is_stale(copy: Path) -> None:
    for path in generate.files(copy):
        kept = path.read_text("utf-8")
        made = "| `tokenomics." if path.suffix == ".md" else "tokenomics"
        path.write_text(kept.replace(made, made.replace("nomics", "nomix"), 1), "utf-8")
        assert generate.stale(copy) == [path]
        path.write_text(kept, "utf-8")


def test_the_command_says_what_is_stale(
    copy: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "ROOT", copy)
    monkeypatch.setattr(command, "files", lambda: generate.files(copy))
    monkeypatch.setattr(command, "stale", lambda: generate.stale(copy))
    module = copy / generate.NAMES
    module.write_text("", "utf-8")
    assert command.main(["--check"]) == 1
    assert f"{generate.NAMES}: stale" in capsys.readouterr().out
    assert command.main([]) == 0
    assert command.main(["--check"]) == 0
    assert module.read_text("utf-8").startswith('"""Attribute, metric and event names')
