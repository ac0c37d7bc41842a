"""`python -m tests.bench`: see `tests.bench.run`."""

from __future__ import annotations

from tests.bench.run import main

if __name__ == "__main__":
    main()
