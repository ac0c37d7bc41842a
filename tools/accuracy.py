"""Write `docs/accuracy.md`: our engine and others' on every golden case of `tests/pricing`.

The others are installed into an environment of their own in the user's cache folder, and answer offline.
"""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import tomllib
import urllib.request
import venv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from otel_tokenomics.model.call import Facts, Reading
from otel_tokenomics.model.money import decimal_string
from otel_tokenomics.model.usage import Usage
from otel_tokenomics.pricing import vendors
from otel_tokenomics.pricing.book import bundled
from otel_tokenomics.pricing.cards import unix_ns
from otel_tokenomics.pricing.price import price

ROOT = Path(__file__).resolve().parents[1]
TESTS = ROOT / "tests" / "pricing"
PAGE = ROOT / "docs" / "accuracy.md"
PEERS = ("genai-prices", "litellm", "tokencost")
OURS = "otel-tokenomics"
_NOW = "2026-11-24T12:00"
_TOLERANCE = Decimal("1e-9")
"""The others reckon in floats: what differs by less than a billionth is right."""
_OPENLIT = "https://raw.githubusercontent.com/openlit/openlit/main/assets/pricing.json"
_LEFT_OUT = ("reported", "status", "flags")
"""Costs that the vendor reports, in part, or of contradictory usage: no other tool can be asked that."""
_SERVED = ("service_tier", "speed", "inference_geo")


@dataclass(frozen=True, slots=True)
class Case:
    """A usage and what it costs in USD; `None` where no price is known and so none may be told."""

    name: str
    provider: str
    model: str
    buckets: Mapping[str, int]
    at: str
    served: Mapping[str, str]
    expected: Decimal | None
    host: str | None = None


def cases() -> list[Case]:
    """Every case of the tests' tables that is either priced in full or not at all, from usage alone."""
    golden = tomllib.loads((TESTS / "golden.toml").read_text("utf-8"))["case"]
    return [_golden(row) for row in golden if row.keys().isdisjoint(_LEFT_OUT)] + list(_list_prices())


def _golden(row: Mapping[str, Any]) -> Case:
    name = f"{row['id']}: {row['about']}"
    usd = Decimal(row["usd"]) if "usd" in row else None
    served = {key: row[key] for key in _SERVED if key in row}
    return Case(
        name, row["provider"], row["model"], row["usage"], row["at"], served, usd, host=row.get("host")
    )


def _list_prices() -> Iterator[Case]:
    """The vendors' own lists: `{name: (model, buckets, served, usd)}` by provider."""
    for title, table in vars(importlib.import_module("tests.pricing.test_list_prices")).items():
        if not (title.isupper() and isinstance(table, dict)):
            continue
        for name, (model, buckets, given, usd) in table.items():
            served = {key: given[key] for key in _SERVED if key in given}
            yield Case(name, title.lower(), model, buckets, given.get("at", _NOW), served, Decimal(usd))


def ours(case: Case) -> Decimal | None:
    """What our engine says."""
    facts = Facts(case.provider, "chat", case.provider, "chat/completions", request_model=case.model)
    facts.server_address = case.host
    reading = Reading(Usage(case.buckets), response_model=case.model)
    for name, value in case.served.items():
        setattr(reading, name, value)
    cost = price(facts, reading, unix_ns(case.at), bundled())
    return None if cost.amount_femto is None else Decimal(decimal_string(cost.amount_femto))


def theirs(asked: Sequence[Case], folder: Path) -> dict[str, Any]:
    """What the others say, by a process of their own."""
    tables = sorted(folder.glob("openlit-pricing-*.json")) or _openlit_table(folder)
    told = [_asked(case) for case in asked]
    document = json.dumps({"cases": told, "openlit": str(tables[-1]) if tables else None})
    script = Path(__file__).with_name("accuracy_peers.py")
    command = [str(_python(folder)), str(script)]
    done = subprocess.run(command, input=document, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"the other tools could not be asked: {done.stderr[-2000:]}")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _openlit_table(folder: Path) -> list[Path]:
    """openlit's table, which travels in no package: fetched once, as its own client does at every start."""
    path = folder / f"openlit-pricing-{datetime.now(UTC).date()}.json"
    try:
        with urllib.request.urlopen(_OPENLIT, timeout=20) as answer:
            path.write_bytes(answer.read())
    except OSError as error:
        print(f"openlit is not measured: {error}", file=sys.stderr)
        return []
    return [path]


def _asked(case: Case) -> dict[str, Any]:
    return {
        "provider": case.provider,
        "catalogued": vendors.catalogued(case.provider),
        "model": case.model,
        "buckets": dict(case.buckets),
        "at": case.at,
        "served": dict(case.served),
        "region": vendors.region_of(case.provider, case.host),
    }


def _python(folder: Path) -> Path:
    """A Python with the others installed, made when it is first needed."""
    home = folder / "venv"
    python = home / "bin" / "python"
    if not python.exists():
        venv.create(home, with_pip=True)
    check = "; ".join(f"import importlib.metadata as m; m.version({name!r})" for name in PEERS)
    if subprocess.run([str(python), "-c", check], capture_output=True, check=False).returncode:
        install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *PEERS]
        subprocess.run(install, check=True)
    return python


def verdict(expected: Decimal | None, told: Decimal | None) -> str:
    """`right`, `zero`, `none`, or by how much it is wrong, such as `x0.500`."""
    if told is None:
        return "right" if expected is None else "none"
    if expected is None:
        return "zero" if not told else "made up"
    if abs(told - expected) <= expected * _TOLERANCE:
        return "right"
    if not told:
        return "zero"
    factor = told / expected
    return f"x{factor:.3f}" if f"{factor:.3f}" != "1.000" else f"x{factor:.7f}"


@dataclass(frozen=True, slots=True)
class Score:
    """How a tool fared: counts, and the factors by which it was wrong."""

    right: int
    zero: int
    none: int
    made_up: int
    factors: Sequence[Decimal]

    @classmethod
    def of(cls, verdicts: Sequence[str]) -> Score:
        """The score of a column."""
        factors = sorted(Decimal(text[1:]) for text in verdicts if text.startswith("x"))
        counts = {word: verdicts.count(word) for word in ("right", "zero", "none", "made up")}
        return cls(counts["right"], counts["zero"], counts["none"], counts["made up"], factors)


_HEAD = """\
# Accuracy

Generated by `make accuracy` with the price cards of {date}; do not edit.

{cases} cases: the golden cases and list prices of `tests/pricing`, which are bills that others published
and rules of the vendors as catalogues and secondary notes give them; the pages named as sources were not
opened. They are our own tests, so that our column says no more than that these tests pass. The others are
told, offline, all of the same usage that each can be told: time, tier, place, modality, searches. Costs
that a vendor reports itself are left out.

- `right`: to a billionth.
- wrong: another amount, by the factor that the table of cases gives.
- `zero`: 0 for what is not free, or for what has no known price, and nothing said.
- `made up`: an amount where no price is known.
- `none`: no amount, or the usage cannot be told to it: incomplete, and honest.
"""
_TABLE = (
    "",
    "| tool | version | right | wrong | zero | made up | none | least factor | greatest |",
    "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
)


def page(asked: Sequence[Case], columns: Mapping[str, Sequence[str]], versions: Mapping[str, str]) -> str:
    """The page in Markdown."""
    lines = [*_HEAD.format(date=bundled().date, cases=len(asked)).splitlines(), *_TABLE]
    lines += [_score(tool, versions.get(tool, "-"), Score.of(told)) for tool, told in columns.items()]
    if "openlit" not in columns:
        lines += ["", "openlit was not measured: its table travels in no package."]
    lines += ["", f"| case | model | USD | {' | '.join(columns)} |", "| --- " * (3 + len(columns)) + "|"]
    for number, case in enumerate(asked):
        usd = "unknown" if case.expected is None else f"{case.expected:f}"
        told = " | ".join(column[number] for column in columns.values())
        lines.append(f"| {case.name} | {case.model} | {usd} | {told} |")
    return "\n".join(lines) + "\n"


def _score(tool: str, version: str, score: Score) -> str:
    least, most = (score.factors[0], score.factors[-1]) if score.factors else ("-", "-")
    counts = f"{score.right} | {len(score.factors)} | {score.zero} | {score.made_up} | {score.none}"
    return f"| {tool} | {version} | {counts} | {least} | {most} |"


def main() -> int:
    """Write the page; 1 when our own engine is wrong anywhere."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = cache / "otel-tokenomics" / "accuracy"
    folder.mkdir(parents=True, exist_ok=True)
    asked = cases()
    found = theirs(asked, folder)
    columns = {OURS: [verdict(case.expected, ours(case)) for case in asked]}
    for tool, answers in found["answers"].items():
        amounts = [None if one["amount"] is None else Decimal(one["amount"]) for one in answers]
        columns[tool] = [verdict(case.expected, amount) for case, amount in zip(asked, amounts, strict=True)]
    versions = {OURS: f"{bundled().name} {bundled().version}", **found["versions"]}
    PAGE.write_text(page(asked, columns, versions), encoding="utf-8")
    wrong = [case.name for case, told in zip(asked, columns[OURS], strict=True) if told != "right"]
    print(f"{PAGE.relative_to(ROOT)}: {len(asked)} cases" + (f"; ours wrong: {wrong}" if wrong else ""))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
