"""Compile the price cards that the package ships, from the data of genai-prices (MIT).

    python tools/build_cards.py

Reads the installed genai-prices, its data and not its calculation, and writes one archive with a section
for each provider, so that a process loads only what it uses. Rates become whole femto-USD for the unit's own
quantity (a million tokens, an hour of audio). The same input gives the same bytes.
"""

from __future__ import annotations

import hashlib
import io
import json
import sys
import zipfile
from collections import Counter
from decimal import Decimal
from importlib.metadata import version
from pathlib import Path
from typing import Any

TARGET = Path(__file__).parent.parent / "src/otel_tokenomics/pricing/data/cards.zip"
FEMTO = 10**15
DATA_VERSION, DATA_DATE = "0.2.3", "2026-11-24"
"""The catalogue's version and the day it was taken. Change both together."""
EPOCH = (1980, 1, 1, 0, 0, 0)


def main() -> int:
    """Write the archive and say what is in it."""
    from genai_prices.data import providers
    from genai_prices.data_units import unit_data

    installed = version("genai-prices")
    if installed != DATA_VERSION:
        raise SystemExit(
            f"genai-prices {installed} is installed, these cards are built from {DATA_VERSION}. "
            "Install that version, or change DATA_VERSION and DATA_DATE in this file."
        )
    units = {unit["price_key"]: unit["per"] for unit in unit_data.values()}
    counts: Counter[str] = Counter()
    sections = {provider.id: section(provider, units, counts) for provider in providers}
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    TARGET.write_bytes(archive(sections, units))
    models = sum(len(part["models"]) for part in sections.values())
    print(f"{len(sections)} providers, {models} models, {sum(counts.values())} prices: {dict(counts)}")
    print(f"{TARGET.stat().st_size} bytes in {TARGET.name}")
    return 0


def archive(sections: dict[str, Any], units: dict[str, int]) -> bytes:
    """The archive's bytes: a manifest and a section for each provider, compressed, without timestamps."""
    texts = {f"{name}.json": dumped(part) for name, part in sorted(sections.items())}
    digest = hashlib.sha256("".join(texts.values()).encode()).hexdigest()
    manifest = {
        "catalog": "genai-prices",
        "version": f"{version('genai-prices')}+sha256:{digest[:12]}",
        "sha256": digest,
        "source": "https://github.com/pydantic/genai-prices",
        "licence": "MIT",
        "date": DATA_DATE,
        "units": units,
        "providers": sorted(sections),
    }
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as target:
        for name, text in {"manifest.json": dumped(manifest), **texts}.items():
            target.writestr(zipfile.ZipInfo(name, EPOCH), text, zipfile.ZIP_DEFLATED, 9)
    return buffer.getvalue()


def dumped(value: Any) -> str:
    """Canonical JSON."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def section(provider: Any, units: dict[str, int], counts: Counter[str]) -> dict[str, Any]:
    """One provider: its models with their prices, and every name that is exactly one of them."""
    models: dict[str, Any] = {}
    aliases: dict[str, str] = {}
    for model in provider.models:
        models[model.id] = card(model, units, counts)
    for model in provider.models:
        for name in exact_names(model.match):
            if name not in models:
                aliases.setdefault(name, model.id)
    return {"models": models, "aliases": aliases}


def exact_names(clause: Any) -> list[str]:
    """Names that a match clause spells out. What only starts with, or contains, one is a guess and left out.

    The text of a `starts_with` is itself the base name of a model, to which a date may be added.
    """
    kind = type(clause).__name__
    if kind == "ClauseEquals":
        return [clause.equals]
    if kind == "ClauseStartsWith":
        return [clause.starts_with.rstrip("-@")]
    if kind == "ClauseEndsWith":
        return [clause.ends_with]
    if kind == "ClauseContains":
        return [clause.contains.rstrip("-@")]
    if kind == "ClauseOr":
        return [name for part in clause.or_ for name in exact_names(part)]
    return []


def card(model: Any, units: dict[str, int], counts: Counter[str]) -> dict[str, Any]:
    """A model's prices in the order of the catalogue: the last active one holds."""
    listed = model.prices if isinstance(model.prices, list) else [model]
    prices = [
        {**condition(getattr(entry, "constraint", None)), "rates": rates(entry.prices, units, counts)}
        for entry in listed
    ]
    variants = [
        {**condition(entry.constraint), "when": entry.when, "rates": rates(entry.prices, units, counts)}
        for entry in model.price_variants or ()
    ]
    return {"prices": prices, **({"variants": variants} if variants else {})}


def condition(constraint: Any) -> dict[str, Any]:
    """When a price holds: from a date (UTC), or between two times of the day (UTC, seconds)."""
    if constraint is None:
        return {}
    if type(constraint).__name__ == "StartDateConstraint":
        return {"from": constraint.start_date.isoformat()}
    times = (constraint.start_time, constraint.end_time)
    return {"between": [seconds(moment) for moment in times]}


def seconds(moment: Any) -> int:
    """Seconds since midnight UTC."""
    offset = moment.utcoffset()
    shift = int(offset.total_seconds()) if offset is not None else 0
    return (moment.hour * 3600 + moment.minute * 60 + moment.second - shift) % 86400


def rates(prices: Any, units: dict[str, int], counts: Counter[str]) -> dict[str, Any]:
    """Rates by price key: an integer, or `[base, [[more tokens than, rate], ...]]`."""
    compiled: dict[str, Any] = {}
    for key, value in vars(prices).items():
        if value is None or key.startswith("_"):
            continue
        if key not in units:
            raise SystemExit(
                f"genai-prices has a price key that no unit defines: {key!r}. Add it to the build."
            )
        counts[key] += 1
        if isinstance(value, Decimal):
            compiled[key] = femto(value)
        else:
            compiled[key] = [femto(value.base), [[tier.start, femto(tier.price)] for tier in value.tiers]]
    return compiled


def femto(amount: Decimal) -> int:
    """Whole femto-USD, half to even: only prices that passed through a float elsewhere are not whole."""
    return int((amount * FEMTO).to_integral_value())


if __name__ == "__main__":
    sys.exit(main())
