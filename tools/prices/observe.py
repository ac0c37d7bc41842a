"""Read the catalogues that are not the base: `observe.py --litellm FILE --azure --model-prices --date DATE`.

Run where the named catalogues are installed; neither the build nor the package needs them. Writes what they
say, in USD for a million tokens and as decimal strings, to `observed/`, which is committed, so that everybody
builds the same cards. litellm is given as its JSON file alone, which needs none of its dependencies.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from decimal import Decimal
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

OBSERVED = Path(__file__).resolve().parent / "observed"
MILLION = Decimal(10**6)

Rate = dict[str, str]
"""`{"base": usd, "272000": usd}`: USD for a million, and where a context tier begins."""
Ways = dict[str, dict[str, Rate]]
"""The way of being served, `""` for the ordinary one, then the bucket."""

LITELLM_PROVIDERS = {
    "openai": "openai",
    "anthropic": "anthropic",
    "gemini": "google",
    "xai": "x-ai",
    "deepseek": "deepseek",
    "mistral": "mistral",
    "groq": "groq",
    "perplexity": "perplexity",
    "cohere": "cohere",
    "cohere_chat": "cohere",
    "moonshot": "moonshotai",
    "voyage": "voyageai",
    "cerebras": "cerebras",
    "fireworks_ai": "fireworks",
    "together_ai": "together",
    "bedrock": "aws",
    "bedrock_converse": "aws",
}
MODEL_PRICES_PROVIDERS = {
    "openai": "openai",
    "anthropic": "anthropic",
    "google": "google",
    "xai": "x-ai",
    "deepseek": "deepseek",
    "mistral": "mistral",
    "groq": "groq",
    "perplexity": "perplexity",
    "cohere": "cohere",
    "moonshotai": "moonshotai",
    "zai": "zai",
}
LITELLM_BUCKETS = {
    "input_cost_per_token": "input",
    "output_cost_per_token": "output",
    "cache_read_input_token_cost": "cache_read",
    "cache_creation_input_token_cost": "cache_write",
    "cache_creation_input_token_cost_above_1hr": "cache_write.1h",
    "cache_creation_input_token_cost_above_12hr": "cache_write.12h",
}
LITELLM_WAYS = {"": "", "batches": "batch", "flex": "flex", "priority": "priority", "ultrafast": "ultrafast"}
_LITELLM_KEY = re.compile(
    rf"^({'|'.join(sorted(LITELLM_BUCKETS, key=len, reverse=True))})"
    r"(?:_above_(\d+)k_tokens)?(?:_(batches|flex|priority|ultrafast))?$"
)
AZURE_KINDS = {"input": "input", "output": "output", "cache_read": "cache_read", "cache_write": "cache_write"}
AZURE_WAYS = {"standard": "", "batch": "batch", "priority": "priority"}


def main(arguments: list[str]) -> int:
    """Write an observation of each catalogue that is named."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--litellm", type=Path, help="litellm's model_prices_and_context_window JSON")
    parser.add_argument("--litellm-version", default="")
    parser.add_argument("--model-prices", action="store_true", help="read the installed model-prices")
    parser.add_argument("--azure", action="store_true", help="read the installed azure-genai-prices")
    parser.add_argument("--date", type=dt.date.fromisoformat, default=dt.datetime.now(dt.UTC).date())
    options = parser.parse_args(arguments)
    if options.litellm:
        write("litellm", options.litellm_version, options.date, litellm(options.litellm))
    if options.model_prices:
        write("model-prices", version("model-prices"), options.date, model_prices(options.date))
    if options.azure:
        write("azure-genai-prices", version("azure-genai-prices"), options.date, azure(options.date))
    return 0


def write(source: str, release: str, date: dt.date, body: Mapping[str, Any]) -> None:
    """One observation, a model a line, so that a diff shows what changed."""
    head = {"source": source, "version": release, "date": str(date)}
    lines = [json.dumps(head)]
    lines += [
        json.dumps([provider, model, entry], sort_keys=True)
        for provider, models in sorted(body.items())
        for model, entry in sorted(models.items())
    ]
    (OBSERVED / f"{source}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(f"{source} {release}: {len(lines) - 1} models")


def litellm(path: Path) -> dict[str, dict[str, Any]]:
    """Token prices by way and bucket, and what a regional endpoint costs more."""
    table = json.loads(path.read_text(encoding="utf-8"), parse_float=Decimal, parse_int=Decimal)
    found: dict[str, dict[str, Any]] = defaultdict(dict)
    for name, entry in table.items():
        provider = LITELLM_PROVIDERS.get(entry.get("litellm_provider", ""))
        model = name.rpartition("/")[2] if provider not in ("fireworks", "together", "groq") else _tail(name)
        sized = _SIZED.match(name)
        if provider is None or sized or name.startswith(("ft:", "azure")) or _prefixed(name, provider):
            continue
        ways, units = _litellm_ways(entry), _litellm_units(name, entry)
        if ways or units:
            found[provider][model] = {"ways": ways} | _litellm_more(entry) | units
    for name, entry in table.items():
        if entry.get("litellm_provider", "").startswith("vertex_ai") and (more := _litellm_more(entry)):
            found["vertex"][_tail(name)] = more
        if name.startswith(("azure_ai/claude-", "azure/standard/", "azure/hd/", "azure/sora-")):
            units = _litellm_units(name, entry)
            ways = {} if units else _litellm_ways(entry)
            if (units or any(ways.values())) and not name.endswith("-fast"):
                found["azure"][name.partition("/")[2]] = {"ways": ways} | units
    return found


def _prefixed(name: str, provider: str) -> bool:
    """Whether a name is of a region or a commitment: `bedrock/us-east-1/1-month-commitment/...`."""
    return provider == "aws" and "/" in name


def _tail(name: str) -> str:
    return name.partition("/")[2] or name


def _litellm_ways(entry: Mapping[str, Any]) -> Ways:
    ways: Ways = defaultdict(lambda: defaultdict(dict))
    for key, value in entry.items():
        found = _LITELLM_KEY.match(key)
        if found is None or not isinstance(value, Decimal):
            continue
        tier = str(int(found[2]) * 1000) if found[2] else "base"
        ways[LITELLM_WAYS[found[3] or ""]][LITELLM_BUCKETS[found[1]]][tier] = plain(value * MILLION)
    return ways


_PER_IMAGE = re.compile(r"^output_cost_per_image_(0\.5K|1K|2K|4K)$")
_PER_SECOND = re.compile(r"^output_cost_per(?:_video_per)?_second(?:_(480p|720p|768p|1080p|2k|4k))?$")
_SIZED = re.compile(r"^(?:azure/)?([a-z]+)/(\d+)-x-(\d+)/(.+)$")


def _litellm_units(name: str, entry: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """USD for one image or second of video by bucket, where a model is billed by nothing else."""
    units: dict[str, str] = {}
    if entry.get("mode") == "video_generation":
        for key, value in entry.items():
            if found := _PER_SECOND.match(key):
                units["video.ms" + (f".{found[1]}" if found[1] else "")] = plain(value)
    elif entry.get("mode") == "image_generation" and _SIZED.match(name):
        units = dict(_azure_image(name, entry))
    elif (
        entry.get("mode") == "image_generation"
        and "-x-" not in name
        and not any("token" in key for key in entry if "cost" in key)
    ):
        units = _image_units(entry)
    return {"units": units} if units else {}


def _azure_image(name: str, entry: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Azure's price of a DALL-E image, to a tenth of a cent: the table has that of a pixel, to six digits."""
    quality, width, height, model = _SIZED.match(name).groups()  # type: ignore[union-attr]
    price = entry.get("input_cost_per_pixel", 0) * int(width) * int(height)
    if name.startswith("azure/") and model == "dall-e-3" and price:
        yield f"images.{quality}.{width}x{height}", plain(price.quantize(Decimal("0.001")))


def _image_units(entry: Mapping[str, Any]) -> dict[str, str]:
    """By resolution where that matters. What it costs to make one stands under input at some models."""
    sized = {
        f"images.{found[1].lower()}": plain(value)
        for key, value in entry.items()
        if (found := _PER_IMAGE.match(key))
    }
    one = entry.get("output_cost_per_image") or entry.get("input_cost_per_image")
    return sized or ({} if one is None else {"images": plain(one)})


def _litellm_more(entry: Mapping[str, Any]) -> dict[str, str]:
    regional = entry.get("regional_processing_uplift_multiplier_us") or entry.get(
        "regional_endpoint_uplift_multiplier"
    )
    maps = entry.get("google_maps_grounding_cost_per_query")
    more = {} if regional is None else {"regional": plain(regional)}
    return more if maps is None else {**more, "maps": plain(maps)}


def model_prices(date: dt.date) -> dict[str, dict[str, Any]]:
    """The standard prices at noon of a date."""
    library: Any = import_module("model_prices")
    data = json.loads((Path(library.__file__).parent / "snapshot.json").read_text(encoding="utf-8"))
    moment = dt.datetime.combine(date, dt.time(12), dt.UTC)
    found: dict[str, dict[str, Any]] = defaultdict(dict)
    for theirs, ours in MODEL_PRICES_PROVIDERS.items():
        for model in data["prices"].get(theirs, {}):
            rates = library.rates(model, at=moment, provider=theirs)
            if rates is not None and data["status"].get(theirs, {}).get(model) not in ("removed", "retired"):
                found[ours][model] = {"ways": {"": dict(_model_price(rates))}}
    return found


def _model_price(rates: Any) -> Iterator[tuple[str, Rate]]:
    for bucket in ("input", "output", "cache_read", "cache_write"):
        if (value := getattr(rates, bucket)) is not None:
            tiers = {str(tier.above): getattr(tier, bucket) for tier in rates.tiers}
            known = {start: plain(_short(amount)) for start, amount in tiers.items() if amount is not None}
            yield bucket, {"base": plain(_short(value)), **known}


def _short(value: float) -> Decimal:
    """The decimal that a float was written as, a product of two such included."""
    return Decimal(f"{value:.12g}")


def azure(date: dt.date) -> dict[str, dict[str, Any]]:
    """Azure's meters by kind of deployment; where regions differ, what most of them cost, then the others."""
    store: Any = import_module("azure_genai_prices.store")
    found: dict[str, dict[str, Any]] = {"global": {}, "data_zone": {}, "regional": {}}
    for (model, kind, sku, mode, context), meter in sorted(store.get_table().items()):
        if kind not in AZURE_KINDS:
            continue
        entry = found[sku].setdefault(model, {"ways": {}, "regions": {}, "since": "9999"})
        prices = {region: plain(price * MILLION) for region, price in meter.region_prices.items()}
        most = Counter(sorted(prices.values())).most_common(1)[0][0]
        place = AZURE_WAYS[mode], AZURE_KINDS[kind], "base" if context == "short" else "272000"
        _put(entry["ways"], place, most)
        for region, price in prices.items():
            if price != most:
                _put(entry["regions"].setdefault(region, {}), place, price)
        since = [meter.region_effective_dates[region] for region in prices if prices[region] == most]
        entry["since"] = min(entry["since"], *(day for day in since if day <= str(date)))
    return found


def _put(ways: dict[str, Any], place: tuple[str, str, str], price: str) -> None:
    way, bucket, tier = place
    ways.setdefault(way, {}).setdefault(bucket, {})[tier] = price


def plain(value: Decimal) -> str:
    """A decimal without exponent or trailing zeros."""
    return f"{value.normalize():f}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
