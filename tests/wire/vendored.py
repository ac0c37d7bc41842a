"""The collector with the parts of Datadog, ClickHouse and Kafka, older than the files are written for."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from tests.wire.otelcol import CONFIG, Collector
from tools.collector import build

# The newest version that has them all is older, and so are two names.
OLDER = {"cumulative_to_delta": "cumulativetodelta", "delta_to_cumulative": "deltatocumulative"}


def collector(folder: Path, *names: str, settings: Mapping[str, str] | None = None) -> Collector:
    """That collector with these files; a user who has not built it skips the test."""
    require()
    made = Collector(folder / "queue", settings=settings, kind="vendors")
    files = [_older(folder, name) for name in ("base", "processors", *names)]
    made.arguments = [part for file in files for part in ("--config", str(file))]
    return made


def require() -> None:
    """Skip the running test where that collector has not been built: it takes long."""
    if build.find("vendors") is None:
        pytest.skip("the vendors' collector is not built: `make collector ARGS=--vendors`")


def _older(folder: Path, name: str) -> Path:
    """A copy of one of our files with the older names."""
    text = (CONFIG / f"{name}.yaml").read_text(encoding="utf-8")
    for new, old in OLDER.items():
        text = text.replace(new, old)
    copy = folder / f"{name}.yaml"
    copy.write_text(text, encoding="utf-8")
    return copy
