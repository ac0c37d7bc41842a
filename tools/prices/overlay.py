"""What is laid over the base catalogue: own lists, Azure's meters, regional endpoints, settled conflicts.

Works on the compiled form of the cards, before they are packed: `{"cards": {id: card}, "names": {name: id}}`.
"""

from __future__ import annotations

import copy
import re
import tomllib
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

from tools.prices import conflicts

from otel_tokenomics.pricing.cards import Calendar, read_calendar

FEMTO = 10**15
OWN = Path(__file__).resolve().parent / "own.toml"
WAYS: Mapping[str, dict[str, str]] = {
    "batch": {"processing": "batch"},
    "flex": {"service_tier": "flex"},
    "priority": {"service_tier": "priority"},
    "ultrafast": {"service_tier": "ultrafast"},
}
UNITS = {
    "cache_write.12h": 10**6,
    "tool.maps": 1000,
}
"""Units of buckets that the base has not."""

# Azure's meters name a snapshot by month and day, a response by its whole date.
_AZURE_IDS = {
    "gpt-4o-0513": "gpt-4o-2024-05-13",
    "gpt-4o-1120": "gpt-4o-2024-11-20",
    "gpt-4o-mini-0718": "gpt-4o-mini",
    "o1-1217": "o1",
    "o3-0416": "o3",
    "o3-mini-0131": "o3-mini",
    "o4-mini-0416": "o4-mini",
    "gpt-4.5-0227": "gpt-4.5-preview",
    "oss-120b": "gpt-oss-120b",
}
_AZURE_SOLD = re.compile(
    r"^(?:gpt-4\.1(?:-mini|-nano)?|gpt-4o|gpt-5(?:\.\d)?(?:-(?:mini|nano|pro|chat|codex|codex-max|codex-mini|"
    r"luna|sol|terra))?|o1(?:-mini|-preview|-pro)?|o3-pro|codex-mini|text-embedding-.*|"
    r"deepseek-(?:r1|v\d.*)|grok-.*|mistral-.*|cohere-command-.*|codestral|kimi-.*|mai-ds-r1|llama-[34].*)$"
)
_AZURE_NAMES = {"gpt-4o": ("gpt-4o-2024-08-06",), "gpt-5-chat": ("gpt-5-chat-latest",)}


def changed() -> set[tuple[str, str]]:
    """Provider and name of every model whose prices are not the base's, beside all of Azure's."""
    own = tomllib.loads(OWN.read_text(encoding="utf-8"))["card"]
    made = {(entry["provider"], entry["id"]) for entry in own}
    for ruling in conflicts.rulings():
        if ruling["winner"] == ruling["source"]:
            made.update((ruling["provider"], model) for model in ruling["models"])
    return made


def calendars() -> dict[str, dict[str, Any]]:
    """The calendars of `own.toml` in their compiled form."""
    own = tomllib.loads(OWN.read_text(encoding="utf-8"))["calendar"]
    return {name: {"holidays": entry["holidays"], "last": entry["last"]} for name, entry in own.items()}


def lay(sections: conflicts.Sections, units: Mapping[str, int]) -> list[conflicts.Conflict]:
    """Lay everything over the base, and return the conflicts, all settled. Raises `conflicts.Unsettled`."""
    _own_cards(sections)
    _azure(sections)
    _government(sections)
    _regional(sections)
    known: dict[str, Calendar] = {name: read_calendar(raw) for name, raw in calendars().items()}
    found = list(conflicts.find(sections, units, known))
    for conflict, ruling in conflicts.settle(found):
        if ruling["winner"] == conflict.source:
            _apply(sections[conflict.provider], conflict, ruling)
    return found


def _own_cards(sections: conflicts.Sections) -> None:
    for entry in tomllib.loads(OWN.read_text(encoding="utf-8"))["card"]:
        section = sections[entry["provider"]]
        card = section["cards"].setdefault(entry["id"], {})
        card["prices"] = [_own_list(item) for item in entry["prices"]]


def _own_list(item: Mapping[str, Any]) -> dict[str, Any]:
    made: dict[str, Any] = {
        "rates": {bucket: million({"base": usd}) for bucket, usd in item["rates"].items()}
    }
    made.update({key: item[key] for key in ("start", "days") if key in item})
    if "hours" in item:
        made["from"], made["to"] = (_seconds(hour) for hour in item["hours"])
    return made


def _seconds(time: str) -> int:
    hours, minutes = time.split(":")
    return int(hours) * 3600 + int(minutes) * 60


def _azure(sections: conflicts.Sections) -> None:
    """Each meter as `<sku>.<model>`, in regions of another price as `<sku>.<model>/<region>`.

    A global deployment is also the plain model, for which a response of an unknown deployment is taken.
    """
    section = sections["azure"]
    for sku, meter, entry in conflicts.observed("azure-genai-prices"):
        model = _AZURE_IDS.get(meter) or (meter if _AZURE_SOLD.match(meter) else None)
        if model is None:
            continue
        card = _card(entry["ways"], entry["since"])
        section["cards"][f"{sku}.{model}"] = card
        for region, ways in entry["regions"].items():
            section["cards"][f"{sku}.{model}/{region}"] = _card(_merged(entry["ways"], ways), entry["since"])
        if sku == "global":
            section["cards"][model] = card
            section["names"].update(dict.fromkeys(_AZURE_NAMES.get(model, ()), model))
    for name in [name for name in section["names"] if name in section["cards"]]:
        del section["names"][name]


def _merged(ways: Mapping[str, Any], regional: Mapping[str, Any]) -> dict[str, Any]:
    merged: dict[str, Any] = copy.deepcopy(dict(ways))
    for way, buckets in regional.items():
        for bucket, tiers in buckets.items():
            merged[way][bucket].update(tiers)
    return merged


def _card(ways: Mapping[str, Any], since: str) -> dict[str, Any]:
    card: dict[str, Any] = {"prices": [{"start": since, "rates": _rates(ways.get("", {}))}]}
    variants = [{"when": WAYS[way], "rates": _rates(buckets)} for way, buckets in sorted(ways.items()) if way]
    return {**card, "variants": variants} if variants else card


def _rates(buckets: Mapping[str, Mapping[str, str]]) -> dict[str, Any]:
    return {bucket: million(steps) for bucket, steps in buckets.items() if "base" in steps}


def million(steps: Mapping[str, str]) -> int | list[int]:
    """A price for a million units, as the cards hold it. Raises `ValueError` for more digits than that."""
    amounts = {start: Decimal(usd) * FEMTO for start, usd in steps.items()}
    if any(amount % 1 for amount in amounts.values()):
        raise ValueError(f"more digits than a femto-dollar: {steps}")
    base = int(amounts.pop("base"))
    if not amounts:
        return base
    tiers = [(int(start) - (int(start) == 200_000), int(amount)) for start, amount in amounts.items()]
    return [10**6, base, *(part for tier in sorted(tiers) for part in tier)]


def _government(sections: conflicts.Sections) -> None:
    """GovCloud is no ordinary region: only models whose price there is known have one.

    The base takes `us-gov.` for any region; https://github.com/BerriAI/litellm/pull/39764 has AWS's prices.
    """
    section = sections["aws"]
    for name in [name for name in section["names"] if name.startswith("us-gov.")]:
        del section["names"][name]
    for provider, model, entry in conflicts.observed("litellm"):
        if provider == "aws" and model.startswith("us-gov."):
            section["cards"][model] = {"prices": [{"rates": _rates(entry["ways"][""])}]}


def _regional(sections: conflicts.Sections) -> None:
    """What regional endpoints of OpenAI and Vertex cost more, and Google's price of a map."""
    for provider, model, entry in conflicts.observed("litellm"):
        section = sections.get({"vertex": "google"}.get(provider, provider), {"cards": {}, "names": {}})
        id = section["names"].get(model, model)
        card = section["cards"].get(id)
        if card is None:
            continue
        if "regional" in entry:
            if Decimal(entry["regional"]) != Decimal("1.1"):
                raise conflicts.Unsettled(
                    f"{provider}/{model}: a regional endpoint costs {entry['regional']}"
                )
            card["regional"] = [11, 10]
        if "maps" in entry:
            for prices in card["prices"]:
                prices["rates"]["tool.maps"] = int(Decimal(entry["maps"]) * 1000 * FEMTO)


def _apply(section: dict[str, Any], conflict: conflicts.Conflict, ruling: Mapping[str, Any]) -> None:
    """Put the winner's rates in place of the card's last ones, or beside them from `start` on."""
    cards, name = section["cards"], conflict.model
    if name not in cards:
        if "start" in ruling:
            name = section["names"][name]
        else:
            cards[name] = copy.deepcopy(cards[section["names"].pop(name)])
    card = cards[name]
    for way, rates in _won(conflict.theirs):
        variants = [item for item in card.get("variants", ()) if item["when"] == WAYS.get(way)]
        last = variants[0] if way else card["prices"][-1]
        if ruling.get("start") not in (None, last.get("start")):
            last = {**copy.deepcopy(last), "start": ruling["start"]}
            _insert(card, way, last)
        last["rates"].update(rates)
        for bucket in ruling.get("drop", ()):
            last["rates"].pop(bucket, None)


def _insert(card: dict[str, Any], way: str, item: dict[str, Any]) -> None:
    """Of price lists the last holds, of variants the first."""
    if way:
        card["variants"].insert(0, item)
    else:
        card["prices"].append(item)


def _won(theirs: conflicts.Prices) -> Iterator[tuple[str, dict[str, Any]]]:
    ways: dict[str, dict[str, Any]] = {}
    for key, shown in theirs.items():
        way, _, bucket = key.rpartition(" ")
        steps = {start or "base": usd for usd, _, start in (part.partition(">") for part in shown.split())}
        ways.setdefault(way, {})[bucket] = million(steps)
    return iter(ways.items())
