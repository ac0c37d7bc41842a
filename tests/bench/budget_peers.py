"""One library's budget against 50 calls at once, as its own documentation uses it: `budget_peers.py LIBRARY`.

Runs in the environment of that library alone, so it imports nothing of ours but for `otel_tokenomics`. The
provider is on the loopback interface, answers after 0.3 s and bills 0.0125 USD a call; the budget is 0.05
USD, so that 4 calls are right. The host catches what is raised, as agents do. Prints how many were billed.
"""

from __future__ import annotations

import contextvars
import importlib
import json
import os
import sys
import tempfile
import threading
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

CALLS = 50
USAGE = {"prompt_tokens": 1000, "completion_tokens": 1000, "total_tokens": 2000}
ANSWER = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1,
    "model": "gpt-4o",
    "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Dig."}}],
    "usage": USAGE,
}
ASKED = {
    "model": "gpt-4o",
    # As long as the tokens that it is billed for, by any count.
    "messages": [{"role": "user", "content": "dig " * 1000}],
    "max_tokens": 1000,
}
CONFIG = (
    '[hosts]\n"127.0.0.1" = "openai"\n[store]\nurl = "{url}"\n[[budget]]\nname = "b"\nlimit = "{limit}"\n'
)


class Provider(BaseHTTPRequestHandler):
    """Answers every request alike, and counts."""

    protocol_version = "HTTP/1.1"
    billed = 0
    lock = threading.Lock()

    def do_POST(self) -> None:
        """Bill, wait, answer."""
        self.rfile.read(int(self.headers["content-length"]))
        with Provider.lock:
            Provider.billed += 1
        threading.Event().wait(0.3)
        body = json.dumps(ANSWER).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


def race(call: Callable[[], Any]) -> None:
    """50 threads, each with a copy of this context."""
    threads = [
        threading.Thread(target=contextvars.copy_context().run, args=(_quietly, call)) for _ in range(CALLS)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _quietly(call: Callable[[], Any]) -> None:
    with suppress(Exception):
        call()


def client(url: str) -> Any:
    """The openai client, without retries."""
    return importlib.import_module("openai").OpenAI(api_key="k", base_url=url, max_retries=0)


def shekel(url: str) -> None:
    """`with budget(max_usd=...)`."""
    with importlib.import_module("shekel").budget(max_usd=0.05):
        one = client(url)
        race(lambda: one.chat.completions.create(**ASKED))


def agentbudget(url: str) -> None:
    """`init("$0.05")`."""
    importlib.import_module("agentbudget").init("$0.05")
    one = client(url)
    race(lambda: one.chat.completions.create(**ASKED))


def agenticmeter(url: str) -> None:
    """`with Ledger(budget="$0.05")`."""
    with importlib.import_module("agenticmeter").Ledger(budget="$0.05"):
        one = client(url)
        race(lambda: one.chat.completions.create(**ASKED))


def tokencap(url: str) -> None:
    """`wrap(client, limit=...)`: it counts tokens, so four calls are 8,000."""
    one = importlib.import_module("tokencap").wrap(client(url), limit=8000)
    race(lambda: one.chat.completions.create(**ASKED))


def llm_cost_governor(url: str) -> None:
    """`build_budget_chain(limit_usd=...)`: four calls fit, of a model that it has a price for."""
    hooks = importlib.import_module("llm_cost_governor.budget").build_budget_chain(limit_usd=0.07)
    guarded: Any = importlib.import_module("llm_cost_governor.wrapper").guarded_call
    one, asked = client(url), {**ASKED, "model": "gpt-5.4"}
    race(lambda: guarded(one, provider="openai", hooks=hooks, **asked))


def litellm(url: str) -> None:
    """`litellm.max_budget`."""
    module: Any = importlib.import_module("litellm")
    module.max_budget = 0.05
    asked = {**ASKED, "model": "openai/gpt-4o"}
    race(lambda: module.completion(**asked, api_base=url, api_key="k", num_retries=0, max_retries=0))


def otel_tokenomics(url: str) -> None:
    """A `[[budget]]`, and no line of code: the instrumentor is what `opentelemetry-instrument` would load."""
    store = f"sqlite://{Path.cwd()}/budgets.db"
    text = CONFIG.format(url=store, limit="0.05 USD") + 'window = "lifetime"\n'
    Path("tokenomics.toml").write_text(text, encoding="utf-8")
    os.environ["OTEL_TOKENOMICS_CONFIG"] = str(Path("tokenomics.toml").resolve())
    importlib.import_module("otel_tokenomics.wiring.instrumentors").OpenAIInstrumentor().instrument()
    one = client(url)
    race(lambda: one.chat.completions.create(**ASKED))


LIBRARIES = (shekel, agentbudget, agenticmeter, tokencap, llm_cost_governor, litellm, otel_tokenomics)


def main(name: str) -> None:
    """Print how many calls were billed."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Provider)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    library = next(each for each in LIBRARIES if each.__name__ == name)
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        library(f"http://127.0.0.1:{server.server_port}/v1")
        print(f"billed {Provider.billed}")
        os.chdir("/")


if __name__ == "__main__":
    main(sys.argv[1])
