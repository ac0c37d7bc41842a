"""Runs where chdb is: makes the schema, inserts as the exporter does, asks the queries. No pytest here.

clickhouse.py FOLDER    with rows.jsonl in it; prints JSON
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

SQL = Path(__file__).resolve().parents[2] / "collector-config" / "clickhouse"


def statements(name: str) -> list[str]:
    """The statements of a file."""
    text = "\n".join(
        line for line in (SQL / name).read_text("utf-8").splitlines() if not line.strip().startswith("--")
    )
    return [statement.strip() for statement in text.split(";") if statement.strip()]


def refresh() -> str:
    """What the refreshable view inserts, as one statement."""
    view = next(text for text in statements("schema.sql") if "rollup_hour_refresh" in text)
    return "INSERT INTO tokenomics.rollup_hour " + re.sub(r"(?s)^.*?\bAS\n", "", view, count=1)


def main(folder: Path) -> dict[str, Any]:
    """Create, insert everything twice, reckon twice, and ask."""
    from chdb import session  # type: ignore[import-not-found, unused-ignore]

    database = session.Session(str(folder / "chdb"))

    def rows(sql: str) -> list[dict[str, Any]]:
        text = str(database.query(sql, "JSONEachRow"))
        return [json.loads(line) for line in text.splitlines() if line]

    for statement in statements("schema.sql"):
        database.query(statement)
    load = f"INSERT INTO tokenomics.otel_logs SELECT * FROM file('{folder / 'rows.jsonl'}', 'JSONEachRow')"
    for _ in range(2):
        database.query(load)
    inserted = rows("SELECT count() AS n FROM tokenomics.records")[0]["n"]
    for _ in range(2):
        database.query(refresh())
    sums = "toString(sum(cost)) AS cost, sum(input_tokens) AS input, sum(cache_read_tokens) AS cached"
    return {
        "inserted": int(inserted),
        "records": rows(f"SELECT count() AS n, {sums} FROM tokenomics.records FINAL")[0],
        "rollup": rows(f"SELECT sum(calls) AS n, {sums} FROM tokenomics.rollup_hour FINAL")[0],
        "one": rows("SELECT * FROM tokenomics.records FINAL ORDER BY record_key LIMIT 1")[0],
        "queries": [rows(query) for query in statements("queries.sql")],
    }


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]))))
