"""`python -m tools.semconv [--check]`: check the registry, then make every file that comes from it."""

from __future__ import annotations

import sys

from tools.semconv.generate import ROOT, files, stale


def main(arguments: list[str]) -> int:
    """Write the files that are stale; with `--check` only name them, and return 1 when there are any."""
    made = files()
    old = stale()
    for path in old:
        if "--check" in arguments:
            print(f"{path.relative_to(ROOT)}: stale: the registry says otherwise; run `make semconv`")
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(made[path], encoding="utf-8")
            print(f"{path.relative_to(ROOT)}: written")
    if not old:
        print(f"{len(made)} files are what the registry says")
    return 1 if old and "--check" in arguments else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
