"""Plays the command line of the Claude Agent SDK: JSON lines in, JSON lines out, totals that run on.

As the real one's, its results tell what the whole process has used so far. `/clear` begins anew.
"""

from __future__ import annotations

import json
import sys
from typing import Any

SONNET, HAIKU = "claude-sonnet-4-5-20250929", "claude-haiku-4-5-20251001"
STEP: dict[str, dict[str, Any]] = {
    SONNET: {
        "inputTokens": 10,
        "outputTokens": 20,
        "cacheReadInputTokens": 1000,
        "cacheCreationInputTokens": 200,
        "webSearchRequests": 1,
        "costUSD": 0.25,
    },
    HAIKU: {
        "inputTokens": 5,
        "outputTokens": 2,
        "cacheReadInputTokens": 0,
        "cacheCreationInputTokens": 0,
        "webSearchRequests": 0,
        "costUSD": 0.125,
    },
}
"""What each turn adds."""


def tell(message: dict[str, Any]) -> None:
    """Write one message."""
    print(json.dumps(message), flush=True)


def result(turn: int, totals: int, session: str) -> dict[str, Any]:
    """The result of a turn, after so many turns of this conversation."""
    models = {
        model: {name: value * totals for name, value in used.items()} | {"contextWindow": 200000}
        for model, used in STEP.items()
    }
    cost = sum(used["costUSD"] for used in models.values())
    return {
        "type": "result",
        "subtype": "success",
        "duration_ms": 1500,
        "duration_api_ms": 1000,
        "is_error": False,
        "num_turns": 1,
        "session_id": session,
        "result": "In spring.",
        "total_cost_usd": cost,
        "usage": {"input_tokens": 15, "output_tokens": 22},
        "modelUsage": models,
        "uuid": f"result-{turn}",
    }


def main() -> None:
    """Answer every line until there are no more."""
    turn = totals = 0
    session = "session-1"
    for line in sys.stdin:
        asked = json.loads(line)
        if asked["type"] == "control_request":
            response = {"subtype": "success", "request_id": asked["request_id"], "response": {"commands": []}}
            tell({"type": "control_response", "response": response})
        elif asked["type"] == "user":
            turn += 1
            if "/clear" in json.dumps(asked["message"]):
                totals, session = 0, "session-2"
                about = {"new_conversation_id": "c2", "uuid": "u", "session_id": "session-1"}
                tell({"type": "conversation_reset", **about})
            totals += 1
            content = [{"type": "text", "text": "In spring."}]
            usage = {"input_tokens": 10, "output_tokens": 20}
            message = {"id": f"msg_{turn}", "role": "assistant", "model": SONNET, "content": content}
            tell({"type": "assistant", "message": {**message, "usage": usage}, "session_id": session})
            tell(result(turn, totals, session))


if __name__ == "__main__":
    if "-v" in sys.argv or "--version" in sys.argv:
        print("2.99.0 (Claude Code)")
    else:
        main()
