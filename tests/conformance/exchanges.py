"""Recorded exchanges: read, sorted by what they are, and turned into replies."""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.support.wire import JSON, SSE, Reply


@dataclass(frozen=True)
class Exchange:
    """One request and its response, as a provider really gave it."""

    id: str
    provider: str
    method: str
    host: str
    path: tuple[str, ...]
    query: dict[str, str]
    request: dict[str, Any]
    status: int
    body: str

    @property
    def streamed(self) -> bool:
        """Whether the body is server-sent events; some recordings lost their content type."""
        return self.lines or self.body.lstrip().startswith(("data:", "event:", ":"))

    @property
    def lines(self) -> bool:
        """Whether the body is one JSON object a line, as Ollama's streams and Cohere's old ones are."""
        return self.body.startswith("{") and '\n{"' in self.body

    def reply(self) -> Reply:
        """The response, a stream in one piece for each event."""
        if not self.streamed:
            return Reply(self.body.encode(), self.status, JSON)
        if self.lines:
            told = [line.encode() + b"\n" for line in self.body.splitlines()]
            return Reply(told, self.status, {"content-type": "application/x-ndjson"})
        pieces = [piece.encode() + b"\n\n" for piece in self.body.split("\n\n") if piece.strip()]
        return Reply(pieces, self.status, SSE)

    def events(self) -> list[dict[str, Any]]:
        """The events of a streamed body that are JSON objects."""
        if self.lines:
            return [json.loads(line) for line in self.body.splitlines()]
        lines = (line[5:] for line in self.body.splitlines() if line.startswith("data:"))
        parsed = (json.loads(line) for line in lines if line.strip() not in ("[DONE]", ""))
        return [event for event in parsed if isinstance(event, dict)]

    def json(self) -> dict[str, Any]:
        """The body of a response that is not streamed; empty where it is no JSON object."""
        try:
            body = json.loads(self.body)
        except ValueError:
            return {}
        return body if isinstance(body, dict) else {}


@lru_cache(maxsize=32)
def exchanges(folder: Path, provider: str) -> tuple[Exchange, ...]:
    """Every exchange recorded of one provider whose body is text."""
    with gzip.open(folder / f"{provider}.jsonl.gz", "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    return tuple(_exchange(provider, row) for row in rows if isinstance(row.get("body"), str))


def _exchange(provider: str, row: dict[str, Any]) -> Exchange:
    url = urlsplit(row["url"])
    request = row["request"]
    return Exchange(
        id=row["id"],
        provider=provider,
        method=row["method"].upper(),
        host=url.hostname or "",
        path=tuple(url.path.strip("/").split("/")),
        query={key: values[-1] for key, values in parse_qs(url.query).items()},
        request=request if isinstance(request, dict) else {},
        status=row["status"],
        body=row["body"],
    )
