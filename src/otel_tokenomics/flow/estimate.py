"""Counting what a provider did not say: in this process, off the caller's path, and marked as counted."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Literal

from otel_tokenomics.flow import tokenizer
from otel_tokenomics.flow.contracts import Draft
from otel_tokenomics.model.usage import Usage, UsageSource

_TEXT_KEYS = frozenset(
    {
        "text",
        "content",
        "arguments",
        "name",
        "description",
        "input",
        "prompt",
        "system",
        "instructions",
        "output",
    }
)
_PER_MESSAGE = 3
"""Tokens that a chat format adds around a message (OpenAI cookbook, "How to count tokens", chat models)."""
_MOST_TEXT = 1 << 20

Count = Callable[[str], int]


class Estimator:
    """Counts the tokens of a draft with a tokenizer, or by a rule on its bytes."""

    def __init__(self, mode: Literal["tokenizer", "heuristic"] = "tokenizer") -> None:
        self._mode = mode

    def usage(self, draft: Draft) -> Usage:
        """A usage whose source says that it was counted here, with the provider's own counts kept."""
        count, name = self._counter()
        buckets = dict(draft.known.buckets)
        if draft.known.input_tokens is None and draft.sent is not None:
            buckets["input"] = _count_request(draft.sent, count)
        received = sum(count(text) for text in _joined(draft.received))
        known = draft.known.output_tokens
        if known is None or known < received:
            buckets["output"] = max(0, received - buckets.get("reasoning", 0))
        return Usage(buckets, self._source(draft), name, draft.known.flags, draft.known.details)

    def _counter(self) -> tuple[Count, str]:
        if self._mode == "tokenizer" and tokenizer.load():
            return tokenizer.count, tokenizer.ESTIMATOR
        return tokenizer.heuristic, tokenizer.HEURISTIC

    def _source(self, draft: Draft) -> UsageSource:
        if not draft.finished():
            return "stream_partial"
        return "tokenizer" if self._mode == "tokenizer" and tokenizer.load() else "heuristic"


def _count_request(body: bytes, count: Count) -> int:
    try:
        request = json.loads(body)
    except ValueError:
        return 0
    texts = list(_texts(request, False))
    messages = request.get("messages") if isinstance(request, dict) else None
    framing = _PER_MESSAGE * (len(messages) + 1) if isinstance(messages, list) else 0
    return framing + sum(count(text) for text in _joined(texts))


def _texts(node: Any, wanted: bool) -> Iterator[str]:
    """Every string of a request that a model reads; addresses and encoded media are not."""
    if isinstance(node, str):
        if wanted:
            yield node
    elif isinstance(node, dict):
        for key, value in node.items():
            if key not in ("image_url", "file_data", "data", "url", "source", "model"):
                yield from _texts(value, key in _TEXT_KEYS)
    elif isinstance(node, list):
        for item in node:
            yield from _texts(item, wanted)


def _joined(texts: Iterable[str]) -> Iterator[str]:
    """Pieces joined to one text, within a bound: counting token by token would count too many."""
    whole = "".join(texts)
    for start in range(0, len(whole), _MOST_TEXT):
        yield whole[start : start + _MOST_TEXT]
