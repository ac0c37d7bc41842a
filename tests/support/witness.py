"""The live check at work: whatever any provider of any test emits is compared with the registry.

The SDK's providers are watched from where they are made, so that no test has to take part. A test fails
for what was emitted while it ran. A process that a test starts watches itself, if it imports this or is
started by `opentelemetry-instrument`, and leaves what it found where `PLACE` says.
"""

from __future__ import annotations

import atexit
import json
import os
import pickle
import uuid
import weakref
from collections.abc import Iterable
from functools import wraps
from pathlib import Path
from typing import Any, Final

from opentelemetry.sdk._logs import LoggerProvider, LogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from tests.support.live import SCOPE, Check, Finding
from tools.semconv.registry import Registry, load

PLACE: Final = "TOKENOMICS_TEST_WITNESS"
"""A folder. A process that a test starts leaves a file there for the test to read. Its name begins otherwise
than OpenTelemetry's variables, which tests and the demo take out of the environment of what they start."""

ENTRY: Final = "tests_of_tokenomics_watch"
"""A module that `opentelemetry-instrument` loads as it looks for a distribution, before it makes providers.
It finds none there and takes the next one, so that what it starts is as it would have been."""

_LOADED: Final = """\
import sys

def watch():
    sys.path.append({root!r})
    try:
        from tests.support.witness import install_in_child
    finally:
        sys.path.remove({root!r})
    install_in_child()
"""

ROOT: Final = Path(__file__).parents[2]

_REGISTRY: Final = "registry.pickle"

PARTIAL: Final = frozenset({"missing_attribute"})
"""What a test may find that breaks the emission itself, and is marked `partial_telemetry`."""


class Witness(SpanProcessor, LogRecordProcessor):
    """Sees every span, log record and metric of this process, and has them checked."""

    records_may_wait = spans_may_wait = True
    """Its presence changes nothing of what is under test."""

    def __init__(self, registry: Registry) -> None:
        self.check = Check(registry)
        self.findings: set[Finding] = set()
        self._told: set[Finding] = set()
        self._readers: list[tuple[weakref.ref[MeterProvider], InMemoryMetricReader]] = []
        self._resource: Any = None

    def on_end(self, span: ReadableSpan) -> None:
        """A span ended."""
        self._add(lambda: self.check.span(span))
        if span.instrumentation_scope is not None and span.instrumentation_scope.name == SCOPE:
            self._told_by(span.resource)

    def on_emit(self, log_record: Any) -> None:
        """A log record was emitted."""
        scope = log_record.instrumentation_scope
        self._add(lambda: self.check.log(log_record.log_record, scope and scope.name))
        if scope is not None and scope.name == SCOPE:
            self._told_by(log_record.resource)

    def watch(self, provider: MeterProvider, reader: InMemoryMetricReader) -> None:
        """Metrics of a provider are collected when the test ends."""
        self._readers.append((weakref.ref(provider), reader))

    def collect(self) -> None:
        """Collect the metrics of every provider made since the last time."""
        readers, self._readers = self._readers, []
        for provider, reader in readers:
            if provider() is not None:
                reader.get_metrics_data()

    def metrics(self, data: Any) -> None:
        """Metrics were read, by a test or when it ended."""
        self._add(lambda: self._new(self._metrics(data)))

    def take(self) -> list[Finding]:
        """New findings since the last time."""
        self.collect()
        new = sorted(self.findings)
        self.findings.clear()
        return new

    def shutdown(self) -> None:
        """Nothing to do."""

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        """Nothing waits."""
        return True

    def _told_by(self, resource: Any) -> None:
        """Something of ours has this resource; most often it is the one of before."""
        if resource is not self._resource:
            self._resource = resource
            self._add(lambda: self.check.resource(resource.attributes))

    def _new(self, found: Iterable[Finding]) -> set[Finding]:
        """Totals live as long as the process: one that stays wrong is told once."""
        new = set(found) - self._told
        self._told |= new
        return new

    def _metrics(self, data: Any) -> Iterable[Finding]:
        for resource in data.resource_metrics if data else ():
            for scope in resource.scope_metrics:
                for metric in scope.metrics:
                    yield from self.check.metric(metric, scope.scope.name)

    def _add(self, look: Any) -> None:
        try:
            self.findings.update(look())
        except Exception as error:  # a witness must not be what a test trips over
            self.findings.add(Finding("crashed", "witness", f"{type(error).__name__}: {error}"))


class LastReader(InMemoryMetricReader):
    """Reads once more when its provider is shut down: a program's last call is told by then."""

    def shutdown(self, timeout_millis: float = 30_000, **kwargs: Any) -> None:
        """Read before the provider ends."""
        self.get_metrics_data()


_witness: list[Witness] = []


def install(registry: Registry | None = None) -> Witness:
    """Watch every provider that this process makes from now on. Once."""
    if _witness:
        return _witness[0]
    witness = Witness(registry or load())
    _witness.append(witness)
    _after_init(TracerProvider, lambda provider: provider.add_span_processor(witness))
    _after_init(LoggerProvider, lambda provider: provider.add_log_record_processor(witness))
    _watch_meters(witness)
    return witness


def _after_init(kind: Any, act: Any) -> None:
    original = kind.__init__

    @wraps(original)
    def init(self: Any, *arguments: Any, **named: Any) -> None:
        original(self, *arguments, **named)
        act(self)

    kind.__init__ = init


def _watch_meters(witness: Witness) -> None:
    original: Any = MeterProvider.__init__

    @wraps(original)
    def init(self: Any, metric_readers: Any = (), *arguments: Any, **named: Any) -> None:
        reader = LastReader()
        original(self, [*metric_readers, reader], *arguments, **named)
        witness.watch(self, reader)

    MeterProvider.__init__ = init  # type: ignore[method-assign]
    read: Any = InMemoryMetricReader.get_metrics_data

    @wraps(read)
    def get(self: Any) -> Any:
        data = read(self)
        witness.metrics(data)
        return data

    InMemoryMetricReader.get_metrics_data = get  # type: ignore[method-assign]


def report(witness: Witness) -> dict[str, list[Any]]:
    """What a process found and saw, in JSON's types."""
    found = [[one.kind, one.where, one.what] for one in witness.take()]
    return {"findings": found, "seen": sorted(witness.check.seen)}


def left(place: Path) -> list[dict[str, list[Any]]]:
    """What processes that a test started have left and nobody has taken in."""
    return [json.loads(path.read_text(encoding="utf-8")) for path in place.glob("*.json")]


def read_children(witness: Witness, place: Path) -> None:
    """Take in what processes that a test started have left."""
    for path in place.glob("*.json"):
        told = json.loads(path.read_text(encoding="utf-8"))
        witness.findings.update(Finding(*one) for one in told["findings"])
        witness.check.seen.update(told["seen"])
        path.unlink()


def prepare(place: Path) -> None:
    """Have processes that a test starts watch themselves.

    The registry is put where they find it at once, since reading it takes half a second; and what
    `opentelemetry-instrument` looks up is where it finds it.
    """
    (place / _REGISTRY).write_bytes(pickle.dumps(install().check.registry))
    (place / f"{ENTRY}.py").write_text(_LOADED.format(root=str(ROOT)), encoding="utf-8")
    info = place / f"{ENTRY}-0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {ENTRY}\nVersion: 0\n", encoding="utf-8")
    (info / "entry_points.txt").write_text(f"[opentelemetry_distro]\n{ENTRY} = {ENTRY}:watch\n", "utf-8")
    os.environ[PLACE] = str(place)
    os.environ["PYTHONPATH"] = os.pathsep.join([str(place), *filter(None, [os.environ.get("PYTHONPATH")])])


def install_in_child() -> None:
    """In a process that a test started: watch, and leave what was found when it ends."""
    place = Path(os.environ.get(PLACE, ""))
    if not _witness and (place / _REGISTRY).is_file():
        registry = pickle.loads((place / _REGISTRY).read_bytes())
        atexit.register(_leave, install(registry), place)


def _leave(witness: Witness, place: Path) -> None:
    """A process forked from this one does so, too, and tells anew what had been found before."""
    if not place.is_dir():
        return
    path = place / f"{uuid.uuid4().hex}.part"
    path.write_text(json.dumps(report(witness)), encoding="utf-8")
    path.rename(path.with_suffix(".json"))
