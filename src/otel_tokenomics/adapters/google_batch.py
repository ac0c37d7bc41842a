"""Google's batches: each answer in one is a billed response, at the prices of a batch.

https://ai.google.dev/gemini-api/docs/batch-api: a batch is an operation whose `response`, which its
`metadata.output` repeats, has the answers themselves, or names the file that they are in, a line each. An
answer is what the endpoint would have said; a request that failed has an `error`, and bills nothing. Those of
Vertex are written to a bucket or a table, which is never read through this library.
"""

from __future__ import annotations

import json
import re
import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

from otel_tokenomics.adapters.batches import LinesMeter, instant
from otel_tokenomics.adapters.counts import Counts
from otel_tokenomics.adapters.google_usage import read_google, unix_seconds
from otel_tokenomics.adapters.routes import Route
from otel_tokenomics.flow.contracts import Part
from otel_tokenomics.flow.guard import attempt
from otel_tokenomics.model.call import Facts, Reading, Responded
from otel_tokenomics.model.text import clean
from otel_tokenomics.model.usage import Usage

CREATES = {
    name: Route("POST", name, "fetch_response", "several")
    for name in ("batchGenerateContent", "asyncBatchEmbedContent")
}
"""By the verb that a batch is made with; of embeddings there is another."""
ROUTES = tuple([Route("GET", tail, "fetch_response", "several") for tail in ("batches/*", "batches")])
FILE = Route("GET", "files/*:download", "fetch_response", "several")
_LINES = re.compile(rb'"usageMetadata"\s*:|"tokenCount"\s*:')
_INLINE = ("inlinedResponses", "inlinedEmbedContentResponses")
_GROUP = "batches"
"""Answers are known by their batch and their place in it: a list has those of several batches."""
_MOST_AT_ONCE = 64 << 10
"""A body up to this size is read where it arrives: it says where answers are, which may be asked for next."""
_MOST_BODY = 256 << 20
_MOST_FILES = 10_000


class Batch(NamedTuple):
    """What is known of a batch: its name, its model, and when its answers were made (Unix ns)."""

    name: str
    model: str | None = None
    made_ns: int | None = None


class Batches:
    """Which file holds the answers of which batch, as far as this process was told. Bounded."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._files: OrderedDict[str, Batch] = OrderedDict()

    def meter(self, options: Any, facts: Facts, file: str | None) -> LinesMeter:
        """A meter of a file of answers, or of one batch or several."""
        if file is None:
            return BatchMeter(self, options, facts)
        batch = self._files.get(file, Batch(file))
        read = partial(_line, facts, batch)
        return LinesMeter(read, options, file, batch.name, needle=_LINES)

    def learn(self, file: str, batch: Batch) -> None:
        """Take note of what a file is of."""
        with self._lock:
            self._files[file] = batch
            while len(self._files) > _MOST_FILES:
                self._files.popitem(last=False)


class BatchMeter(LinesMeter):
    """Reads one JSON body: a batch that was made or asked for, or a list of them."""

    def __init__(self, batches: Batches, options: Any, facts: Facts) -> None:
        super().__init__(lambda line: None, options, _GROUP, None)
        self._batches = batches
        self._facts = facts
        self._pieces: list[bytes] = []
        self._size = 0
        self._bodies: list[Mapping[str, Any]] = []

    def respond(self, word: Responded) -> None:
        """A response arrived."""
        if not word.body_follows:
            self.feed(word.response.content)

    def feed(self, data: bytes) -> None:
        """Keep the body, unless it is beyond all measure. A long one is read later, off the caller's path."""
        self._size += len(data)
        if self._size <= _MOST_BODY:
            self._pieces.append(data)
        if self._size <= _MOST_AT_ONCE and data.rstrip().endswith(b"}"):
            self._load()

    def parts(self) -> Iterator[Part]:
        """Nothing before the end."""
        yield from ()

    def rest(self) -> Iterator[Part]:
        """Every answer that bills."""
        self._load()
        for body in self._bodies:
            for part in _parts(self._facts, body):
                self._any, self.origin = True, part.origin
                yield part.part

    def reading(self) -> Reading:
        """The name of a batch that was made by this request."""
        made = self._facts.route in CREATES
        name = next((clean(body.get("name")) for body in self._bodies), None)
        return Reading(response_id=name, pending=made)

    def _load(self) -> None:
        try:
            body = json.loads(b"".join(self._pieces))
        except ValueError:
            return
        self._pieces = []
        listed = body.get("operations") if isinstance(body, dict) else None
        found = listed if isinstance(listed, list) else [body]
        self._bodies = [one for one in found if isinstance(one, dict)]
        for one in self._bodies:
            file = clean(_output(one).get("responsesFile"))
            if file is not None and (batch := _batch(one)) is not None:
                self._batches.learn(file, batch)


class _Found(NamedTuple):
    part: Part
    origin: str


def _parts(asked: Facts, body: Mapping[str, Any]) -> Iterator[_Found]:
    batch = _batch(body)
    if batch is None:
        return
    for index, answer in enumerate(_answers(_output(body))):
        part = attempt("batch.answer", partial(_part, asked, batch, answer, str(index)), None)
        if part is not None:
            yield _Found(part, batch.name)


def _answers(output: Mapping[str, Any]) -> list[Any]:
    held = (_object(output, name).get("inlinedResponses") for name in _INLINE)
    return next((answers for answers in held if isinstance(answers, list)), [])


def _line(asked: Facts, batch: Batch, line: Mapping[str, Any]) -> Part | None:
    return _part(asked, batch, line, str(line["key"])) if "key" in line else None


def _part(asked: Facts, batch: Batch, answer: Any, place: str) -> Part | None:
    body = answer.get("response") if isinstance(answer, dict) else None
    if not isinstance(body, dict):
        return None
    reading = read_google(body)
    if reading.usage.source == "missing" and "tokenCount" in body:
        reading.usage = _embedded(body)
    operation, route = ("embeddings", "embedContent") if "embedding" in body else ("chat", "generateContent")
    facts = replace(asked, operation=operation, route=route, billing="metered", request_model=batch.model)
    facts.stream = False
    reading.service_tier = "batch"
    reading.response_model = reading.response_model or batch.model
    reading.response_id = reading.response_id or f"{batch.name}/{place}"
    made = unix_seconds(body.get("createTime"))
    return Part(reading.response_id, reading, facts, batch.made_ns if made is None else instant(made))


def _embedded(body: Mapping[str, Any]) -> Usage:
    """A count of tokens is a long number, which JSON of Google's has as text."""
    told = body.get("tokenCount")
    counts = Counts({"tokenCount": int(told) if isinstance(told, str) and told.isdecimal() else told})
    tokens = counts.get(counts.raw, "tokenCount")
    return Usage({} if tokens is None else {"input": tokens}, flags=tuple(sorted(counts.flags)))


def _batch(body: Mapping[str, Any]) -> Batch | None:
    name, told = clean(body.get("name")), _object(body, "metadata")
    if name is None:
        return None
    model = clean(told.get("model"))
    return Batch(name, model and model.removeprefix("models/"), instant(unix_seconds(told.get("endTime"))))


def _output(body: Mapping[str, Any]) -> Mapping[str, Any]:
    """Where the answers are: in the response of a batch that is done, which its metadata repeats."""
    return _object(body, "response") or _object(_object(body, "metadata"), "output")


def _object(body: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = body.get(name)
    return found if isinstance(found, dict) else {}
