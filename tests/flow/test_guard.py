"""The guard: a fault is swallowed, counted and logged once, and says nothing that a user said."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from otel_tokenomics.flow import guard
from otel_tokenomics.flow.guard import attempt, fault, faults, guarded, set_strict

SECRET = "sk-secret and a prompt"


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(guard, "_faults", {})
    set_strict(False)
    yield
    set_strict(False)


def fail(place: str, error: BaseException) -> None:
    with guarded(place):
        raise error


def test_a_fault_is_swallowed_counted_and_said_once(caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(3):
        fail("here", ValueError(SECRET))
    fail("here", KeyError(SECRET))
    fail("there", ValueError(SECRET))
    assert faults() == {"here:ValueError": 3, "here:KeyError": 1, "there:ValueError": 1}
    assert [record.levelno for record in caplog.records] == [logging.WARNING] * 3


def test_a_log_line_holds_no_message(caplog: pytest.LogCaptureFixture) -> None:
    fail("here", ValueError(SECRET))
    assert "here failed with ValueError" in caplog.text
    assert SECRET not in caplog.text
    assert caplog.records[0].exc_info is None
    assert SECRET not in repr(faults())


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(1), GeneratorExit()])
def test_what_is_no_fault_passes(error: BaseException) -> None:
    with pytest.raises(type(error)):
        fail("here", error)
    assert faults() == {}


def test_strict_raises_the_fault_itself() -> None:
    set_strict(True)
    error = ValueError(SECRET)
    with pytest.raises(ValueError) as caught:
        fail("here", error)
    assert caught.value is error
    assert faults() == {"here:ValueError": 1}


def test_an_attempt_has_a_value_either_way() -> None:
    assert attempt("here", lambda: 1 + 1, 0) == 2
    assert attempt("here", lambda: int(SECRET), 7) == 7
    assert faults() == {"here:ValueError": 1}


def test_a_copy_is_given_out() -> None:
    fail("here", ValueError())
    faults().clear()
    assert faults() == {"here:ValueError": 1}


def test_faults_of_many_threads_are_all_counted() -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: fail("here", ValueError(n)), range(800)))
    assert faults() == {"here:ValueError": 800}


def test_what_is_remembered_is_bounded() -> None:
    for n in range(guard._MOST_CAUSES + 50):
        fault(f"place {n}", ValueError())
    assert len(faults()) == guard._MOST_CAUSES


def test_a_cause_beyond_the_bound_does_not_flood_the_log(caplog: pytest.LogCaptureFixture) -> None:
    for n in range(guard._MOST_CAUSES):
        fault(f"place {n}", ValueError())
    caplog.clear()
    for _ in range(10):
        fault("one more", ValueError())
    assert len(caplog.records) <= 1
