"""OpenAI's batches: each line of an output file is one billed response, at the prices of a batch.

https://platform.openai.com/docs/api-reference/batch: a line has an `id`, a `custom_id` and a `response` with
`status_code` and `body`, which is what the endpoint would have answered. The body says the ordinary tier. A
request that failed or expired is in the error file, and bills nothing. Azure's lines have no `id`.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from otel_tokenomics.adapters.batches import LinesMeter, WorkMeter, instant
from otel_tokenomics.adapters.dialect import Dialect, Told
from otel_tokenomics.adapters.routes import Route
from otel_tokenomics.flow.contracts import Part
from otel_tokenomics.model.call import Facts
from otel_tokenomics.model.text import clean

ROUTES = (
    Route("POST", "batches", "fetch_response", "several"),
    Route("GET", "batches/*", "fetch_response", "several"),
    Route("POST", "batches/*/cancel", "fetch_response", "several"),
    Route("GET", "files/*/content", "fetch_response", "several"),
)
"""Those of a batch: none is an inference, and what is billed is in the file."""
_OPERATIONS = {
    "chat.completion": ("chat", "chat/completions"),
    "response": ("chat", "responses"),
    "text_completion": ("text_completion", "completions"),
    "list": ("embeddings", "embeddings"),
    "video": ("video_generation", "videos"),
}
_IMAGES = ("image_generation", "images/generations")
_MOST_FILES = 10_000


class Batches:
    """Which file holds the output of which batch, as far as this process was told. Bounded."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._files: OrderedDict[str, str] = OrderedDict()

    def meter(self, dialect: Dialect, options: Any, facts: Facts) -> LinesMeter | WorkMeter:
        """A meter of an output file, or of the batch itself."""
        if not facts.route.startswith("files/"):
            return WorkMeter(options, facts, facts.route == "batches", self.learn)
        file = options.url.partition("?")[0].rstrip("/").split("/")[-2]
        return LinesMeter(partial(_part, dialect, facts), options, file, self._files.get(file))

    def learn(self, batch: Mapping[str, Any]) -> None:
        """Take note of where a batch's output is."""
        id, file = clean(batch.get("id")), clean(batch.get("output_file_id"))
        if id is None or file is None:
            return
        with self._lock:
            self._files[file] = id
            while len(self._files) > _MOST_FILES:
                self._files.popitem(last=False)


def _part(dialect: Dialect, asked: Facts, line: Mapping[str, Any]) -> Part | None:
    response = line.get("response")
    if "custom_id" not in line or not isinstance(response, dict) or response.get("status_code") != 200:
        return None
    body = response.get("body")
    if not isinstance(body, dict):
        return None
    operation, route = _OPERATIONS.get(str(body.get("object")), _IMAGES)
    facts = replace(asked, operation=operation, route=route, billing="metered", stream=False)
    told = Told()
    dialect.body(told, body, facts)
    reading = dialect.reading(told, facts)
    reading.service_tier, reading.pending, reading.background = "batch", False, False
    reading.response_id = reading.response_id or clean(line.get("id")) or clean(response.get("request_id"))
    id = reading.response_id or str(line["custom_id"])
    return Part(id, reading, facts, instant(body.get("created", body.get("created_at"))))
