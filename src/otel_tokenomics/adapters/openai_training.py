"""OpenAI's fine-tuning jobs: the tokens that were trained, once, when a job is seen to have come to its end.

https://platform.openai.com/docs/api-reference/fine-tuning/object: `trained_tokens` is the number of billable
tokens, and null while the job runs. What a token of training costs is in no catalogue: a price file says it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from otel_tokenomics.adapters.batches import WorkMeter, instant
from otel_tokenomics.adapters.counts import Counts, usage_or_missing
from otel_tokenomics.adapters.routes import Route
from otel_tokenomics.flow.contracts import Part
from otel_tokenomics.model.call import Facts, Reading
from otel_tokenomics.model.text import clean
from otel_tokenomics.model.usage import Usage

ROUTES = (
    Route("POST", "fine_tuning/jobs", "fine_tuning", "several"),
    Route("GET", "fine_tuning/jobs/*", "fine_tuning", "several"),
    Route("POST", "fine_tuning/jobs/*/cancel", "fine_tuning", "several"),
)
_ENDED = frozenset({"succeeded", "failed", "cancelled"})


class TrainingMeter(WorkMeter):
    """Reads a job, which is its own one part once it has ended."""

    def __init__(self, options: Any, facts: Facts) -> None:
        super().__init__(options, facts, facts.route == "fine_tuning/jobs", self._learn)
        self._asked = facts
        self._part: Part | None = None

    @property
    def group(self) -> str | None:
        """The job, which is billed once."""
        return None if self._part is None else self._part.id

    @property
    def origin(self) -> str | None:
        """The job, by the id that it was created with."""
        return self.group

    def parts(self) -> tuple[Part, ...]:
        """The job, if it has ended and trained anything."""
        return () if self._part is None else (self._part,)

    def rest(self) -> tuple[Part, ...]:
        """Nothing: a job is whole."""
        return ()

    def _learn(self, job: Mapping[str, Any]) -> None:
        id, model = clean(job.get("id")), clean(job.get("model"))
        counts = Counts(job)
        tokens = counts.get(job, "trained_tokens") if job.get("status") in _ENDED else None
        if id is None or not tokens:
            return
        usage = usage_or_missing(Usage({"training": tokens}, flags=tuple(counts.flags)))
        facts = replace(self._asked, billing="metered", stream=False, request_model=model)
        reading = Reading(usage, response_id=id, response_model=model)
        self._part = Part(id, reading, facts, instant(job.get("finished_at")))
