"""Every recorded exchange with Bedrock through the clients of botocore and aiobotocore, and a second reading.

Each is played bare and instrumented: the application must see the same, and the one record must hold what the
body says. The second reading goes by the name of the model's family where ours goes by the body's shape, and
takes a stream's counts from Bedrock's own metrics. Its words: `TokenUsage` of the Converse API, and
"Inference request parameters and response fields" of the user guide.
"""

from __future__ import annotations

import base64
import gzip
import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from tests._required import recordings
from tests.conformance.conftest import REPLAYED
from tests.support import aioaws, aws
from tests.support.either import items, value
from tests.support.telemetry import buckets_of, instrumented
from tests.support.wire import JSON, Reply

OPERATIONS = ("converse", "converse-stream", "invoke", "invoke-with-response-stream", "count-tokens")
ASKED = [{"role": "user", "content": [{"text": "lost"}]}]
UNCOUNTED = ("cohere.", "nova-2-multimodal-embeddings", "otnfa2ysixqd")
"""Models whose bodies carry no counts: those stood in headers, which were not recorded."""


CONTRADICTORY = {"d9e7dffbaa3e04c9": "Claude says 133 output tokens, Bedrock's own metrics 97"}
"""Recordings that contradict themselves: the model's own count is kept, and flagged."""
_POLICIES = {"topic": "topic", "content": "content", "sensitive_information": "sensitiveInformation"}
HALF = ("9ffcc73d2e1272d2",)
"""Recordings whose body counts the input alone; the output stood in a header, and is counted here."""


@dataclass(frozen=True)
class Exchange:
    """One request and its response, as Bedrock really gave it."""

    id: str
    model: str
    operation: str
    status: int
    body: bytes

    @property
    def streamed(self) -> bool:
        """Whether the body is an event stream."""
        return self.operation.endswith("stream") and self.status == 200

    def reply(self) -> Reply:
        """The response, a stream in one part for each frame."""
        if self.streamed:
            return Reply(list(aws.split(self.body)), 200, aws.EVENTS)
        return Reply([self.body], self.status, JSON)

    def counts(self) -> Mapping[str, int] | None:
        """What it consumed, zeros included; `None` where the body does not say."""
        if self.status != 200 or self.operation == "count-tokens":
            return None
        told = _streamed(self) if self.streamed else _whole(self)
        text = self._text()
        units: Counter[str] = Counter()
        for policy, count in re.findall(r'"(\w+)PolicyUnits":\s*([1-9]\d*)', text):
            units["tool.guardrail_" + re.sub("([A-Z])", r"_\1", policy).lower()] += int(count)
        if told is None:
            return units or None
        return {**{bucket: count for bucket, count in told.items() if count is not None}, **units}

    def _text(self) -> str:
        if not self.streamed:
            return self.body.decode()
        return "\n".join(json.dumps(event) for event in events(self))


@lru_cache(maxsize=1)
def exchanges(folder: Path) -> tuple[Exchange, ...]:
    """Every exchange that calls a model."""
    found = []
    with gzip.open(folder / "bedrock.jsonl.gz", "rt", encoding="utf-8") as lines:
        for row in map(json.loads, lines):
            path = urlsplit(row["url"]).path.strip("/")
            if path.startswith("model/"):
                model, _, operation = path.removeprefix("model/").rpartition("/")
                told = row.get("body")
                body = base64.b64decode(row["body_base64"]) if told is None else told.encode()
                found.append(Exchange(row["id"], unquote(model), operation, row["status"], body))
    return tuple(found)


def guarded(folder: Path) -> Iterator[bytes]:
    """The answer to every text that a guardrail was applied to."""
    with gzip.open(folder / "bedrock.jsonl.gz", "rt", encoding="utf-8") as lines:
        for row in map(json.loads, lines):
            if urlsplit(row["url"]).path.startswith("/guardrail/") and row["status"] == 200:
                yield row["body"].encode()


def events(exchange: Exchange) -> Iterator[Any]:
    """The events of a stream, a model's own ones out of their base64."""
    for _, payload in aws.payloads(exchange.body):
        yield json.loads(base64.b64decode(payload["bytes"])) if "bytes" in payload else payload


def _streamed(exchange: Exchange) -> dict[str, Any] | None:
    last = [event for event in events(exchange) if "metrics" in event or METRICS in event][-1:]
    if not last:
        return None
    told = last[0]
    if "usage" in told:
        return _converse(told["usage"])
    told = told[METRICS]
    cached = {
        bucket: told.get(name)
        for bucket, name in (
            ("cache_read", "cacheReadInputTokenCount"),
            ("cache_write", "cacheWriteInputTokenCount"),
        )
    }
    return {"input": told.get("inputTokenCount"), "output": told.get("outputTokenCount"), **cached}


METRICS = "amazon-bedrock-invocationMetrics"


def _whole(exchange: Exchange) -> dict[str, Any] | None:
    body = json.loads(exchange.body)
    if exchange.operation == "converse":
        return _converse(body["usage"])
    if any(part in exchange.model for part in UNCOUNTED):
        return None
    if "anthropic." in exchange.model:
        usage = body.get("usage")
        if usage is None:
            return None
        written = usage.get("cache_creation_input_tokens")
        short = (usage.get("cache_creation") or {}).get("ephemeral_5m_input_tokens")
        return {
            "input": usage["input_tokens"],
            "output": usage["output_tokens"],
            "cache_read": usage.get("cache_read_input_tokens"),
            "cache_write": written - short if short else written,
            "cache_write.5m": short,
        }
    if "nova" in exchange.model:
        return _converse(body["usage"], "Count") if "usage" in body else None
    if "llama" in exchange.model:
        return {"input": body["prompt_token_count"], "output": body["generation_token_count"]}
    if "ai21" in exchange.model:
        made = sum(len(one["data"]["tokens"]) for one in body["completions"])
        return {"input": len(body["prompt"]["tokens"]), "output": made}
    if "sagemaker" in exchange.model:
        return {"input": body["usage"]["prompt_tokens"], "output": body["usage"]["completion_tokens"]}
    given = {"input": body["inputTextTokenCount"]}
    if "results" in body:
        given["output"] = sum(one["tokenCount"] for one in body["results"])
    return given


def _converse(usage: Mapping[str, Any], suffix: str = "s") -> dict[str, Any]:
    caches = {"s": ("cacheReadInputTokens", "cacheWriteInputTokens")}.get(
        suffix, ("cacheReadInputTokenCount", "cacheWriteInputTokenCount")
    )
    written = usage.get(caches[1])
    lives = {f"cache_write.{one['ttl']}": one["inputTokens"] for one in usage.get("cacheDetails") or ()}
    return {
        "input": usage["inputTokens"],
        "output": usage.get("outputTokens"),
        "cache_read": usage.get(caches[0]),
        "cache_write": written - sum(lives.values()) if lives else written,
        **lives,
    }


async def play(client: Any, exchange: Exchange) -> Any:
    """What the application gets, the body or the events read to their end."""
    name = exchange.operation.replace("-", "_")
    try:
        if name == "count_tokens":
            asked = {"converse": {"messages": ASKED}}
            return await value(client.count_tokens(modelId=exchange.model, input=asked))
        if name.startswith("converse"):
            result = await value(getattr(client, name)(modelId=exchange.model, messages=ASKED))
        else:
            method = getattr(client, name.replace("invoke", "invoke_model", 1))
            result = await value(method(modelId=exchange.model, body=json.dumps({"messages": ASKED})))
        if exchange.streamed:
            held = result.pop("stream" if name.startswith("converse") else "body")
            return result, [event async for event in items(held, hasattr(held, "__aiter__"))]
        if "body" in result:
            return result, await value(result.pop("body").read())
    except Exception as error:
        return type(error).__name__, str(error)
    return result


def _zeroless(counts: Mapping[str, int]) -> dict[str, int]:
    return {bucket: count for bucket, count in counts.items() if count}


def _wrong(exchange: Exchange, records: list[dict[str, Any]]) -> str:
    reading = exchange.counts()
    if len(records) != 1:
        return f"{len(records)} usage records"
    (record,) = records
    source = record["tokenomics.usage.source"]
    if reading is None:
        return "" if source != "provider" else "the body says nothing, and is said to"
    if source != "provider":
        return "" if exchange.id in HALF else source
    if exchange.id in CONTRADICTORY:
        return "" if "mismatch" in record["tokenomics.usage.flags"] else "not flagged"
    ours = buckets_of(record)
    if _zeroless(ours) != _zeroless(reading):
        return f"{ours} recorded, the body says {reading}"
    lost = reading.keys() - {*ours, "cache_write"}
    return f"{lost} lost" if lost else ""


both = pytest.mark.parametrize("library", ["botocore", "aiobotocore"])


@both
@pytest.mark.parametrize("operation", OPERATIONS[:4])
async def test_usage_is_what_the_body_says(
    library: str, operation: str, record_property: Callable[[str, Any], None]
) -> None:
    chosen = [one for one in exchanges(recordings()) if one.operation == operation and one.status == 200]
    assert chosen, "nothing was recorded"
    client, session = await aioaws.opened(library)
    wrong = []
    for exchange in chosen:
        session.play(exchange.reply())
        bare = await play(client, exchange)
        session.play(exchange.reply())
        with instrumented(library) as telemetry:
            seen = await play(client, exchange)
            verdict = _wrong(exchange, telemetry.records())
        verdict = verdict if seen == bare else f"the application saw {seen} and not {bare}"
        if verdict:
            wrong.append(f"{exchange.id} {exchange.model}: {verdict}")
    silent = sum(one.counts() is None for one in chosen)
    mode = "sync" if library == "botocore" else "async"
    record_property(REPLAYED, ("bedrock", operation, mode, "with usage", len(chosen) - silent))
    record_property(REPLAYED, ("bedrock", operation, mode, "whose usage stood in headers", silent))
    assert not wrong, "\n".join([f"{len(wrong)} of {len(chosen)}", *wrong])


@both
async def test_units_are_what_a_guardrail_says(
    library: str, record_property: Callable[[str, Any], None]
) -> None:
    answers = list(guarded(recordings()))
    assert answers
    client, session = await aioaws.opened(library)
    asked = {"guardrailIdentifier": "g", "guardrailVersion": "1", "source": "INPUT", "content": []}
    for body in answers:
        units = {name: count for name, count in json.loads(body)["usage"].items() if count}
        seen = []
        for watched in ([], [library]):
            session.play(Reply(body, headers=JSON))
            with instrumented(*watched) if watched else nullcontext() as telemetry:
                seen.append(await value(client.apply_guardrail(**asked)))
                records = [] if telemetry is None else telemetry.records()
        assert seen[0] == seen[1]
        (record,) = records
        assert _zeroless(buckets_of(record)) == {
            f"tool.guardrail_{name}": units[f"{told}PolicyUnits"] for name, told in _POLICIES.items()
        }
        assert record["tokenomics.cost.exact"] == "0.0004", "0.15, 0.15 and 0.10 USD for 1,000"
    mode = "sync" if library == "botocore" else "async"
    record_property(REPLAYED, ("bedrock", "guardrails", mode, "with usage", len(answers)))


@both
async def test_a_refused_request_is_no_usage(library: str) -> None:
    refused = [one for one in exchanges(recordings()) if one.status >= 400]
    assert refused
    client, session = await aioaws.opened(library)
    with instrumented(library) as telemetry:
        for exchange in refused:
            session.play(exchange.reply())
            name, _ = await play(client, exchange)
            assert name.endswith(("Exception", "Error")), name
        assert telemetry.records() == []
        assert len(telemetry.spans()) == len(refused)
