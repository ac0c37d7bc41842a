"""`Usage`: what a provider says one response consumed, in disjoint buckets.

A bucket is a string, `<component>` or `<component>.<detail>`:

========================== =============================================================
`input`, `input.audio` ... input tokens that no cache served, by modality when known
`cache_read`, ...          input tokens read from the provider's prompt cache
`cache_write`, `.5m` ...   input tokens written to it, by time to live when known
`output`, `output.audio`   output tokens without reasoning
`reasoning`                output tokens spent on reasoning
`tool.<name>`              billed requests of a server-side tool
`audio.ms`                 milliseconds of audio, where audio is billed by time
`compute.ms`               milliseconds that a machine ran, where that is billed
`characters`, `images`     characters, images, where the provider bills those
`training`                 tokens that a model was trained with
`input@<model>`, ...       any of these, of another model than the one that answered
========================== =============================================================

Every quantity is an `int`. A bucket that is absent is unknown; a bucket that is `0` is zero.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Literal

UsageSource = Literal["provider", "stream_partial", "tokenizer", "heuristic", "missing"]

INPUT_COMPONENTS = ("input", "cache_read", "cache_write")
OUTPUT_COMPONENTS = ("output", "reasoning")
TOKEN_COMPONENTS = INPUT_COMPONENTS + OUTPUT_COMPONENTS


@lru_cache(maxsize=512)
def component_of(bucket: str) -> str:
    """The component a bucket belongs to: `cache_write.1h` belongs to `cache_write`."""
    return bucket.partition("@")[0].partition(".")[0]


def of_model(bucket: str, model: str) -> str:
    """The bucket of what another model than the one that answered was billed for, such as an advisor.

    It counts in the totals of its component, and is priced as that model's.
    """
    return f"{bucket}@{model}"


@dataclass(slots=True)
class Usage:
    """Disjoint quantities of one response. Treat as immutable: its sums are reckoned once.

    `source` says where the counts come from. `estimator` names the tokenizer or rule when they are
    not the provider's. `flags` lists what was wrong with the provider's own figures
    (`"mismatch"`, `"negative"`, `"not_a_count"`, `"not_all_counted"`), so that no gap is silent.
    `details` holds counts that are inside a bucket and not a bucket of their own,
    such as `rejected_prediction`.
    """

    buckets: Mapping[str, int] = field(default_factory=dict)
    source: UsageSource = "provider"
    estimator: str | None = None
    flags: tuple[str, ...] = ()
    details: Mapping[str, int] = field(default_factory=dict)
    _tokens: Mapping[str, int] | None = field(default=None, init=False, repr=False, compare=False)

    def component(self, name: str) -> int | None:
        """Total of one token component over its modalities and times to live, or `None` when unknown."""
        return self.tokens().get(name)

    @property
    def input_tokens(self) -> int | None:
        """Input tokens *including* cache reads and writes, as `gen_ai.usage.input_tokens` counts them."""
        return together(self.tokens(), INPUT_COMPONENTS)

    @property
    def output_tokens(self) -> int | None:
        """Output tokens *including* reasoning, as `gen_ai.usage.output_tokens` counts them."""
        return together(self.tokens(), OUTPUT_COMPONENTS)

    def tokens(self) -> Mapping[str, int]:
        """The known token components, each summed over its details."""
        if self._tokens is not None:
            return self._tokens
        totals: dict[str, int] = {}
        for bucket, quantity in self.buckets.items():
            component = component_of(bucket)
            if component in TOKEN_COMPONENTS:
                totals[component] = totals.get(component, 0) + quantity
        self._tokens = totals
        return totals


MISSING = Usage(source="missing")


def together(tokens: Mapping[str, int], components: tuple[str, ...]) -> int | None:
    """The sum of those components that are known, or `None` if none is."""
    total: int | None = None
    for component in components:
        if component in tokens:
            total = tokens[component] + (total or 0)
    return total
