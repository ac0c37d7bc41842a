"""Calls with a canary wherever text passes, and everything exported of them, written to a folder.

python -m tests.faults.canaries FOLDER
"""

from __future__ import annotations

import asyncio
import json
import sys
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

from google.protobuf.json_format import MessageToJson  # type: ignore[import-untyped]
from opentelemetry.exporter.otlp.proto.common._log_encoder import encode_logs
from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk._logs.export import SimpleLogRecordProcessor
from tests.faults.cases import CASES, Case, call
from tests.support.replies import dumps
from tests.support.telemetry import Telemetry, instrumented
from tests.support.wire import Reply

from otel_tokenomics.adapters.stainless import StainlessMeter
from otel_tokenomics.ledger.exporter import LedgerExporter

CANARY = "canary-7f3a9c"


def arguments(case: Case) -> dict[str, Any]:
    """The canary in the prompt, headers, query and body."""
    stop = "stop" if case.library == "openai" else "stop_sequences"
    return {
        "messages": [{"role": "user", "content": f"say {CANARY}"}],
        "extra_headers": {"x-canary": CANARY},
        "extra_query": {"canary": CANARY},
        "extra_body": {"canary": CANARY, "user_text": CANARY},
        stop: [CANARY],
    }


def told(case: Case, usage: Any = ...) -> Reply:
    """The canary in the answer and its headers."""
    reply = case.reply(usage)
    if isinstance(reply.body, bytes):
        reply.body = _marked(reply.body)
    else:
        reply.body = [_marked(part) for part in reply.body if isinstance(part, bytes)]
    reply.headers = {**reply.headers, "x-canary": CANARY, "set-cookie": CANARY}
    return reply


def _marked(body: bytes) -> bytes:
    mark = CANARY.encode()
    return body.replace(b"spring", mark).replace(b'"stop_sequence":null', b'"stop_sequence":"%s"' % mark)


def fail(*args: Any) -> Any:
    """A fault of ours with the canary in its message."""
    raise ValueError(CANARY)


async def one(case: Case, script: Reply) -> None:
    """One call, with the canary in the key and in every part of the address."""
    base = f"https://user-{CANARY}:pass-{CANARY}@proxy.example/v1/{CANARY}"
    client = case.client(case.wire(script), api_key=f"sk-{CANARY}", base_url=base)
    await call(case, client, **arguments(case))


async def everything() -> None:
    """Every case, with every ending."""
    for case in (case for case in CASES if case.has("extras")):
        error = {"message": CANARY, "type": CANARY, "code": CANARY}
        await one(case, told(case))
        await one(case, told(case, None))
        await one(case, Reply(dumps({"error": error}), 400))
        await one(case, Reply(error=partial(case.error, "ReadTimeout", CANARY)))
        if case.stream:
            await one(case, case.broken(3, case.error("ReadError", CANARY)))
        with patch.object(StainlessMeter, "respond", fail):
            await one(case, told(case))


def main(folder: Path) -> None:
    """Make the calls, and write what was exported as OTLP in both encodings, and as the ledger."""
    telemetry = Telemetry()
    ledger = LedgerExporter(folder / "ledger.db")
    telemetry.logger_provider.add_log_record_processor(SimpleLogRecordProcessor(ledger))
    with instrumented(telemetry=telemetry):
        asyncio.run(everything())
        records = telemetry.records()
        metrics = telemetry.reader.get_metrics_data()
    assert metrics is not None
    messages: dict[str, Any] = {
        "logs": encode_logs(telemetry.log_exporter.get_finished_logs()),
        "spans": encode_spans(telemetry.spans()),
        "metrics": encode_metrics(metrics),
    }
    for name, message in messages.items():
        (folder / f"{name}.pb").write_bytes(message.SerializeToString())
        (folder / f"{name}.json").write_text(MessageToJson(message))
    (folder / "records.json").write_text(json.dumps(records))
    print(len(records), len(telemetry.spans()))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
