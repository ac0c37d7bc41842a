"""What a botocore client is asked to do and what it answers: the words of its seam and its adapter."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

SERVICES: Final = frozenset({"bedrock-runtime", "bedrock-agent-runtime"})
"""The services whose clients call models."""


class Request(NamedTuple):
    """What a client is asked to do."""

    operation: str
    params: Mapping[str, Any]


@dataclass(slots=True)
class Answer:
    """What came back: `body` is what botocore parsed, without what is still to be read."""

    status_code: int | None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, Any] = field(default_factory=dict)
    request_id: str | None = None
