"""A real Kafka broker on loopback: its jars by Maven, once, into the user's cache."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

from tests._required import require_tool
from tests.wire.otelcol import free_port

VERSION = "4.1.0"
CLUSTER = "MkU3OEVBNTcwNTJENDM2Qg"
BETWEEN = b"<<end of record>>"
"""No OTLP message has these bytes in it."""
PARTS = "".join(
    f"<dependency><groupId>org.apache.kafka</groupId><artifactId>{part}</artifactId>"
    f"<version>{VERSION}</version></dependency>"
    for part in ("kafka_2.13", "kafka-tools")
)
POM = (
    '<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>'
    "<groupId>tests</groupId><artifactId>broker</artifactId><version>1</version>"
    f"<dependencies>{PARTS}</dependencies></project>"
)


def jars() -> Path:
    """The folder of the broker's jars, fetched now if this user has none."""
    require_tool("java", "the broker needs Java 17")
    maven = require_tool("mvn", "it fetches the broker")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    place = cache / "otel-tokenomics" / "kafka" / VERSION
    if not (place / "whole").exists():
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(parents=True)
        (place / "pom.xml").write_text(POM, encoding="utf-8")
        command = [maven, "-q", "-B", "dependency:copy-dependencies", "-DoutputDirectory=lib"]
        subprocess.run(command, cwd=place, check=True, timeout=300)
        (place / "whole").touch()
    return place / "lib"


class Broker:
    """One broker that is its own controller. It has the same port and the same topics when started again."""

    def __init__(self, folder: Path) -> None:
        self._classes = f"{jars()}/*"
        self.port, control = free_port(), free_port()
        self._settings = folder / "server.properties"
        self._process: subprocess.Popen[bytes] | None = None
        known = {
            "process.roles": "broker,controller",
            "node.id": "1",
            "controller.quorum.voters": f"1@127.0.0.1:{control}",
            "listeners": f"PLAINTEXT://127.0.0.1:{self.port},CONTROLLER://127.0.0.1:{control}",
            "advertised.listeners": self.address,
            "controller.listener.names": "CONTROLLER",
            "log.dirs": str(folder / "data"),
            "offsets.topic.replication.factor": "1",
        }
        self._settings.write_text("".join(f"{key}={value}\n" for key, value in known.items()), "utf-8")
        self._run("kafka.tools.StorageTool", "format", "-t", CLUSTER, "-c", str(self._settings))

    @property
    def address(self) -> str:
        """Its listener, as Kafka writes it."""
        return f"PLAINTEXT://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it and wait until it listens."""
        self._process = subprocess.Popen(
            ["java", "-Xmx256m", "-cp", self._classes, "kafka.Kafka", str(self._settings)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        until = time.monotonic() + 60
        while time.monotonic() < until and self._process.poll() is None:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.05)
        raise AssertionError("the broker did not start")

    def kill(self) -> None:
        """End it at once, as a crash does."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(30)

    def messages(self, topic: str, quiet_ms: int = 5000) -> list[bytes]:
        """Every message of a topic, as Kafka's own consumer prints them until nothing comes any more."""
        printed = self._run(
            "org.apache.kafka.tools.consumer.ConsoleConsumer",
            *("--bootstrap-server", f"127.0.0.1:{self.port}", "--topic", topic, "--from-beginning"),
            *("--timeout-ms", str(quiet_ms), "--property", f"line.separator={BETWEEN.decode()}"),
        )
        return printed.split(BETWEEN)[:-1]

    def _run(self, program: str, *arguments: str) -> bytes:
        command = ["java", "-cp", self._classes, program, *arguments]
        return subprocess.run(command, capture_output=True, check=True, timeout=120).stdout

    def __enter__(self) -> Broker:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
