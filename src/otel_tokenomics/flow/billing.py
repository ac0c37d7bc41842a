"""Which responses bill, and once each: polls, background work, free operations, timeouts."""

from __future__ import annotations

import threading
from collections import OrderedDict
from enum import Enum
from typing import Any

from otel_tokenomics.model.attribution import Attribution
from otel_tokenomics.model.call import Facts, Reading
from otel_tokenomics.model.record import UsageRecord

_MOST_REMEMBERED = 10_000
_NEVER_SENT = frozenset(
    {
        *("ConnectTimeout", "ConnectError", "PoolTimeout", "UnsupportedProtocol", "ProxyError"),
        *("ConnectTimeoutError", "EndpointConnectionError", "ProxyConnectionError"),
        "ConnectionTimeoutError",
    }
)
_LOST_ANSWERS = frozenset(
    {
        *("ReadTimeout", "ReadError", "RemoteProtocolError"),
        *("ReadTimeoutError", "ConnectionClosedError", "ResponseStreamingError"),
        *("ProtocolError", "ServerDisconnectedError", "ServerTimeoutError", "SocketTimeoutError"),
        *("ClientOSError", "TimeoutError", "DeadlineExceeded"),
    }
)
_BROKEN = frozenset({"ClientOSError", "ClientConnectionResetError"})
"""What aiohttp raises of a connection that it had, and what is above it may say that there was none."""
_READERS = frozenset({"botocore.parsers", "aiobotocore.parsers", "google.protobuf.json_format"})
"""Whatever these raise of an answer that they do not understand, the answer was there."""
_LOST_STATUSES = frozenset({"DEADLINE_EXCEEDED", "CANCELLED"})
"""Of gRPC, which has one class of errors for all of them."""


class Verdict(Enum):
    """What a response means for the bill."""

    BILLED = "billed"
    PENDING = "pending"
    NOT_BILLED = "not billed"


class Bill:
    """Remembers, within bounds, which ids were counted and who started work that is billed later."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._owners: OrderedDict[str, Attribution | None] = OrderedDict()
        self._counted: OrderedDict[str, None] = OrderedDict()

    def judge(
        self, facts: Facts, reading: Reading, status: int | None, error: BaseException | None
    ) -> Verdict:
        """Whether this response is billed now, later, or not by this sight of it."""
        if status is None or status >= 300:
            return Verdict.NOT_BILLED
        if facts.billing == "free":
            return Verdict.NOT_BILLED if error is not None else Verdict.BILLED
        if reading.pending:
            return Verdict.PENDING if facts.billing == "metered" else Verdict.NOT_BILLED
        if facts.billing == "polled" and not reading.background:
            return Verdict.NOT_BILLED
        if reading.background or facts.billing == "polled":
            return self._once(facts, reading)
        return Verdict.BILLED

    def owner(self, record: UsageRecord) -> Attribution:
        """Who started the work: for a polled response, whoever created it in this process."""
        if not self._owners:
            return record.attribution
        with self._lock:
            return self._owners.pop(record.key, None) or record.attribution

    def started(self, record: UsageRecord) -> None:
        """Remember who started work that is billed when it is polled."""
        with self._lock:
            _remember(self._owners, record.key, record.attribution)

    def _once(self, facts: Facts, reading: Reading) -> Verdict:
        if reading.response_id is None:
            return Verdict.BILLED
        key = f"{facts.provider}:{reading.response_id}"
        with self._lock:
            if key in self._counted:
                return Verdict.NOT_BILLED
            _remember(self._counted, key, None)
        return Verdict.BILLED


def _remember(
    memory: OrderedDict[str, Attribution | None] | OrderedDict[str, None], key: str, value: object
) -> None:
    memory[key] = value  # type: ignore[assignment]
    while len(memory) > _MOST_REMEMBERED:
        memory.popitem(last=False)


def possibly_billed(error: BaseException | None) -> bool:
    """Whether a failed attempt was sent, so that its answer may be billed although nobody saw it.

    Client libraries wrap what their HTTP library raised; its class is known by name, since neither is
    imported here. A cancelled wait counts: the request was on its way.
    """
    if error is None:
        return False
    if not isinstance(error, Exception):
        return True
    names = {type(error).__name__, type(error.__cause__).__name__, type(error.__context__).__name__}
    if names & _NEVER_SENT:
        return not names.isdisjoint(_BROKEN)
    statuses = {_status(error), _status(error.__cause__)}
    if names & _LOST_ANSWERS or "APITimeoutError" in names or statuses & _LOST_STATUSES:
        return True
    return _not_understood(error)


def _not_understood(error: Exception) -> bool:
    """Whether an answer came that the client library failed to read, by where the error was raised."""
    step = error.__traceback__
    while step is not None:
        if step.tb_frame.f_globals.get("__name__") in _READERS:
            return True
        step = step.tb_next
    return False


def _status(error: Any) -> str | None:
    """The name of the status of an error of gRPC's own, which another's may be made of."""
    if not type(error).__module__.startswith("grpc."):
        return None
    return getattr(error.code(), "name", None)
