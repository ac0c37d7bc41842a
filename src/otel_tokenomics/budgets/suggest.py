"""What would fit: a smaller output cap, or the cheapest model for which the same call has room."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence

from otel_tokenomics.budgets.protocol import UNLIMITED, Answer, Line
from otel_tokenomics.budgets.ticket import Part
from otel_tokenomics.budgets.worst import GENERATING, Asked, Estimate, Need, choices, least_cap

Models = Callable[[str], Iterable[str]]
"""The models of a provider, by its `gen_ai.provider.name`."""

_MOST_MODELS = 400
_DATED = re.compile(r"\d{4}-\d{2}-\d{2}|\d{8}|-\d{4}$")
_OTHER_WORK = re.compile(
    r"audio|realtime|image|search|transcribe|tts|embed|moderation|whisper|instruct|codex"
)


class Suggest:
    """Finds a model that fits. Only money is compared: whether it can do the work is the caller's to know."""

    def __init__(self, estimate: Estimate, models: Models = lambda provider: ()) -> None:
        self._estimate = estimate
        self._models = models

    def model(
        self, asked: Asked, parts: Sequence[Part], need: Need, lines: Sequence[Line], answer: Answer
    ) -> str | None:
        """The cheapest model for which every limit has room, or `None`."""
        if need.cost is None or asked.facts.operation not in GENERATING:
            return None
        left = room(parts, lines, answer)
        if left.get("token", need.tokens) < need.tokens or left.get("request", 1) < 1:
            return None
        best: tuple[int, str] | None = None
        for model in self._candidates(asked, parts):
            cost = self._estimate.again(asked, need, need.output_tokens, model).cost
            if cost is not None and 0 < cost <= left.get("cost", cost) and (best is None or cost < best[0]):
                best = cost, model
        return None if best is None else best[1]

    def _candidates(self, asked: Asked, parts: Sequence[Part]) -> list[str]:
        named = [model for part in parts for model in part.budget.models]
        if named:
            return named
        all_ = list(self._models(asked.facts.provider))[:_MOST_MODELS]
        return [id for id in all_ if not _DATED.search(id) and not _OTHER_WORK.search(id)]


def room(parts: Sequence[Part], lines: Sequence[Line], answer: Answer) -> dict[str, int]:
    """How much of each unit every limit has left."""
    left: dict[str, int] = {}
    for part, line, balance in zip(parts, lines, answer.balances, strict=True):
        if line.limit != UNLIMITED:
            rest = line.limit - balance.spent - balance.held
            left[part.unit] = min(left.get(part.unit, rest), rest)
    return left


def fitted_output(
    estimate: Estimate, asked: Asked, parts: Sequence[Part], need: Need, lines: Sequence[Line], answer: Answer
) -> Need | None:
    """The need with the largest output cap that fits, where every budget in the way asks for that.

    A cap holds for each of the answers that a request asks for: all that the need holds is so many times it.
    """
    tight = [
        part
        for part, line, balance in zip(parts, lines, answer.balances, strict=True)
        if line.limit != UNLIMITED and balance.spent + balance.held + line.amount > line.limit
    ]
    if (
        asked.body is None
        or not tight
        or not all(part.budget.fit and part.unit != "request" for part in tight)
    ):
        return None
    left = room(parts, lines, answer)
    times = choices(asked.body)
    low = max(least_cap(asked.body), *[part.budget.least_output for part in tight])
    high = need.output_tokens // times
    best: Need | None = None
    while low <= high:
        middle = (low + high) // 2
        found = estimate.again(asked, need, middle * times)
        cost, tokens = found.cost or 0, found.tokens
        if cost <= left.get("cost", cost) and tokens <= left.get("token", tokens):
            best, low = found, middle + 1
        else:
            high = middle - 1
    return best
