"""What a user may agree with a vendor, or own: discounts, models, commitments, machines, seats."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from otel_tokenomics.model.tables import Span
from otel_tokenomics.model.usage import component_of
from otel_tokenomics.pricing.contracts_file import holds

ANY = "*"
SELF_HOSTED = "own/self_hosted/"
"""How the ids of the prices begin that calls of one's own machines have."""
Every = Literal["hour", "day", "month"]
Sku = Literal["global", "datazone", "regional"]
Ratio = tuple[int, int]
"""`(femto, per)`: so many femto-units of the currency for `per` units of a bucket."""


@dataclass(frozen=True, slots=True)
class Discount:
    """A negotiated price: `factor` of the list price that is left, or `unit`, the price itself.

    `model` and `bucket` are exact, or `*`. `tier` is the service tier that was served: `None` is any.
    A unit price is for requests in the context tier `context` only, `None` being the base one.
    """

    provider: str
    model: str
    bucket: str
    span: Span
    factor: Ratio | None = None
    unit: Ratio | None = None
    tier: str | None = None
    context: str | None = None
    line: int = 0

    def rank(self, bucket: str) -> int | None:
        """How exactly this is about a bucket, or `None`: `output` is also about `reasoning`."""
        if self.bucket == bucket:
            return 3
        if self.bucket == component_of(bucket):
            return 2
        if self.bucket == "output" and component_of(bucket) == "reasoning":
            return 1
        return 0 if self.bucket == ANY else None

    def applied(self, femto: int, per: int) -> Ratio:
        """The price that it makes of another, exactly: the unit becomes finer where it is not whole."""
        if self.factor is None:
            return self.unit or (femto, per)
        numerator, denominator = self.factor
        rate = femto * numerator
        return (rate // denominator, per) if rate % denominator == 0 else (rate, per * denominator)

    @property
    def scope(self) -> tuple[object, ...]:
        """What it is about. Two of one scope must not hold at the same time."""
        return (self.provider, self.model, self.bucket, self.tier, self.context)


@dataclass(frozen=True, slots=True)
class OwnModel:
    """A private or fine-tuned model, or one on machines of one's own: rates by bucket.

    `price_id` begins with `own`, or is `own/self_hosted/<name>`. `private`: its name is meant as it is.
    `context` holds the name and the rates of requests whose whole input exceeds so many tokens, `tiers` the
    rates of service tiers; both only what differs. Without any `tiers` the service tier makes no difference.
    """

    provider: str
    id: str
    rates: Mapping[str, Ratio]
    span: Span
    currency: str = "USD"
    price_id: str = ""
    line: int = 0
    private: bool = False
    context: Mapping[int, tuple[str, Mapping[str, Ratio]]] = field(default_factory=dict)
    tiers: Mapping[str, Mapping[str, Ratio]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Commitment:
    """Capacity that is paid for whether used or not: calls that it covers add nothing to the bill."""

    name: str
    provider: str
    models: tuple[str, ...]
    deployments: tuple[str, ...]
    price_femto: int
    units: int
    every: Every
    span: Span
    currency: str = "USD"
    tier: str | None = None


@dataclass(frozen=True, slots=True)
class SelfHosted:
    """Machines that cost by the hour, and the tokens that they make per second when they are busy."""

    name: str
    provider: str
    models: tuple[str, ...]
    hourly_femto: int
    units: int
    tokens_per_second: Mapping[str, int]
    span: Span
    currency: str = "USD"
    line: int = 0

    @property
    def price_id(self) -> str:
        """The id of the price on the calls that these machines served."""
        return f"{SELF_HOSTED}{self.name}"

    def rates(self) -> dict[str, Ratio]:
        """What one token costs: the share of an hour that it keeps the machines busy for."""
        hourly = self.hourly_femto * self.units
        return {bucket: (hourly, speed * 3600) for bucket, speed in self.tokens_per_second.items()}


@dataclass(frozen=True, slots=True)
class Subscription:
    """Seats paid for by the period, whatever their users use; `price_femto` is for one seat."""

    name: str
    provider: str
    price_femto: int
    seats: int
    users: tuple[str, ...]
    every: Every
    span: Span
    currency: str = "USD"


@dataclass(frozen=True, slots=True)
class Exchange:
    """From an instant on, one `base` is `rate` / 1e15 `quote`. `date` is as it was written."""

    base: str
    quote: str
    rate: int
    since_ns: int
    date: str


@dataclass(frozen=True, slots=True)
class Deployment:
    """The model behind a name of the user's own, and in what scope it is sold."""

    model: str
    sku: Sku | None = None


@dataclass(frozen=True, slots=True)
class Terms:
    """All that a price file says. `digest` is of its bytes, `currency` the one that reports are in."""

    discounts: tuple[Discount, ...] = ()
    models: tuple[OwnModel, ...] = ()
    deployments: Mapping[str, Deployment] = field(default_factory=dict)
    profiles: Mapping[str, str] = field(default_factory=dict)
    commitments: tuple[Commitment, ...] = ()
    self_hosted: tuple[SelfHosted, ...] = ()
    subscriptions: tuple[Subscription, ...] = ()
    exchange: tuple[Exchange, ...] = ()
    currency: str | None = None
    digest: str = ""

    def own(self, provider: str, model: str, at_ns: int) -> OwnModel | None:
        """The user's own model of that name at an instant."""
        for known in self.models:
            if known.id == model and known.provider in (provider, ANY) and holds(known.span, at_ns):
                return known
        return None
