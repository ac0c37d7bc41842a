"""A price file in an application: used when it is right, reported once and left out when it is wrong."""

from __future__ import annotations

import logging
import subprocess
import sys
from pathlib import Path

import pytest
from tests.pricing._cases import NOW, cost_of, facts, femto, instant
from tests.support.telemetry import Telemetry

from otel_tokenomics.model.call import Reading
from otel_tokenomics.model.usage import Usage
from otel_tokenomics.wiring import assembly
from otel_tokenomics.wiring.settings import Settings

MILLION = {"input": 10**6}
CALL = (facts("openai"), Reading(Usage(MILLION), response_model="gpt-5"), instant(NOW))


def test_without_a_file_prices_are_looked_up_as_ever() -> None:
    assert assembly.pricer_of(None) is assembly._price
    assert assembly.pricer_of(None)(*CALL) == cost_of("openai", "gpt-5", MILLION)


def test_a_file_sets_what_calls_cost(tmp_path: Path) -> None:
    file = tmp_path / "prices.toml"
    file.write_text('[[discount]]\nprovider = "openai"\npercent = "20"\n')
    cost = assembly.pricer_of(file)(*CALL)
    assert (cost.list_femto, cost.amount_femto, cost.method) == (femto("1.25"), femto("1"), "contract")


def test_a_wrong_file_is_said_once_and_list_prices_used(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "prices.toml"
    file.write_text('[[discount]]\nprovider = "openai"\npercent = 20\n')
    for _ in range(2):
        assembly.desk_of(Settings(prices=file), Telemetry().providers)
        assert assembly.pricer_of(file)(*CALL).amount_femto == femto("1.25")
    (said,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert f"{file}, line 3: discount.percent is the number 20; write it as a string" in said.getMessage()
    assert said.getMessage().endswith("The price file is not used: costs are list prices.")


def test_without_a_file_nothing_is_imported_for_it() -> None:
    program = (
        "import sys; from otel_tokenomics.wiring import assembly; assembly.pricer_of(None);"
        "print([name for name in sys.modules if 'pricing.contracts' in name])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
