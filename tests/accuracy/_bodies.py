"""Recorded usage bodies, our price of each, and why it differs from the price stored beside it.

`python -m tests.accuracy._bodies` lists every difference, with `--write` into `differences.tsv`. The stored
prices are another library's, for each provider that could have sent the body: an opinion, not the truth.
"""

from __future__ import annotations

import gzip
import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from tests._required import recordings
from tests.pricing._cases import NOW, instant

from otel_tokenomics.cli.bodies import Served, read
from otel_tokenomics.model.call import Facts, Reading
from otel_tokenomics.model.money import FEMTO, Cost
from otel_tokenomics.pricing.book import bundled
from otel_tokenomics.pricing.price import price

_SAME = Decimal("1e-12")
_LONG = 200_000
_EARLIER = ("2026-08-20", "2026-07-29", "2026-06-01", "2026-03-01", "2025-12-01", "2025-06-01")


def bodies() -> list[Mapping[str, Any]]:
    """The recorded bodies; the test is skipped where there are none."""
    packed = (recordings() / "usage-bodies.json.gz").read_bytes()
    found: list[Mapping[str, Any]] = json.loads(gzip.decompress(packed))
    return found


@dataclass(frozen=True, slots=True)
class Priced:
    """One body as one provider's: our cost, and the stored price in USD, if there is one."""

    file: str
    model: str | None
    provider: str
    flavor: str
    usage: Mapping[str, Any]
    facts: Facts
    reading: Reading
    cost: Cost
    stored: Decimal | None

    @property
    def ours(self) -> Decimal | None:
        """Our amount in USD."""
        return None if self.cost.amount_femto is None else Decimal(self.cost.amount_femto) / FEMTO

    @property
    def differs(self) -> bool:
        """Whether there is a stored price and ours is another."""
        if self.stored is None:
            return False
        return self.ours is None or abs(self.ours - self.stored) > _SAME


def priced(item: Mapping[str, Any]) -> Iterator[Priced]:
    """A body, as each provider's that the stored opinion thinks of."""
    body = item["body"]
    usage: Mapping[str, Any] = next(
        (body[name] for name in ("usage", "usageMetadata", "meta") if body.get(name)), {}
    )
    for told in (one for group in item["extracted"] for one in group["extractors"]):
        facts, reading = read(body, Served(told["provider_id"], item.get("model")))
        cost = price(facts, reading, instant(NOW), bundled())
        yield Priced(
            Path(body["file"]).name,
            item.get("model"),
            told["provider_id"],
            told["api_flavor"],
            usage,
            facts,
            reading,
            cost,
            _stored(told),
        )


def _stored(told: Mapping[str, str]) -> Decimal | None:
    if "total_price" in told:
        return Decimal(told["total_price"])
    parts = [Decimal(told[name]) for name in ("input_price", "output_price") if name in told]
    return sum(parts, Decimal(0)) if parts else None


Test = Callable[[Priced], bool]


def _reports(one: Priced, amount: Decimal | None) -> bool:
    """Whether the provider itself charged an amount, by the body."""
    cost = one.usage.get("cost")
    return cost is not None and amount is not None and abs(Decimal(str(cost)) - amount) < Decimal("1e-9")


def _was_right(one: Priced) -> bool:
    """Whether the stored price is ours at some earlier time."""
    for day in _EARLIER:
        then = price(one.facts, one.reading, instant(day), bundled()).amount_femto
        if then is not None and one.stored is not None and abs(Decimal(then) / FEMTO - one.stored) <= _SAME:
            return True
    return False


def _iterates(one: Priced, kind: str) -> bool:
    return any(part.get("type") == kind for part in one.usage.get("iterations") or ())


CLASSES: Mapping[str, tuple[str, str, Test]] = {
    "asked as embeddings": (
        "ours",
        "that stored price leaves the output out",
        lambda one: one.flavor == "embeddings" and bool(one.reading.usage.output_tokens),
    ),
    "the provider's own charge is ours": (
        "ours",
        "the body carries what the provider charged",
        lambda one: _reports(one, one.ours),
    ),
    "the provider's own charge is the stored one": (
        "stored",
        "the body carries what the provider charged",
        lambda one: _reports(one, one.stored),
    ),
    "the provider's own charge is neither": (
        "neither",
        "a router sends a call to sellers with prices of their own, and the body says what it charged",
        lambda one: one.usage.get("cost") is not None,
    ),
    "no such card": (
        "marked",
        "we know no price of the model at that provider: the stored one is another seller's or model's",
        lambda one: one.cost.unpriced_reason == "unknown_model",
    ),
    "no such tier": (
        "marked",
        "no price of the tier that served it is known: the stored one is the ordinary one",
        lambda one: one.cost.unpriced_reason == "unknown_tier",
    ),
    "sold for nothing": (
        "stored",
        "a router sells it for nothing, and our card has no rate at all",
        lambda one: one.ours is None and (one.model or "").endswith(":free"),
    ),
    "nothing known but zero": (
        "marked",
        "the stored price is 0 for a model without a published price",
        lambda one: one.ours is None and one.stored == 0,
    ),
    "a part without a price": (
        "marked",
        "no rate is known for a part (audio, a cache read): the stored price takes it for plain input",
        lambda one: one.cost.status == "partial",
    ),
    "a price of its day": (
        "ours",
        "the stored price is what our cards say of an earlier day",
        _was_right,
    ),
    "compaction": (
        "ours",
        "a compaction is billed and is not in the top-level counts",
        lambda one: _iterates(one, "compaction"),
    ),
    "an advisor": (
        "ours",
        "an advisor's tokens are billed at its own model's price, and are not in the top-level counts",
        lambda one: _iterates(one, "advisor_message"),
    ),
    "Azure's own meters": (
        "ours",
        "Azure has its own prices; the stored price is OpenAI's list",
        lambda one: one.provider == "azure",
    ),
    "the long-context beta ended": (
        "ours",
        "above 200,000 tokens Sonnet 4.5 cost double until 2026-04-30",
        lambda one: "sonnet-4-5" in (one.model or "") and (one.reading.usage.input_tokens or 0) > _LONG,
    ),
    "an alias that moved": (
        "ours",
        "`mistral-large-latest` and `mistral-medium-latest` cost what the models cost that they mean since "
        "2025-12 and 2026-06; the stored prices are their predecessors'",
        lambda one: one.provider == "mistral" and (one.model or "").endswith("-latest"),
    ),
    "time of day": (
        "ours",
        "DeepSeek's price depends on the hour and the day of the week",
        lambda one: one.provider == "deepseek",
    ),
    "an older list": (
        "ours",
        "the stored price is from before a change of the list",
        lambda one: one.provider in ("openrouter", "aws") and one.cost.status == "complete",
    ),
}
"""Each difference is of the first class that it fits: who is right, why, and how to tell.

`marked`: ours is no amount or a lower bound, with the reason; the stored one rests on what nobody published.
"""


def class_of(one: Priced) -> str | None:
    """Why a price differs from the stored one, or `None` for a reason that is not known."""
    return next((name for name, (_, _, fits) in CLASSES.items() if fits(one)), None)


def summary() -> list[str]:
    """How many prices agree, and how many differ for each reason."""
    everything = [one for item in bodies() for one in priced(item)]
    compared = [one for one in everything if one.stored is not None]
    counts = Counter(class_of(one) for one in compared if one.differs)
    lines = [f"{len(compared)} stored prices, {len(compared) - counts.total()} equal to ours"]
    for name, number in counts.most_common():
        right, why, _ = CLASSES.get(name or "", ("?", "not known", None))
        lines.append(f"{number:5} {name}: {right} right; {why}")
    return lines


DIFFERENCES = Path(__file__).with_name("differences.tsv")
_HEAD = "file\tprovider\tmodel\tasked as\tours\tstored\tright\treason"


def listed() -> str:
    """Every difference as a line: whose price it is, ours, the stored one, who is right and why."""
    found = [one for item in bodies() for one in priced(item) if one.differs]
    return "\n".join([_HEAD, *sorted({_line(one) for one in found})]) + "\n"


def _line(one: Priced) -> str:
    name = class_of(one) or ""
    right = CLASSES[name][0] if name else "?"
    ours = str(one.ours) if one.ours is not None else f"unpriced: {one.cost.unpriced_reason}"
    return "\t".join(
        [one.file, one.provider, one.model or "", one.flavor, ours, str(one.stored), right, name]
    )


def main() -> None:
    """Print every difference, then the summary; with `--write`, put them where they are kept."""
    if "--write" in sys.argv[1:]:
        DIFFERENCES.write_text(listed(), encoding="utf-8")
    else:
        print(listed())
    print("\n".join(summary()))


if __name__ == "__main__":
    main()
