"""A process that writes to a ledger, for the tests: `_writer.py LEDGER MODE WRITER RECORDS`.

`export` goes through the real SDK; `commit` commits single rows and prints each one's number, to be
killed in the middle.
"""

from __future__ import annotations

import sys
from pathlib import Path

from tests.ledger._support import pipeline, priced, record, row

from otel_tokenomics.ledger.exporter import LedgerExporter
from otel_tokenomics.ledger.store import Ledger
from otel_tokenomics.telemetry.events import UsageEvents


def export(path: Path, writer: str, records: int) -> None:
    """Emit records as an application does, in a tight loop, and end."""
    provider = pipeline(LedgerExporter(path))
    events = UsageEvents(provider)
    for number in range(records):
        events.emit(record(key=f"{writer}-{number}", cost=priced(10**15 + number)))
    provider.shutdown()


def commit(path: Path, writer: str, records: int) -> None:
    """Commit rows one by one and say so after each."""
    ledger = Ledger(path)
    for number in range(records):
        ledger.write([row(record(key=f"{writer}-{number}"))])
        print(number, flush=True)


if __name__ == "__main__":
    {"export": export, "commit": commit}[sys.argv[2]](Path(sys.argv[1]), sys.argv[3], int(sys.argv[4]))
