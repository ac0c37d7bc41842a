"""A card: the prices of one model, resolved for a moment and a way of being served."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

_DAY = 86_400

# Which price keys may price a bucket, the most specific first. What a vendor does not define is not
# here: audio and video tokens have a rate of their own or none.
_KEYS: Mapping[str, tuple[str, ...]] = {
    "input": ("input_text_mtok", "input_mtok"),
    "input.image": ("input_image_mtok", "input_mtok"),
    "input.audio": ("input_audio_mtok",),
    "input.video": ("input_video_mtok",),
    "cache_read": ("cache_read_mtok",),
    "cache_read.image": ("cache_image_read_mtok", "cache_read_mtok"),
    "cache_read.audio": ("cache_audio_read_mtok",),
    "cache_write": ("cache_write_5m_mtok", "cache_write_mtok"),
    "cache_write.5m": ("cache_write_5m_mtok", "cache_write_mtok"),
    "cache_write.1h": ("cache_write_1h_mtok",),
    "cache_write.30m": ("cache_write_mtok",),
    "output": ("output_text_mtok", "output_mtok"),
    "output.image": ("output_image_mtok", "output_mtok"),
    "output.audio": ("output_audio_mtok",),
    "output.video": ("output_video_mtok",),
    "reasoning": ("output_reasoning_mtok", "output_mtok"),
    "tool.web_search": ("web_searches_kcount",),
    "tool.file_search": ("storage_searches_kcount",),
    "characters": ("input_mchars",),
    "audio.ms": ("input_audio_hours", "audio_hours"),
    "requests": ("requests_kcount",),
}
# OpenAI bills cached tokens of a model without a cached price, and tokens written to the cache of a model
# without a write price, as plain input (platform.openai.com/docs/guides/prompt-caching, read 2026-11).
_PLAIN_INPUT = {
    "openai": frozenset({"cache_read", "cache_write", "cache_write.30m"}),
    "azure": frozenset({"cache_read", "cache_write", "cache_write.30m"}),
}
# A write that OpenAI keeps for twelve hours costs 2.5 times the input (same page); the catalogue has no
# unit for it.
_TWELVE_HOURS = (5, 2)
# Web searches, 10 USD per thousand (platform.claude.com/docs/en/about-claude/pricing and
# platform.openai.com/docs/pricing, read 2026-11), where a model's own card does not name them.
# Fetching is free.
_TOOLS = {
    ("anthropic", "tool.web_search"): 10 * 10**15,
    ("openai", "tool.web_search"): 10 * 10**15,
    ("anthropic", "tool.web_fetch"): 0,
}
_MILLISECONDS = 1000


class Rate(NamedTuple):
    """A price in femto-USD for `per` units; `tiers` replace it above a total of input tokens."""

    femto: int
    per: int
    tiers: tuple[tuple[int, int], ...] = ()

    def at(self, total_input: int) -> tuple[int, int | None]:
        """The rate for a request with that many input tokens, and the tier's threshold, if one holds."""
        for start, femto in reversed(self.tiers):
            if total_input > start:
                return femto, start
        return self.femto, None


class Rates:
    """The rates of one model at one moment, served in one way. Resolves each bucket once."""

    def __init__(self, card: Card, prices: Mapping[str, Any], effective: str | None) -> None:
        self.provider, self.model = card.provider, card.model
        self.effective = effective
        self._prices = prices
        self._units = card.units
        self._known: dict[str, Rate | None] = {}

    def of(self, bucket: str) -> Rate | None:
        """The rate of a bucket, or `None` if the vendor's prices do not say it."""
        if bucket not in self._known:
            self._known[bucket] = self._resolve(bucket)
        return self._known[bucket]

    def _resolve(self, bucket: str) -> Rate | None:
        for key in _KEYS.get(bucket, ()):
            if key in self._prices:
                return self._rate(key)
        if bucket in _PLAIN_INPUT.get(self.provider, ()):
            return self._rate("input_mtok") if "input_mtok" in self._prices else None
        if bucket == "cache_write.12h" and self.provider == "openai" and "cache_write_mtok" in self._prices:
            return _scaled(self._rate("input_mtok"), *_TWELVE_HOURS)
        flat = _TOOLS.get((self.provider, bucket))
        return None if flat is None else Rate(flat, 1000)

    def _rate(self, key: str) -> Rate:
        price, per = self._prices[key], self._units[key]
        if key.endswith("_hours"):
            per *= _MILLISECONDS
        if isinstance(price, int):
            return Rate(price, per)
        base, tiers = price
        return Rate(base, per, tuple((start, femto) for start, femto in tiers))


class Card:
    """All prices of one model in a catalogue."""

    def __init__(self, provider: str, model: str, entry: Mapping[str, Any], units: Mapping[str, int]) -> None:
        self.provider, self.model, self.units = provider, model, units
        self._prices: list[Mapping[str, Any]] = entry["prices"]
        self._variants: list[Mapping[str, Any]] = entry.get("variants", [])
        self._resolved: dict[tuple[Any, ...], Rates | None] = {}

    def rates(self, seconds: int, served: tuple[tuple[str, str], ...] = ()) -> Rates | None:
        """The rates at a Unix time, for what was `served`: pairs such as `("service_tier", "flex")`.

        `None` when the catalogue has no price for that way of being served at that time: a tier that
        is not known is not the standard one.
        """
        key = (seconds // _DAY, seconds % _DAY if self._by_time_of_day() else 0, served)
        if key not in self._resolved:
            if len(self._resolved) > 64:
                self._resolved.clear()
            self._resolved[key] = self._resolve(seconds, served)
        return self._resolved[key]

    def _resolve(self, seconds: int, served: tuple[tuple[str, str], ...]) -> Rates | None:
        day = _iso_day(seconds)
        active = [price for price in self._prices if _holds(price, day, seconds)]
        standard = active[-1] if active else self._prices[0]
        prices, effective = dict(standard["rates"]), standard.get("from")
        for pair in served:
            matching = [entry for entry in self._variants if _serves(entry, pair, day, seconds)]
            if not matching:
                return None
            for entry in reversed(matching):
                prices.update(entry["rates"])
                effective = max(filter(None, (effective, entry.get("from"))), default=None)
        return Rates(self, prices, effective)

    def _by_time_of_day(self) -> bool:
        return any("between" in price for price in self._prices)


def _serves(entry: Mapping[str, Any], pair: tuple[str, str], day: str, seconds: int) -> bool:
    return bool(entry["when"] == dict((pair,))) and _holds(entry, day, seconds)


def _holds(price: Mapping[str, Any], day: str, seconds: int) -> bool:
    if "from" in price:
        return day >= str(price["from"])
    if "between" in price:
        start, end = price["between"]
        moment = seconds % _DAY
        return bool(start <= moment < end if start <= end else moment >= start or moment < end)
    return True


def _iso_day(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).date().isoformat()


def _scaled(rate: Rate, times: int, over: int) -> Rate:
    return Rate(
        rate.femto * times // over,
        rate.per,
        tuple((start, femto * times // over) for start, femto in rate.tiers),
    )
