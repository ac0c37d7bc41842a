"""Deployment files: the collector accepts what each would give it, in the environment that it sets."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.wire.otelcol import CONFIG, binary
from tools.collector import build

DEPLOY = build.ROOT / "deploy"
MOUNTED = "/etc/tokenomics/"


def read(name: str) -> Any:
    """A file's content."""
    return yaml.safe_load((DEPLOY / name).read_text("utf-8"))


def compose() -> tuple[list[str], dict[str, str]]:
    """The arguments and the environment of the service in the compose file."""
    service = read("compose.yaml")["services"]["collector"]
    arguments = [re.sub(r"\$\{\w+:-(\w+)\}", r"\1", text) for text in service["command"]]
    return arguments, {key: str(value) for key, value in service["environment"].items()}


def chart(name: str) -> tuple[list[str], dict[str, str]]:
    """The arguments and the environment that the chart's values give; a secret is any word."""
    values = read(f"helm/{name}.yaml")
    told = {item["name"]: str(item.get("value", "word")) for item in values["extraEnvs"]}
    told = {key: value.replace("$(MY_POD_IP)", "127.0.0.1") for key, value in told.items()}
    return values["command"]["extraArgs"], told


def given_by(case: str) -> tuple[list[str], dict[str, str]]:
    """What the compose file gives, or the values of the agent or the gateway."""
    return compose() if case == "compose" else chart(case)


@pytest.mark.parametrize("case", ["compose", "agent", "gateway"])
def test_the_collector_accepts_what_it_would_be_given(tmp_path: Path, case: str) -> None:
    arguments, environment = given_by(case)
    files = [argument.removeprefix("--config=") for argument in arguments]
    assert [file for file in files if not file.startswith(MOUNTED)] == []
    given = [f"--config={CONFIG / file.removeprefix(MOUNTED)}" for file in files]
    environment["TOKENOMICS_QUEUE_DIR"] = str(tmp_path)
    ran = subprocess.run(
        [str(binary()), "validate", *given],
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr


def test_images_are_of_the_version_that_the_tests_run() -> None:
    version = build.version(build.manifest("lite"))
    images = [read(f"helm/{name}.yaml")["image"]["tag"] for name in ("agent", "gateway")]
    images.append(read("compose.yaml")["services"]["collector"]["image"].rpartition(":")[2])
    assert set(images) == {version}


def test_every_secret_and_volume_that_is_mounted_is_declared() -> None:
    for name in ("agent", "gateway"):
        values = read(f"helm/{name}.yaml")
        claims = values.get("statefulset", {}).get("volumeClaimTemplates", ())
        volumes = {item["name"] for item in values["extraVolumes"]}
        volumes |= {claim["metadata"]["name"] for claim in claims}
        assert {item["name"] for item in values["extraVolumeMounts"]} == volumes


def test_the_instrumentation_sends_usage_records() -> None:
    instrumentation = read("operator/instrumentation.yaml")
    told = {item["name"]: item.get("value") for item in instrumentation["spec"]["python"]["env"]}
    assert instrumentation["kind"] == "Instrumentation"
    assert told["OTEL_LOGS_EXPORTER"] == "otlp"
    assert "OTEL_NODE_IP" in instrumentation["spec"]["exporter"]["endpoint"]
    recipe = (DEPLOY / "operator" / "Dockerfile").read_text("utf-8")
    assert "FROM busybox" in recipe, "the operator copies with cp"
    assert "/autoinstrumentation" in recipe
