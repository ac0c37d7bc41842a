"""`UsageRecord`: one billed response, as every span, metric and ledger row tells it."""

from __future__ import annotations

from dataclasses import dataclass

from otel_tokenomics.model.attribution import UNATTRIBUTED, Attribution
from otel_tokenomics.model.call import Facts, Outcome, Reading
from otel_tokenomics.model.money import Cost
from otel_tokenomics.model.place import NOWHERE, Place


@dataclass(slots=True)
class UsageRecord:
    """One billed response. Times are nanoseconds; `started_ns` is Unix time, the others are durations.

    `duration_ns` is `None` where nobody waited for the response, as in a batch.
    `key` makes the record idempotent: provider and response id, or a generated id where the provider
    gives none. `possibly_billed` counts attempts that timed out after they were sent.
    `error_type` is a class name, never a message.
    """

    key: str
    facts: Facts
    reading: Reading
    cost: Cost
    started_ns: int
    duration_ns: int | None
    attribution: Attribution = UNATTRIBUTED
    place: Place = NOWHERE
    outcome: Outcome = "success"
    error_type: str | None = None
    status_code: int | None = None
    attempts: int = 1
    possibly_billed: int = 0
    first_chunk_ns: int | None = None
    trace_id: str | None = None
    span_id: str | None = None
    billed: bool = True
