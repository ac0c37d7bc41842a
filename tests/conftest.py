"""Every test's ground: a slow or shared machine is no defect, so hypothesis measures no time."""

from __future__ import annotations

from hypothesis import HealthCheck, settings
from tests.support.heap import small_heap
from tests.support.watching import (
    pytest_configure,
    pytest_runtest_teardown,
    pytest_sessionfinish,
    pytest_terminal_summary,
    pytest_testnodedown,
)

__all__ = [
    "pytest_configure",
    "pytest_runtest_teardown",
    "pytest_sessionfinish",
    "pytest_terminal_summary",
    "pytest_testnodedown",
    "small_heap",
]

settings.register_profile("steady", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("steady")
