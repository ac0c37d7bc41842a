"""The opt-in flush at SIGTERM: it flushes, and the process ends as it would have."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from otel_tokenomics.wiring.shutdown import flush_on_sigterm

PROGRAM = """\
import signal, sys
sys.path.insert(0, sys.argv[1])
from otel_tokenomics.wiring.shutdown import flush_on_sigterm

def flush():
    print("flushed", flush=True)
    if sys.argv[2] == "fails":
        raise RuntimeError("flush failed")

assert flush_on_sigterm(flush)
print("ready", flush=True)
signal.pause()
"""

SOURCE = Path(__file__).parents[2] / "src"


@pytest.mark.parametrize("mode", ["works", "fails"])
def test_flushes_and_then_ends_by_the_signal(mode: str) -> None:
    command = [sys.executable, "-c", PROGRAM, str(SOURCE), mode]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGTERM)
    told, errors = process.communicate()
    assert told == "flushed\n"
    assert (errors == "") == (mode == "works")
    assert process.returncode == -signal.SIGTERM


def test_a_handler_of_the_application_stays() -> None:
    previous = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        assert not flush_on_sigterm(lambda: None)
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGTERM, previous)


def test_only_the_main_thread_installs_it() -> None:
    installed: list[bool] = []
    thread = threading.Thread(target=lambda: installed.append(flush_on_sigterm(lambda: None)))
    thread.start()
    thread.join()
    assert installed == [False]
