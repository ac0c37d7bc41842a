"""Build the collector of a manifest once, into the user's cache, and print where it is.

    python -m tools.collector.build [--full | --vendors] [--find] [--if-possible]

The OpenTelemetry Collector Builder comes as a Go module; nothing is fetched but modules. The folder's
name is a hash of the manifest, the builder's version and Go's own, so a changed manifest is another
collector and every clone shares one. Several builders at once: the first builds, the others wait for it.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

import yaml

ROOT = Path(__file__).resolve().parents[2]
MANIFESTS = {"lite": "builder.yaml", "full": "builder-full.yaml", "vendors": "builder-vendors.yaml"}
BUILDER = "go.opentelemetry.io/collector/cmd/builder"
# What the builder's own module asks for; an older Go would try to download a newer one.
OLDEST_GO = (1, 26)


class CannotBuild(Exception):
    """Why there is no collector, for the person who asked for one."""


def manifest(kind: str) -> Path:
    """The builder's manifest of `kind`: `lite` for every test run, the others with heavy parts."""
    return ROOT / "collector-config" / MANIFESTS[kind]


def version(path: Path) -> str:
    """The collector's version in a manifest; the builder has the same."""
    return str(yaml.safe_load(path.read_text(encoding="utf-8"))["dist"]["version"])


def folder(kind: str) -> Path:
    """Where the collector of `kind` belongs: below `$XDG_CACHE_HOME`, else `~/.cache`."""
    path = manifest(kind)
    what = (version(path), platform.system(), platform.machine(), path.read_text(encoding="utf-8"))
    name = hashlib.sha256("\n".join(what).encode()).hexdigest()[:16]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "otel-tokenomics" / "collector" / name


def find(kind: str) -> Path | None:
    """The collector of `kind` if it has been built, else None."""
    binary = folder(kind) / "otelcol"
    return binary if binary.is_file() else None


def build(kind: str, say: TextIO = sys.stderr) -> Path:
    """The collector of `kind`, built now unless it has been.

    Raises:
        CannotBuild: Go is missing or too old, or the build failed; the message says what to do.
    """
    check_go()
    target = folder(kind)
    target.parent.mkdir(parents=True, exist_ok=True)
    with alone(target.with_suffix(".lock"), say):
        found = find(kind)
        if found is None:
            build_into(target, kind, say)
    return target / "otelcol"


def check_go() -> None:
    """Raise `CannotBuild` unless a Go that is new enough is on PATH."""
    go = shutil.which("go")
    if go is None:
        raise CannotBuild("Go is not on PATH: install Go 1.26 or newer, or set OTEL_TOKENOMICS_OTELCOL")
    said = subprocess.run(
        [go, "env", "GOVERSION"], capture_output=True, text=True, check=False
    ).stdout.strip()
    digits = said.removeprefix("go").split("-")[0].split(".")[:2]
    if tuple(int(part) for part in digits if part.isdigit()) < OLDEST_GO:
        raise CannotBuild(f"{go} is {said}: the collector needs Go 1.26 or newer")


@contextlib.contextmanager
def alone(lock: Path, say: TextIO) -> Iterator[None]:
    """Hold `lock`, after saying so when somebody else has it."""
    with lock.open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            tell(say, f"another build holds {lock}; waiting for it")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def build_into(target: Path, kind: str, say: TextIO) -> None:
    """Run the builder beside `target` and move the whole folder there when it is done."""
    prefix = f"building-{target.name}-"
    for left in target.parent.glob(f"{prefix}*"):  # by a build that was killed: nobody else has the lock
        shutil.rmtree(left, ignore_errors=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=prefix) as work:
        made = Path(work) / "made"
        made.mkdir()
        text = yaml.safe_load(manifest(kind).read_text(encoding="utf-8"))
        text["dist"]["output_path"] = str(made)
        (Path(work) / "builder.yaml").write_text(yaml.safe_dump(text), encoding="utf-8")
        began = time.monotonic()
        print(
            f"collector: building the {kind} one {version(manifest(kind))}: minutes, once",
            file=say,
            flush=True,
        )
        run_builder(Path(work), kind, say)
        print(
            f"collector: built in {time.monotonic() - began:.0f} s: {target / 'otelcol'}",
            file=say,
            flush=True,
        )
        keep(made, target)


def tell(say: TextIO, what: str) -> None:
    """One line of progress."""
    print(f"collector: {what}", file=say, flush=True)


def run_builder(work: Path, kind: str, say: TextIO) -> None:
    """`go run` the builder on the manifest in `work`, its progress passed on."""
    program = f"{BUILDER}@v{version(manifest(kind))}"
    command = ["go", "run", program, "--config", str(work / "builder.yaml"), "--ldflags=-s -w"]
    log, began = work / "log", time.monotonic()
    with log.open("w+", encoding="utf-8") as out:
        process = subprocess.Popen(command, cwd=work, stdout=out, stderr=subprocess.STDOUT, env=environment())
        while process.poll() is None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout=30)
            tell(say, f"{time.monotonic() - began:.0f} s, {last_line(log)}")
    if process.returncode:
        tail = "\n".join(log.read_text(encoding="utf-8").splitlines()[-25:])
        raise CannotBuild(f"the builder failed with {process.returncode}:\n{tail}")


def environment() -> dict[str, str]:
    """The environment of the build: one that leaves room beside it on a small machine."""
    flags = f"{os.environ.get('GOFLAGS', '')} -p={min(os.cpu_count() or 1, 4)}".strip()
    return {**os.environ, "GOFLAGS": flags, "CGO_ENABLED": "0"}


def last_line(log: Path) -> str:
    """The newest line of the builder's own log."""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    return lines[-1] if lines else "starting"


def keep(made: Path, target: Path) -> None:
    """Put the binary in place in one step; what a killed build left there goes first."""
    for file in made.iterdir():
        if file.name != "otelcol":
            file.unlink() if file.is_file() else shutil.rmtree(file)
    shutil.rmtree(target, ignore_errors=True)
    made.rename(target)


def main(arguments: list[str] | None = None) -> int:
    """Print the path of the collector; 1 with the reason when there is none."""
    parser = argparse.ArgumentParser(prog="tools.collector.build", description=__doc__.splitlines()[0])
    parser.add_argument("--full", action="store_true", help="with the heavy vendors' parts")
    parser.add_argument("--vendors", action="store_true", help="with Datadog, ClickHouse and Kafka")
    parser.add_argument(
        "--if-possible", action="store_true", help="where it cannot be built say so, and succeed"
    )
    parser.add_argument("--find", action="store_true", help="only say where it is, do not build")
    said = parser.parse_args(arguments)
    kind = "full" if said.full else "vendors" if said.vendors else "lite"
    try:
        path = find(kind) if said.find else build(kind)
    except CannotBuild as why:
        print(f"collector: {why}", file=sys.stderr)
        if said.if_possible:
            print("collector: the wire tests are skipped, and fail in CI", file=sys.stderr)
        return 0 if said.if_possible else 1
    if path is None:
        print("collector: not built yet; run `make collector`", file=sys.stderr)
        return 1
    print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
