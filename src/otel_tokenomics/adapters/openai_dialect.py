"""What OpenAI's bodies and events say, and those of everybody who answers in its format.

After https://platform.openai.com/docs/api-reference and the types of openai 3.57. What their usage objects
count is read in `openai_usage`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from otel_tokenomics.adapters.dialect import Told
from otel_tokenomics.adapters.openai_usage import read_usage
from otel_tokenomics.adapters.openai_work import count_tools, count_work
from otel_tokenomics.adapters.reported import reported_femto
from otel_tokenomics.model.call import Facts, Reading
from otel_tokenomics.model.text import clean
from otel_tokenomics.model.usage import MISSING, Usage, of_model

_UNFINISHED = frozenset({"queued", "in_progress", "requires_action", "cancelling"})


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
            told.usage, told.final = _with_timings(usage, body), True
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
            told.usage, told.final = _with_timings(usage, event), not _goes_on(told, usage, event)
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


def _goes_on(told: Told, usage: Mapping[str, Any], event: Mapping[str, Any]) -> bool:
    """Whether a stream repeats its usage, cumulative, and more is to come: as vLLM's does if asked to.

    Its first event then has no output yet, and its last one a reason to finish, or no choices.
    """
    choices = event.get("choices")
    if not choices or not isinstance(choices, list):
        return False
    first = told.usage is None and usage.get("completion_tokens") != 0
    return not first and not any(isinstance(one, dict) and one.get("finish_reason") for one in choices)


def _with_timings(usage: dict[str, Any], body: Mapping[str, Any]) -> dict[str, Any]:
    """llama.cpp's older servers say only beside the usage how much of the prompt their cache held."""
    timings = body.get("timings")
    cached = timings.get("cache_n") if isinstance(timings, dict) else None
    return usage if cached is None or "prompt_tokens_details" in usage else {**usage, "cached_tokens": cached}


def _can_be_asked_again(response: Mapping[str, Any]) -> bool:
    """A background response, a run or a video: it is billed once by its id, however often it is seen."""
    return response.get("background") is True or response.get("object") in ("thread.run", "video")


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


DIALECT = OpenAIDialect()
