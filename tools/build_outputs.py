"""Rebuild the most that models put out: `build_outputs.py --litellm FILE --date DATE`.

`FILE` is litellm's `model_prices_and_context_window` JSON (MIT). Where its entries for a model differ the
largest counts, since a budget holds an upper bound.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

TARGET = Path(__file__).resolve().parents[1] / "src" / "otel_tokenomics" / "budgets" / "data" / "outputs.json"
MODES = ("chat", "responses", "completion")


def outputs(table: dict[str, Any]) -> dict[str, int]:
    """The most output tokens of each model that generates text, by its name without a provider."""
    most: dict[str, int] = {}
    for key, entry in table.items():
        tokens = entry.get("max_output_tokens") or entry.get("max_tokens")
        if entry.get("mode") in MODES and isinstance(tokens, int) and tokens > 0:
            name = key.rpartition("/")[2].lower()
            most[name] = max(most.get(name, 0), tokens)
    return dict(sorted(most.items()))


def main() -> None:
    """Write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--litellm", type=Path, required=True)
    parser.add_argument("--date", required=True)
    arguments = parser.parse_args()
    table = outputs(json.loads(arguments.litellm.read_text(encoding="utf-8")))
    made = {"source": "litellm", "licence": "MIT", "date": arguments.date, "outputs": table}
    TARGET.parent.mkdir(exist_ok=True)
    TARGET.write_text(json.dumps(made, separators=(",", ":")) + "\n", encoding="utf-8")
    print(f"{len(table)} models in {TARGET}")


if __name__ == "__main__":
    main()
