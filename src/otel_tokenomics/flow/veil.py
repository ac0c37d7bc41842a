"""The veil: what we asked a stream for, and the application did not, is not shown to it.

When `stream_options.include_usage` is ours, an OpenAI-style stream differs from the one that the
application asked for in two ways: every chunk carries `"usage":null`, and one chunk more, without
choices, carries the usage. The veil takes out both and nothing else. It is keyed on what we injected:
a stream whose options we did not touch never meets it.
"""

from __future__ import annotations

import json
import re

_NEEDLE = b'"usage"'
_USAGE = re.compile(rb'"usage"\s*:\s*\{')
_USUAL_NULL = b',"usage":null'
_OTHER_NULLS = (b', "usage": null', b',"usage": null', b'"usage":null,', b'"usage": null, ')
_MOST_HELD = 8 << 20
_NOTHING, _BLANK, _LINE_FEED = 0, 1, 2
"""What is left to hide: nothing; the blank line after our chunk; before it, the LF of a CRLF cut in two."""


def quiet(text: bytes) -> bytes | None:
    """The text without usual nulls, if it is whole lines in which nobody has anything else to read or hide.

    Searched from its end, where these words stand if anywhere, and where CPython is several times faster.
    """
    if text[-1:] != b"\n" or text.rfind(b"[DONE]") >= 0:
        return None
    cut = text.rfind(_NEEDLE) - 1
    if cut < 0:
        return None if text.startswith(_NEEDLE) else text
    if text.startswith(_USUAL_NULL, cut) and text.rfind(_NEEDLE, 0, cut) < 0:
        return text[:cut] + text[cut + len(_USUAL_NULL) :]
    shown = text.replace(_USUAL_NULL, b"")
    return None if _NEEDLE in shown else shown


class Veil:
    """Lifts whole lines of a server-sent event stream through; holds an unfinished line until it is whole.

    `idle`: nothing is held, and no line is still to be hidden.
    """

    __slots__ = ("_skip", "held", "idle")

    def __init__(self) -> None:
        self.held = b""
        self.idle = True
        self._skip = _NOTHING

    def lift(self, data: bytes) -> bytes:
        """The bytes that may be shown, now that `data` arrived. State changes only if nothing failed."""
        text = self.held + data if self.held else data
        cut = max(text.rfind(b"\n"), text.rfind(b"\r")) + 1
        whole, rest = text[:cut], text[cut:]
        if len(rest) > _MOST_HELD:
            whole, rest = text, b""
        skip = self._skip
        if skip or _NEEDLE in whole:
            if skip or _USAGE.search(whole):
                whole, skip = _without_usage(whole, skip)
            else:
                whole = _without_null(whole)
        self.held, self._skip, self.idle = rest, skip, not (rest or skip)
        return whole

    def release(self) -> bytes:
        """What of the held bytes may be shown, at the end of the stream."""
        rest, self.held = self.held, b""
        return _without_usage(rest, self._skip)[0]


def _without_usage(text: bytes, skip: int) -> tuple[bytes, int]:
    """The text without our chunk and its blank line, and what of those is still to come."""
    shown: list[bytes] = []
    for line in text.splitlines(keepends=True):
        if skip == _LINE_FEED and line == b"\n":
            skip = _BLANK
        elif skip and not line.strip():
            skip = _NOTHING
        elif _NEEDLE in line and _is_ours(line):
            skip = _LINE_FEED if line.endswith(b"\r") else _BLANK
        else:
            shown.append(_without_null(line) if _NEEDLE in line else line)
            skip = _NOTHING
    return b"".join(shown), skip


def _without_null(line: bytes) -> bytes:
    if _USUAL_NULL in line:
        return line.replace(_USUAL_NULL, b"")
    for null in _OTHER_NULLS:
        line = line.replace(null, b"")
    return line


def _is_ours(line: bytes) -> bool:
    """The one chunk with a usage and no choices."""
    if not line.startswith(b"data:") or not _USAGE.search(line):
        return False
    try:
        event = json.loads(line[5:])
    except ValueError:
        return False
    return isinstance(event, dict) and event.get("choices") == [] and event.get("usage") is not None
