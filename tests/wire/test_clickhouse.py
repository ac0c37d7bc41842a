"""The ledger's tables on a real ClickHouse engine: real records, inserted twice, are counted once."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from tests._required import missing
from tests.wire import fleet, load
from tests.wire.otelcol import Collector
from tests.wire.sink import Sink, mapping, value

PIN = "chdb==4.4.0"
CALLS = 60


def environment() -> Path:
    """A Python with chdb, made once in the user's cache: it is too large for the project's own."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    name = hashlib.sha256(f"{PIN} {sys.version}".encode()).hexdigest()[:16]
    place = cache / "otel-tokenomics" / "chdb" / name
    python = place / "bin" / "python"
    if not (place / "whole").exists():
        shutil.rmtree(place, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", str(place)], check=True)
        pip = [str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check", PIN]
        ran = subprocess.run(pip, capture_output=True, text=True, check=False)
        if ran.returncode:
            missing(f"{PIN} cannot be installed", ran.stderr[-300:])
        (place / "whole").touch()
    return python


def row(log: Any, resource: dict[str, Any]) -> dict[str, Any]:
    """A log record as the collector's exporter inserts it: attributes as texts, the body as JSON."""
    when = datetime.fromtimestamp(log.time_unix_nano // 10**9, UTC).strftime("%Y-%m-%d %H:%M:%S")
    return {
        "Timestamp": f"{when}.{log.time_unix_nano % 10**9:09}",
        "TraceId": log.trace_id.hex(),
        "SpanId": log.span_id.hex(),
        "ServiceName": resource["service.name"],
        "Body": json.dumps(value(log.body)),
        "ResourceAttributes": {key: str(told) for key, told in resource.items()},
        "LogAttributes": {key: str(told) for key, told in mapping(log.attributes).items()},
        "EventName": log.event_name,
    }


def rows(sink: Sink) -> list[dict[str, Any]]:
    """Every record at the sink."""
    return [
        row(log, mapping(told.resource.attributes))
        for message in sink.taken("logs")
        for told in message.resource_logs
        for scope in told.scope_logs
        for log in scope.log_records
    ]


@pytest.mark.timeout(600)  # the engine is installed the first time
def test_the_ledger_counts_once_what_was_inserted_twice(tmp_path: Path) -> None:
    python = environment()
    with Sink() as sink:
        settings = {"TOKENOMICS_OTLP_ENDPOINT": sink.url}
        with Collector(tmp_path / "queue", "role-laptop", "backend-otlp", settings=settings) as collector:
            fleet.finish(fleet.start("ch", CALLS, f"http://127.0.0.1:{collector.grpc}"))
            assert sink.wait(lambda: len(sink.records()) == CALLS)
        lines = [json.dumps(row) for row in rows(sink)]
    (tmp_path / "rows.jsonl").write_text("\n".join(lines), encoding="utf-8")
    script = Path(__file__).with_name("clickhouse.py")
    ran = subprocess.run(
        [str(python), str(script), str(tmp_path)], capture_output=True, text=True, check=False, timeout=110
    )
    assert ran.returncode == 0, ran.stderr[-3000:]
    told = json.loads(ran.stdout.splitlines()[-1])
    expected = {
        "n": CALLS,
        "cost": Decimal(fleet.bill(CALLS, 1)) / 10**12,
        "input": sum(load.tokens(i)[0] for i in range(CALLS)),
        "cached": sum(load.tokens(i)[1] for i in range(CALLS)),
    }
    for table in ("records", "rollup"):
        found = {key: Decimal(told[table][key]) for key in expected}
        assert found == expected, table
    assert told["one"]["team"] == "search"
    assert told["one"]["price_id"] == "openai/gpt-4o"
    assert told["one"]["cost_status"] == "complete"
    assert len(told["queries"]) == 6
    assert [bool(answer) for answer in told["queries"]] == [True] * 5 + [False], "no call failed"
