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
    "cache_storage": 3600 * 10**6,
}
"""Units of buckets that the base has not: a price of storage is for a million tokens and an hour."""


def units() -> dict[str, int]:
    """`UNITS`, and those of every image and length of video that has a price."""
    buckets = {bucket for _, _, entry in _by_unit() for bucket in entry["units"]}
    return {**UNITS, **{bucket: 1000 if bucket.startswith("video") else 1 for bucket in buckets}}


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
    "gpt-35-turbo16k-0125": "gpt-3.5-turbo-0125",
    "gpt-35-turbo16k-1106": "gpt-3.5-turbo-1106",
    "gpt-35-turbo-16k-0125": "gpt-3.5-turbo-0125",
    "gpt-35-turbo-16k-1106": "gpt-3.5-turbo-1106",
    "gpt-35-turbo-instruct": "gpt-3.5-turbo-instruct",
}
# A model that hears or speaks has one meter for each modality: text, audio, image.
_AZURE_MODAL = {
    "gpt-4o-audio-preview-2024-12-17": ("gpt-4o-aud-1217-txt", "gpt-4o-aud-1217", ""),
    "gpt-4o-audio-preview-2025-06-03": ("gpt-4o-aud-0603-txt", "gpt-4o-aud-0603", ""),
    "gpt-4o-mini-audio-preview-2024-12-17": ("gpt4omini-aud1217-txt", "gpt4omini-aud1217", ""),
    "gpt-audio-2025-08-28": ("aud-0828-txt", "aud-0828", ""),
    "gpt-audio-1.5": ("aud-1.5-txt", "aud-1.5", ""),
    "gpt-audio-mini-2025-10-06": ("aud-mini-txt", "aud-mini", ""),
    "gpt-audio-mini-2025-12-15": ("aud-mn-txt-1215", "aud-mn-1215", ""),
    "gpt-4o-realtime-preview-2024-12-17": ("gpt-4o-rt-txt-1217", "gpt-4o-rt-aud-1217", ""),
    "gpt-4o-realtime-preview-2025-06-03": ("gpt-4o-rt-txt-0603", "gpt-4o-rt-aud-0603", ""),
    "gpt-4o-mini-realtime-preview-2024-12-17": ("gpt4omini-rt-txt1217", "gpt4omini-rt-aud1217", ""),
    "gpt-realtime-2025-08-28": ("rt-txt-0828", "rt-aud-0828", "rt-img-0828"),
    "gpt-realtime-1.5": ("rt-1.5-txt", "rt-1.5-aud", "rt-1.5-img"),
    "gpt-realtime-mini-2025-10-06": ("rt-txt-mini", "rt-aud-mini", "rt-img-mini"),
    "gpt-realtime-mini-2025-12-15": ("rt-txt-mn-1215", "rt-aud-mn-1215", "rt-img-mn-1215"),
    "gpt-4o-transcribe": ("gpt-4o-transcribe-txt", "gpt-4o-transcribe-aud", ""),
    "gpt-4o-mini-transcribe": ("gpt-4o-mini-transcribe-txt", "gpt-4o-mini-transcribe-aud", ""),
    "gpt-4o-mini-tts": ("gpt-4o-mini-tts-txt", "gpt-4o-mini-tts-aud", ""),
}
_MODALITIES = ("", ".audio", ".image")
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
    _units(sections)
    _ultrafast(sections)
    _foundry(sections)
    _storage(sections)
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
    for sku, model, card in _azure_modal():
        section["cards"][f"{sku}.{model}"] = card
        if sku == "global":
            section["cards"][model] = card
    for sku, meter, entry in conflicts.observed("azure-genai-prices"):
        sold = _AZURE_IDS.get(meter) or (meter if _AZURE_SOLD.match(meter) else None)
        if (model := sold or "") == "":
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


def _azure_modal() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Models whose modalities have a meter each, by kind of deployment."""
    meters = {(sku, meter): entry for sku, meter, entry in conflicts.observed("azure-genai-prices")}
    for sku in ("global", "data_zone", "regional"):
        for model, names in _AZURE_MODAL.items():
            found = [meters.get((sku, name)) for name in names]
            if found[0] is None or found[1] is None:
                continue
            rates: dict[str, Any] = {}
            for modality, entry in zip(_MODALITIES, found, strict=True):
                told = _rates(entry["ways"].get("", {})) if entry else {}
                rates.update({bucket + modality: rate for bucket, rate in told.items()})
            since = max(entry["since"] for entry in found if entry)
            yield sku, model, {"prices": [{"start": since, "rates": rates}]}


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


_HIGH = "-high-res"
"""litellm's mark of the larger of two sizes of Sora; the other is then 720p."""


def _by_unit() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Provider, model and prices of what is billed by the image or by the second."""
    priced = {
        (provider, model) for provider, model, entry in conflicts.observed("litellm") if "units" in entry
    }
    for provider, model, entry in conflicts.observed("litellm"):
        if "units" not in entry:
            continue
        units, name = entry["units"], model.rpartition("/")[2]
        if name.endswith(_HIGH) or (provider, name + _HIGH) in priced:
            size = "1024p" if name.endswith(_HIGH) else "720p"
            units = {f"{bucket}.{size}": usd for bucket, usd in units.items()}
        yield provider, name.removesuffix(_HIGH), {"units": units}


def _units(sections: conflicts.Sections) -> None:
    """Images by quality and size, and video by resolution; only litellm has them."""
    for provider, model, entry in _by_unit():
        section = sections[provider]
        id = section["names"].get(model, model)
        card = section["cards"].setdefault(id, {"prices": [{"rates": {}}]})
        for prices in card["prices"]:
            for bucket, usd in entry["units"].items():
                prices["rates"].setdefault(bucket, int(Decimal(usd) * FEMTO))


def _ultrafast(sections: conflicts.Sections) -> None:
    """The tier that the base does not know."""
    for provider, model, entry in conflicts.observed("litellm"):
        section = sections.get(provider)
        rates = entry.get("ways", {}).get("ultrafast")
        card = section and section["cards"].get(section["names"].get(model, model))
        if card and rates:
            card.setdefault("variants", []).append({"when": WAYS["ultrafast"], "rates": _rates(rates)})


def _foundry(sections: conflicts.Sections) -> None:
    """Claude on Azure, as litellm's table has it."""
    section = sections["azure"]
    for provider, model, entry in conflicts.observed("litellm"):
        if provider == "azure" and model.startswith("claude-") and entry["ways"]:
            section["cards"].setdefault(model, {"prices": [{"rates": _rates(entry["ways"][""])}]})


def _storage(sections: conflicts.Sections) -> None:
    """What keeping a cache costs, in USD for a million tokens and an hour."""
    for entry in tomllib.loads(OWN.read_text(encoding="utf-8"))["storage"]:
        section = sections[entry["provider"]]
        for model in entry["models"]:
            for prices in section["cards"][section["names"].get(model, model)]["prices"]:
                prices["rates"]["cache_storage"] = int(Decimal(entry["usd"]) * FEMTO)


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
