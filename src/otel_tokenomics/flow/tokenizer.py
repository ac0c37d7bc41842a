"""Counting tokens in this process, with the vocabulary that the package carries.

For a model whose tokenizer is not public, o200k_base is a closer stand-in than any rule on characters.
Nothing is downloaded, and nothing is registered with tiktoken: its registry fails for the whole
process when a name is taken twice. Loading takes about 0.3 s and 90 MB, and holds the interpreter's
lock for 0.13 s of it, so it is done on first need only, on a background thread.
"""

from __future__ import annotations

import base64
import importlib
import lzma
import os
import threading
from importlib.resources import files
from typing import Any, Final

from otel_tokenomics.flow.guard import log

ESTIMATOR: Final = "tiktoken:o200k_base"
HEURISTIC: Final = "bytes/4"

VOCABULARY: Final = "o200k_base.tiktoken.xz"
MOST_CHARACTERS: Final = 64_000
"""A longer text is counted this far and extrapolated: 64,000 characters take 2 to 40 ms."""

BYTES_PER_TOKEN: Final = 4
"""UTF-8 bytes, not characters. Against o200k_base, bytes/4 counts 1.03 to 1.34 times the tokens of
English, German and Python, 0.96 to 1.16 of Chinese, Japanese and Korean (characters/4: 0.33 to 0.39),
but 1.9 of Russian, 2.2 of Hindi and 0.56 of JSON full of numbers. So its figures are marked."""

# How o200k_base splits a text before it merges bytes: tiktoken's own pattern, compared with it in a test.
PATTERN: Final = "|".join(
    (
        r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
        r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
        r"\p{N}{1,3}",
        r" ?[^\s\p{L}\p{N}]+[\r\n/]*",
        r"\s*[\r\n]+",
        r"\s+(?!\S)",
        r"\s+",
    )
)


class _Vocabulary:
    """The encoding once it is loaded; `failed` once it turned out not to be there."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.encoding: Any = None
        self.failed = False


_vocabulary = _Vocabulary()


def load() -> bool:
    """Load the tokenizer if it is not loaded yet. Slow at first: call it on a background thread.

    False when tiktoken or its data is absent or broken; that is logged once and not tried again.
    """
    if _vocabulary.encoding is None and not _vocabulary.failed:
        with _vocabulary.lock:
            if _vocabulary.encoding is None and not _vocabulary.failed:
                _load(_vocabulary)
    return _vocabulary.encoding is not None


def loaded() -> bool:
    """Whether `count` counts with the tokenizer. Never loads it."""
    return _vocabulary.encoding is not None


def count(text: str) -> int:
    """Tokens of `text` under o200k_base, where names of special tokens are text like any other.

    Until `load` has succeeded this is `heuristic`. Any string is counted, lone surrogates included.
    """
    encoding = _vocabulary.encoding
    if encoding is None:
        return heuristic(text)
    head = text[:MOST_CHARACTERS]
    try:
        tokens = len(encoding.encode(head, disallowed_special=()))
    except BaseException as error:
        # A panic in tiktoken's Rust code is no `Exception`, and would end the thread that counts.
        if isinstance(error, Exception) or type(error).__name__ == "PanicException":
            return heuristic(text)
        raise
    return tokens if len(head) == len(text) else round(tokens * len(text) / len(head))


def heuristic(text: str) -> int:
    """Tokens of `text` by a rule on its UTF-8 bytes, rounded up: 0 for an empty text, else at least 1."""
    size = len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
    return -(-size // BYTES_PER_TOKEN)


def _load(vocabulary: _Vocabulary) -> None:
    try:
        vocabulary.encoding = _build()
    except Exception as error:
        vocabulary.failed = True
        log.warning(
            "tokens that a provider does not report are counted as %s: the tokenizer cannot be loaded (%s). "
            "Reinstall tiktoken and otel-tokenomics to have them counted.",
            HEURISTIC,
            type(error).__name__,
        )


def _build() -> Any:
    tiktoken = importlib.import_module("tiktoken")
    return tiktoken.Encoding(
        "tokenomics_o200k_base", pat_str=PATTERN, mergeable_ranks=_ranks(), special_tokens={}
    )


def _ranks() -> dict[bytes, int]:
    packed = (files("otel_tokenomics") / "data" / VOCABULARY).read_bytes()
    lines = lzma.decompress(packed).splitlines()
    return {base64.b64decode(token): int(rank) for token, rank in (line.split() for line in lines)}


def _unlock_child() -> None:
    # A fork while another thread loads would leave the child's lock held for ever.
    _vocabulary.lock = threading.Lock()


os.register_at_fork(after_in_child=_unlock_child)
