"""Every role with every set of backends: the real collector reads it, starts it, and has nothing to say."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.wire import vendored
from tests.wire.otelcol import CONFIG, SECRETS, Collector
from tools.collector import build, generate

# What the collector of every test run does not have, and the one that has it, if there is one that builds.
HEAVY = {
    "backend-clickhouse": "vendors",
    "backend-prometheus-remote-write": "full",
    "backend-datadog-exporter": "vendors",
    "backend-kafka": "vendors",
    "backend-s3": None,
}
BACKENDS = sorted(path.stem for path in CONFIG.glob("backend-*.yaml") if path.stem not in HEAVY)
ROLES = [(path.stem,) for path in sorted(CONFIG.glob("role-*.yaml"))]
TOGETHER = [
    ("role-gateway", "role-sampling", "role-metrics"),
    ("role-laptop", "role-sampling"),
    ("role-gateway", "foreign"),
    ("role-gateway", "role-sampling", "role-metrics", "foreign"),
]


@pytest.mark.parametrize("roles", [*ROLES, *TOGETHER], ids="+".join)
@pytest.mark.parametrize("backend", BACKENDS)
def test_every_role_takes_every_backend(tmp_path: Path, roles: tuple[str, ...], backend: str) -> None:
    ran = Collector(tmp_path, *roles, backend).run("validate")
    assert ran.returncode == 0, ran.stderr


@pytest.mark.parametrize("roles", [*ROLES, *TOGETHER], ids="+".join)
def test_every_role_starts_with_all_backends_without_a_complaint(
    tmp_path: Path, roles: tuple[str, ...]
) -> None:
    with Collector(tmp_path, *roles, *BACKENDS) as collector:
        assert collector.complaints() == []


@pytest.mark.parametrize("backend", BACKENDS)
def test_every_backend_starts_alone(tmp_path: Path, backend: str) -> None:
    with Collector(tmp_path, "role-laptop", backend) as collector:
        assert collector.complaints() == []


# Datadog's exporter asks its API for the key at once: a test of its own gives it one on loopback.
@pytest.mark.parametrize("backend", ["backend-clickhouse", "backend-kafka"])
def test_a_heavy_backend_starts_alone(tmp_path: Path, backend: str) -> None:
    with vendored.collector(tmp_path, "role-laptop", backend) as collector:
        # Two of them ask what they are to write to, and here there is nothing.
        assert [line for line in collector.complaints() if "connection refused" not in line] == []


def test_remote_write_starts_alone(tmp_path: Path) -> None:
    if build.find("full") is None:
        pytest.skip("the full collector is not built: `make collector ARGS=--full`")
    with Collector(tmp_path, "role-laptop", "backend-prometheus-remote-write", kind="full") as collector:
        assert collector.complaints() == []


def required(backend: str) -> list[str]:
    """The variables that a file cannot do without."""
    text = (CONFIG / f"{backend}.yaml").read_text(encoding="utf-8")
    return [name for name in SECRETS if f"${{env:{name}}}" in text]


@pytest.mark.parametrize(
    ("backend", "variable"), [(backend, name) for backend in BACKENDS for name in required(backend)]
)
def test_a_missing_variable_is_an_error_before_start(tmp_path: Path, backend: str, variable: str) -> None:
    others = {name: value for name, value in SECRETS.items() if name != variable}
    ran = Collector(tmp_path, "role-laptop", backend).run("validate", others)
    assert ran.returncode != 0
    assert f"{variable}_is_not_set" in ran.stderr


def test_the_generated_files_are_fresh() -> None:
    assert generate.stale() == []
