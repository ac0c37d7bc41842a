"""Compile the price cards that the package carries: `build_cards.py [--check] [--date YYYY-MM-DD]`.

Reads the data of the installed genai-prices (MIT), never its run time: prices as whole femto-USD, dated
lists, time-of-day windows, context tiers, variants, ids and the names the catalogue itself matches.
Lays over it what `prices/` holds: own price lists, Azure's meters, and what other catalogues were right on.
Fails on a price key, a condition or a unit that it does not know, so that nothing is dropped in silence,
and on catalogues that disagree where nobody has said which is right.
"""

from __future__ import annotations

import argparse
import datetime as dt
import hashlib
import io
import json
import sys
import zipfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    ROOT = Path(__file__).resolve().parents[1]
    sys.path[:0] = [str(ROOT), str(ROOT / "src")]

from tools.prices import conflicts, overlay

from otel_tokenomics.pricing.book import SCHEMA

CATALOG = "genai-prices"
DATA = Path(__file__).resolve().parents[1] / "src" / "otel_tokenomics" / "pricing" / "data"
CARDS = DATA / "cards.zip"
LICENCE = DATA / "LICENSE-genai-prices"
FEMTO = 10**15

# A catalogue's price key -> our bucket. Durations are counted in seconds there, in milliseconds here.
_MODALITIES = ("text", "audio", "image", "video")
BUCKETS: dict[str, str] = {
    "input_mtok": "input",
    "output_mtok": "output",
    "cache_read_mtok": "cache_read",
    "cache_write_mtok": "cache_write",
    "cache_write_5m_mtok": "cache_write.5m",
    "cache_write_1h_mtok": "cache_write.1h",
    "output_reasoning_mtok": "reasoning",
    "output_citation_mtok": "output.citation",
    "input_tool_mtok": "input.tool",
    "input_mchars": "characters",
    "input_text_messages_kcount": "messages",
    "audio_hours": "audio.ms",
    "input_audio_hours": "input_audio.ms",
    "output_audio_hours": "output_audio.ms",
    "input_gpixels": "pixels",
    "input_document_kpages": "pages",
    "input_annotated_document_kpages": "pages.annotated",
    "rerank_searches_kcount": "tool.rerank",
    "web_searches_kcount": "tool.web_search",
    "social_searches_kcount": "tool.social_search",
    "storage_searches_kcount": "tool.file_search",
    "code_executions_kcount": "tool.code_execution",
    "requests_kcount": "requests",
    **{f"input_{kind}_mtok": f"input.{kind}" for kind in _MODALITIES},
    **{f"output_{kind}_mtok": f"output.{kind}" for kind in _MODALITIES},
    **{f"cache_{kind}_read_mtok": f"cache_read.{kind}" for kind in _MODALITIES},
    **{f"cache_{kind}_write_mtok": f"cache_write.{kind}" for kind in _MODALITIES},
}


class UnknownPart(ValueError):
    """The catalogue holds something that would be lost."""


def main(arguments: list[str]) -> int:
    """Write the cards and the licence, and say what they hold; 1 when something would be lost."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--check", action="store_true", help="write nothing; 1 when the cards are not current"
    )
    parser.add_argument("--date", type=dt.date.fromisoformat, help="when the data was read; today if absent")
    options = parser.parse_args(arguments)
    try:
        packed, counts, found = build(options.date)
    except (UnknownPart, conflicts.Unsettled) as problem:
        print(f"{CATALOG}: {problem}", file=sys.stderr)
        return 1
    print(", ".join(f"{count:,} {what}" for what, count in counts.items()))
    if options.check:
        current = CARDS.exists() and CARDS.read_bytes() == packed
        current = current and conflicts.CONFLICTS.read_text(encoding="utf-8") == found
        print("current" if current else f"not current: run {Path(__file__).name}")
        return 0 if current else 1
    CARDS.write_bytes(packed)
    conflicts.CONFLICTS.write_text(found, encoding="utf-8")
    LICENCE.write_text(licence(), encoding="utf-8")
    print(f"{CARDS.name}: {len(packed):,} bytes")
    return 0


def build(date: dt.date | None = None) -> tuple[bytes, Counter[str], str]:
    """The cards as bytes, the same for the same catalogues and date, counts, and the conflicts as text.

    Without a date, cards whose content has not changed keep the one they have.
    Raises `UnknownPart`, `conflicts.Unsettled`.
    """
    from genai_prices.data import providers  # slow to import, and needed only here
    from genai_prices.data_units import unit_data

    units = units_of(unit_data)
    counts: Counter[str] = Counter()
    sections = {provider.id: section(provider, units, counts) for provider in providers}
    per = dict(sorted({**overlay.units(), **dict(units.values())}.items()))
    found = overlay.lay(sections, per)
    counts["conflicts"] = len(found)
    bodies = {f"{name}.json": encoded(body) for name, body in sections.items()}
    digest = digest_of(bodies)
    manifest = {
        "schema": SCHEMA,
        "name": CATALOG,
        "version": f"{distribution(CATALOG).version}+sha256:{digest[:12]}",
        "sha256": digest,
        "date": str(date or date_of_current(digest) or dt.datetime.now(dt.UTC).date()),
        "licence": "MIT",
        "units": per,
        "calendars": overlay.calendars(),
        "providers": sorted(sections),
    }
    counts["providers"] = len(sections)
    return packed({"manifest.json": encoded(manifest), **bodies}), counts, conflicts.listed(found)


def units_of(unit_data: Mapping[str, Any]) -> dict[str, tuple[str, int]]:
    """Price key -> our bucket, and how many of it one price is for."""
    units: dict[str, tuple[str, int]] = {}
    for unit in unit_data.values():
        if (bucket := BUCKETS.get(unit["price_key"])) is not None:
            units[unit["price_key"]] = bucket, unit["per"] * (1000 if bucket.endswith(".ms") else 1)
    return units


def section(provider: Any, units: Mapping[str, tuple[str, int]], counts: Counter[str]) -> dict[str, Any]:
    """One provider: its cards by id, and every other exact name of each."""
    cards = {model.id: card(model, units, counts) for model in provider.models}
    if len(cards) != len(provider.models):
        raise UnknownPart(f"{provider.id} has two models of one id")
    names: dict[str, str] = {}
    for model in provider.models:
        for name in names_of(provider, model):
            if name not in cards:
                names[name] = model.id
    counts["models"] += len(cards)
    counts["other names"] += len(names)
    return {"cards": cards, "names": names}


def names_of(provider: Any, model: Any) -> Iterator[str]:
    """Names that stand for this model and no other, each a whole text in the catalogue's own clauses.

    A clause's text is only ever taken as a whole name, never as a prefix or a part of one; and only if the
    catalogue itself finds this model by it. `regional.` is the catalogue's own mark on ids of AWS.
    """
    for text in [*texts_of(model.match), model.id.removeprefix("regional.")]:
        whole = text[-1:].isalnum() and not text.startswith("/")
        tuned = text.startswith("ft:") and not model.id.startswith("ft:")
        if whole and not tuned and provider.find_model(text) is model:
            yield text


def texts_of(clause: Any) -> Iterator[str]:
    """The texts in a clause that are not patterns. Raises `UnknownPart` for an unknown kind of clause."""
    kind = type(clause).__name__
    if kind in ("ClauseOr", "ClauseAnd"):
        for part in clause.or_ if kind == "ClauseOr" else clause.and_:
            yield from texts_of(part)
    elif kind in ("ClauseEquals", "ClauseStartsWith", "ClauseEndsWith", "ClauseContains"):
        yield from (value for value in vars(clause).values() if isinstance(value, str))
    elif kind != "ClauseRegex":
        raise UnknownPart(f"unknown clause {kind}")


def card(model: Any, units: Mapping[str, tuple[str, int]], counts: Counter[str]) -> dict[str, Any]:
    """One model: its price lists, of which the last that applies holds, and its variants."""
    listed = model.prices if isinstance(model.prices, list) else [model]
    lists = [period(getattr(item, "constraint", None), item.prices, units, counts) for item in listed]
    made: dict[str, Any] = {"prices": lists}
    variants = []
    for item in model.price_variants or ():
        variants.append({"when": dict(item.when), **period(item.constraint, item.prices, units, counts)})
    counts["variants"] += len(variants)
    if variants:
        made["variants"] = variants
    return made


def period(
    constraint: Any, prices: Any, units: Mapping[str, tuple[str, int]], counts: Counter[str]
) -> dict[str, Any]:
    """One price list with the condition under which it applies. Raises `UnknownPart`."""
    rates: dict[str, Any] = {}
    for key, price in vars(prices).items():
        if price is None:
            continue
        if key not in units:
            raise UnknownPart(f"unknown price key {key}: give it a bucket in BUCKETS")
        bucket, per = units[key]
        rates[bucket] = rate(price, per)
        counts["prices"] += 1
    return {**condition(constraint), "rates": one_audio_rate(rates)}


def one_audio_rate(rates: dict[str, Any]) -> dict[str, Any]:
    """Audio by time has one rate: the catalogue repeats it for input where it is the same."""
    incoming = rates.pop("input_audio.ms", None)
    if incoming is not None and rates.setdefault("audio.ms", incoming) != incoming:
        raise UnknownPart("audio has one price by time and another as input: a bucket is missing")
    return rates


def condition(constraint: Any) -> dict[str, Any]:
    """When a list applies: from a UTC date on, or between two times of the UTC day, in seconds."""
    if constraint is None:
        return {}
    kind = type(constraint).__name__
    if kind == "StartDateConstraint":
        return {"start": constraint.start_date.isoformat()}
    if kind == "TimeOfDateConstraint":
        return {"from": seconds(constraint.start_time), "to": seconds(constraint.end_time)}
    raise UnknownPart(f"unknown constraint {kind}")


def seconds(time: dt.time) -> int:
    """Seconds into the UTC day. Raises `UnknownPart` for a time that is of another zone."""
    if time.utcoffset() not in (None, dt.timedelta(0)):
        raise UnknownPart(f"time of day {time} is not in UTC")
    return time.hour * 3600 + time.minute * 60 + time.second


def rate(price: Any, per: int) -> int | list[int]:
    """Femto-USD for one unit, or `[per, base, start, rate, start, rate...]`.

    In the long form the unit is finer where a price has more digits than a femto-dollar holds,
    and a request whose whole input exceeds `start` tokens pays that rate for all of them.
    """
    tiers = sorted(getattr(price, "tiers", ()), key=lambda tier: int(tier.start))
    amounts = [getattr(price, "base", price), *(tier.price for tier in tiers)]
    if not all(isinstance(amount, Decimal) and amount.is_finite() and amount >= 0 for amount in amounts):
        raise UnknownPart(f"not a price: {price}")
    scale = 1
    while any(amount * FEMTO * scale % 1 for amount in amounts):
        scale *= 10
    whole = [int(amount * FEMTO * scale) for amount in amounts]
    if scale == 1 and not tiers:
        return whole[0]
    steps = [part for tier, amount in zip(tiers, whole[1:], strict=True) for part in (tier.start, amount)]
    return [per * scale, whole[0], *steps]


def encoded(body: Mapping[str, Any]) -> bytes:
    """The same bytes for the same content. Order of lists has a meaning, order of keys has none."""
    return json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()


def digest_of(bodies: Mapping[str, bytes]) -> str:
    """SHA-256 over every section with its name."""
    digest = hashlib.sha256()
    for name in sorted(bodies):
        digest.update(f"{name}:{len(bodies[name])}\n".encode())
        digest.update(bodies[name])
    return digest.hexdigest()


def date_of_current(digest: str) -> dt.date | None:
    """The date of the cards that are there, if they have the same content."""
    if not CARDS.exists():
        return None
    with zipfile.ZipFile(CARDS) as archive:
        manifest = json.loads(archive.read("manifest.json"))
    return dt.date.fromisoformat(manifest["date"]) if manifest["sha256"] == digest else None


def packed(files: Mapping[str, bytes]) -> bytes:
    """A zip without times. LZMA, whose encoder, unlike deflate's, is the same in every build of Python."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for name in ordered(files):
            info = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
            info.external_attr = 0o644 << 16
            info.create_system = 3
            info.compress_type = zipfile.ZIP_LZMA
            archive.writestr(info, files[name])
    return target.getvalue()


def ordered(names: Iterable[str]) -> list[str]:
    """The manifest first, then the sections by name."""
    return sorted(names, key=lambda name: (name != "manifest.json", name))


def licence() -> str:
    """The catalogue's licence, from its installed package. Raises `StopIteration`."""
    package = distribution(CATALOG)
    path = next(path for path in package.files or () if path.name == "LICENSE")
    return Path(str(package.locate_file(path))).read_text(encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
