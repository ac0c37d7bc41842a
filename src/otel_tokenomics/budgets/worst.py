"""The worst that a request may cost: its input counted here, its output at its cap, at the dearest rate.

It is an upper bound as far as the request says what it asks for. What it does not say (the pages that a tool
reads at the provider, a tier that the provider chooses) can cost more; that is told as overshoot.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Literal, NamedTuple

from otel_tokenomics.budgets.amounts import nano_of
from otel_tokenomics.budgets.plan import Plan
from otel_tokenomics.budgets.rates import Known, rates_of
from otel_tokenomics.model.call import Facts, Reading
from otel_tokenomics.model.money import Cost
from otel_tokenomics.model.usage import Usage

Pricer = Callable[[Facts, Reading, int], Cost]
Count = Callable[[str], int]
MostOutput = Callable[[Facts], int | None]

GENERATING = frozenset({"chat", "text_completion", "generate_content"})
_CAPS = (
    "max_completion_tokens",
    "max_output_tokens",
    "max_tokens",
    "maxOutputTokens",
    "maxTokens",
    "num_predict",
    "max_new_tokens",
)
_NESTED = (
    *("inferenceConfig", "generationConfig", "generation_config", "config", "completion_args", "options"),
    "parameters",
)
_NESTING = frozenset(_NESTED)
_HIDDEN = frozenset(
    {"previous_response_id", "conversation", "prompt_id", "cachedContent", "previous_interaction_id"}
)
_CHOICES = frozenset({"n", "best_of", "candidateCount"})
_WRITES_BY_ITSELF = frozenset({"openai", "azure.ai.openai"})
"""Providers that write to their prompt cache unasked, and may charge for it."""
_FILES = frozenset({"inlineData", "fileData", "inline_data", "file_data"})
_PER_PART = 8
"""Tokens that a chat format adds around a message, a tool or a part of one, at most."""
_PER_NUMBER = 8
_MOST_REMEMBERED = 1_000
_SERVER_TOOLS = ("web_search", "web_fetch", "file_search", "code_interpreter", "code_execution")
_IMAGE_TOKENS = 5_000
_IMAGE_TOKENS_BY_MODEL = (("4o-mini", 50_000),)
"""The most that one image is counted as. Vendors count by size; a small model may count 33 times as many for
the same price. An assumption of ours, set by `image_tokens`, not a vendor's figure."""


class Need(NamedTuple):
    """What one attempt may take: nano-USD (`None` where no price is known, and `why`) and tokens."""

    cost: int | None
    tokens: int
    input_tokens: int
    output_tokens: int
    capped: bool
    why: str | None = None


class Asked(NamedTuple):
    """What is asked of the budgets: a call that is about to be made. `at_ns` is Unix time."""

    facts: Facts
    body: Mapping[str, Any] | None
    at_ns: int


class Way(NamedTuple):
    """A way in which a provider may bill: the tier that it serves, and what it counts input and output as."""

    tier: str | None
    source: str
    made: str | None

    def buckets(self, n_in: int, out: int, tools: Mapping[str, int]) -> dict[str, int]:
        """So much input and output, and uses of tools, as they would be counted."""
        buckets = {self.source: n_in, **tools}
        if self.made is not None:
            buckets[self.made] = out
        return buckets


@dataclass(slots=True)
class _Seen:
    """What a walk through a request has found."""

    size: int = 0
    parts: int = 0
    images: int = 0
    writes: bool = False
    long_writes: bool = False
    texts: list[str] | None = None


class Estimate:
    """Reckons needs by a plan, the prices in force, and the most that models put out."""

    def __init__(self, plan: Plan, price: Pricer, most_output: MostOutput = lambda facts: None) -> None:
        self._plan = plan
        self._price = price
        self._most_output = most_output
        self._dearest: dict[tuple[object, ...], tuple[Known, Way]] = {}

    def need(self, asked: Asked, cap: int | None = None, count: Count | None = None) -> Need:
        """The worst case of one attempt.

        With `cap` the request's output cap will be that. Without `count` a text has as many tokens as UTF-8
        bytes, which no tokenizer of bytes exceeds; with it, as many as it counts, and a margin.
        """
        seen = walk(asked.body or {}, keep=count is not None)
        n_in = self._counted(seen, count) + seen.parts * _PER_PART
        if seen.images:
            n_in += seen.images * self._image_tokens(asked.facts)
        unseen = asked.body is None and asked.facts.operation in GENERATING
        if unseen or _hides(asked.body or {}):
            n_in += self._plan.output_tokens
        out, capped = self._output(asked, cap)
        cost, why = self._cost(asked, seen, n_in, out)
        return Need(cost, n_in + out, n_in, out, capped, why)

    def again(self, asked: Asked, need: Need, out: int, model: str | None = None) -> Need:
        """The same need with another output cap, or for another model."""
        if model is not None:
            asked = asked._replace(facts=replace(asked.facts, request_model=model))
        seen = walk(asked.body or {}, keep=False)
        cost, why = self._cost(asked, seen, need.input_tokens, out)
        return need._replace(cost=cost, tokens=need.input_tokens + out, output_tokens=out, why=why)

    def _counted(self, seen: _Seen, count: Count | None) -> int:
        if count is None:
            return seen.size
        counted = sum(map(count, seen.texts or ()))
        return min(seen.size, -(-counted * (100 + self._plan.input_margin) // 100))

    def _image_tokens(self, facts: Facts) -> int:
        if self._plan.image_tokens is not None:
            return self._plan.image_tokens
        model = facts.request_model or ""
        return next((most for part, most in _IMAGE_TOKENS_BY_MODEL if part in model), _IMAGE_TOKENS)

    def _output(self, asked: Asked, cap: int | None) -> tuple[int, bool]:
        if asked.facts.operation not in GENERATING:
            return 0, True
        parts = _parts(asked.body or {})
        given = _cap_in(parts) if cap is None else cap
        times = _choices_in(parts)
        if given is not None:
            return given * times, True
        return (self._most_output(asked.facts) or self._plan.output_tokens) * times, False

    def _cost(self, asked: Asked, seen: _Seen, n_in: int, out: int) -> tuple[int | None, str | None]:
        tools, facts = self._tools(asked.body or {}), asked.facts
        writes = (seen.writes or facts.provider in _WRITES_BY_ITSELF, seen.long_writes)
        made = None if not out else "audio" if _speaks(asked.body or {}) else "text"
        key = (facts.provider, facts.request_model, facts.service_tier, writes, made, *tools)
        known = self._dearest.get(key)
        if known is not None:
            # At the same rates it is dearest again, for each way has the same quantities.
            amount = self._again(asked, *known, n_in, out, tools)
            if amount is not None:
                return nano_of(amount), None
        worst: int | None = None
        why: str | None = None
        for way in _ways(facts.service_tier, *writes, made):
            cost = self._priced(asked, way, way.buckets(n_in, out, tools))
            if cost.amount_femto is None or cost.status != "complete":
                why = why or (cost.unpriced_reason or "unknown_model")
            elif cost.currency != "USD":
                why = "unknown_currency"
            elif worst is None or nano_of(cost.amount_femto) > worst:
                worst = nano_of(cost.amount_femto)
                self._remember(key, cost, way)
        return worst, None if worst is not None else why

    def _again(
        self, asked: Asked, known: Known, way: Way, n_in: int, out: int, tools: Mapping[str, int]
    ) -> int | None:
        """Femto-USD in the way that was dearest before, unless its rates have changed."""
        buckets = way.buckets(n_in, out, tools)
        amount = known.amount(buckets, n_in, asked.at_ns)
        if amount is not None:
            return amount
        cost = self._priced(asked, way, buckets)
        if cost.amount_femto is None or rates_of(cost) != known.of:
            return None
        known.hold(cost, buckets, n_in, asked.at_ns)
        return cost.amount_femto

    def _priced(self, asked: Asked, way: Way, buckets: Mapping[str, int]) -> Cost:
        reading = Reading(Usage(buckets), response_model=asked.facts.request_model, service_tier=way.tier)
        return self._price(asked.facts, reading, asked.at_ns)

    def _remember(self, key: tuple[object, ...], cost: Cost, way: Way) -> None:
        if len(self._dearest) >= _MOST_REMEMBERED:
            self._dearest.clear()
        self._dearest[key] = Known(cost), way

    def _tools(self, body: Mapping[str, Any]) -> dict[str, int]:
        """Uses of tools that run at the provider and are billed by use."""
        uses: dict[str, int] = {}
        if "tools" not in body:
            return uses
        for tool in _dicts(body.get("tools")):
            kind = next((name for name in _SERVER_TOOLS if str(tool.get("type", "")).startswith(name)), None)
            if kind in ("web_search", "file_search"):
                most = tool.get("max_uses", body.get("max_tool_calls"))
                uses[f"tool.{kind}"] = most if isinstance(most, int) else self._plan.tool_calls
        return uses


def choices(body: Mapping[str, Any]) -> int:
    """How many answers a request asks for: its output cap holds for each."""
    return _choices_in(_parts(body))


def _choices_in(parts: list[Mapping[str, Any]]) -> int:
    most = 1
    for part in parts:
        if not _CHOICES.isdisjoint(part):
            most = max([most, *[n for key in _CHOICES if isinstance(n := part.get(key), int)]])
    return most


def least_cap(body: Mapping[str, Any]) -> int:
    """The lowest output cap that a request allows itself: above what it may think, where it says that."""
    thinking = body.get("thinking")
    named = thinking.get("budget_tokens") if isinstance(thinking, Mapping) else None
    return named + 1 if isinstance(named, int) else 1


def output_cap(body: Mapping[str, Any]) -> int | None:
    """The output cap that a request names, by any of its names."""
    return _cap_in(_parts(body))


def _cap_in(parts: list[Mapping[str, Any]]) -> int | None:
    for part in parts:
        for key in _CAPS:
            value = part.get(key)
            if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
                return value
    return None


def _parts(body: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The objects of a request that may hold its settings."""
    if _NESTING.isdisjoint(body):
        return [body]
    return [body, *[inner for name in _NESTED if isinstance(inner := body.get(name), Mapping)]]


def _hides(body: Mapping[str, Any]) -> bool:
    """Whether a request has the provider add what it keeps: nobody here sees how much that is."""
    return not _HIDDEN.isdisjoint(body) and any(body.get(key) for key in _HIDDEN)


def _speaks(body: Mapping[str, Any]) -> bool:
    return "modalities" in body and "audio" in _words(body["modalities"])


@lru_cache(maxsize=256)
def _ways(
    tier: str | None, writes: bool, long_writes: bool, made: Literal["text", "audio"] | None
) -> tuple[Way, ...]:
    """The ways in which a provider may bill the same tokens."""
    inputs = ["input", *(["cache_write"] if writes else []), *(["cache_write.1h"] if long_writes else [])]
    outputs: dict[str | None, tuple[str | None, ...]] = {
        None: (None,),
        "text": ("output", "reasoning"),
        "audio": ("output.audio",),
    }
    tiers = dict.fromkeys((tier, None))
    return tuple([Way(tier, source, put) for tier in tiers for source in inputs for put in outputs[made]])


def walk(node: Any, keep: bool) -> _Seen:
    """What a request holds, of plain values only: nothing of the caller's is called, consumed or changed."""
    seen = _Seen(texts=[] if keep else None)
    _walk(node, seen)
    return seen


def _walk(node: Any, seen: _Seen) -> None:
    if isinstance(node, str):
        seen.size += len(node) if node.isascii() else len(node.encode("utf-8", "surrogatepass"))
        if seen.texts is not None:
            seen.texts.append(node)
    elif isinstance(node, dict):
        _walk_dict(node, seen)
    elif isinstance(node, list | tuple):
        for item in node:
            _walk(item, seen)
    elif node is not None:
        seen.size += _PER_NUMBER


def _walk_dict(node: dict[Any, Any], seen: _Seen) -> None:
    seen.parts += 1
    kind = node.get("type")
    if not kind and not _FILES.isdisjoint(node):
        kind = _media_type(node)
    if isinstance(kind, str) and "image" in kind:
        seen.images += 1
        return
    counts_only = seen.texts is None
    for key, value in node.items():
        if isinstance(key, str):
            seen.size += len(key)
        if key == "cache_control" and isinstance(value, dict):
            seen.writes = True
            seen.long_writes = seen.long_writes or value.get("ttl") == "1h"
        # Nearly all there is, without a call for each.
        of = type(value)
        if counts_only and of is str and value.isascii():
            seen.size += len(value)
        elif of is int or of is float or of is bool:
            seen.size += _PER_NUMBER
        else:
            _walk(value, seen)


def _media_type(node: dict[Any, Any]) -> Any:
    """What kind of file a part of Google's contents holds or names: its size says little of its tokens."""
    found: dict[Any, Any] = next((node[key] for key in _FILES if isinstance(node.get(key), dict)), {})
    return found.get("mimeType") or found.get("mime_type")


def _dicts(value: Any) -> Iterable[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list | tuple) else []


def _words(value: Any) -> list[str]:
    return [item for item in value if isinstance(item, str)] if isinstance(value, list | tuple) else []
