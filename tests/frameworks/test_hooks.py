"""What hooks share: a fault of ours stays ours, and what was wrapped is put back."""

from __future__ import annotations

from typing import Any

import pytest

from otel_tokenomics.attribution import places
from otel_tokenomics.flow.guard import faults
from otel_tokenomics.frameworks.hooks import Patches, quiet


class Framework:
    """What is hooked."""

    def work(self, name: str) -> str | None:
        """Says which agent it is in."""
        return places.here().agent

    async def awork(self, name: str) -> str | None:
        """The same, awaiting."""
        return places.here().agent

    def fail(self, name: str) -> None:
        """Fails by itself."""
        raise LookupError(name)


ORIGINALS = dict(vars(Framework))


@pytest.fixture
def patches() -> Any:
    made = Patches()
    made.active = True
    yield made
    made.restore()
    assert all(vars(Framework)[name] is ORIGINALS[name] for name in ("work", "awork", "fail"))


def named(_: Any, name: str) -> places.Told:
    return lambda: {"agent": name}


async def test_a_frame_is_open_while_a_method_runs(patches: Patches) -> None:
    for method in ("work", "awork", "fail"):
        patches.wrap(Framework, method, named)
    assert Framework().work("planner") == "planner"
    assert await Framework().awork("planner") == "planner"
    with pytest.raises(LookupError):
        Framework().fail("planner")
    assert places.current() is None
    assert Framework.work.__doc__ == "Says which agent it is in."


def test_it_is_wrapped_once_and_what_is_not_there_is_left(patches: Patches) -> None:
    patches.wrap(Framework, "work", named)
    first = Framework.work
    patches.wrap(Framework, "work", named)
    patches.wrap(Framework, "absent", named)
    patches.wrap(None, "work", named)
    assert Framework.work is first
    assert not hasattr(Framework, "absent")


def test_a_fault_of_ours_is_counted_and_the_method_runs(patches: Patches) -> None:
    def broken(*_: Any) -> places.Told:
        raise ZeroDivisionError

    patches.wrap(Framework, "work", broken)
    before = faults().get("framework.open:ZeroDivisionError", 0)
    assert Framework().work("planner") is None
    assert faults()["framework.open:ZeroDivisionError"] == before + 1


def test_who_wrapped_it_since_keeps_a_wrapper_that_does_nothing() -> None:
    patches = Patches()
    patches.active = True
    patches.wrap(Framework, "work", named)
    ours = Framework.work

    def theirs(self: Any, name: str) -> Any:
        return ours(self, name)

    Framework.work = theirs  # type: ignore[method-assign]
    try:
        patches.restore()
        assert Framework.work is theirs
        assert Framework().work("planner") is None
    finally:
        Framework.work = ORIGINALS["work"]  # type: ignore[method-assign]


def test_a_callback_that_fails_is_quiet() -> None:
    @quiet
    def callback() -> None:
        raise ZeroDivisionError

    assert callback() is None
