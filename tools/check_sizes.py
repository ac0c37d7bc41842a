"""Fail when a function or a file has grown past what a reader can hold: `check_sizes.py PATH...`."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

FUNCTION_LINES = 59
FILE_LINES = 400


def findings(path: Path) -> Iterator[str]:
    """Each function and file of `path` that is too long, as `file:line: what`."""
    text = path.read_text(encoding="utf-8")
    lines = text.count("\n")
    if lines > FILE_LINES:
        yield f"{path}:1: the file has {lines} lines, more than {FILE_LINES}: split it"
    for node in ast.walk(ast.parse(text, str(path))):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        length = (node.end_lineno or node.lineno) - node.lineno + 1
        if length > FUNCTION_LINES:
            place = f"{path}:{node.lineno}"
            yield f"{place}: {node.name} has {length} lines, more than {FUNCTION_LINES}: split it"


def main(roots: list[str]) -> int:
    """Print the findings below `roots`; 1 when there are any."""
    files = sorted(file for root in roots for file in Path(root).rglob("*.py"))
    found = [finding for file in files for finding in findings(file)]
    print("\n".join(found) or f"Sizes kept in {len(files)} files")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
