"""The Claude Agent SDK: what each result of its command line says that it used, of each model.

The calls are made by a process of its own, which no HTTP library here sees. Its results tell running totals
of that process (anthropics/claude-code#83239), so that what one result used is what it adds to the last; a
reset of the conversation sets the totals to zero. The cost is the command line's own estimate, by its own
price table.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from otel_tokenomics.adapters.counts import Counts
from otel_tokenomics.adapters.hosts import Hosts
from otel_tokenomics.adapters.reported import usd_femto
from otel_tokenomics.flow.contracts import Draft
from otel_tokenomics.model.call import Facts, Reading, Responded
from otel_tokenomics.model.usage import Usage

_PROVIDERS: Final[Mapping[Any, str]] = {
    "bedrock": "aws.bedrock",
    "anthropicAws": "aws.bedrock",
    "vertex": "gcp.vertex_ai",
    "anthropicGoogleCloud": "gcp.vertex_ai",
    "foundry": "azure.ai.inference",
}
_BUCKETS: Final[Mapping[str, tuple[str, str]]] = {
    "input": ("inputTokens", "input_tokens"),
    "cache_read": ("cacheReadInputTokens", "cache_read_input_tokens"),
    "cache_write": ("cacheCreationInputTokens", "cache_creation_input_tokens"),
    "output": ("outputTokens", "output_tokens"),
    "tool.web_search": ("webSearchRequests", ""),
}
"""The buckets, and what the totals of a model and the usage of a result call them."""


@dataclass(slots=True)
class Share:
    """What one result used of one model. `femto` is its cost in femto-USD by the command line."""

    id: str | None
    model: str | None
    provider: str
    usage: Usage
    femto: int | None
    duration_ns: int
    session: Any


@dataclass(slots=True)
class Totals:
    """The running totals of one process of the command line."""

    counts: dict[tuple[Any, str], int] = field(default_factory=dict)

    def shares(self, message: Mapping[str, Any]) -> Iterator[Share]:
        """What a message adds, model by model. Only results add something."""
        if message.get("type") == "conversation_reset":
            self.counts.clear()
        if message.get("type") != "result":
            return
        models = message.get("modelUsage")
        if not isinstance(models, dict) or not models:
            # An older command line: its usage is of this result, its cost a running total.
            yield from self._share(message, None, message.get("usage"), message.get("total_cost_usd"))
            return
        for model, told in models.items():
            if isinstance(told, dict):
                yield from self._share(message, model, told, told.get("costUSD"))

    def _share(self, message: Mapping[str, Any], model: str | None, told: Any, cost: Any) -> Iterator[Share]:
        counts = Counts(told if isinstance(told, dict) else {})
        buckets: dict[str, int] = {}
        for bucket, names in _BUCKETS.items():
            total = counts.get(counts.raw, names[model is None]) if names[model is None] else None
            if total is not None:
                buckets[bucket] = total if model is None else self._added(model, bucket, total)
        total_femto = usd_femto(cost)
        femto = None if total_femto is None else self._added(model, "cost", total_femto)
        if any(buckets.values()) or femto:
            yield Share(
                id=_text(message.get("uuid")),
                model=_text(model),
                provider=_PROVIDERS.get(counts.raw.get("provider"), "anthropic"),
                usage=Usage(buckets, flags=tuple(sorted(counts.flags))),
                femto=femto,
                duration_ns=_milliseconds(message.get("duration_ms")) * 1_000_000,
                session=message.get("session_id"),
            )

    def _added(self, model: str | None, name: str, total: int) -> int:
        """What a total is above the last; one that went down began again."""
        before = self.counts.get((model, name), 0)
        self.counts[model, name] = total
        return total - before if total >= before else total


class ClaudeAgent:
    """Reads shares of results. What it is given as options is a `Share`."""

    operations = ("invoke_agent",)

    def __init__(self, hosts: Hosts) -> None:
        self._hosts = hosts

    def facts(self, client: Any, options: Share, stream: bool) -> Facts:
        """A result is the work of an agent: how many calls it made is not told."""
        return Facts(options.provider, "invoke_agent", "claude-agent-sdk", "result", options.model)

    def meter(self, client: Any, options: Share, facts: Facts) -> Told:
        """What it says is known already."""
        return Told(options)


class Told:
    """The meter of a share."""

    veils = False
    keeps = False
    complete = True

    def __init__(self, share: Share) -> None:
        self._share = share

    def request_body(self) -> None:
        """Nothing is sent from here."""

    def capped(self, request: Any, tokens: int) -> Any:
        """The same."""
        return request

    def prepare(self) -> Any:
        """The same."""
        return self._share

    def respond(self, word: Responded) -> None:
        """There is nothing to read."""

    def feed(self, data: bytes) -> None:
        """The same."""

    def skim(self, data: bytes) -> bool:
        """Nothing needs to be read."""
        return True

    def reading(self) -> Reading:
        """The usage, and the cost by the command line."""
        share = self._share
        name = None if share.id is None else f"{share.id}:{share.model or 'all'}"
        return Reading(share.usage, name, share.model, reported_cost_femto=share.femto)

    def draft(self) -> Draft | None:
        """Nothing is left to count."""
        return None


@dataclass(slots=True)
class Answer:
    """Stands for the response: a result arrived."""

    status_code: int = 200


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _milliseconds(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1e9:
        return 0
    return int(value)
