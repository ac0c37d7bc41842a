"""Writes `docs/coverage.md`: which client libraries are covered, with what, as the rows and adapters say it.

    make coverage                    the page, from the tables
    python -m tools.coverage FOLDER  the same, with recorded exchanges counted in the folder

The numbers of exchanges stay as they were where no recordings are given. A test fails when the rest is stale.
"""

from __future__ import annotations

import importlib
import re
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import groupby
from pathlib import Path
from typing import Any

from tests.support.libraries import KITS
from tests.versions import record

from otel_tokenomics.adapters.routes import Route, Routes
from otel_tokenomics.wiring.libraries import LIBRARIES, Library

PAGE = Path(__file__).resolve().parents[1] / "docs" / "coverage.md"
_SEAMS = {
    "stainless": "its base client's `request` and `_process_response`",
    "http": "what sends in httpx, httpx2, requests and aiohttp, by its `User-Agent`",
    "claude_agent": "`Query.receive_messages`: the results of its command line, once for each model",
    "marked": "what sends in requests and aiohttp, from inside its own `request_raw` and `arequest_raw`",
    "rpc": "the methods of its generated gRPC stubs",
    "gapic": "`generate_content` and `stream_generate_content` of its clients, above gRPC and REST",
    "botocore": "`BaseClient._make_api_call` and `Endpoint._needs_retry`",
    "aiobotocore": "`AioBaseClient._make_api_call` and `AioEndpoint._needs_retry`",
}
_HEAD = """# Which client libraries are covered

Made by `make coverage` from the tables of libraries and adapters; do not edit it by hand.
`tokenomics doctor` says which of them your environment has, and whether each has its seam.

*Exchanges* are recorded answers of real providers that carry usage, played through the library and compared
with a second reading of their bodies: each sync and async, and, where a library has them, raw, as a
streaming response and through its bare `post`.

"""
_COLUMNS = ("library", "switched off as", "seam", "operations", "exchanges")
_TAIL = """
Not seen by the HTTP seam, so not recorded: websockets, but for `google-genai`'s live sessions; clients given
an HTTP client of another kind; and any library whose `User-Agent` the application replaces. There each
attempt of a call that the library retries is a span of its own, and the one that answers is the record.

A prediction of replicate's is counted when it is seen at its end: one that is only streamed, or that `run`
takes while it is still being made, and that is never asked for again, is not.

Websockets, batches, videos, fine-tuning and agents' sessions of `openai` and `anthropic`, live sessions,
batches, videos, caches and interactions of `google-genai`, and agents and flows of Amazon Bedrock, are
recorded as [these](jobs.md) say.

`xai-sdk` speaks gRPC: what it does in batches, and searches of collections, are not recorded, and an attempt
that gRPC makes again by itself is not told. A deferred completion, or a video, is counted when it is first
seen to be done. Where the library's own spans are on, those are annotated.

Of `ibm-watsonx-ai` forecasts, extraction and moderation are not recorded: no answer of theirs tells tokens.

`litellm` is read by the host that it calls, and on a host that is not known by the path: its own requests to
Bedrock are not read. What it sends through another client library is recorded if that one is.
In 1.79 and 1.89 it keeps the last stream of Claude that is not awaited until its next call or the end of the
process, and the record is made then; in 1.99 and 1.110 it is made when the stream ends.

`google-cloud-aiplatform` is read where its clients generate contents, which `vertexai.generative_models` lets
them do, chats included. What goes through `predict` there, such as its embeddings and images, is not, and nor
is its batch prediction. Before 1.94 its messages over gRPC have no count of thoughts, which are billed: those
versions are not recorded. What `google-genai` sends beside it is `google-genai`'s. `make vertexai` plays it.

Without a client library: [raw HTTP](platform.md#raw-http), off unless asked for, records what httpx, httpx2,
requests and aiohttp send to known model hosts.
"""
_VERSIONS = """
## Which versions

Of each library `make versions` plays the oldest that is recorded, the newest of each major, and the newest:
every call is one record with the right counts, and the application is given what it is given bare. Of a
version older than the oldest nothing is recorded, which is logged once. *Not there* are ways to call it that
a version does not have.

"""
_PAIRS = """
## Two layers, one record

What stands above a client library, or beside us in it, sees the same calls. Each of these pairs is played
by a test, and gives one usage record for each billed response, with which our spans and metrics agree.

"""


def operations(library: Library) -> list[str]:
    """The operations that an adapter knows, as `gen_ai.operation.name` has them."""
    module = importlib.import_module(f"otel_tokenomics.adapters.{library.adapter.partition(':')[0]}")
    kind = library.adapter_class()
    if (told := getattr(kind, "operations", None)) is not None:
        return sorted(told)
    own = [value for name in ("routes",) if (value := getattr(kind, name, None))]
    if own and not hasattr(module, "_VERBS"):
        return sorted({route.operation for routes in own for route in _routes(routes)})
    everything = [*own, *vars(module).values()]
    return sorted({route.operation for value in everything for route in _routes(value)})


def _routes(value: Any) -> Iterator[Route]:
    if isinstance(value, Routes):
        yield from (route for _, route in value._routes)
    elif isinstance(value, Mapping):
        yield from (route for route in value.values() if isinstance(route, Route))


def page(counts: Mapping[str, int]) -> str:
    """The page, with the numbers of recorded exchanges of each library."""
    lines = [
        "| library | switched off as | seam | operations | exchanges |",
        "| --- | --- | --- | --- | ---: |",
    ]
    for name, row in LIBRARIES.items():
        told = ", ".join(operations(row))
        cells = [f"`{name}`", f"`{row.entry_point}`", _SEAMS[row.kind], told, str(counts.get(name, 0) or "-")]
        lines.append("| " + " | ".join(cells) + " |")
    return _HEAD + "\n".join(lines) + "\n" + _TAIL + _VERSIONS + _versions() + _PAIRS + _layers()


def _versions() -> str:
    lines = ["| library | oldest | played | ways to call it | on |", "| --- | --- | --- | ---: | --- |"]
    for library, found in groupby(record.held(), lambda result: result.library):
        results = list(found)
        told = list(dict.fromkeys(map(_version, results)))
        ways = max(result.passed + result.failed + result.absent for result in results)
        day = min(result.date for result in results)
        oldest = LIBRARIES[library].oldest
        lines.append(f"| `{library}` | {oldest} | {', '.join(told)} | {ways} | {day} |")
    return "\n".join(lines) + "\n"


def _version(result: record.Result) -> str:
    notes = [f"**{result.failed} failed**"] * bool(result.failed)
    notes += [f"{result.absent} not there"] * bool(result.absent)
    return f"{result.version} ({', '.join(notes)})" if notes else result.version


def _layers() -> str:
    table = ["| above | below | played |", "| --- | --- | --- |"]
    table += [f"| {above} | {below} | {how} |" for above, below, how in pairs()]
    return "\n".join(table) + "\n"


def pairs() -> list[tuple[str, str, str]]:
    """Layers that see the same calls, which tests play together: what is above, what is below, and how."""
    from tests.faults.rivals import PACKAGES
    from tests.faults.test_layers import ORDERS, RIVALS
    from tests.frameworks.heavier import HEAVIER
    from tests.frameworks.scenes import SCENES

    found = [
        (f"`{PACKAGES[rival].format(library=library)}`", f"`{library}`", ", ".join(ORDERS))
        for library, rivals in RIVALS.items()
        for rival in rivals
    ]
    found.append(("the client's own spans, alone and with those two", "`anthropic`", ", ".join(ORDERS)))
    found.append(("`langchain-openai`", "`openai`", "chat and responses, sync, async, streamed"))
    played: dict[tuple[str, str], list[str]] = {}
    for scene in SCENES:
        played.setdefault((scene.framework, scene.client), []).append(scene.name)
    for scene, _ in HEAVIER:
        played.setdefault((scene.framework, scene.client), []).append(f"{scene.name} (`make frameworks`)")
    found += [(f"`{above}`", f"`{below}`", ", ".join(how)) for (above, below), how in played.items()]
    return found


def counted(text: str) -> dict[str, int]:
    """The numbers that a page holds."""
    return {name: int(number) for name, number in re.findall(r"^\| `([^`]+)` .* \| (\d+) \|$", text, re.M)}


def count(folder: Path) -> dict[str, int]:
    """Usage-bearing exchanges in a folder of recordings, by the library that plays them."""
    from tests.conformance import test_bedrock
    from tests.conformance.exchanges import exchanges
    from tests.conformance.test_recordings import bears
    from tests.conformance.vendors import VENDORS

    found: Counter[str] = Counter()
    for provider, vendor in VENDORS.items():
        library = vendor.library if vendor.library in KITS else "openai"
        found[library] += sum(map(bears, exchanges(folder, provider)))
    for library in ("botocore", "aiobotocore"):
        found[library] = sum(one.counts() is not None for one in test_bedrock.exchanges(folder))
    return dict(found)


def main() -> int:
    """Write the page."""
    held = counted(PAGE.read_text("utf-8")) if PAGE.exists() else {}
    PAGE.write_text(page(count(Path(sys.argv[1])) if sys.argv[1:] else held), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
