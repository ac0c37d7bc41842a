"""Google's work that is billed by something else than tokens, or later: images, videos, caches, interactions.

https://ai.google.dev/gemini-api/docs/video: a video is an operation, which says when it is done and not how
long the video is: what was asked for is remembered by its name. Of images what was filtered is not billed.
https://docs.cloud.google.com/vertex-ai/generative-ai/docs/context-cache/context-cache-overview: to make a
cache costs its tokens as input at Vertex, and keeping it is billed by time at both.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, NamedTuple

from otel_tokenomics.adapters.counts import Counts
from otel_tokenomics.adapters.dialect import ShapeDialect, Told
from otel_tokenomics.adapters.google_usage import read_cached_content, read_google
from otel_tokenomics.model.call import Facts, Reading
from otel_tokenomics.model.text import clean
from otel_tokenomics.model.usage import MISSING, Usage

_MOST_VIDEOS = 10_000
_VEO_SECONDS = 8
"""The length of a video whose request leaves it open."""
_MADE = ("bytesBase64Encoded", "gcsUri")
_MEDIA = ("audioDurationSeconds", "videoDurationSeconds", "imageCount")
_UNFINISHED = frozenset({"queued", "in_progress", "idle"})
_FAILED = frozenset({"failed", "cancelled", "budget_exceeded"})


class Video(NamedTuple):
    """What a video was asked to be: its milliseconds, and the bucket that they belong in."""

    ms: int
    bucket: str


class Videos:
    """What the videos that this process ordered were asked to be, by their operations. Bounded."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._asked: OrderedDict[str, Video] = OrderedDict()

    def learn(self, name: str, asked: Video) -> None:
        """Take note of what an operation makes."""
        with self._lock:
            self._asked[name] = asked
            while len(self._asked) > _MOST_VIDEOS:
                self._asked.popitem(last=False)

    def find(self, name: str) -> Video | None:
        """What an operation makes, if it was ordered here."""
        return self._asked.get(name)


def asked_video(body: Mapping[str, Any]) -> Video:
    """What a request asks for. Without sound a video has a price of its own, which no catalogue has."""
    told = body.get("parameters")
    told = told if isinstance(told, dict) else {}
    seconds, resolution = told.get("durationSeconds"), clean(told.get("resolution"))
    length = seconds if isinstance(seconds, int) and 0 < seconds < 3_600 else _VEO_SECONDS
    kind = "video_silent.ms" if told.get("generateAudio") is False else "video.ms"
    return Video(length * 1000, kind if resolution is None else f"{kind}.{resolution}")


class VideoDialect(ShapeDialect):
    """Operations of videos. `asked` is what a request orders; `None` for one that asks how it stands."""

    def __init__(self, videos: Videos, asked: Video | None) -> None:
        super().__init__(lambda body: Reading(), lambda event: None, lambda event: (), lambda event: True)
        self._videos = videos
        self._asked = asked

    def body(self, told: Told, body: Mapping[str, Any], facts: Facts) -> None:
        """An operation as it stands: it bills once it is done, and has made something."""
        told.response_id = name = clean(body.get("name"))
        told.background, told.final = True, True
        made = _videos_in(body) if body.get("done") else 0
        told.pending = not made
        if name is not None and self._asked is not None:
            self._videos.learn(name, self._asked)
        asked = None if name is None else self._videos.find(name)
        if made and asked is not None:
            told.quantities[asked.bucket] = made * asked.ms

    def reading(self, told: Told, facts: Facts) -> Reading:
        """What was made, in the milliseconds that were asked for; missing where that is not known."""
        usage = Usage(dict(told.quantities)) if told.quantities else MISSING
        return Reading(usage, told.response_id, pending=told.pending, background=told.background)


def _videos_in(operation: Mapping[str, Any]) -> int:
    response = operation.get("response")
    response = response if isinstance(response, dict) else {}
    inner = response.get("generateVideoResponse")
    inner = inner if isinstance(inner, dict) else {}
    made = inner.get("generatedSamples") or response.get("videos")
    return len(made) if isinstance(made, list) else 0


class InteractionDialect(ShapeDialect):
    """Interactions: one that is seen again, by its id, is no new one."""

    def reading(self, told: Told, facts: Facts) -> Reading:
        """What an interaction says. One that goes on elsewhere, or came to nothing, is not billed yet."""
        reading = super().reading(told, facts)
        status = (told.usage or {}).get("status")
        asked_for = facts.billing == "polled"
        reading.background = reading.response_id is not None
        reading.pending = status in _UNFINISHED and (asked_for or not facts.stream)
        if asked_for and status in _FAILED and reading.usage is MISSING:
            reading.pending = True
        return reading


def read_predictions(body: Mapping[str, Any]) -> Reading:
    """A content, or what Vertex says of embeddings and images, each in a place of its own."""
    reading = read_google(body)
    predictions = body.get("predictions")
    if reading.usage is MISSING and isinstance(predictions, list):
        tokens = [_tokens(prediction) for prediction in predictions]
        counted = [count for count in tokens if count is not None]
        if counted:
            reading.usage = Usage({"input": sum(counted)})
        elif images := [one for one in predictions if isinstance(one, dict) and any(map(one.get, _MADE))]:
            reading.usage = Usage({"images": len(images)})
    return reading


def _tokens(prediction: Any) -> int | None:
    embeddings = prediction.get("embeddings") if isinstance(prediction, dict) else None
    statistics = embeddings.get("statistics") if isinstance(embeddings, dict) else None
    count = statistics.get("token_count") if isinstance(statistics, dict) else None
    return int(count) if isinstance(count, int | float) and 0 <= count < 2**53 else None


class UpscaleDialect(ShapeDialect):
    """Images that were made larger: no catalogue has the price of that, and it is not that of making one."""

    def reading(self, told: Told, facts: Facts) -> Reading:
        """What a request made."""
        reading = super().reading(told, facts)
        if "images" in reading.usage.buckets:
            reading.usage = Usage({"upscaled_images": reading.usage.buckets["images"]})
        return reading


class CacheDialect(ShapeDialect):
    """Caches that were made, as if each were kept until it expires."""

    def reading(self, told: Told, facts: Facts) -> Reading:
        """What a cache costs: its storage, and at Vertex its tokens as well."""
        reading = super().reading(told, facts)
        raw = (told.usage or {}).get("usageMetadata")
        if facts.provider != "gcp.vertex_ai" or not isinstance(raw, dict) or reading.usage is MISSING:
            return reading
        counts = Counts(raw)
        buckets, tokens = dict(reading.usage.buckets), counts.get(raw, "totalTokenCount")
        if tokens is not None:
            buckets["input"] = tokens
        # Sound costs more than text, and what of the tokens is sound is not told.
        flags = ("not_all_counted",) if any(raw.get(name) for name in _MEDIA) else ()
        reading.usage = Usage(buckets, flags=flags)
        return reading


CACHES = CacheDialect(read_cached_content, lambda event: None, lambda body: (), lambda event: True)
UPSCALED = UpscaleDialect(read_predictions, lambda event: None, lambda body: (), lambda event: True)
