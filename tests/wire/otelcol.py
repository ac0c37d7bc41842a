"""The real collector as a child process, on free ports of loopback and a queue of its own."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path

from tests._required import missing
from tools.collector import build

CONFIG = build.ROOT / "collector-config"
READY = "Everything is ready"
# Values for every variable without a default: shaped as the vendors' own, valid nowhere.
SECRETS = {
    "DD_API_KEY": "0123456789abcdef0123456789abcdef",
    "NEW_RELIC_LICENSE_KEY": "licence-0000",
    "GRAFANA_CLOUD_OTLP_ENDPOINT": "http://127.0.0.1:9/otlp",
    "GRAFANA_CLOUD_BASIC_AUTH": "MTIzOnRva2Vu",
    "HONEYCOMB_API_KEY": "honeycomb-0000",
    "DYNATRACE_OTLP_ENDPOINT": "http://127.0.0.1:9/api/v2/otlp",
    "DYNATRACE_API_TOKEN": "dt0c01.0000",
    "SPLUNK_REALM": "us1",
    "SPLUNK_ACCESS_TOKEN": "splunk-0000",
    "ELASTIC_OTLP_ENDPOINT": "http://127.0.0.1:9",
    "ELASTIC_API_KEY": "elastic-0000",
    "LANGFUSE_BASIC_AUTH": "cGs6c2s=",
    "TOKENOMICS_OTLP_ENDPOINT": "http://127.0.0.1:9",
    "CLICKHOUSE_ENDPOINT": "tcp://127.0.0.1:9",
    "KAFKA_BROKERS": "127.0.0.1:9",
    "TOKENOMICS_S3_BUCKET": "records",
}


@cache
def binary(kind: str = "lite") -> Path:
    """The collector, from `OTEL_TOKENOMICS_OTELCOL` or `make collector`; else skip, or fail in CI."""
    given = os.environ.get("OTEL_TOKENOMICS_OTELCOL")
    found = Path(given) if given and kind == "lite" else build.find(kind)
    return found or missing("there is no collector", "run `make collector`, which needs Go 1.26")


def free_port() -> int:
    """A port nobody listens on now, and which the system gives to no connection until somebody does."""
    for port in random.sample(range(12_000, 32_000), 100):
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise OSError("a hundred ports are taken")


def merged(*names: str) -> list[str]:
    """The arguments that merge these files after the two that are always first."""
    files = [CONFIG / f"{name}.yaml" for name in ("base", "processors", *names)]
    return [argument for file in files for argument in ("--config", str(file))]


class Collector:
    """One collector. Its ports stay the same when it is started again."""

    def __init__(
        self,
        folder: Path,
        *names: str,
        extra: Sequence[Path] = (),
        settings: Mapping[str, str] | None = None,
        kind: str = "lite",
    ) -> None:
        self.binary = str(binary(kind))
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.arguments = [*merged(*names), *(part for file in extra for part in ("--config", str(file)))]
        self.grpc, self.http, health, own = (free_port() for _ in range(4))
        self.environment = {
            "TOKENOMICS_GRPC": f"127.0.0.1:{self.grpc}",
            "TOKENOMICS_HTTP": f"127.0.0.1:{self.http}",
            "TOKENOMICS_HEALTH": f"127.0.0.1:{health}",
            "TOKENOMICS_SELF_PORT": str(own),
            "TOKENOMICS_QUEUE_DIR": str(folder / "queue"),
            "TOKENOMICS_HOP_INSECURE": "true",
            "TOKENOMICS_INTERVAL": "500ms",
            "TOKENOMICS_DECISION_WAIT": "500ms",
            **(settings or {}),
        }
        self.log: list[str] = []
        self._ready = threading.Event()
        self._process: subprocess.Popen[str] | None = None

    def run(self, command: str, secrets: Mapping[str, str] = SECRETS) -> subprocess.CompletedProcess[str]:
        """Run a subcommand, such as `validate`, on the merged files."""
        return subprocess.run(
            [self.binary, command, *self.arguments],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
            env={"PATH": os.environ["PATH"], **secrets, **self.environment},
        )

    def start(self) -> Collector:
        """Start it and wait until it is ready."""
        self._ready.clear()
        self._process = subprocess.Popen(
            [self.binary, *self.arguments],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            env={"PATH": os.environ["PATH"], **SECRETS, **self.environment},
        )
        threading.Thread(target=self._read, args=(self._process,), daemon=True).start()
        assert self._ready.wait(60) and self.alive, "it did not start:\n" + "\n".join(self.log[-30:])
        return self

    @property
    def pid(self) -> int:
        """The process's id."""
        assert self._process is not None
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self._process is not None and self._process.poll() is None

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """End it: `SIGTERM` lets it finish what it has, `SIGKILL` does not."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(how)
            self._process.wait(60)

    def complaints(self) -> list[str]:
        """What it logged above the level of information."""
        return [line for line in self.log if "\twarn\t" in line or "\terror\t" in line]

    def _read(self, process: subprocess.Popen[str]) -> None:
        assert process.stderr is not None
        for line in process.stderr:
            self.log.append(line.rstrip())
            if READY in line:
                self._ready.set()
        self._ready.set()

    def __enter__(self) -> Collector:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()
