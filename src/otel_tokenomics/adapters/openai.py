"""The `openai` client library, and every provider that it is pointed at.

Usage: https://platform.openai.com/docs/api-reference/chat/object and `/responses/object`, with the
types of openai 3.54. Input counts include cached and cache-written tokens, output counts include reasoning.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from otel_tokenomics.adapters.counts import Counts
from otel_tokenomics.adapters.hosts import Hosts
from otel_tokenomics.adapters.openai_work import (
    count_tools,
    count_work,
    milliseconds,
    unit_of_images,
)
from otel_tokenomics.adapters.reported import reported_femto
from otel_tokenomics.adapters.stainless import (
    Endpoint,
    Endpoints,
    Route,
    Routes,
    StainlessMeter,
    Told,
    facts_of,
    may_ask_for_usage,
    usage_or_missing,
)
from otel_tokenomics.model.call import Facts, Reading
from otel_tokenomics.model.text import clean
from otel_tokenomics.model.usage import MISSING, Usage, of_model

_ROUTES = Routes(
    Route("POST", "chat/completions", "chat"),
    Route("POST", "responses", "chat"),
    Route("POST", "embeddings", "embeddings"),
    Route("POST", "completions", "text_completion"),
    Route("POST", "responses/compact", "chat"),
    Route("POST", "responses/input_tokens", "count_tokens", "free"),
    Route("POST", "responses/*/cancel", "chat", "polled"),
    Route("GET", "responses/*", "chat", "polled"),
    Route("POST", "images/generations", "image_generation"),
    Route("POST", "images/edits", "image_generation"),
    Route("POST", "images/variations", "image_generation"),
    Route("POST", "videos", "video_generation"),
    Route("POST", "videos/*/remix", "video_generation"),
    Route("GET", "videos/*", "video_generation", "polled"),
    Route("POST", "audio/transcriptions", "transcription"),
    Route("POST", "audio/translations", "translation"),
    Route("POST", "audio/speech", "speech"),
    Route("POST", "moderations", "moderation", "free"),
    Route("POST", "threads/runs", "chat"),
    Route("POST", "threads/*/runs", "chat"),
    Route("POST", "runs/*/submit_tool_outputs", "chat", "polled"),
    Route("POST", "runs/*/cancel", "chat", "polled"),
    Route("GET", "threads/*/runs/*", "chat", "polled"),
)
_ASKABLE = frozenset({"chat/completions", "completions"})
"""Routes that know `stream_options.include_usage`; any other refuses it as an unknown parameter."""
_RUNTIMES = {"bedrock": "aws.bedrock", "vertex": "gcp.vertex_ai"}
_UNFINISHED = frozenset({"queued", "in_progress", "requires_action", "cancelling"})
_AZURE_ASKS_SINCE = "2024-09-01"
"""Azure's API versions before this one refuse `stream_options`."""


class OpenAI:
    """The adapter. `hosts` says who is behind a base URL."""

    def __init__(self, hosts: Hosts | None = None) -> None:
        self._hosts = hosts or Hosts()
        self._endpoints = Endpoints(self._endpoint)

    def facts(self, client: Any, options: Any, stream: bool) -> Facts | None:
        """What the request says, or `None` if it calls no model."""
        route = _ROUTES.find(options.method, options.url)
        if route is None:
            return None
        facts = facts_of("openai", route, self._endpoints.of(client), options.json_data, stream)
        if route.operation == "image_generation":
            facts.unit = unit_of_images(options.json_data)
        return facts

    def meter(self, client: Any, options: Any, facts: Facts) -> StainlessMeter:
        """A meter that asks for usage in a stream where the endpoint is known to give it."""
        asks = facts.stream and facts.route in _ASKABLE and self._may_ask(client, options.json_data)
        return StainlessMeter(DIALECT, options, facts, include_usage=asks)

    def _endpoint(self, client: Any, host: str | None) -> Endpoint:
        runtime = getattr(getattr(client, "_provider_runtime", None), "name", None)
        if runtime in _RUNTIMES:
            return Endpoint(_RUNTIMES[runtime])
        if hasattr(client, "_azure_deployment") or hasattr(client, "_azure_ad_token"):
            version = getattr(client, "_api_version", None)
            return Endpoint("azure.ai.openai", asks=version is None or str(version) >= _AZURE_ASKS_SINCE)
        known = self._hosts.find(host) if host else None
        if known is None:
            return Endpoint("openai", assumed=True)
        return Endpoint(known.provider, asks=known.usage_in_streams)

    def _may_ask(self, client: Any, body: Any) -> bool:
        """Where the endpoint gives usage and the caller left it open. Azure's own data sources refuse it."""
        return self._endpoints.of(client).asks and may_ask_for_usage(body) and "data_sources" not in body


class OpenAIDialect:
    """Chat completions, completions, responses, embeddings, images, audio, runs."""

    def body(self, told: Told, body: Mapping[str, Any], facts: Facts) -> None:
        """A whole response, or the object that a finished stream carries."""
        self._head(told, body)
        status = body.get("status")
        told.pending = status in _UNFINISHED
        told.background = _can_be_asked_again(body)
        usage = body.get("usage")
        if isinstance(usage, dict):
            told.usage, told.final = usage, True
        count_work(told, body, facts)

    def event(self, told: Told, event: Mapping[str, Any]) -> None:
        """One event: of the chat kind, of the responses kind, or of a run."""
        told.heard = True
        if str(event.get("object", "")).startswith("thread.run.step"):
            return
        whole = event.get("response")
        if isinstance(whole, dict):
            event = whole
        self._head(told, event)
        told.background = told.background or _can_be_asked_again(event)
        # A stream that is read here is under way, not pending: only what can be asked for again is.
        told.pending = told.background and event.get("status") in _UNFINISHED
        grouped = event.get("x_groq")
        usage = event.get("usage") or (grouped.get("usage") if isinstance(grouped, dict) else None)
        if isinstance(usage, dict):
            told.usage, told.final = usage, True
            if event is whole:
                count_tools(told, event)

    def reading(self, told: Told, facts: Facts) -> Reading:
        """What all that was told comes to."""
        usage = MISSING
        if told.usage is not None:
            usage = read_usage(told.usage, "image" if facts.operation == "image_generation" else None)
        if told.quantities or told.others or told.uncounted:
            usage = _with_work(usage, told)
        return Reading(
            usage=usage,
            response_id=told.response_id,
            response_model=told.model,
            service_tier=told.service_tier,
            finish_reason=told.finish_reason,
            reported_cost_femto=reported_femto(facts.provider, told.usage) if told.usage else None,
            pending=told.pending,
            background=told.background,
        )

    def texts(self, event: Mapping[str, Any]) -> Iterable[str]:
        """Generated text, of a body or of an event."""
        delta = event.get("delta")
        if isinstance(delta, str) and str(event.get("type", "")).endswith(".delta"):
            yield delta
        choices = event.get("choices")
        for choice in choices if isinstance(choices, list) else ():
            if isinstance(choice, dict):
                yield from _texts_of_choice(choice)

    def ended(self, event: Mapping[str, Any]) -> bool:
        """Whether this is a stream's last event but for usage: a finish reason, a terminal type."""
        if event.get("type") in ("response.completed", "response.incomplete", "response.failed"):
            return True
        choices = event.get("choices")
        return isinstance(choices, list) and any(
            isinstance(choice, dict) and choice.get("finish_reason") for choice in choices
        )

    def _head(self, told: Told, body: Mapping[str, Any]) -> None:
        told.response_id = clean(body.get("id")) or told.response_id
        told.model = clean(body.get("model")) or told.model
        told.service_tier = clean(body.get("service_tier")) or told.service_tier


def _can_be_asked_again(response: Mapping[str, Any]) -> bool:
    """A background response, a run or a video: it is billed once by its id, however often it is seen."""
    return response.get("background") is True or response.get("object") in ("thread.run", "video")


DIALECT = OpenAIDialect()


def read_usage(raw: Mapping[str, Any], modality: str | None = None) -> Usage:
    """Disjoint buckets from any of OpenAI's usage objects.

    `modality` is that of output tokens which the object does not itself divide, as for images.
    """
    counts = Counts(raw)
    buckets: dict[str, int] = {}
    if raw.get("type") == "duration":
        return _duration(counts)
    _read_input(counts, buckets)
    details = _read_output(counts, buckets, modality)
    if length := milliseconds(raw.get("prompt_audio_seconds")):
        buckets["audio.ms"] = length
    total = counts.get(counts.raw, "total_tokens")
    usage = Usage(buckets, flags=(), details=details)
    known = (usage.input_tokens or 0) + (usage.output_tokens or 0)
    if total is not None and buckets and total != known:
        counts.flags.add("mismatch")
    usage.flags = tuple(sorted(counts.flags))
    return usage_or_missing(usage)


def _with_work(usage: Usage, told: Told) -> Usage:
    """The usage with what the response bills beside its own tokens."""
    buckets, flags = {**usage.buckets, **told.quantities}, {*usage.flags}
    if told.uncounted:
        flags.add("not_all_counted")
    for model, raw in told.others.items():
        other = read_usage(raw, "image")
        buckets.update({of_model(bucket, model): count for bucket, count in other.buckets.items() if count})
        flags.update(other.flags)
    return Usage(buckets, flags=tuple(sorted(flags)), details=usage.details)


_CACHED_BESIDE = ("num_cached_tokens", "cached_tokens", "prompt_cache_hit_tokens")
"""Mistral's, Moonshot's and Together's, and DeepSeek's words, outside the details, for the same count."""


def _read_input(counts: Counts, buckets: dict[str, int]) -> None:
    total = counts.get(counts.raw, "prompt_tokens", "input_tokens")
    if total is None:
        return
    parts = counts.object(
        "prompt_tokens_details", "input_tokens_details", "prompt_token_details", "input_token_details"
    )
    read = counts.get(parts, "cached_tokens")
    for name in _CACHED_BESIDE if read is None else ():
        read = counts.get(counts.raw, name) if read is None else read
    written = counts.get(parts, "cache_write_tokens")
    audio = counts.get(parts, "audio_tokens")
    image = counts.get(parts, "image_tokens")
    video = counts.get(parts, "video_tokens")
    # Cached audio may be counted as both; what is cached is certain to be billed as that.
    rest, cached, fresh, sound, sight, film = counts.split(total, read, written, audio, image, video)
    buckets["input"] = rest
    if read is not None:
        buckets["cache_read"] = cached
    if fresh:
        _read_writes(counts, parts, fresh, buckets)
    for bucket, quantity in (("input.audio", sound), ("input.image", sight), ("input.video", film)):
        if quantity:
            buckets[bucket] = quantity


def _read_writes(counts: Counts, parts: Mapping[str, Any], written: int, buckets: dict[str, int]) -> None:
    split = parts.get("cache_write_tokens_details")
    split = split if isinstance(split, dict) else {}
    short = counts.get(split, "ttl_30m_tokens")
    long = counts.get(split, "ttl_12h_tokens")
    if short:
        buckets["cache_write.30m"] = short
    if long:
        buckets["cache_write.12h"] = long
    if rest := counts.rest(written, short, long):
        buckets["cache_write"] = rest


def _read_output(counts: Counts, buckets: dict[str, int], modality: str | None) -> dict[str, int]:
    total = counts.get(counts.raw, "completion_tokens", "output_tokens")
    if total is None:
        return {}
    parts = counts.object("completion_tokens_details", "output_tokens_details", "completion_token_details")
    reasoning = counts.get(parts, "reasoning_tokens")
    audio = counts.get(parts, "audio_tokens")
    image = counts.get(parts, "image_tokens")
    if reasoning and _reasons_beside(counts, total, reasoning):
        total += reasoning
    rest, thought, sound, sight = counts.split(total, reasoning, audio, image)
    if modality is not None and not parts:
        buckets[f"output.{modality}"] = rest
    else:
        buckets["output"] = rest
    if reasoning is not None:
        buckets["reasoning"] = thought
    if sound:
        buckets["output.audio"] = sound
    if sight:
        buckets["output.image"] = sight
    rejected = counts.get(parts, "rejected_prediction_tokens")
    return {"rejected_prediction": rejected} if rejected else {}


def _reasons_beside(counts: Counts, output: int, reasoning: int) -> bool:
    """Whether reasoning is not in the output count, as at xAI: the total says so."""
    total = counts.get(counts.raw, "total_tokens")
    prompt = counts.get(counts.raw, "prompt_tokens", "input_tokens")
    return total is not None and prompt is not None and total == prompt + output + reasoning


def _duration(counts: Counts) -> Usage:
    length = milliseconds(counts.raw.get("seconds"))
    return Usage({"audio.ms": length}) if length is not None else MISSING


def _texts_of_choice(choice: Mapping[str, Any]) -> Iterator[str]:
    if isinstance(text := choice.get("text"), str):
        yield text
    part = choice.get("delta") or choice.get("message")
    if not isinstance(part, dict):
        return
    for key in ("content", "reasoning_content", "reasoning", "refusal"):
        if isinstance(text := part.get(key), str):
            yield text
    calls = part.get("tool_calls")
    for call in calls if isinstance(calls, list) else ():
        function = call.get("function") if isinstance(call, dict) else None
        if isinstance(function, dict):
            yield from (value for key in ("name", "arguments") if isinstance(value := function.get(key), str))
