"""Rows 49 to 52: what is patched, when, and how it comes off again, also with others above and below."""

from __future__ import annotations

import functools
import importlib
import logging
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from tests.faults.cases import BUCKETS, CASES, Case, call, differential, standing
from tests.support.either import value
from tests.support.telemetry import INSTRUMENTORS, Telemetry, buckets_of, instrumented

LIBRARIES = ("openai", "anthropic")
POINTS = ("request", "_process_response", "_sleep_for_retry", "_retry_request")
library = pytest.mark.parametrize("library", LIBRARIES)


def originals(library: str) -> dict[tuple[str, str], Any]:
    """What stands at the points of a library now."""
    base = importlib.import_module(f"{library}._base_client")
    return {
        (kind, name): vars(getattr(base, kind))[name]
        for kind in ("SyncAPIClient", "AsyncAPIClient")
        for name in POINTS
        if name in vars(getattr(base, kind))
    }


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    """Whatever a test here does, the libraries are as they were."""
    before = {library: originals(library) for library in LIBRARIES}
    yield
    assert {library: originals(library) for library in LIBRARIES} == before


@library
def test_52_uninstrument_restores_identity(library: str) -> None:
    before = originals(library)
    for _ in range(3):
        with instrumented(library):
            during = originals(library)
            assert all(during[point] is not before[point] for point in before)
            assert {point: wrapped.__name__ for point, wrapped in during.items()} == {
                point: original.__name__ for point, original in before.items()
            }
        assert all(originals(library)[point] is original for point, original in before.items())


@library
def test_52_instrumenting_one_leaves_the_other_alone(library: str) -> None:
    other = next(name for name in LIBRARIES if name != library)
    before = originals(other)
    with instrumented(library):
        assert originals(other) == before


@standing
async def test_52_instrument_twice_is_one_record(case: Case) -> None:
    with instrumented() as telemetry:
        INSTRUMENTORS[case.kit.distribution]().instrument(**telemetry.providers)
        await call(case, case.client(case.wire(case.reply())))
    assert buckets_of(telemetry.record()) == BUCKETS[case.library]


@standing
async def test_52_a_client_made_before_is_recorded_and_one_made_under_us_goes_quiet(case: Case) -> None:
    wire = case.wire(case.reply())
    early = case.client(wire)
    with instrumented() as telemetry:
        late = case.client(wire)
        await call(case, early)
        await call(case, late)
    assert len(telemetry.records()) == 2
    await call(case, early)
    await call(case, late)
    assert len(telemetry.records()) == 2


def _wrap(kind: Any, name: str, seen: list[str], label: str) -> Any:
    """Somebody else's wrapper."""
    original = vars(kind)[name]

    @functools.wraps(original)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        seen.append(label)
        return original(*args, **kwargs)

    setattr(kind, name, wrapper)
    return original


@standing
@pytest.mark.parametrize("order", ["ours last", "ours first"])
async def test_52_others_above_and_below_removed_out_of_order(case: Case, order: str) -> None:
    base = importlib.import_module(f"{case.library}._base_client")
    kind = base.AsyncAPIClient if case.asynchronous else base.SyncAPIClient
    first = vars(kind)["request"]
    seen: list[str] = []
    _wrap(kind, "request", seen, "below")
    try:
        with instrumented(case.kit.distribution) as telemetry:
            above = _wrap(kind, "request", seen, "above")
            await call(case, case.client(case.wire(case.reply())))
            assert seen == ["above", "below"]
            if order == "ours last":
                kind.request = above
        await call(case, case.client(case.wire(case.reply())))
        assert len(telemetry.records()) == 1, "a wrapper left in place does nothing"
        again = Telemetry()
        with instrumented(case.kit.distribution, telemetry=again):
            await call(case, case.client(case.wire(case.reply())))
        assert len(again.records()) == 1, "instrumented again, it is one record"
    finally:
        _forget(case.library)
        kind.request = first


def _forget(library: str) -> None:
    """Let the seam forget wrappers that a test has thrown out."""
    INSTRUMENTORS[library].seam._points.clear()


@standing
async def test_52_a_wrapper_that_another_threw_out_is_put_back(case: Case) -> None:
    base = importlib.import_module(f"{case.library}._base_client")
    kind = base.AsyncAPIClient if case.asynchronous else base.SyncAPIClient
    first = vars(kind)["request"]
    try:
        with instrumented(case.kit.distribution):
            kind.request = first
        with instrumented(case.kit.distribution) as telemetry:
            await call(case, case.client(case.wire(case.reply())))
        assert len(telemetry.records()) == 1
    finally:
        _forget(case.library)
        kind.request = first


@standing
@pytest.mark.parametrize("missing", ["_process_response", "request", "retry"])
async def test_49_50_a_point_that_a_version_lacks_is_left_alone(
    case: Case, missing: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)

    class Bare:
        """A base client of another time."""

    base = importlib.import_module(f"{case.library}._base_client")
    owner = base.AsyncAPIClient if case.asynchronous else base.SyncAPIClient
    names = ("_sleep_for_retry", "_retry_request") if missing == "retry" else (missing,)
    kept = {
        name: given for name, given in vars(owner).items() if name not in (*names, "__dict__", "__weakref__")
    }
    with monkeypatch.context() as patch:
        patch.setattr(base, owner.__name__, type(owner.__name__, (Bare,), kept))
        with instrumented(case.kit.distribution):
            pass
    warned = {record.getMessage() for record in caplog.records if "no seam" in record.getMessage()}
    assert len(warned) == (0 if missing == "retry" else 1)


@library
def test_51_imported_before_after_never_and_reloaded(library: str) -> None:
    script = f"""
import importlib, sys
from tests.support.telemetry import INSTRUMENTORS
instrumentor = INSTRUMENTORS[{library!r}]()
if sys.argv[1] == "before":
    import {library}
instrumentor.instrument()
assert ({library!r} in sys.modules) is (sys.argv[1] == "before"), "we import no client library"
if sys.argv[1] == "never":
    raise SystemExit(0)
import {library}, {library}._base_client as base
point = base.SyncAPIClient.request
assert hasattr(point, "__wrapped__")
instrumentor.uninstrument()
assert not hasattr(base.SyncAPIClient.request, "__wrapped__"), base.SyncAPIClient.request
assert base.SyncAPIClient.request is point.__wrapped__
instrumentor.instrument()
importlib.reload(base)
print("done", hasattr(base.SyncAPIClient.request, "__wrapped__"))
"""
    for when in ("before", "after", "never"):
        ran = subprocess.run(
            [sys.executable, "-c", script, when], capture_output=True, text=True, check=False
        )
        assert ran.returncode == 0, f"{when}: {ran.stderr}"
        assert ran.stderr == ""


@standing
async def test_53_a_suppressed_context_is_not_recorded(case: Case) -> None:
    from opentelemetry.instrumentation.utils import suppress_instrumentation

    async def act(case: Case, client: Any) -> Any:
        with suppress_instrumentation():
            return await call(case, client)

    telemetry = await differential(case, case.reply(), act=act)
    assert telemetry.records() == []
    assert telemetry.spans() == []


@standing
async def test_53_a_call_made_while_a_call_is_settled_does_not_recurse(case: Case) -> None:
    from opentelemetry.sdk.trace import SpanProcessor

    class Nosy(SpanProcessor):
        """A processor that calls the model about each span."""

        deep = 0

        def on_end(self, span: Any) -> None:
            if Nosy.deep < 3:
                Nosy.deep += 1
                inner = Case(case.library, False, False)
                inner.create(inner.client(inner.wire(inner.reply())))

    Nosy.deep = 0
    telemetry = Telemetry(Nosy())
    with instrumented(telemetry=telemetry):
        await call(case, case.client(case.wire(case.reply())))
    assert len(telemetry.records()) == 1 + Nosy.deep


async def test_there_is_a_client_of_each_kind() -> None:
    for case in CASES:
        assert await value(case.create(case.client(case.wire(case.reply())))) is not None
