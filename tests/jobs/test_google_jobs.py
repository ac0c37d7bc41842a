"""Google's batches, videos, images, caches and interactions, with the real client library."""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.support.either import items, value
from tests.support.libraries import KITS, Kit
from tests.support.others import GEMINI_USAGE, gemini
from tests.support.telemetry import Telemetry, buckets_of, instrumented
from tests.support.wire import Reply, Wire

from otel_tokenomics import attribute
from otel_tokenomics.flow import guard

FLASH = "gemini-2.5-flash"
BUCKETS = {"input": 60, "cache_read": 40, "output": 15, "reasoning": 5}
COST = "0.0000352"
"""USD of `GEMINI_USAGE` by gemini-2.5-flash in a batch, for a million tokens: 60 x 0.15, 40 x 0.03, which a
batch does not make cheaper, and 20 x 1.25."""
DONE = datetime.now(UTC) - timedelta(hours=1)
VEO = "veo-3.1-generate-001"
OPERATION = f"models/{VEO}/operations/op1"


def reply(body: Any) -> Reply:
    """An answer that is JSON."""
    return Reply(json.dumps(body).encode())


def answer(number: int) -> dict[str, Any]:
    """One request of a batch that was answered."""
    return {
        "response": {**gemini(GEMINI_USAGE), "responseId": f"r{number}"},
        "metadata": {"key": f"k{number}"},
    }


def batch(output: Any = None, name: str = "batches/b1") -> dict[str, Any]:
    """A batch, done if it has an output."""
    told = {
        "@type": "type.googleapis.com/google.ai.generativelanguage.v1main.GenerateContentBatch",
        "model": f"models/{FLASH}",
        "state": "BATCH_STATE_PENDING" if output is None else "BATCH_STATE_SUCCEEDED",
        "name": name,
    }
    if output is None:
        return {"name": name, "metadata": told}
    told["endTime"] = DONE.isoformat().replace("+00:00", "Z")
    return {"name": name, "metadata": {**told, "output": output}, "done": True, "response": output}


def inline(*answers: dict[str, Any], kind: str = "inlinedResponses") -> dict[str, Any]:
    """Answers that are in the batch itself."""
    return {kind: {"inlinedResponses": list(answers)}}


@pytest.fixture(params=["sync", "async", "aiohttp"])
def kind(request: pytest.FixtureRequest) -> str:
    """How the library is called."""
    return str(request.param)


@pytest.fixture
def kit(kind: str) -> Kit:
    """The library's row."""
    return KITS["google-genai+aiohttp" if kind == "aiohttp" else "google-genai"]


@pytest.fixture
def wire(kit: Kit, kind: str) -> Wire:
    """What ends in this process."""
    return Wire(library=kit.http_of(kind != "sync"))


@pytest.fixture
async def client(kit: Kit, kind: str, wire: Wire) -> Any:
    """A client of the Gemini API. One of aiohttp's wants a loop."""
    made = kit.client(wire, kind != "sync", {})
    return made if kind == "sync" else made.aio


@pytest.fixture
async def vertex(kit: Kit, kind: str, wire: Wire) -> Any:
    """A client of Vertex."""
    made = kit.client(wire, kind != "sync", {"vertexai": True})
    return made if kind == "sync" else made.aio


@pytest.fixture
def over_httpx(kind: str) -> None:
    """Interactions go over httpx, whatever the rest does."""
    if kind == "aiohttp":
        pytest.skip("interactions are never sent over aiohttp")


@pytest.fixture
def telemetry() -> Iterator[Telemetry]:
    """The library instrumented; no fault of ours may pass."""
    before = guard.faults()
    with instrumented("google-genai") as told:
        yield told
    assert guard.faults() == before


async def test_answers_in_a_batch_are_billed_once_and_to_who_made_it(
    client: Any, wire: Wire, telemetry: Telemetry
) -> None:
    failed = {"error": {"code": 3, "message": "no"}}
    done = batch(inline(answer(1), failed, answer(2)))
    wire.play(reply(batch()), reply(batch()), reply(done), reply(done), reply({"operations": [done]}))
    with attribute(team="search"):
        asked = [{"contents": [{"parts": [{"text": "When do I dig?"}], "role": "user"}]}]
        await value(client.batches.create(model=FLASH, src=asked))
    with attribute(team="platform"):
        for _ in range(3):
            job = await value(client.batches.get(name="batches/b1"))
        listed = [one async for one in items(await value(client.batches.list()))]
    assert [one.response and one.response.response_id for one in job.dest.inlined_responses] == [
        "r1",
        None,
        "r2",
    ]
    assert [one.name for one in listed] == ["batches/b1"]
    first, second = telemetry.records()
    assert [one["tokenomics.record.key"] for one in (first, second)] == ["gcp.gemini:r1", "gcp.gemini:r2"]
    assert buckets_of(first) == BUCKETS
    assert first["tokenomics.cost.exact"] == COST
    assert first["tokenomics.response.service_tier"] == "batch"
    assert first["gen_ai.operation.name"] == "chat"
    assert (first["gen_ai.request.model"], first["gen_ai.response.model"]) == (FLASH, FLASH)
    assert {one["tokenomics.team.id"] for one in (first, second)} == {"search"}
    assert [span.name for span in telemetry.spans()] == ["fetch_response"]
    made = [log.log_record.timestamp for log in telemetry.log_exporter.get_finished_logs()]
    assert made == [int(DONE.timestamp()) * 10**9] * 2


async def test_answers_in_a_file_are_billed_when_it_is_downloaded(
    client: Any, wire: Wire, telemetry: Telemetry
) -> None:
    lines = [{"key": "a", **answer(1)}, {"key": "b", "error": {"code": 3}}, {"key": "c", **answer(2)}]
    file = Reply("".join(json.dumps(line) + "\n" for line in lines).encode(), headers={})
    wire.play(reply(batch()), reply(batch({"responsesFile": "files/batch-b1"})), file, file)
    with attribute(team="search"):
        await value(client.batches.create(model=FLASH, src="files/asked"))
    await value(client.batches.get(name="batches/b1"))
    for _ in range(2):
        assert await value(client.files.download(file="files/batch-b1")) == file.body
    records = telemetry.records()
    assert [one["gen_ai.response.id"] for one in records] == ["r1", "r2"]
    assert {one["tokenomics.cost.exact"] for one in records} == {COST}
    assert {one["tokenomics.team.id"] for one in records} == {"search"}


async def test_a_batch_of_embeddings(client: Any, wire: Wire, telemetry: Telemetry) -> None:
    told: list[dict[str, Any]] = [
        {"response": {"embedding": {"values": [0.5]}, "tokenCount": "12"}},
        {"response": {"embedding": {"values": [0.5]}, "usageMetadata": {"promptTokenCount": 8}}},
        {"response": {"embedding": {"values": [0.5]}}},
    ]
    done = batch(inline(*told, kind="inlinedEmbedContentResponses"))
    done["metadata"]["model"] = "models/gemini-embedding-2"
    wire.play(reply(done))
    await value(client.batches.get(name="batches/b1"))
    first, second, third = telemetry.records()
    assert [buckets_of(one) for one in (first, second)] == [{"input": 12}, {"input": 8}]
    assert first["gen_ai.operation.name"] == "embeddings"
    assert first["gen_ai.response.id"] == "batches/b1/0"
    assert first["tokenomics.cost.exact"] == "0.0000012"
    assert third["tokenomics.usage.source"] == "missing"


@pytest.mark.parametrize(
    "body", [{"name": 7}, {"name": "batches/b1", "response": {"inlinedResponses": [1]}}, {}]
)
async def test_a_body_of_another_kind_is_no_batch(
    body: Any, client: Any, wire: Wire, telemetry: Telemetry
) -> None:
    wire.play(reply(body))
    try:
        await value(client.batches.get(name="batches/b1"))
    except Exception as error:
        assert "otel_tokenomics" not in repr(error.__traceback__.tb_frame.f_code)  # type: ignore[union-attr]
    assert not telemetry.records()
    assert not telemetry.spans()


def operation(**more: Any) -> dict[str, Any]:
    """A video that is being made, or was."""
    return {"name": OPERATION, **more}


def videos(count: int) -> dict[str, Any]:
    """What an operation says that made so many."""
    made = [{"gcsUri": f"gs://films/{number}.mp4", "mimeType": "video/mp4"} for number in range(count)]
    return {"done": True, "response": {"videos": made}}


@pytest.mark.parametrize(
    ("config", "made", "buckets", "cost"),
    [
        ({}, 1, {"video.ms": 8_000}, "3.2"),
        ({"duration_seconds": 4, "resolution": "4k"}, 1, {"video.ms.4k": 4_000}, "2.4"),
        ({"duration_seconds": 6, "number_of_videos": 2}, 2, {"video.ms": 12_000}, "4.8"),
    ],
    ids=["default", "4k", "two"],
)
async def test_a_video_is_billed_once_when_it_is_done(
    config: Any, made: int, buckets: Any, cost: str, vertex: Any, wire: Wire, telemetry: Telemetry
) -> None:
    wire.play(*map(reply, (operation(), operation(), operation(**videos(made)))))
    with attribute(team="films"):
        ordered = await value(
            vertex.models.generate_videos(model=VEO, source={"prompt": "A spade."}, config=config)
        )
    assert not telemetry.records()
    for _ in range(3):
        seen = await value(vertex.operations.get(ordered))
    assert len(seen.response.generated_videos) == made
    record = telemetry.record()
    assert buckets_of(record) == buckets
    assert record["tokenomics.cost.exact"] == cost
    assert record["tokenomics.team.id"] == "films"
    assert record["gen_ai.request.model"] == VEO
    assert record["tokenomics.record.key"] == f"gcp.vertex_ai:{OPERATION}"


@pytest.mark.parametrize("end", [{"done": True, "error": {"code": 8, "message": "no"}}, videos(0)])
async def test_a_video_that_was_not_made_bills_nothing(
    end: Any, vertex: Any, wire: Wire, telemetry: Telemetry
) -> None:
    wire.play(reply(operation()), reply(operation(**end)))
    ordered = await value(vertex.models.generate_videos(model=VEO, source={"prompt": "A spade."}))
    await value(vertex.operations.get(ordered))
    assert not telemetry.records()


async def test_a_video_of_another_process_is_of_unknown_length(
    client: Any, wire: Wire, telemetry: Telemetry
) -> None:
    types = importlib.import_module("google.genai.types")
    samples = [{"video": {"uri": "https://example.invalid/1"}}]
    done = {"done": True, "response": {"generateVideoResponse": {"generatedSamples": samples}}}
    wire.play(reply(operation(**done)))
    for _ in range(2):
        await value(client.operations.get(types.GenerateVideosOperation(name=OPERATION)))
    record = telemetry.record()
    assert record["tokenomics.usage.source"] == "missing"
    assert record["tokenomics.cost.status"] == "unpriced"


def interaction(status: str, **more: Any) -> dict[str, Any]:
    """An interaction."""
    head = {"id": "v1_x", "object": "interaction", "model": FLASH, "status": status, "steps": []}
    times = {"created": "2026-11-27T10:00:00Z", "updated": "2026-11-27T10:00:00Z"}
    return {**head, **times, **more}


USED = {
    "total_tokens": 120,
    "total_input_tokens": 100,
    "total_cached_tokens": 40,
    "total_output_tokens": 15,
    "total_thought_tokens": 5,
}


@pytest.mark.usefixtures("over_httpx")
async def test_an_interaction_in_the_background_is_billed_when_it_is_done(
    client: Any, wire: Wire, telemetry: Telemetry
) -> None:
    wire.play(*map(reply, (interaction("in_progress"), interaction("in_progress"))))
    with attribute(team="search"):
        await value(client.interactions.create(model=FLASH, input="When do I dig?", background=True))
    await value(client.interactions.get(id="v1_x"))
    assert not telemetry.records()
    wire.play(reply(interaction("completed", usage=USED)))
    for _ in range(2):
        done = await value(client.interactions.get(id="v1_x"))
    assert done.usage.total_tokens == 120
    record = telemetry.record()
    assert buckets_of(record) == BUCKETS
    assert record["tokenomics.record.key"] == "gcp.gemini:v1_x"
    assert record["tokenomics.team.id"] == "search"


@pytest.mark.usefixtures("over_httpx")
async def test_an_interaction_that_is_asked_for_again_is_not_billed_again(
    client: Any, wire: Wire, telemetry: Telemetry
) -> None:
    wire.play(reply(interaction("completed", usage=USED)))
    await value(client.interactions.create(model=FLASH, input="When do I dig?"))
    await value(client.interactions.get(id="v1_x"))
    assert buckets_of(telemetry.record()) == BUCKETS


@pytest.mark.usefixtures("over_httpx")
async def test_an_interaction_that_came_to_nothing_bills_nothing(
    client: Any, wire: Wire, telemetry: Telemetry
) -> None:
    wire.play(*map(reply, (interaction("in_progress"), interaction("cancelled"))))
    await value(client.interactions.create(model=FLASH, input="When do I dig?", background=True))
    await value(client.interactions.cancel(id="v1_x"))
    await value(client.interactions.get(id="v1_x"))
    assert not telemetry.records()


async def test_a_cache_is_kept_until_it_expires(client: Any, wire: Wire, telemetry: Telemetry) -> None:
    cache = {
        "name": "cachedContents/c1",
        "model": "models/gemini-3.7-flash",
        "createTime": "2026-11-24T12:00:00Z",
        "expireTime": "2026-11-24T13:00:00Z",
        "usageMetadata": {"totalTokenCount": 1_000_000},
    }
    wire.play(reply(cache))
    made = await value(client.caches.create(model="gemini-3.7-flash", config={"contents": ["Long."]}))
    await value(client.caches.get(name=made.name))
    record = telemetry.record()
    assert buckets_of(record) == {"cache_storage": 3_600_000_000}
    assert record["tokenomics.cost.exact"] == "0.5"
    assert record["gen_ai.operation.name"] == "create_cache"


async def test_a_cache_at_vertex_costs_its_tokens_too(vertex: Any, wire: Wire, telemetry: Telemetry) -> None:
    cache = {
        "name": "projects/1/locations/us-central1/cachedContents/2",
        "model": "projects/p/locations/us-central1/publishers/google/models/gemini-3.7-flash",
        "createTime": "2026-11-24T12:00:00Z",
        "expireTime": "2026-11-24T13:00:00Z",
        "usageMetadata": {"totalTokenCount": 1_000_000, "textCount": 4_000_000},
    }
    wire.play(reply(cache))
    await value(vertex.caches.create(model="gemini-3.7-flash", config={"contents": ["Long."]}))
    record = telemetry.record()
    assert record["gen_ai.provider.name"] == "gcp.vertex_ai"
    assert buckets_of(record) == {"input": 1_000_000, "cache_storage": 3_600_000_000}
    assert record["tokenomics.cost.status"] == "complete"


IMAGEN = "imagen-3.0-generate-001"
IMAGE = {"bytesBase64Encoded": "aGk=", "mimeType": "image/png"}


async def test_images_that_were_filtered_are_not_billed(
    vertex: Any, wire: Wire, telemetry: Telemetry
) -> None:
    stored = {"gcsUri": "gs://images/1.png", "mimeType": "image/png"}
    wire.play(reply({"predictions": [IMAGE, stored, {"raiFilteredReason": "no"}]}))
    await value(
        vertex.models.generate_images(model=IMAGEN, prompt="A spade.", config={"number_of_images": 3})
    )
    record = telemetry.record()
    assert buckets_of(record) == {"images": 2}
    assert record["tokenomics.cost.exact"] == "0.08"
    assert record["gen_ai.operation.name"] == "image_generation"


async def test_images_that_are_edited_and_upscaled(vertex: Any, wire: Wire, telemetry: Telemetry) -> None:
    types = importlib.import_module("google.genai.types")
    image = types.Image(image_bytes=b"hi" * 5_000, mime_type="image/png")
    wire.play(reply({"predictions": [IMAGE]}))
    await value(vertex.models.upscale_image(model=IMAGEN, image=image, upscale_factor="x2"))
    reference = types.RawReferenceImage(reference_id=1, reference_image=image)
    await value(vertex.models.edit_image(model=IMAGEN, prompt="Blue.", reference_images=[reference]))
    upscaled, edited = telemetry.records()
    assert buckets_of(upscaled) == {"upscaled_images": 1}
    assert upscaled["tokenomics.cost.status"] == "unpriced"
    assert buckets_of(edited) == {"images": 1}


async def test_what_is_counted_or_listed_or_kept_bills_nothing(
    client: Any, wire: Wire, telemetry: Telemetry
) -> None:
    wire.play(reply({"totalTokens": 31}))
    counted = await value(client.models.count_tokens(model=FLASH, contents="When do I dig?"))
    assert counted.total_tokens == 31
    wire.play(reply({"files": [{"name": "files/f1"}]}), reply({}))
    assert [file.name async for file in items(await value(client.files.list()))] == ["files/f1"]
    await value(client.files.delete(name="files/f1"))
    (record,) = telemetry.records()
    assert record["gen_ai.operation.name"] == "count_tokens"
    assert record["tokenomics.cost.exact"] == "0"
