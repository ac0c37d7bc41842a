"""A call as a conversation: its facts, and the words its flow and its driver exchange."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from otel_tokenomics.model.usage import MISSING, Usage

Billing = Literal["metered", "free", "polled", "several"]
"""`metered` bills each response; `free` never bills; `polled` reports a response that bills once by id;
`several` holds responses that bill once each, such as the results of a batch, and bills nothing itself."""

Outcome = Literal["success", "error", "cancelled", "superseded"]


@dataclass(slots=True)
class Facts:
    """What a request says about itself, before it is sent.

    `provider` and `operation` are `gen_ai.provider.name` and `gen_ai.operation.name`. `flavor` is the
    client library. `provider_assumed` means that the host is not a known one, so that `provider` is
    only the client's flavor. `service_tier` and the like are what was *asked for*; a price never
    rests on them when the response says what was served.
    `self_traced`: the client library makes a span of its own. `unit` is what was asked for where that sets
    the price of one: `.hd.1024x1792` of an image.
    """

    provider: str
    operation: str
    flavor: str
    route: str
    request_model: str | None = None
    stream: bool = False
    billing: Billing = "metered"
    provider_assumed: bool = False
    self_traced: bool = False
    service_tier: str | None = None
    server_address: str | None = None
    server_port: int | None = None
    unit: str = ""


@dataclass(slots=True)
class Reading:
    """What a response says: its usage, and every served value that sets its price.

    `reported_cost_femto` is the cost that a vendor or gateway put on the wire itself.
    `pending` is true when the response says that it is still being made, so that its usage comes later;
    `background` when it can be asked for again by its id, so that it must be counted once by that id.
    """

    usage: Usage = field(default_factory=lambda: MISSING)
    response_id: str | None = None
    response_model: str | None = None
    service_tier: str | None = None
    speed: str | None = None
    inference_geo: str | None = None
    finish_reason: str | None = None
    reported_cost_femto: int | None = None
    pending: bool = False
    background: bool = False


@dataclass(slots=True)
class Sent:
    """Flow to driver: send this. `request` is the driver's own object, or an altered copy of it."""

    request: Any


@dataclass(slots=True)
class Retried:
    """Driver to flow: an attempt failed and another follows. `timed_out`: it may have been billed."""

    timed_out: bool = False


@dataclass(slots=True)
class Responded:
    """Driver to flow: a response arrived. `body_follows`: its body comes as `Chunk`s."""

    response: Any
    body_follows: bool = False
    retries_taken: int = 0


@dataclass(slots=True)
class Chunk:
    """Driver to flow: bytes of the body, decoded. The answer is the bytes the application may see."""

    data: bytes


@dataclass(slots=True)
class Ended:
    """Driver to flow: it is over.

    `error` is what the application gets, untouched. `early`: the body was not read to its end.
    `collected`: the garbage collector ended it, so nothing may be locked from here.
    """

    error: BaseException | None = None
    early: bool = False
    collected: bool = False


Word = Retried | Responded | Chunk | Ended
