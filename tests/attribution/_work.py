"""What the tests have other processes do: they import it by name."""

from __future__ import annotations

import multiprocessing
import subprocess
import sys
import threading
from multiprocessing.connection import Connection
from typing import Any

from otel_tokenomics.attribution import ambient, runs

Seen = tuple[list[tuple[str, str, Any]], str | None]
PROGRAM = "from otel_tokenomics.attribution import runs; print(runs.current().id)"


def seen() -> Seen:
    """The runs that this process is in, the innermost first, and its team."""
    work = runs.current()
    chain = [] if work is None else work.chain()
    return [(run.name, run.id, run.limit and run.limit.quantity) for run in chain], ambient.current().team


def in_a_thread() -> Seen:
    """The same, of a thread that is started here."""
    told: list[Seen] = []
    thread = threading.Thread(target=lambda: told.append(seen()))
    thread.start()
    thread.join()
    return told[0]


def tell(sender: Connection) -> None:
    """What is seen here, in a thread, and by a process that is started here."""
    child = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    sender.send((seen(), in_a_thread(), child.stdout.strip()))
    sender.close()


def fail() -> None:
    """An error of the application's own."""
    raise ZeroDivisionError("its own")


class Worker(multiprocessing.get_context("spawn").Process):  # type: ignore[misc]
    """A process with a method of its own in place of a target."""

    def __init__(self, sender: Connection) -> None:
        super().__init__()
        self.sender = sender

    def run(self) -> None:
        tell(self.sender)


def told_by(start: Any) -> Any:
    """What a process tells that `start` makes of the end of a pipe to tell it to."""
    receiver, sender = multiprocessing.Pipe(duplex=False)
    process = start(sender)
    process.start()
    sender.close()
    told = receiver.recv()
    process.join()
    return told, vars(process)
