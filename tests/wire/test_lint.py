"""What the collector lets pass, the lint does not; and what it lets pass is what the lint knows."""

from __future__ import annotations

import copy
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.wire.otelcol import CONFIG, SECRETS, Collector, binary
from tools.collector import lint

FILES = sorted(path for path in CONFIG.glob("*.yaml") if not path.name.startswith("builder"))
# Any name is a header.
FREE = {"headers"}


def test_our_files_are_clean() -> None:
    assert lint.main([]) == 0


def merge(into: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """As the collector does it: maps are joined, all else is replaced."""
    for key, value in other.items():
        if isinstance(value, dict) and isinstance(into.get(key), dict):
            merge(into[key], value)
        else:
            into[key] = value
    return into


def mappings(node: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of every mapping below `node`."""
    if isinstance(node, dict):
        yield path
    inside = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in inside:
        yield from mappings(value, (*path, key))


def planted(config: dict[str, Any], path: tuple[Any, ...]) -> dict[str, Any]:
    """A copy with a key at `path` that nobody knows."""
    made = copy.deepcopy(config)
    node: Any = made
    for key in path:
        node = node[key]
    node["planted_key"] = "x"
    return made


@pytest.fixture
def whole() -> dict[str, Any]:
    """A configuration with one of each component."""
    config: dict[str, Any] = {}
    for name in ("base", "processors", "role-agent", "role-laptop", "role-sampling", "backend-newrelic"):
        merge(config, lint.load(CONFIG / f"{name}.yaml"))
    return config


def test_every_unknown_key_is_refused_by_the_collector_or_by_the_lint(
    tmp_path: Path, whole: dict[str, Any]
) -> None:
    file = tmp_path / "planted.yaml"
    environment = {"PATH": os.environ["PATH"], **SECRETS, "TOKENOMICS_QUEUE_DIR": str(tmp_path / "queue")}
    ignored = []
    for path in mappings(whole):
        file.write_text(yaml.safe_dump(planted(whole, path)), encoding="utf-8")
        command = [str(binary()), "validate", "--config", str(file)]
        if subprocess.run(command, env=environment, capture_output=True, check=False).returncode == 0:
            ignored.append(path)
            if path[-1] not in FREE:
                assert [f for f in lint.findings(file) if "planted_key" in f], f"nobody refuses {path}"
    assert ignored, "the collector has become strict: the lint's tables can go"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("exporters: {otlphttp/x: {}}", "called otlp_http now"),
        ("processors: {deltatocumulative: {}}", "called delta_to_cumulative now"),
        ("exporters: {otlp_http/x: {endpint: 'http://a'}}", "endpint: the collector ignores"),
        ("exporters: {otlp_http/x: {retry_on_failure: {max_elapsed: 0s}}}", "max_elapsed: the collector"),
        ("exporters: {otlp_http/x: {headers: {dd-api-key: abc}}}", "a secret belongs in the environment"),
        ("exporters: {otlp_grpc/x: {endpoint: 'a:1'}}", "a crash loses the queue"),
        ("exporters: {otlp_grpc/x: {endpoint: 'a:1'}}", "gives up after five minutes"),
        ("receivers: {otlp: {protocols: {grpc: {endpoint: '0.0.0.0:4317'}}}}", "it needs tls and auth"),
    ],
)
def test_a_planted_fault_is_found(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "planted.yaml"
    file.write_text(text, encoding="utf-8")
    assert any(said in finding for finding in lint.findings(file))


def test_two_backends_that_overwrite_each_other_are_found(tmp_path: Path) -> None:
    for name in ("backend-a", "backend-b"):
        (tmp_path / f"{name}.yaml").write_text("exporters: {debug: {}}", encoding="utf-8")
    assert list(lint.collisions(sorted(tmp_path.glob("*.yaml"))))


def test_a_deprecated_name_shows_in_the_log_of_a_start(tmp_path: Path) -> None:
    old = tmp_path / "old.yaml"
    pipeline = "{receivers: [forward/out], exporters: [otlphttp/old]}"
    old.write_text(
        "exporters: {otlphttp/old: {endpoint: 'http://127.0.0.1:9'}}\n"
        f"service: {{pipelines: {{traces/old: {pipeline}}}}}",
        encoding="utf-8",
    )
    with Collector(tmp_path, "role-laptop", extra=[old]) as collector:
        assert any("deprecated" in line for line in collector.complaints())
