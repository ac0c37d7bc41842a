"""Finding usage in a streamed body without parsing it all.

Bytes come in pieces cut anywhere. Only whole `data:` lines that carry a usage *object* are given out;
everything else is passed over at the speed of a byte search.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from typing import Final

USAGE: Final = re.compile(rb'"usage"\s*:\s*\{')
_FRAME = re.compile(rb'"bytes"\s*:\s*"([A-Za-z0-9+/=]+)"')
_MOST_HELD = 16 << 20


class UsageLines:
    """Server-sent events: the payloads of the lines that carry a usage object.

    A stream of another kind has another `needle`, or another `prefix` before its payloads; `{` begins one.

    `between_lines`: no line is unfinished. `done`: the stream has said `[DONE]`.
    """

    __slots__ = ("_held", "_needle", "_prefix", "_size", "between_lines", "done")

    def __init__(self, needle: re.Pattern[bytes] = USAGE, prefix: bytes = b"data:") -> None:
        self._needle = needle
        self._prefix = prefix
        self._held: list[bytes] = []
        self._size = 0
        self.between_lines = True
        self.done = False

    def feed(self, data: bytes) -> list[bytes]:
        """Payloads completed by `data`."""
        cut = max(data.rfind(b"\n"), data.rfind(b"\r"))
        if cut < 0:
            self._hold(data)
            return []
        whole = data[: cut + 1]
        if self._held:
            whole = b"".join((*self._held, whole))
            self._held.clear()
        self._size = 0
        self.between_lines = True
        if cut + 1 < len(data):
            self._hold(data[cut + 1 :])
        if b"[DONE]" in whole:
            self.done = True
        return self._payloads(whole) if self._needle.search(whole) else []

    def rest(self) -> list[bytes]:
        """Payloads of a last line that was never ended."""
        return self._payloads(b"".join(self._held))

    def _payloads(self, text: bytes) -> list[bytes]:
        search, prefix = self._needle.search, self._prefix
        cut = 0 if prefix == b"{" else len(prefix)
        return [line[cut:] for line in text.splitlines() if line.startswith(prefix) and search(line)]

    def _hold(self, data: bytes) -> None:
        self._size += len(data)
        if self._size > _MOST_HELD:
            self._held.clear()
        else:
            self._held.append(data)
        self.between_lines = not self._held


class UsageFrames:
    """Amazon's event stream: each frame's payload holds one event, in base64 inside JSON."""

    __slots__ = ("_held", "done")
    between_lines = False
    """Never known: a frame may end anywhere."""

    def __init__(self) -> None:
        self._held = b""
        self.done = False

    def feed(self, data: bytes) -> list[bytes]:
        """Events with a usage object completed by `data`."""
        text = self._held + data
        found, end = [], 0
        for match in _FRAME.finditer(text):
            end = match.end()
            event = _decoded(match.group(1))
            if USAGE.search(event):
                found.append(event)
        self._held = text[end:] if len(text) - end <= _MOST_HELD else b""
        return found

    def rest(self) -> list[bytes]:
        """Nothing: an unfinished frame holds no event."""
        return []


def _decoded(frame: bytes) -> bytes:
    """A frame's event; nothing of a frame that cannot be read."""
    try:
        return base64.b64decode(frame)
    except binascii.Error:
        return b""


def events(kept: list[bytes]) -> Iterator[bytes]:
    """Every event's payload in the bytes kept of a stream, of either kind."""
    text = b"".join(kept)
    framed = (
        _FRAME.findall(text) if not text.lstrip().startswith((b"data:", b"event:", b":", b"\xef")) else []
    )
    for frame in framed:
        yield _decoded(frame)
    if not framed:
        for line in text.splitlines():
            if line.startswith(b"data:"):
                yield line[5:]
            elif line.startswith(b"{"):
                yield line
