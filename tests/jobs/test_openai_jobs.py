"""Jobs that are polled, with the real client library: a video, and a model that is fine-tuned."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
from tests.support import replies
from tests.support.either import value
from tests.support.libraries import KITS
from tests.support.telemetry import Telemetry, buckets_of, instrumented
from tests.support.wire import Reply, Wire, http_library

from otel_tokenomics import attribute
from otel_tokenomics.flow import guard

NOW = int(time.time()) - 60
VIDEO = {
    "id": "video_1",
    "object": "video",
    "model": "sora-2",
    "status": "queued",
    "progress": 0,
    "created_at": NOW,
    "seconds": "8",
    "size": "720x1280",
}
JOB = {
    "id": "ftjob-1",
    "object": "fine_tuning.job",
    "model": "gpt-4o-mini-2024-07-18",
    "status": "running",
    "created_at": NOW,
    "finished_at": None,
    "fine_tuned_model": None,
    "trained_tokens": None,
    "hyperparameters": {"n_epochs": 3},
    "organization_id": "org-1",
    "result_files": [],
    "seed": 1,
    "training_file": "file-1",
    "validation_file": None,
}
TRAINED = {**JOB, "status": "succeeded", "finished_at": NOW, "trained_tokens": 5_768}


@pytest.fixture(params=[False, True], ids=["sync", "async"])
def wired(request: pytest.FixtureRequest) -> tuple[Any, Wire]:
    """A client of either kind, and its wire."""
    wire = Wire(library=http_library("openai"))
    return KITS["openai"].client(wire, request.param, {"base_url": "https://api.openai.com/v1"}), wire


@pytest.fixture
def telemetry() -> Iterator[Telemetry]:
    """The library instrumented; no fault of ours may pass."""
    before = guard.faults()
    with instrumented("openai") as told:
        yield told
    assert guard.faults() == before


def script(*bodies: Any) -> list[Reply]:
    """One answer after the other."""
    return [Reply(replies.dumps(body)) for body in bodies]


async def test_a_video_is_billed_once_when_it_is_done(wired: tuple[Any, Wire], telemetry: Telemetry) -> None:
    client, wire = wired
    done = {**VIDEO, "status": "completed", "progress": 100}
    wire.play(*script(VIDEO, {**VIDEO, "status": "in_progress"}, done, done))
    with attribute(team="film"):
        await value(client.videos.create(prompt="A garden", model="sora-2", seconds="8", size="720x1280"))
    for _ in range(3):
        await value(client.videos.retrieve("video_1"))
    record = telemetry.record()
    assert buckets_of(record) == {"video.ms.720p": 8_000}
    assert record["tokenomics.cost.exact"] == "0.8"
    assert record["tokenomics.team.id"] == "film"
    assert record["tokenomics.record.key"] == "openai:video_1"


async def test_a_video_that_failed_bills_nothing(wired: tuple[Any, Wire], telemetry: Telemetry) -> None:
    client, wire = wired
    failed = {**VIDEO, "status": "failed", "error": {"code": "x", "message": "no"}}
    wire.play(*script(VIDEO, failed))
    await value(client.videos.create(prompt="A garden"))
    await value(client.videos.retrieve("video_1"))
    assert not telemetry.records()


async def test_trained_tokens_are_counted_once_for_who_began_the_job(
    wired: tuple[Any, Wire], telemetry: Telemetry
) -> None:
    client, wire = wired
    wire.play(*script({**JOB, "status": "validating_files"}, JOB, TRAINED, TRAINED))
    with attribute(team="search"):
        await value(client.fine_tuning.jobs.create(model=JOB["model"], training_file="file-1"))
    with attribute(team="platform"):
        for _ in range(3):
            await value(client.fine_tuning.jobs.retrieve("ftjob-1"))
    record = telemetry.record()
    assert buckets_of(record) == {"training": 5_768}
    assert record["gen_ai.operation.name"] == "fine_tuning"
    assert record["gen_ai.response.model"] == JOB["model"]
    assert record["tokenomics.team.id"] == "search"
    assert (record["tokenomics.cost.status"], record["tokenomics.cost.unpriced_reason"]) == (
        "unpriced",
        "unsupported_modality",
    )
    assert [span.name for span in telemetry.spans()] == ["fine_tuning"]


@pytest.mark.parametrize("job", [JOB, {**JOB, "status": "failed"}, {**TRAINED, "trained_tokens": 0}])
async def test_a_job_that_runs_or_trained_nothing_bills_nothing(
    job: dict[str, Any], wired: tuple[Any, Wire], telemetry: Telemetry
) -> None:
    client, wire = wired
    wire.play(*script(job))
    await value(client.fine_tuning.jobs.retrieve("ftjob-1"))
    await value(client.fine_tuning.jobs.cancel("ftjob-1"))
    assert not telemetry.records()
    assert not telemetry.spans()
