"""An application under `opentelemetry-instrument`: real client library, canned provider, real OTLP exporters.

    load.py NAME CALLS [PAUSE_AT]

Call `i` of process NAME uses tokens that `tokens(i)` gives, so that whoever started it knows the bill. With
PAUSE_AT it prints a line after that many calls and waits for a line. Every text in it holds `SECRET`.
"""

from __future__ import annotations

import sys
from typing import Any

SECRET = "xyzzy-prompt-text"
TEXT_KEYS = ("gen_ai.input.messages", "input.value", "llm.input_messages.0.message.content", "ai.prompt")
MODEL = "gpt-4o-2024-08-06"
# Of the model's price page: dollars of a million tokens.
INPUT, CACHED, OUTPUT = 2.5, 1.25, 10.0


def tokens(i: int) -> tuple[int, int, int]:
    """Input, of which cached, and output tokens of call `i`."""
    return 1000 + i, 100 + i % 7, 50 + i % 13


def pico_usd(i: int) -> int:
    """What call `i` costs, in 1e-12 USD."""
    given, cached, output = tokens(i)
    return (given - cached) * 2_500_000 + cached * 1_250_000 + output * 10_000_000


def answer(name: str, i: int) -> dict[str, Any]:
    """The provider's body for call `i`."""
    given, cached, output = tokens(i)
    message = {"role": "assistant", "content": f"{SECRET} answer {i}", "refusal": None}
    return {
        "id": f"chatcmpl-{name}-{i}",
        "object": "chat.completion",
        "created": 1,
        "model": MODEL,
        "choices": [{"index": 0, "finish_reason": "stop", "logprobs": None, "message": message}],
        "usage": {
            "prompt_tokens": given,
            "completion_tokens": output,
            "total_tokens": given + output,
            "prompt_tokens_details": {"cached_tokens": cached},
        },
        "service_tier": "default",
    }


def call(client: Any, i: int) -> None:
    """One call inside a span of another instrumentation, which writes texts as several of them do."""
    from opentelemetry import trace

    with trace.get_tracer("app").start_as_current_span("agent step") as span:
        for key in (
            "gen_ai.input.messages",
            "input.value",
            "llm.input_messages.0.message.content",
            "ai.prompt",
        ):
            span.set_attribute(key, f"{SECRET} {i}")
        span.add_event("gen_ai.user.message", {"content": SECRET})
        client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": f"{SECRET} {i}"}])
        if i % 50 == 0:
            span.record_exception(ValueError(f"refused: {SECRET}"))


def main(name: str, calls: int, pause_at: int = 0) -> None:
    """Make the calls; what is told leaves by the exporters that the environment names."""
    import openai
    from tests.support.replies import dumps
    from tests.support.wire import Reply, Wire, http_library

    script = [Reply(dumps(answer(name, i))) for i in range(calls)]
    wire = Wire(*script, library=http_library("openai"))
    client = openai.OpenAI(api_key="sk-none", http_client=wire.client(), max_retries=0)
    for i in range(calls):
        if i == pause_at and pause_at:
            print("half", flush=True)
            sys.stdin.readline()
        call(client, i)
    print("done", flush=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), *map(int, sys.argv[3:]))
