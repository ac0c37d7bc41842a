"""The demo's application: two teams' small agents, on the real openai and anthropic client libraries.

Nothing in it knows of prices or telemetry, but for the owners that it names with `attribute`. Where the
providers are comes from the clients' own `OPENAI_BASE_URL` and `ANTHROPIC_BASE_URL`. The header
`x-loopback-fault` asks the demo's provider for trouble; a real provider ignores it.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any, Final, cast

import anthropic
import openai
from openai.types.chat import ChatCompletionMessageParam, ChatCompletionToolParam

from otel_tokenomics import attribute

GPT: Final = "gpt-5.4-mini"
EMBEDDING: Final = "text-embedding-3-small"
SONNET: Final = "claude-sonnet-5-5"
HAIKU: Final = "claude-haiku-5-5"

HANDBOOK: Final = "You are the assistant of a shop for garden tools. Answer from the handbook only. " * 120
QUESTION: Final = "Which spade is right for clay?"
WEATHER_TOOL: Final[ChatCompletionToolParam] = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "The weather in a town.",
        "parameters": {"type": "object", "properties": {"town": {"type": "string"}}, "required": ["town"]},
    },
}
FAIL_ONCE: Final = {"x-loopback-fault": "status=500;times=1"}
NEVER_END: Final = {"x-loopback-fault": "endless"}


def embed(client: openai.OpenAI) -> None:
    """One embedding, and one moderation, which is free."""
    client.embeddings.create(model=EMBEDDING, input=[QUESTION, HANDBOOK])
    client.moderations.create(model="omni-moderation-latest", input=QUESTION)


def use_a_tool(client: openai.OpenAI) -> None:
    """A tool's loop: the second turn's prompt comes mostly from the provider's cache."""
    messages: list[ChatCompletionMessageParam] = [
        {"role": "system", "content": HANDBOOK},
        {"role": "user", "content": "Can I dig in Kew today?"},
    ]
    first = client.chat.completions.create(model=GPT, messages=messages, tools=[WEATHER_TOOL])
    asked = first.choices[0].message
    messages.append(cast(ChatCompletionMessageParam, asked.model_dump(exclude_none=True)))
    for call in asked.tool_calls or ():
        messages.append({"role": "tool", "tool_call_id": call.id, "content": json.dumps({"rain": False})})
    client.chat.completions.create(model=GPT, messages=messages, tools=[WEATHER_TOOL])


def think(client: openai.OpenAI) -> None:
    """A streamed response with reasoning, after one attempt that the provider failed."""
    client.responses.create(model=GPT, input=QUESTION, extra_headers=FAIL_ONCE)
    with client.responses.stream(model=GPT, input=QUESTION, reasoning={"effort": "medium"}) as stream:
        stream.get_final_response()


async def stream_answers(client: openai.AsyncOpenAI) -> None:
    """Two streams at once: one asks for its usage, one does not."""

    async def one(**options: Any) -> None:
        stream = await client.chat.completions.create(
            model=GPT, messages=[{"role": "user", "content": QUESTION}], stream=True, **options
        )
        async for _ in stream:
            pass

    await asyncio.gather(one(stream_options={"include_usage": True}), one())


def converse(client: anthropic.Anthropic) -> None:
    """Two turns over a cached handbook: the first writes the cache for an hour, the second reads it."""
    system: list[anthropic.types.TextBlockParam] = [
        {"type": "text", "text": HANDBOOK, "cache_control": {"type": "ephemeral", "ttl": "1h"}}
    ]
    turns: list[anthropic.types.MessageParam] = [{"role": "user", "content": QUESTION}]
    first = client.messages.create(model=SONNET, max_tokens=1_024, system=system, messages=turns)
    turns.append({"role": "assistant", "content": first.content})
    turns.append({"role": "user", "content": "And for sand?"})
    client.messages.create(model=SONNET, max_tokens=1_024, system=system, messages=turns)


def reason(client: anthropic.Anthropic) -> None:
    """A reply that was thought about."""
    client.messages.create(
        model=SONNET,
        max_tokens=4_096,
        thinking={"type": "enabled", "budget_tokens": 2_048},
        messages=[{"role": "user", "content": QUESTION}],
    )


def hang_up(client: anthropic.Anthropic) -> None:
    """A stream that the application leaves after a few events: what came so far is still billed."""
    stream = client.messages.create(
        model=SONNET,
        max_tokens=1_024,
        messages=[{"role": "user", "content": QUESTION}],
        stream=True,
        extra_headers=NEVER_END,
    )
    with stream:
        for _ in zip(range(40), stream, strict=False):
            pass


async def answer_many(client: anthropic.AsyncAnthropic) -> None:
    """Three customers at once, streamed."""

    async def one(customer: str) -> None:
        turns: list[anthropic.types.MessageParam] = [{"role": "user", "content": f"{customer}: {QUESTION}"}]
        with attribute(user=customer):
            async with client.messages.stream(model=HAIKU, max_tokens=256, messages=turns) as stream:
                await stream.get_final_message()

    await asyncio.gather(*(one(customer) for customer in ("ada", "grace", "linus")))


async def at_once() -> None:
    """The asynchronous half."""
    async with openai.AsyncOpenAI() as gpt:
        with attribute(team="search", feature="answers"):
            await stream_answers(gpt)
    async with anthropic.AsyncAnthropic() as claude:
        with attribute(team="support", feature="chat"):
            await answer_many(claude)


def main() -> None:
    """Both teams' work, one after the other."""
    with openai.OpenAI() as gpt, attribute(team="search"):
        with attribute(feature="index"):
            embed(gpt)
        with attribute(feature="answers"):
            use_a_tool(gpt)
            think(gpt)
    with anthropic.Anthropic() as claude, attribute(team="support", feature="chat"):
        converse(claude)
        reason(claude)
        hang_up(claude)
    asyncio.run(at_once())


if __name__ == "__main__":
    main()
